"""Uses of corpus stages, and sketching: a partition → a sorted run of small records, and signatures by address.

A sketch depends on its partition alone and is kept when other partitions come or go.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.blocks.reading import BlockUnit
from pipeline.blocks.signals import with_signals
from pipeline.blocks.sorted_runs import KEY_ORDER, OWN_ROW, ROLE, sort_records, write_run, write_sorted
from pipeline.blocks.work import Unit
from pipeline.errors import StageBug
from pipeline.recipe.model import StageUse
from pipeline.store import Attempt, BlockStore, Commit
from stages import catalogue
from stages.contract import ADDRESS, BAND_COLUMNS, CorpusStage, Sketch, StageConfig

SIGNATURES = "signatures"
BAND_ORDER = ("key", ADDRESS)


@dataclass(frozen=True)
class CorpusSpec:
    """A use of a corpus stage."""

    name: str
    kind: str
    config: StageConfig

    @property
    def stage(self) -> CorpusStage:
        stage = catalogue.stage(self.kind)
        if not isinstance(stage, CorpusStage):
            raise StageBug(f"{self.kind} is not a corpus stage")
        return stage

    @property
    def record_order(self) -> tuple[str, ...]:
        """What its sketches are sorted by."""
        return BAND_ORDER if self.stage.verify else KEY_ORDER


def corpus_spec(use: StageUse, columns: Collection[str]) -> CorpusSpec:
    """The use of a corpus stage over rows with these columns, its settings settled."""
    spec = CorpusSpec(use.name, use.kind, use.config)
    return replace(spec, config=spec.stage.settle(use.config, columns))


@dataclass(frozen=True)
class SketchWork:
    """One unit: a partition → a sorted run of its records, and a table of signatures where the stage verifies."""

    name: str
    store: BlockStore
    spec: CorpusSpec

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, BlockUnit)
        started = time.perf_counter()
        attempt = Attempt(self.store, unit.key)
        sketches = self._sketches(unit)
        facts: dict[str, Any] = {"number": unit.number}
        if self.spec.stage.verify is None:
            records = [_exact(sketch, self.spec) for sketch in sketches]
        else:
            records = []
            facts[SIGNATURES] = {"first_keys": self._write_signatures(attempt, sketches, records)}
        ordered = sort_records(pa.concat_batches(records), self.spec.record_order)
        facts |= write_sorted(attempt, ROLE, ordered, self.spec.record_order)
        return attempt.commit([], facts, {"sketch": time.perf_counter() - started})

    def _sketches(self, unit: BlockUnit) -> Iterator[pa.RecordBatch | Sketch]:
        """Sketches of the partition's batches; that of an empty batch if there is none."""
        stage, config = self.spec.stage, self.spec.config
        wanted = list(dict.fromkeys([ADDRESS, *stage.reads(config)]))
        some = False
        for batch in with_signals(unit.store.batches(unit.file, wanted), unit.signals):
            some = True
            yield stage.sketch(batch, config)
        if not some:
            schema = unit.store.open(unit.file).schema
            fields = [*(schema.field(name) for name in wanted), *(f for file in unit.signals for f in file.fields())]
            yield stage.sketch(pa.RecordBatch.from_pylist([], schema=pa.schema(fields)), config)

    def _write_signatures(
        self, attempt: Attempt, sketches: Iterator[pa.RecordBatch | Sketch], records: list[pa.RecordBatch]
    ) -> list[int]:
        """Write signatures as they come, by address; collect the records. Returns the first address of each batch."""
        first = _near(next(sketches), self.spec)

        def signatures() -> Iterator[pa.RecordBatch]:
            for sketch in chain([first], (_near(sketch, self.spec) for sketch in sketches)):
                records.append(sketch.records)
                yield sketch.signatures

        with attempt.arrow(SIGNATURES, first.signatures.schema, None) as sink:
            return write_run(sink, signatures(), ADDRESS)


def _exact(sketch: pa.RecordBatch | Sketch, spec: CorpusSpec) -> pa.RecordBatch:
    if isinstance(sketch, Sketch):
        raise StageBug("gave signatures, but does not verify", where=spec.name)
    return sketch


def _near(sketch: pa.RecordBatch | Sketch, spec: CorpusSpec) -> Sketch:
    """The sketch with its ranks behind those of earlier corpora. Raises StageBug if it is not as declared."""
    if not isinstance(sketch, Sketch):
        raise StageBug("gave no signatures to verify by", where=spec.name)
    records, signatures = sketch
    check_schema(records, dict(BAND_COLUMNS), "a sketch", spec)
    if signatures.schema.names[:2] != [ADDRESS, "rank"]:
        raise StageBug(f"signatures begin with {signatures.schema.names[:2]}", where=spec.name)
    addresses = signatures.column(ADDRESS).to_numpy()
    if (addresses[1:] <= addresses[:-1]).any():
        raise StageBug("signatures are not in the order of addresses, one a row", where=spec.name)
    if not np.isin(records.column(ADDRESS).to_numpy(), addresses).all():
        raise StageBug("a row has records and no signature", where=spec.name)
    return Sketch(_own(records, spec), _own(signatures, spec))


def _own(rows: pa.RecordBatch, spec: CorpusSpec) -> pa.RecordBatch:
    ranks = rows.column("rank").to_numpy()
    if (ranks >= OWN_ROW).any():
        raise StageBug("a rank of 2**63 or more", where=spec.name)
    place = rows.schema.get_field_index("rank")
    return rows.set_column(place, rows.schema.field(place), pa.array(ranks | OWN_ROW))


def check_schema(found: pa.RecordBatch, wanted: dict[str, pa.DataType], what: str, spec: CorpusSpec) -> None:
    """Raises StageBug for other columns, types, or another order than the contract says."""
    have = dict(zip(found.schema.names, found.schema.types, strict=True))
    if have != wanted or list(have) != list(wanted):
        raise StageBug(f"columns of {what} are {have}, expected {wanted}", where=spec.name)
