"""Formats by name: a hand-written list; a format's module is imported when it is used."""

from __future__ import annotations

from importlib import import_module

from pipeline.sinks.contract import SinkKind

SINKS = {
    "parquet": "pipeline.sinks.parquet",
    "arrow": "pipeline.sinks.arrow",
    "jsonl": "pipeline.sinks.jsonl",
}
"""Name in recipes → module."""


def sink(kind: str) -> SinkKind:
    """The format of that name."""
    found: SinkKind = import_module(SINKS[kind]).SINK
    return found
