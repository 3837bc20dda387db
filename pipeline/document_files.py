"""Documents of files and runs for commands that have no recipe, read as the sources of recipes read them.

What a path is: a file is told by its name, a folder by the names of the files in it. Files of any other name are plain
text, a document each. A folder with a ``run.json`` is a run, and so is a name below ``./runs``; of a run come the
documents that it kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.errors import GristmillError, RunNotFound
from pipeline.reports.inert import inert
from pipeline.runs import find_run
from pipeline.sources import catalogue
from pipeline.storage import Folder

TEXT = "text"
RUN = "run"
ENDINGS: Mapping[str, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet", ".parq", ".pq"),
    "arrow": (".arrow", ".arrows", ".ipc", ".feather"),
    "csv": (".csv", ".tsv", ".tab"),
}
"""Kind of source → endings of its files, which one of a compression may follow."""


def kind_of(path: str) -> str:
    """The kind of source that reads the path. Raises GristmillError for a folder with files of several."""
    kind = _by_name(path)
    if kind is not None or os.path.isfile(path):
        return kind or TEXT
    if run_folder(path) is not None:
        return RUN
    kinds = sorted({found for _, _, names in os.walk(path) for name in names if (found := _by_name(name))})
    if len(kinds) > 1:
        remedy = "give its files by a glob, as in 'folder/*.parquet'"
        raise GristmillError(f"files of several kinds: {', '.join(kinds)}", where=path, remedy=remedy)
    return kinds[0] if kinds else TEXT


def run_folder(path: str) -> str | None:
    """The folder of a run, given it or the run's name below ``./runs``; None for other paths."""
    if os.path.exists(path) and not Folder(path).exists("run.json"):
        return None
    try:
        return find_run(path)
    except RunNotFound:
        return None


def _by_name(path: str) -> str | None:
    parts = os.path.basename(path).lower().split(".")[1:]
    return next((kind for kind, endings in ENDINGS.items() if any(f".{part}" in endings for part in parts)), None)


def read_documents(path: str, text: str = "text", fields: Mapping[str, str] | None = None) -> Iterator[pa.RecordBatch]:
    """Rows with ``text`` and the fields, as strings, batch by batch. Raises GristmillError.

    Records that cannot be read are left out; how many, and where the first one is, goes to standard error.

    ``text``: column of the text, or its path in JSON; that of runs is known. ``fields``: name → column, or path; plain
    text has none.
    """
    kind, wanted = kind_of(path), dict(fields or {})
    settings: dict[str, Any] = {"path": path}
    if kind == RUN:
        settings["path"] = run_folder(path)
    elif kind != TEXT:
        settings |= {"text": text, "fields": wanted}
    source = catalogue.source(kind)
    config = source.settle(source.config.model_validate(settings), None)
    columns = {} if kind == TEXT else wanted if kind == RUN else {name: name for name in wanted}
    left_out: list[pa.RecordBatch] = []
    for partition in source.split(kind, config):
        for batch in source.read(partition, config):
            left_out += [batch.quarantined] if batch.quarantined is not None and batch.quarantined.num_rows else []
            yield _chosen(batch.rows, columns, path)
    if left_out:
        _tell(path, left_out)


def _tell(path: str, left_out: Sequence[pa.RecordBatch]) -> None:
    first = left_out[0].slice(0, 1).to_pylist()[0]
    count = sum(batch.num_rows for batch in left_out)
    what = f"{count:,} records that cannot be read were left out"
    where = f"first {first['file']} at {first['offset']}: {first['reason']} {first['detail'] or ''}"
    print(inert(f"gristmill: {path}: {what}; {where}".rstrip()), file=sys.stderr)


def _chosen(rows: pa.RecordBatch, columns: Mapping[str, str], path: str) -> pa.RecordBatch:
    """The text, and name → column as strings."""
    found = {"text": rows.column("text")}
    for name, column in columns.items():
        if column not in rows.schema.names:
            remedy = f"its columns are {', '.join(rows.schema.names)}"
            raise GristmillError(f"has no column {column!r}", where=path, remedy=remedy)
        found[name] = rows.column(column).cast(pa.string())
    return pa.record_batch(found)
