"""What differs between two runs, stage by stage and rule by rule."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reports import figures
from pipeline.reports.model import Amount, Report
from pipeline.reports.table import reason_label
from pipeline.terminal import text

NOTHING = Amount()
Line = tuple[str, str]
"""Stage and reason; the reason is empty for what came in."""


def print_difference(one: Report, two: Report, recipes: tuple[str, str], console: Console) -> None:
    """The second run against the first. ``recipes``: as resolved, whose differing lines come first."""
    for changed in recipe_changes(*recipes):
        console.print(text(changed, "red" if changed.startswith("-") else "green"), soft_wrap=True)
    lines, others = amounts(one), amounts(two)
    table = Table(title=f"{one.run.name} and {two.run.name}", title_justify="left", title_style="bold",
                  box=box.SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    table.add_column("stage, reason", overflow="fold", min_width=16)
    for name in (one.run.name, two.run.name, "change", "bytes", "bytes", "share", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in _order(lines, others):
        table.add_row(*_row(line, lines, others))
    kept = one.kept.total, two.kept.total
    table.add_section()
    table.add_row(text("kept", "bold"), *_cells(*kept), *_shares(kept, (_read(one), _read(two))))
    console.print(table)
    for said in _notes(one, two):
        console.print(text(said), soft_wrap=True)


def recipe_changes(one: str, two: str) -> list[str]:
    """Lines of two resolved recipes that differ, those aside that change no result."""
    before, after = ([line for line in recipe.splitlines() if not line.startswith(_ASIDE)] for recipe in (one, two))
    found = difflib.unified_diff(before, after, lineterm="", n=0)
    return [line for line in found if not line.startswith(("---", "+++", "@@"))]


_ASIDE = ("name:", "store:", "runs:", "vars:", "execution:", "  executor:", "  workers:", "  address:")


def amounts(report: Report) -> dict[Line, Amount]:
    """What came into every stage, and what went for each reason."""
    found: dict[Line, Amount] = {}
    for stage in report.stages:
        found[stage.address, ""] = stage.flow["in"]
        for reason in stage.reasons:
            found[stage.address, reason_label(reason)] = reason.total
    return found


def _order(one: dict[Line, Amount], two: dict[Line, Amount]) -> list[Line]:
    """Lines of the first run in their order, those that only the second has behind their stage's."""
    order = list(one)
    for line in two:
        if line not in one:
            places = [index for index, other in enumerate(order) if other[0] == line[0]]
            order.insert(places[-1] + 1 if places else len(order), line)
    return [line for line in order if not line[1] or _something(one.get(line)) or _something(two.get(line))]


def _something(amount: Amount | None) -> bool:
    return amount is not None and bool(amount.documents or amount.bytes)


def _row(line: Line, one: dict[Line, Amount], two: dict[Line, Amount]) -> list[Text]:
    stage, reason = line
    pair = one.get(line, NOTHING), two.get(line, NOTHING)
    came = one.get((stage, ""), NOTHING), two.get((stage, ""), NOTHING)
    label = text(f"  {reason}") if reason else text(stage, "bold")
    return [label, *_cells(*pair), *(_shares(pair, came) if reason else (Text(""), Text("")))]


def _cells(one: Amount, two: Amount) -> Iterator[Text]:
    change = two.documents - one.documents
    yield Text(figures.count(one.documents))
    yield Text(figures.count(two.documents))
    yield Text(f"{'+' if change > 0 else '−'}{figures.count(abs(change))}" if change else "", "bold")
    yield Text(figures.size(one.bytes))
    yield Text(figures.size(two.bytes))


def _shares(pair: tuple[Amount, Amount], whole: tuple[Amount, Amount]) -> Iterator[Text]:
    for amount, came in zip(pair, whole, strict=True):
        part = (amount.documents, came.documents) if amount.documents else (amount.bytes, came.bytes)
        yield Text(figures.share(*part))


def _read(report: Report) -> Amount:
    return report.stages[0].flow["in"] if report.stages else NOTHING


def _notes(one: Report, two: Report) -> Iterator[str]:
    same = "the same recipe" if one.run.recipe_hash == two.run.recipe_hash else "different recipes"
    yield f"{same}; read {figures.count(_read(one).documents)} and {figures.count(_read(two).documents)} documents"
    fits = {fit.name: fit.value for fit in one.fits}
    for fit in two.fits:
        if fit.name in fits and fits[fit.name] != fit.value and fit.value is not None:
            before = fits[fit.name]
            was = "nothing" if before is None else figures.number(before)
            yield f"fit {fit.name}: {was} and {figures.number(fit.value)}"
