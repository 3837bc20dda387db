"""Export blocks: consecutive partitions of a row block's documents → files of a format in a folder of the user's.

Which partitions become one file is told by the sizes in their commits, so that it is the same for any executor and
number of workers. Unlike all other units' files, these lie outside the store: a commit lists them by their names in the
export's folder, and a unit counts as done while they are there with the right sizes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.patches import CorpusUse, patched
from pipeline.blocks.reading import BlockUnit, read_block
from pipeline.blocks.rechunk import Rechunker
from pipeline.blocks.steps import conform
from pipeline.blocks.work import Unit
from pipeline.errors import GristmillError
from pipeline.fingerprint import digest, library_versions
from pipeline.sinks.catalogue import sink
from pipeline.sinks.contract import SinkKind
from pipeline.sinks.folder import ExportFolder, NewFile, new_file
from pipeline.store import Attempt, BlockStore, Commit, DataFile

PACKED = {"none": 1.0, "snappy": 0.57, "lz4": 0.5, "gzip": 0.38, "zstd": 0.33}
"""Bytes of a file per byte of what is in it, by compression; of prose, about."""

MAX_FOLDERS = 256
"""Values of ``partition_by`` that one task meets: each has a file open and rows waiting."""

_SMALLER = 8
_NAME_BYTES = 200
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

Value = tuple[str | None, ...]
"""Values of the columns that name folders."""


@dataclass(frozen=True)
class ExportSpec:
    """What an export writes. ``columns``: of its documents, in this order; ``schema``: of the documents.

    ``facts``: name → value for the files' own metadata. ``target_bytes``: of a file, about.
    """

    name: str
    format: str
    compression: str
    schema: pa.Schema
    columns: tuple[str, ...]
    partition_by: tuple[str, ...]
    target_bytes: int
    facts: Mapping[str, str]

    @property
    def sink(self) -> SinkKind:
        return sink(self.format)

    @property
    def identity(self) -> list[Any]:
        """What of the settings decides the files' bytes."""
        kind = self.sink
        settings = [self.format, self.compression, self.columns, self.partition_by, self.target_bytes]
        return [kind.version, *settings, dict(self.facts), library_versions(kind.libraries)]

    @property
    def file_schema(self) -> pa.Schema:
        """Of the files: columns that name folders are not repeated in them."""
        return pa.schema([self.schema.field(name) for name in self.columns if name not in self.partition_by])


@dataclass(frozen=True)
class ExportUnit:
    """Consecutive partitions that become one file, or one in each folder. ``index``: number of the group."""

    key: str
    index: int
    inputs: tuple[BlockUnit, ...]

    @property
    def label(self) -> str:
        return f"part {self.index} of {len(self.inputs)} partitions"


def export_units(inputs: Sequence[BlockUnit], spec: ExportSpec, stored: str) -> list[ExportUnit]:
    """As many consecutive partitions as fill ``target_bytes``. ``stored``: compression of the documents' files."""
    from pipeline.tokens.shard_writer import plan_shards

    written = PACKED[spec.compression] / PACKED[stored]
    groups = plan_shards([int(unit.file.bytes * written) for unit in inputs], spec.target_bytes)
    units = []
    for index, group in enumerate(groups):
        chosen = tuple(inputs[place] for place in group)
        units.append(ExportUnit(digest([index, [unit.key for unit in chosen]])[:24], index, chosen))
    return units


@dataclass(frozen=True)
class ExportWork:
    """One unit: partitions → files. ``corpus``: the stage whose patches are applied, if one stands in between."""

    name: str
    store: BlockStore
    spec: ExportSpec
    target: ExportFolder
    corpus: CorpusUse | None = None

    def run(self, unit: Unit) -> Commit:
        assert isinstance(unit, ExportUnit)
        started = time.perf_counter()
        self.target.mark()
        attempt = Attempt(self.store, unit.key)
        for file in _UnitExport(self, unit).files():
            attempt.files[file.name] = file
        return attempt.commit([], {}, {"export": time.perf_counter() - started})

    def done(self, committed: set[str]) -> set[str]:
        """Which of the committed units have all their files."""
        there = self.target.files() if committed else {}
        commits = self.store.read_many(sorted(committed))
        return {c.unit for c in commits if all(there.get(file.name) == file.bytes for file in c.files.values())}


