"""The documents that earlier runs kept; ``path`` is the folder of a run, as in ``./runs/2024``, or a list of them.

They are what ``gristmill.open(run).documents()`` gives: ids, texts, dates, licences, languages and domains of the run,
and the columns that its sources and stages made; only ``columns`` go before them. ``content_hash`` is that of the text
as the run left it. The run is never changed.

A stored partition of the run is a partition here. The checksum of its documents is in its key, so running the earlier
recipe again leaves the work on them good where the same documents come of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
from pydantic import field_validator

from pipeline.errors import GristmillError, RunNotFound, SourceError, StoreError
from pipeline.runs import Run, load_run, stored_block
from pipeline.sources.columns import Faults
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.records import quarantine, row_schema
from pipeline.storage import Folder
from pipeline.store import BlockStore, DataFile
from stages.contract import BASE_COLUMNS

DOCUMENTS = "docs"
"""Role of the files that hold documents."""
_AGAIN = "run its recipe again"
_FEWER = "name the columns that you want in `fields`, and leave it out"


class EarlierRunConfig(SourceConfig):
    """The documents of earlier runs."""

    fields: dict[str, str] | None = None
    """Further columns that are taken over: name → Arrow type, as in ``{cluster_size: uint32}``; all of them by default.
    The resolved recipe says which these were."""

    @field_validator("exclude")
    @classmethod
    def _is_whole(cls, exclude: list[str]) -> list[str]:
        if exclude:
            raise ValueError("a run is read as a whole: leave `exclude` out")
        return exclude

    @property
    def folders(self) -> list[str]:
        return [self.path] if isinstance(self.path, str) else list(self.path)


def fields(config: EarlierRunConfig) -> Mapping[str, pa.DataType]:
    """Columns beyond the common ones. Every document of a run has a language and a domain."""
    further = {name: pa.type_for_alias(kind) for name, kind in (config.fields or {}).items()}
    return {"language": pa.string(), "domain": pa.string(), **further}


@dataclass(frozen=True)
class _Kept:
    """Where the documents of a finished run are."""

    run: Run
    store: BlockStore
    units: tuple[str, ...]

    @staticmethod
    def by(folder: str) -> _Kept:
        """Raises SourceError for a run that is not there, or not finished."""
        try:
            run = load_run(folder)
        except RunNotFound as error:
            remedy = "`path` takes folders of runs, as in ./runs/2024"
            raise SourceError("no run in this folder", where=folder, remedy=remedy) from error
        except GristmillError as error:
            raise SourceError(error.message, where=folder, remedy=error.remedy) from error
        if run.status != "finished":
            raise SourceError(f"run {run.name} is not finished", where=folder, remedy=_AGAIN)
        block = run.blocks_of("rows")[-1]
        return _Kept(run, stored_block(run, block), block.units)

    def files(self) -> Iterator[tuple[int, DataFile]]:
        """(number, documents) of each stored partition, in the order of the run. Raises SourceError if one is gone."""
        data = self.store.data
        found = data.fs.get_file_info(pafs.FileSelector(data.path, allow_not_found=True))
        sizes = {info.base_name: info.size for info in found}
        with self._readable():
            for commit in self.store.read_many(self.units):
                file = commit.files[DOCUMENTS]
                if sizes.get(file.name) != file.bytes:
                    raise StoreError(f"{file.name} is gone, or has another size")
                yield commit.facts["number"], file

    def columns(self) -> dict[str, pa.DataType]:
        """Column → type of what the run's sources and stages made beyond the base columns. Raises SourceError."""
        with self._readable():
            schema = self.store.open(self.store.read(self.units[0]).files[DOCUMENTS]).schema
        return {field.name: field.type for field in schema if field.name not in BASE_COLUMNS}

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            message = f"the store has not all documents of run {self.run.name} any more: {error.message}"
            raise SourceError(message, where=self.run.folder, remedy=_AGAIN) from error


def settle(config: EarlierRunConfig, own: str | None) -> EarlierRunConfig:
    """The config with the columns that are taken over. Raises SourceError."""
    found: dict[str, str] = {}
    for folder in config.folders:
        if own is not None and Folder(folder).uri.rstrip("/") == own.rstrip("/"):
            remedy = "give this recipe another `name`, or read another run"
            raise SourceError("this is the folder of the run that would read it", where=folder, remedy=remedy)
        for name, kind in _Kept.by(folder).columns().items():
            if found.setdefault(name, str(kind)) != str(kind):
                message = f"column {name!r} is {kind} here and {found[name]} in another of the runs"
                raise SourceError(message, where=folder, remedy=_FEWER)
    wanted = found if config.fields is None else config.fields
    for name, kind in wanted.items():
        _check_column(name, kind, found, ", ".join(config.folders))
    return config.model_copy(update={"fields": dict(wanted)})


def _check_column(name: str, kind: str, found: Mapping[str, str], where: str) -> None:
    if found.get(name) != kind:
        known = ", ".join(f"{name}: {kind}" for name, kind in found.items()) or "none"
        raise SourceError(f"no column {name!r} of type {kind}", where=where, remedy=f"its further columns are {known}")
    try:
        pa.type_for_alias(kind)
    except ValueError as error:
        message = f"column {name!r} holds {kind}, which a source cannot give"
        raise SourceError(message, where=where, remedy=_FEWER) from error


def split(source: str, config: EarlierRunConfig) -> Sequence[Partition]:
    """The stored partitions, run by run in the order of the settings. Raises SourceError."""
    partitions = []
    for folder in config.folders:
        kept = _Kept.by(folder)
        for number, file in kept.files():
            uri, relative = f"{kept.store.data.uri}/{file.name}", f"{kept.run.name}/{number:010x}"
            partitions.append(Partition(source, (Piece(uri, relative, 0, 0, file.bytes, file.checksum),)))
    return partitions


def read(partition: Partition, config: EarlierRunConfig) -> Iterator[SourceBatch]:
    """The partition's documents as they were stored; too long ones are quarantined.

    Raises StoreError if the file is gone or has changed.
    """
    schema = row_schema(fields(config))
    for piece in partition.pieces:
        folder, _, name = piece.uri.rpartition("/data/")
        store, file = BlockStore(Folder(folder)), DataFile(name, piece.size, 0, piece.stamp)
        there = [name for name in schema.names if name in store.open(file).schema.names]
        first = 0
        for batch in store.batches(file, there):
            yield _batch(batch, first, schema, partition.source, piece.relative, config.max_document_bytes)
            first += batch.num_rows


def _batch(
    stored: pa.RecordBatch, first: int, schema: pa.Schema, source: str, relative: str, limit: int
) -> SourceBatch:
    columns = [
        stored.column(field.name) if field.name in stored.schema.names else pa.nulls(stored.num_rows, field.type)
        for field in schema
    ]
    rows = pa.RecordBatch.from_arrays(columns, schema=schema)
    faults = Faults(rows.num_rows)
    text = rows.column("text")
    faults.add(pc.greater(pc.binary_length(text), limit), "too_large", f"a text of more than {limit:,} bytes")
    records = faults.records(text, first)
    if records:
        rows = rows.filter(pa.array(faults.codes < 0))
    return SourceBatch(rows, quarantine(source, relative, records))


SOURCE = SourceKind(
    kind="run",
    version=1,
    config=EarlierRunConfig,
    split=split,
    read=read,
    fields=fields,
    settle=settle,
    libraries=("pyarrow",),
)
