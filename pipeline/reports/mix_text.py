"""``gristmill mix preview``: what was asked of the mix and what comes of it."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import RunNotFound
from pipeline.reports import figures
from pipeline.reports.stored_run import StoredRun
from pipeline.terminal import text


def print_mix(run: StoredRun, console: Console) -> None:
    """The mix of a run. Raises RunNotFound if it has none."""
    if not run.folder.child("mix").exists("plan.json"):
        raise RunNotFound(f"run {run.run.name} has no mix", remedy="add `mix` to its recipe and run it")
    from pipeline.tokens.mix import MixPlan

    report = MixPlan.read(run.folder.child("mix").uri).report
    table = Table(title=f"mix of {run.run.name}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
                  pad_edge=False)  # fmt: skip
    table.add_column("domain")
    for name in ("asked", "realised", "tokens", "sequences", "documents", "available", "epochs"):
        table.add_column(name, justify="right")
    for stream in report["streams"]:
        cells = [
            figures.share(stream["weight"], 1),
            figures.share(stream["realised"], 1),
            figures.short(stream["tokens"]),
            figures.count(stream["sequences"]),
            figures.count(stream["documents"]),
            figures.short(stream["available_tokens"]),
            f"{stream['epochs']:.2f}{' (capped)' if stream['capped'] else ''}",
        ]
        table.add_row(text(stream["key"]), *map(Text, cells))
    console.print(table)
    said = f"{figures.count(report['tokens'])} tokens of {figures.count(report['asked_tokens'])} asked for"
    console.print(text(said))
    for warning in report["warnings"]:
        console.print(text(f"note: {warning}", "yellow"), soft_wrap=True)
