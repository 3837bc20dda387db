"""The report in the terminal: the reduction table, by source, by language, what the rest of the run made, what next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reports import figures
from pipeline.reports.agreement import agreement_words, agreements, left_out_words
from pipeline.reports.inert import one_line
from pipeline.reports.model import Amount, FitResult, Reason, Report, StageTotals, Timings
from pipeline.terminal import text

LANGUAGES_SHOWN = 12
WIDE, MIDDLE = 76, 56
"""Columns below which bytes, then tokens are left out."""
NOTHING = Amount()


def print_report(report: Report, console: Console, folder: str, timings: Timings | None = None) -> None:
    """Everything a user wants to see at the end of a run; the last line says what to do next."""
    console.print(reduction_table(report, console.width))
    console.print(source_table(report, console.width))
    if len(report.kept.by_language) > 1 or len(_languages(report)) > 1:
        console.print(language_table(report, console.width))
    for line in [*_facts(report, timings), *balance_lines(report)]:
        console.print(line, soft_wrap=True)
    console.print(text(next_step(report, folder), "bold"), soft_wrap=True)


def new_table(title: str, first: str, width: int, last: str = "share") -> Table:
    """A table of amounts: what, documents, bytes, tokens, share; narrower ones leave out bytes and tokens."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, overflow="fold", min_width=16)
    for name in amount_columns(width):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(last, justify="right", no_wrap=True)
    return table


def amount_columns(width: int) -> list[str]:
    """Which amounts fit a terminal."""
    if width >= WIDE:
        return ["documents", "bytes", "tokens"]
    return ["documents", "tokens"] if width >= MIDDLE else ["documents"]


def amount_cells(amount: Amount, width: int, sign: str = "", style: str = "") -> list[Text]:
    """Cells for :func:`amount_columns`; what is nothing is left blank."""
    shown = {
        "documents": figures.count(amount.documents) if amount.documents else "",
        "bytes": figures.size(amount.bytes) if amount.bytes else "",
        "tokens": figures.short(amount.tokens) if amount.tokens else "",
    }
    return [Text(f"{sign}{shown[name]}" if shown[name] else "", style=style) for name in amount_columns(width)]


def reduction_table(report: Report, width: int) -> Table:
    """Stages with what came in, under each what went and why, at the end what is left."""
    sample = f", sample of {report.run.sample:g}" if report.run.sample is not None else ""
    table = new_table(f"{report.run.name}{sample}", "stage, reason", width)
    read = next((stage.flow["in"] for stage in report.stages), NOTHING)
    for stage in report.stages:
        came = stage.flow["in"]
        share = figures.share(came.documents, read.documents)
        table.add_row(text(stage.address, "bold"), *amount_cells(came, width, style="bold"), Text(share, "bold"))
        for cells in _reason_rows(stage, width):
            table.add_row(*cells)
    label = "kept" if report.run.status == "finished" else "kept so far"
    share = figures.share(report.kept.total.documents, read.documents)
    table.add_section()
    table.add_row(text(label, "bold"), *amount_cells(report.kept.total, width, style="bold"), Text(share, "bold"))
    return table


def _reason_rows(stage: StageTotals, width: int) -> Iterator[list[Text]]:
    came = stage.flow["in"]
    for reason in stage.reasons:
        if not (reason.total.documents or reason.total.bytes):
            continue
        part, whole = (
            (reason.total.bytes, came.bytes) if reason.kind == "cut" else (reason.total.documents, came.documents)
        )
        label = text(f"  {reason_label(reason)}")
        yield [label, *amount_cells(reason.total, width, "−", _STYLES[reason.kind]), Text(figures.share(part, whole))]
    added = stage.flow.get("added", NOTHING)
    if added.bytes:
        yield [text("  added"), *amount_cells(added, width, "+"), Text(figures.share(added.bytes, came.bytes))]


_STYLES = {"dropped": "red", "quarantined": "yellow", "cut": ""}


