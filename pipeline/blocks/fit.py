"""Fit blocks: summarize every partition, then make the artifact from all summaries.

The artifact's file is committed with its hash; a retrain that gives other bytes under the same fingerprint is
an error, because everything computed with the first artifact would silently disagree with the second.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.blocks.models import model_of_fit, models_of
from pipeline.blocks.patches import CorpusUse, patched
from pipeline.blocks.reading import (
    BlockUnit,
    SourceReader,
    SourceUnit,
    read_block,
    read_partition,
    sample_mask,
    with_base_columns,
)
from pipeline.blocks.steps import (
    BatchLog,
    RouteStep,
    Rows,
    StageStep,
    Step,
    StepRunner,
    signal_columns,
    stage_steps,
)
from pipeline.blocks.work import Unit
from pipeline.books import Books
from pipeline.errors import GristmillError
from pipeline.store import Attempt, BlockStore, Commit, DataFile
from stages import catalogue
from stages.contract import SIGNAL, FitConfig

MERGE_EVERY = 16
"""Summaries waiting to be merged; bounds memory without merging after every batch."""


@dataclass(frozen=True)
class FitSpec:
    """A fit of the recipe. ``measure``: steps that give the signal that it asked for.

    ``brought``: steps that make documents of what sources read, for a fit that learns from sources. ``resources``:
    name → path or URI, or ``fit:name`` in a plan.
    """

    name: str
    kind: str
    config: FitConfig
    measure: tuple[Step, ...] = ()
    brought: tuple[Step, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)

    @property
    def signal(self) -> str | None:
        return catalogue.fit(self.kind).signal(self.config)

    def model(self) -> Any:
        """What the fit loads of its resources, once per process."""
        return model_of_fit(self.kind, self.config, self.resources)


@dataclass(frozen=True)
class SummarizeWork:
    """One unit: a partition → its summary."""

    name: str
    store: BlockStore
    spec: FitSpec
    readers: Mapping[str, SourceReader] = field(default_factory=dict)
    sample: float | None = None
    seed: int = 0
    corpus: CorpusUse | None = None

    def run(self, unit: Unit) -> Commit:
        started = time.perf_counter()
        fit, config = catalogue.fit(self.spec.kind), self.spec.config
        runner = StepRunner(self.spec.measure, models_of(self.spec.measure))
        model = self.spec.model()
        waiting: list[pa.Table] = []
        for batch in self._documents(unit):
            waiting.append(fit.summarize(self._measured(runner, batch), config, model))
            if len(waiting) >= MERGE_EVERY:
                waiting = [fit.merge(waiting, config)]
        attempt = Attempt(self.store, unit.key)
        if waiting:
            write_table(attempt, "summary", fit.merge(waiting, config))
        return attempt.commit([], {}, {"summarize": time.perf_counter() - started})

    def _documents(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        for batch in self._batches(unit):
            kept = batch if self.sample is None else batch.filter(pa.array(sample_mask(batch, self.sample, self.seed)))
            if kept.num_rows:
                yield kept

    def _batches(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        if isinstance(unit, SourceUnit):
            reader, ordinal = self.readers[unit.source], 0
            brought = StepRunner(self.spec.brought, models_of(self.spec.brought))
            for read in read_partition(reader, unit):
                batch = with_base_columns(reader, unit.number, ordinal, read.rows)
                ordinal += batch.num_rows
                rows = Rows(batch, np.arange(batch.num_rows))
                yield brought.run(rows, unit.source, Books(), BatchLog.of(batch.num_rows)).batch
        elif isinstance(unit, BlockUnit):
            for batch, patches in read_block(unit):
                yield batch if self.corpus is None else patched(batch, patches, self.corpus).kept

    def _measured(self, runner: StepRunner, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.spec.signal is None:
            return batch
        log = BatchLog.of(batch.num_rows)
        runner.run(Rows(batch, np.arange(batch.num_rows)), "", Books(), log)
        kind = signal_columns(self.spec.measure)[self.spec.signal]
        return batch.append_column(pa.field(SIGNAL, kind), log.signal(self.spec.signal, kind))


@dataclass(frozen=True)
class FinishUnit:
    """The one unit that makes the artifact."""

    key: str
    summaries: tuple[DataFile, ...]

    @property
    def label(self) -> str:
        return "artifact"


@dataclass(frozen=True)
class FinishWork:
    """All summaries → the artifact."""

    name: str
    store: BlockStore
    spec: FitSpec

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, FinishUnit)
        started = time.perf_counter()
        fit, model = catalogue.fit(self.spec.kind), self.spec.model()
        tables = [read_table(self.store, file) for file in unit.summaries]
        try:
            content = fit.finish(fit.merge(tables, self.spec.config), self.spec.config, model)
        except ValueError as error:
            remedy = "look at what the stages before it drop, or learn from other documents"
            raise GristmillError(str(error), where=f"fit {self.spec.name}", remedy=remedy) from error
        attempt = Attempt(self.store, unit.key)
        with attempt.create(artifact_role(self.spec.kind)) as sink:
            sink.write(content)
        facts = {"sha256": hashlib.sha256(content).hexdigest()}
        return attempt.commit([], facts, {"finish": time.perf_counter() - started})


def artifact_role(kind: str) -> str:
    """Role, and so the ending, of the artifact's file."""
    return f"artifact.{catalogue.fit(kind).suffix}"


def write_table(attempt: Attempt, role: str, table: pa.Table) -> None:
    """Write a table as an Arrow file, in batches of 65,536 rows."""
    with attempt.arrow(role, table.schema) as sink:
        for batch in table.combine_chunks().to_batches(max_chunksize=65536):
            sink.write(batch)


def read_table(store: BlockStore, file: DataFile) -> pa.Table:
    """Read back what :func:`write_table` wrote."""
    return store.open(file).read_all()


def measuring_steps(steps: Sequence[Step], name: str) -> tuple[Step, ...]:
    """Only the uses of the stage of that name and of those whose signals it asks for, with the routes around them."""
    names = {name}
    for step in reversed(list(stage_steps(steps))):
        if step.name in names:
            names |= {signal.rpartition(".")[0] for signal in step.asks}
    return _named(steps, names)


def _named(steps: Sequence[Step], names: Collection[str]) -> tuple[Step, ...]:
    found: list[Step] = []
    for step in steps:
        if isinstance(step, StageStep):
            if step.name in names:
                found.append(step)
            continue
        branches = {value: tuple(s for s in branch if s.name in names) for value, branch in step.branches.items()}
        default = None if step.default is None else tuple(s for s in step.default if s.name in names)
        if any(branches.values()) or default:
            found.append(RouteStep(step.by, branches, default))
    return tuple(found)
