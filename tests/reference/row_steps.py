"""Slow, obvious twin of ``pipeline.blocks.steps``: one document after the other goes through the fake stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.blocks.steps import RouteStep, StageStep, Step
from pipeline.books import Books
from tests.fake_stages import kind_of, share_of


@dataclass
class Fate:
    """What became of a document: its columns at the end, its signals, and the rule that dropped it."""

    row: dict[str, Any]
    signals: dict[str, Any] = field(default_factory=dict)
    dropped_by: str | None = None


def fate_of(steps: Sequence[Step], row: dict[str, Any], source: str, books: Books) -> Fate:
    """Take one document through the steps, and book it."""
    fate = Fate(dict(row))
    _through(steps, fate, source, books)
    return fate


def _through(steps: Sequence[Step], fate: Fate, source: str, books: Books) -> None:
    for step in steps:
        if fate.dropped_by is None and isinstance(step, RouteStep):
            branch = step.branches.get(fate.row[step.by] or "", step.default)
            _through(branch or (), fate, source, books)
        elif fate.dropped_by is None and isinstance(step, StageStep):
            when = step.config.when or {}
            if all(fate.row[column] in values for column, values in when.items()):
                _stage(step, fate, source, books)


def _stage(step: StageStep, fate: Fate, source: str, books: Books) -> None:
    before = len(fate.row["text"].encode())
    signal, cut = _apply(step, fate.row)
    after = len(fate.row["text"].encode())
    for name, value in signal.items():
        fate.signals[f"{step.name}.{name}"] = round(value, 4) if isinstance(value, float) else value
    if step.kind in ("fake_cut", "fake_add"):
        fate.signals[f"{step.name}.bytes"] = after
    language = fate.row["language"]
    books.add(step.address, source, language, "in", "", 1, before)
    if cut:
        config: Any = step.config
        books.add(step.address, source, language, "cut", config.letter, 1, cut)
    if after - before + cut:
        books.add(step.address, source, language, "added", "", 1, after - before + cut)
    rule = _broken(step, fate)
    books.add(step.address, source, language, "dropped" if rule else "out", rule or "", 1, after)
    fate.dropped_by = f"{step.address}:{rule}" if rule else None


def _apply(step: StageStep, row: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Change the row; its signals, and how many bytes were cut."""
    text: str = row["text"]
    config: Any = step.config
    if step.kind == "fake_size":
        return {"bytes": len(text.encode())}, 0
    if step.kind == "fake_share":
        return {"share": share_of(text, config.letter)}, 0
    if step.kind == "fake_first":
        return {"kind": kind_of(text)}, 0
    if step.kind == "fake_cut":
        row["text"] = text.replace(config.letter, "")
        return {"left": len(row["text"].encode())}, len(text.encode()) - len(row["text"].encode())
    if step.kind == "fake_add":
        row["text"] = text + config.text
    elif step.kind == "fake_language":
        row["language"] = kind_of(text) or "und"
    elif step.kind == "fake_mark":
        row["mark"] = len(text)
    return {}, 0


def _broken(step: StageStep, fate: Fate) -> str | None:
    config: Any = step.config
    if step.kind == "fake_size":
        value = fate.signals[f"{step.name}.bytes"]
        if config.min_bytes is not None and value < config.min_bytes:
            return "too_small"
        return "too_large" if config.max_bytes is not None and value > config.max_bytes else None
    if step.kind == "fake_share":
        value = fate.signals[f"{step.name}.share"]
        return "too_large" if None not in (value, config.max_share) and value > config.max_share else None
    if step.kind == "fake_cut":
        value = fate.signals[f"{step.name}.left"]
        return "too_small" if config.min_left is not None and value < config.min_left else None
    if step.kind == "fake_first" and config.allowed is not None:
        value = fate.signals[f"{step.name}.kind"]
        looked_at = all(fate.row[column] in values for column, values in (config.only or {}).items())
        return "not_allowed" if looked_at and value is not None and value not in config.allowed else None
    return None
