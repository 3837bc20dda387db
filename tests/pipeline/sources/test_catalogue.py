"""The list of kinds of sources."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from pipeline.sources import catalogue
from pipeline.sources.contract import SourceConfig, SourceKind


@pytest.mark.parametrize("kind", list(catalogue.SOURCES))
def test_each_kind_is_what_it_is_called(kind: str) -> None:
    """The name in the list is the kind of the module's value, and its config type can be made from a path."""
    found = catalogue.source(kind)
    assert found.kind == kind
    assert issubclass(found.config, SourceConfig)
    needed: dict[str, Any] = {"snapshot": "CC-MAIN-2024-18", "fraction": 0.1} if kind == "commoncrawl" else {}
    assert found.config(path="x", **needed).path == "x"


def test_unknown_names() -> None:
    """An unknown name is a KeyError for the caller to explain."""
    with pytest.raises(KeyError):
        catalogue.source("no such kind")


def test_other_distributions_add_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point of the group ``gristmill.sources`` is found by its name, and has to be a source."""
    entries = [
        EntryPoint("theirs", "pipeline.sources.text:SOURCE", "gristmill.sources"),
        EntryPoint("wrong", "pipeline.sources.text:GROUP_FILES", "gristmill.sources"),
    ]

    def entry_points(group: str) -> list[Any]:
        return [entry for entry in entries if entry.group == group]

    monkeypatch.setattr(catalogue, "entry_points", entry_points)
    assert isinstance(catalogue.source("theirs"), SourceKind)
    assert "theirs" in catalogue.source_names()
    assert set(catalogue.SOURCES) < set(catalogue.source_names())
    with pytest.raises(TypeError, match="expected SourceKind"):
        catalogue.source("wrong")