def reason_label(reason: Reason) -> str:
    """``too_short``, ``cut: newlines``, ``quarantined: bad_json``."""
    return reason.name if reason.kind == "dropped" else f"{reason.kind}: {reason.name}"


def source_table(report: Report, width: int) -> Table:
    """What each source gave, and how much of its documents is left."""
    table = new_table("by source, kept", "source", width, "of documents read")
    for name, source in report.sources.items():
        share = figures.share(source.kept.documents, source.read.documents)
        table.add_row(text(name), *amount_cells(source.kept, width), Text(share))
    return table


def language_table(report: Report, width: int) -> Table:
    """The languages with most bytes left, and what was dropped of each."""
    table = new_table("by language, kept", "language", width, "dropped")
    dropped = dropped_by_language(report.stages)
    shown = _languages(report)
    for name in shown[:LANGUAGES_SHOWN]:
        table.add_row(
            text(name), *amount_cells(report.kept.by_language.get(name, NOTHING), width), _dropped(dropped, [name])
        )
    rest = shown[LANGUAGES_SHOWN:]
    if rest:
        left = total(report.kept.by_language.get(name, NOTHING) for name in rest)
        table.add_row(text(f"{len(rest)} others"), *amount_cells(left, width), _dropped(dropped, rest))
    return table


def _dropped(dropped: Mapping[str, Amount], names: list[str]) -> Text:
    documents = sum(dropped.get(name, NOTHING).documents for name in names)
    return Text(f"−{figures.count(documents)}" if documents else "", style="red")


def _languages(report: Report) -> list[str]:
    kept, dropped = report.kept.by_language, dropped_by_language(report.stages)
    names = sorted({*kept, *(name for name, amount in dropped.items() if amount.documents)})
    return sorted(names, key=lambda name: (-kept.get(name, NOTHING).bytes, -dropped.get(name, NOTHING).documents))