class _UnitExport:
    """One attempt at a unit: every folder's file is open until the last partition was read."""

    def __init__(self, work: ExportWork, unit: ExportUnit) -> None:
        self.work = work
        self.spec = work.spec
        self.unit = unit
        self.open: dict[Value, _OpenFile] = {}

    def files(self) -> list[DataFile]:
        with ExitStack() as held:
            for batch in self._documents():
                for value, rows in split_rows(batch, self.spec.partition_by):
                    self._file(value, held).add(rows)
            return [self.open[value].finish(self._stem(value)) for value in sorted(self.open, key=str)]

    def _documents(self) -> Iterator[pa.RecordBatch]:
        for source in self.unit.inputs:
            for batch, patches in read_block(source):
                if self.work.corpus is not None:
                    batch = patched(batch, patches, self.work.corpus).kept
                if batch.num_rows:
                    yield conform(batch, self.spec.schema)

    def _file(self, value: Value, held: ExitStack) -> _OpenFile:
        if value not in self.open:
            if len(self.open) == MAX_FOLDERS:
                raise GristmillError(
                    f"export {self.spec.name} would have more than {MAX_FOLDERS} folders: one for each value of "
                    f"{', '.join(self.spec.partition_by)}",
                    remedy="leave out the column with so many values from `partition_by`",
                )
            self.open[value] = _OpenFile(self.spec, held.enter_context(new_file(self.work.target.folder)))
            held.callback(self.open[value].close)
        return self.open[value]

    def _stem(self, value: Value) -> str:
        return f"{folder_name(self.spec.partition_by, value)}part-{self.unit.index:05d}"


class _OpenFile:
    """A file that rows are added to, in groups that depend on the rows alone."""

    def __init__(self, spec: ExportSpec, file: NewFile) -> None:
        kind = spec.sink
        share = _SMALLER if spec.partition_by else 1  # many files are open at a time
        self.ending = kind.compressions[spec.compression]
        self.columns = spec.file_schema.names
        self.file = file
        self.groups = Rechunker(kind.group_rows // share, kind.group_bytes // share)
        self.writer = kind.open(file.sink, spec.file_schema, spec.compression, spec.facts)
        self.rows = 0
        self.is_closed = False

    def add(self, rows: pa.RecordBatch) -> None:
        self._write(self.groups.add(rows))

    def _write(self, groups: Iterator[pa.RecordBatch]) -> None:
        for group in groups:
            self.rows += group.num_rows
            self.writer.write(group.select(self.columns))

    def finish(self, stem: str) -> DataFile:
        """The file, published under its name."""
        self._write(self.groups.finish())
        self.writer.close()
        self.is_closed = True
        checksum = self.file.sink.checksum()
        name = f"{stem}-{checksum[:12]}{self.ending}"
        self.file.publish(name)
        return DataFile(name, self.file.sink.bytes, self.rows, checksum)

    def close(self) -> None:
        """After a failure: a writer that is still open would write to a closed file when it is collected."""
        if not self.is_closed:
            with suppress(Exception):
                self.writer.close()


def split_rows(batch: pa.RecordBatch, columns: Sequence[str]) -> Iterator[tuple[Value, pa.RecordBatch]]:
    """Rows by the values of some string columns, in the order in which the values come. All rows for no columns."""
    if not columns:
        yield (), batch
        return
    codes: npt.NDArray[np.int64] = np.zeros(batch.num_rows, np.int64)
    for name in columns:
        found = batch.column(name).dictionary_encode(null_encoding="encode")
        codes = codes * len(found.dictionary) + found.indices.to_numpy()
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    for place in np.argsort(first):
        value = tuple(batch.column(name)[first[place]].as_py() for name in columns)
        yield value, batch.take(pa.array(np.flatnonzero(inverse == place)))


def folder_name(columns: Sequence[str], value: Value) -> str:
    """``language=de/source=web/``, as Hive and its readers write it."""
    parts = [f"{c}={_NO_VALUE if v is None else quote(v, safe='')}" for c, v in zip(columns, value, strict=True)]
    for part in parts:
        if len(part) > _NAME_BYTES:
            remedy = "choose another `partition_by`"
            raise GristmillError(f"{part[:60]}… is too long for a folder's name", remedy=remedy)
    return "".join(f"{part}/" for part in parts)


def manifest_facts(spec: ExportSpec, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of an export besides its files."""
    return {
        **facts,
        **spec.facts,
        "file_format": spec.format,
        "compression": spec.compression,
        "partition_by": list(spec.partition_by),
        "schema": {field.name: str(field.type) for field in spec.file_schema},
    }
