"""``gristmill whatif`` in the terminal: what every rule drops now and would drop, and what would be left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reports import figures
from pipeline.reports.whatif import WhatIf, entries_by_reason
from pipeline.terminal import text

RELEASED_SHOWN = 20

Pair = tuple[int, int]
"""Documents, bytes."""


def print_what_if(found: WhatIf, console: Console, stages: list[str]) -> None:
    """``stages``: addresses in the recipe's order."""
    for change in found.changes:
        console.print(text(f"what if {change}", "bold"))
    console.print(rule_table(found, stages))
    for title, place in (("by source, kept", 0), ("by language, kept", 1)):
        console.print(kept_table(found, title, lambda key, place=place: key[place]))  # type: ignore[misc]
    for line in verdict(found):
        console.print(line, soft_wrap=True)


def rule_table(found: WhatIf, stages: list[str]) -> Table:
    """Every reason whose amount differs, and what is left."""
    table = _table("dropped", "stage, reason")
    before, after = entries_by_reason(found.before), entries_by_reason(found.after)
    keys = {key for key in {*before, *after} if key[1] in ("dropped", "cut", "added")}
    for stage in stages:
        rows = [key for key in sorted(keys) if key[0] == stage and before.get(key) != after.get(key)]
        if rows:
            table.add_row(text(stage, "bold"))
        for key in rows:
            kind = "" if key[1] == "dropped" else f"{key[1]}: "
            table.add_row(text(f"  {kind}{key[2]}"), *_cells(before.get(key, (0, 0)), after.get(key, (0, 0))))
    table.add_section()
    total = _sums(found.kept_before, lambda key: ""), _sums(found.kept_after, lambda key: "")
    table.add_row(text("kept", "bold"), *_cells(total[0].get("", (0, 0)), total[1].get("", (0, 0))))
    return table


def kept_table(found: WhatIf, title: str, by: Callable[[tuple[str, str]], str]) -> Table:
    """Finished documents whose fate is known."""
    table = _table(title, "")
    before, after = _sums(found.kept_before, by), _sums(found.kept_after, by)
    for name in sorted({*before, *after}, key=lambda name: -before.get(name, (0, 0))[1]):
        table.add_row(text(name), *_cells(before.get(name, (0, 0)), after.get(name, (0, 0))))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold", min_width=16)
    for name in ("documents", "would be", "change", "bytes", "would be"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cells(before: Pair, after: Pair) -> Iterator[Text]:
    change = after[0] - before[0]
    yield Text(figures.count(before[0]))
    yield Text(figures.count(after[0]), "bold")
    yield Text(f"{'+' if change > 0 else '−'}{figures.count(abs(change))}" if change else "")
    yield Text(figures.size(before[1]))
    yield Text(figures.size(after[1]), "bold")


def _sums(kept: dict[tuple[str, str], Pair], by: Callable[[tuple[str, str]], str]) -> dict[str, Pair]:
    sums: dict[str, Pair] = {}
    for key, (documents, n_bytes) in kept.items():
        have = sums.get(by(key), (0, 0))
        sums[by(key)] = have[0] + documents, have[1] + n_bytes
    return sums


def verdict(found: WhatIf) -> Iterator[Text]:
    """Exact or bounds, and why."""
    if found.exact:
        yield text("exact: a run with these thresholds gives these books", "green")
    else:
        low, high = found.kept_bounds()
        yield text(f"kept: between {low:,} and {high:,} documents; shown above are those whose fate is known", "yellow")
    yield from map(text, _reasons(found))


def _reasons(found: WhatIf) -> Iterator[str]:
    if found.released:
        documents = sum(documents for documents, _ in found.released.values())
        yield f"{documents:,} released documents meet stages that never saw them: between none and all of them stay:"
    for (rule, source, language), (documents, n_bytes) in list(found.released.items())[:RELEASED_SHOWN]:
        yield f"  by {rule}: {documents:,} documents, {figures.size(n_bytes)} ({source}, {language})"
    if found.before_corpus:
        yield "released documents may take the place of copies that the corpus stage kept"
    if found.returning:
        yield f"{found.returning:,} copies were dropped for what is gone: between none and all of them return"
    if found.fits:
        yield f"fits keep the run's values; {', '.join(found.fits)} would learn from other documents"