def dropped_by_language(stages: Iterable[StageTotals]) -> dict[str, Amount]:
    """Language → what all stages dropped of it, under the language it had by then."""
    sums: dict[str, list[Amount]] = {}
    for stage in stages:
        for language, flow in stage.by_language.items():
            sums.setdefault(language, []).append(flow.get("dropped", NOTHING))
    return {language: total(amounts) for language, amounts in sums.items()}


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of amounts."""
    listed = list(amounts)
    return Amount(
        documents=sum(amount.documents for amount in listed),
        bytes=sum(amount.bytes for amount in listed),
        tokens=sum(amount.tokens for amount in listed),
    )


def _facts(report: Report, timings: Timings | None) -> Iterator[Text]:
    """A line for each thing that the run made beside documents."""
    for fit in report.fits:
        made = f"{figures.number(fit.value)}" if fit.value is not None else f"sha256 {fit.sha256[:12]}…"
        yield text(f"fit {fit.name} ({fit.kind}): {made}")
        yield from (text(f"  {line}") for line in _fit_lines(fit))
    for found in report.clusters:
        if not found.clusters:
            yield text(f"{found.stage}: no copies")
            continue
        yield text(
            f"{found.stage}: {figures.counted(found.clusters, 'cluster')} of {figures.count(found.members)} documents, "
            f"largest {figures.count(found.largest)}"
        )
        for alarm in found.alarms:
            yield text(f"  {alarm.message}", "bold yellow")
            yield from (text(f"    {sample}") for sample in alarm.samples)
    if report.tokens:
        tokens = report.tokens
        yield text(
            f"tokens: {figures.count(tokens.tokens)} of {figures.count(tokens.documents)} documents in "
            f"{figures.counted(tokens.shards, 'shard')}, tokenizer {tokens.tokenizer.get('name')}, "
            f"{tokens.text_bytes / max(tokens.tokens, 1):.2f} bytes a token"
        )
    yield from map(text, mix_lines(report.mix))
    if report.training:
        yield text(f"training: {training_words(report.training)}")
    if report.quarantine.documents:
        yield from map(text, quarantine_lines(report))
    if timings:
        workers = figures.counted(timings.workers, "worker")
        yield text(f"time: {figures.duration(timings.seconds)} with {workers} ({timings.executor})")


def _fit_lines(fit: FitResult) -> Iterator[str]:
    """How well a classifier does."""
    for test, found in (fit.facts or {}).get("evaluation", {}).items():
        if "positive" in found:
            area = "none" if found["auc"] is None else f"{found['auc']:.4f}"
            counts = f"{found['positive']:,} positive and {found['negative']:,} negative"
            yield f"{test}: AUC {area} on {counts} texts"
    for test, found in agreements(fit):
        yield f"{test}: {agreement_words(found, fit.labelled_by)}"
    if left_out := left_out_words(fit):
        yield left_out


def mix_lines(mix: Mapping[str, object] | None) -> Iterator[str]:
    """A line for the mix and one for each of its streams."""
    if not mix:
        return
    made, asked = (figures.short(_float(mix[key])) for key in ("tokens", "asked_tokens"))
    yield f"mix: {made} tokens of {asked} asked for"
    streams = mix["streams"]
    for stream in streams if isinstance(streams, list) else []:
        capped = ", capped" if stream["capped"] else ""
        yield (
            f"  {stream['key']}: {figures.share(stream['realised'], 1)} (asked {figures.share(stream['weight'], 1)}), "
            f"{figures.short(stream['tokens'])} tokens, {stream['epochs']:.2f} epochs{capped}"
        )


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def training_words(result: Mapping[str, Any]) -> str:
    """What the trainer ended with, in a line."""
    words = [f"model {result.get('model')}, {figures.count(result.get('parameters', 0))} parameters"]
    words.append(f"{figures.count(result.get('steps', 0))} steps")
    if "first_loss" in result and "last_loss" in result:
        words.append(f"loss {result['first_loss']:.2f} → {result['last_loss']:.2f}")
    words += [f"validation {name} {score['loss']:.2f}" for name, score in result.get("validation", {}).items()]
    return ", ".join(words)


def quarantine_lines(report: Report, shown: int = 3) -> Iterator[str]:
    """How many records could not be used and why, and the first ones."""
    reasons = ", ".join(f"{name} {figures.count(number)}" for name, number in report.quarantine.by_reason.items())
    yield f"quarantined: {figures.counted(report.quarantine.documents, 'record')} ({reasons})"
    for record in report.quarantine.first[:shown]:
        place = "" if record.offset is None else f" at {record.offset}"
        yield f"  {record.file}{place}: {record.reason} {one_line(record.detail or '', 120)}".rstrip()


def balance_lines(report: Report) -> list[Text]:
    """Whether the books add up."""
    balance = report.balance
    if balance.problems:
        head = text("the books do NOT balance; this is a bug in Gristmill or a stage:", "bold red")
        return [head, *(text(f"  {problem}", "red") for problem in balance.problems[:10])]
    said = (
        f"books balance: in = out + dropped + cut − added + quarantined for all {figures.count(balance.lines)} "
        f"lines (stage, source, language) of {balance.stages} stages"
    )
    return [text(said, "green")]


def next_step(report: Report, folder: str) -> str:
    """What to do next."""
    if report.run.status != "finished":
        return f"next: run the recipe again, finished work is kept; gristmill status {folder}"
    drops = [
        (reason.total.documents, f"{stage.address}:{reason.name}")
        for stage in report.stages
        for reason in stage.reasons
        if reason.kind == "dropped" and stage.form == "rows"
    ]
    most = max(drops, default=(0, ""))
    rule = f" --rule '{most[1]}'" if most[0] else ""
    return f"next: open {folder}/report.html, gristmill sample {folder}{rule}, gristmill why {folder} ID"
