"""Every kind of source, by the name that recipes use.

A hand-written list of modules, imported when a recipe names them. Another distribution adds its own through the
entry-point group ``gristmill.sources``, pointing at a ``SOURCE`` value.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points

from pipeline.sources.contract import SourceKind

SOURCES: Mapping[str, str] = {
    "arrow": "pipeline.sources.arrow",
    "code": "pipeline.sources.code_trees",
    "csv": "pipeline.sources.delimited",
    "jsonl": "pipeline.sources.jsonl",
    "markdown": "pipeline.sources.markdown",
    "parquet": "pipeline.sources.parquet",
    "run": "pipeline.sources.earlier_run",
    "text": "pipeline.sources.text",
    "warc": "pipeline.sources.warc",
    "commoncrawl": "pipeline.sources.commoncrawl",
    "epub": "pipeline.sources.epub",
    "pdf": "pipeline.sources.pdf",
    "stackexchange": "pipeline.sources.stackexchange",
    "wikipedia": "pipeline.sources.wikipedia",
}

_GROUP = "gristmill.sources"


def source_names() -> list[str]:
    """Names of all kinds, ours and installed ones, sorted."""
    return sorted({*SOURCES, *(entry.name for entry in entry_points(group=_GROUP))})


def source(kind: str) -> SourceKind:
    """The kind of source of that name. Raises KeyError for an unknown one."""
    found = _load(kind)
    if not isinstance(found, SourceKind):
        raise TypeError(f"source {kind!r} is a {type(found).__name__}, expected SourceKind")
    return found


def _load(kind: str) -> object:
    if kind in SOURCES:
        return importlib.import_module(SOURCES[kind]).SOURCE
    for entry in entry_points(group=_GROUP):
        if entry.name == kind:
            return entry.load()
    raise KeyError(kind)
