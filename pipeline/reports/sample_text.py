"""``gristmill sample``: documents that were dropped or kept, masked when they were stored, made safe to show here."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
from rich.console import Console

from pipeline.blocks.samples import KEPT
from pipeline.errors import RunNotFound
from pipeline.reports import figures
from pipeline.reports.inert import one_line
from pipeline.terminal import text

CHARACTERS = 600


def print_samples(
    samples: pa.Table, console: Console, rule: str | None, source: str | None, language: str | None, n: int
) -> None:
    """Samples by rule, at most ``n`` of each. Raises RunNotFound with the rules that there are if none fits."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for row in samples.to_pylist():
        if _wanted(row, rule, source, language) and len(shown.setdefault(row["rule"], [])) < n:
            shown[row["rule"]].append(row)
    if not shown:
        rules = sorted(set(samples.column("rule").to_pylist()))
        raise RunNotFound("no sample fits", remedy=f"there are samples of: {', '.join(rules) or 'nothing'}")
    for name in sorted(shown, key=lambda name: (name == KEPT, name)):
        label = "kept" if name == KEPT else f"dropped by {name}"
        console.print(text(label, "bold green" if name == KEPT else "bold red"))
        for row in shown[name]:
            _print_sample(row, console)


def _wanted(row: dict[str, Any], rule: str | None, source: str | None, language: str | None) -> bool:
    names = row["rule"], re.sub(r"\[[^]]*\]", "", row["rule"])
    fits = rule is None or rule in names or (rule != KEPT and any(rule in name for name in names))
    return fits and source in (None, row["source"]) and language in (None, row["language"])


def _print_sample(row: dict[str, Any], console: Console) -> None:
    about = f"  {one_line(row['id'])}   {row['source']}, {row['language']}, {figures.size(row['bytes'])}"
    console.print(text(about, "dim"), soft_wrap=True)
    body: str = row["text"]
    cut = body if len(body) <= CHARACTERS else body[:CHARACTERS] + " […]"
    for line in cut.split("\n"):
        console.print(text(f"    {line}"), soft_wrap=True)
    console.print()
