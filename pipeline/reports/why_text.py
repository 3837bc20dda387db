"""The story of a document in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.reports import figures
from pipeline.reports.clusters import members
from pipeline.reports.copies import named
from pipeline.reports.inert import one_line
from pipeline.reports.replay import RuleCheck, StageReplay
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.why import BlockStory, CorpusStory, Story
from pipeline.terminal import text

COPIES_SHOWN = 5


def print_story(run: StoredRun, story: Story, console: Console) -> None:
    """Who the document is, what happened to it, block by block, and where it is now."""
    for line in story_lines(run, story):
        console.print(line, soft_wrap=True)


def story_lines(run: StoredRun, story: Story) -> Iterator[Text]:
    """The story, line by line."""
    match = story.match
    yield _fact("document", f"{match.id}   (address {match.address})")
    yield _fact("source", ", ".join(_origin(story)))
    if story.origin.get("url"):
        yield _fact("url", str(story.origin["url"]))
    bad = not story.fate.startswith("kept")
    yield text(f"{'fate':<10}{story.fate}", "bold red" if bad else "bold green")
    if story.shard:
        yield _fact("shard", story.shard)
    for block in story.blocks:
        yield from _block_lines(run, block)
    for note in story.notes:
        yield text(f"note: {note}", "yellow")


def _origin(story: Story) -> Iterator[str]:
    yield story.match.source
    if "file" in story.origin:
        yield f"file {story.origin['file']}"
        yield f"offset {figures.count(story.origin['offset'] or 0)}"
    if story.blocks:
        yield figures.size(story.blocks[0].signals["bytes_in"])


def _fact(name: str, value: str) -> Text:
    return text(f"{name:<10}{value}")


def _block_lines(run: StoredRun, block: BlockStory) -> Iterator[Text]:
    if block.corpus:
        yield from _corpus_lines(run, block.corpus)
    dropped_by = block.signals["dropped_by"]
    for stage in block.stages:
        yield from _stage_lines(stage, dropped_by)
    for difference in block.differences:
        yield text(f"  replay and store DISAGREE: {difference}", "bold red")


def _corpus_lines(run: StoredRun, corpus: CorpusStory) -> Iterator[Text]:
    verdict = corpus.verdict
    yield text("")
    yield text(corpus.stage, "bold")
    if corpus.cut is not None:
        size = sum(end - start for start, end in corpus.cut)
        spans = figures.counted(len(corpus.cut), "span")
        yield text(f"  cut: {spans}, {figures.size(size)}" if size else "  cut nothing")
        return
    if verdict is None:
        yield text("  no copies: nothing else is like it")
        return
    listed, size = members(run, corpus.stage, verdict.survivor, COPIES_SHOWN + 1)
    if verdict.dropped:
        said = f"  copy of {named(corpus.survivor, verdict.survivor)}, similarity {verdict.similarity:.3f}"
        yield text(f"{said}, in a cluster of {size}", "red")
    else:
        yield text(f"  stands for a cluster of {size}:")
        for member in [member for member in listed if member.dropped][:COPIES_SHOWN]:
            yield text(f"    {named(member.document, 0)}, similarity {member.similarity:.3f}")
        if size - 1 > COPIES_SHOWN:
            yield text(f"    and {size - 1 - COPIES_SHOWN} more: gristmill dups")


def _stage_lines(stage: StageReplay, dropped_by: str | None) -> Iterator[Text]:
    yield text("")
    head = Text(stage.address, style="bold")
    if stage.bytes_before != stage.bytes_after or stage.cut:
        cuts = ", ".join(f"{reason} −{figures.size(n)}" for reason, n in stage.cut.items())
        head.append(f"   {figures.size(stage.bytes_before)} → {figures.size(stage.bytes_after)}", style="not bold")
        head.append(f"   cut: {one_line(cuts)}" if cuts else "", style="not bold")
    yield head
    for name, value in stage.columns.items():
        yield text(f"  writes {name} = {_value(value)}")
    judged = {check.signal for check in stage.rules}
    for name, value in stage.signals.items():
        if name not in judged:
            yield text(f"  {name} {_value(value)}")
    for check in stage.rules:
        dropped_here = check.broken and dropped_by == f"{stage.address}:{check.name}"
        yield _rule_line(check, dropped_here)
    for line in stage.diff:
        yield text(f"    {line}", "red" if line.startswith("-") else "green" if line.startswith("+") else "dim")


def _rule_line(check: RuleCheck, dropped_here: bool) -> Text:
    wanted = [f"≥ {figures.number(check.min)}"] if check.min is not None else []
    wanted += [f"≤ {figures.number(check.max)}"] if check.max is not None else []
    wanted += [f"one of {', '.join(check.allowed)}"] if check.allowed is not None else []
    wanted += [f"not {' or '.join(check.forbidden)}"] if check.forbidden is not None else []
    line = f"  {check.signal} {_value(check.value)}   asked: {' and '.join(wanted) or 'nothing (off)'}"
    if not check.applies:
        return text(f"  {check.signal} {_value(check.value)}   {check.name} does not look at this row", "dim")
    if check.margin is not None:
        line += f"   margin {'+' if check.margin >= 0 else '−'}{figures.number(abs(check.margin))}"
    if check.broken:
        return text(f"{line}   ✗ {check.name}{' (dropped here)' if dropped_here else ''}", "red")
    return text(f"{line}   ✓ {check.name}")


def _value(value: Any) -> str:
    if value is None:
        return "(not measured)"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return figures.number(value)
    return one_line(str(value), 100)


def print_quarantined(records: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Records that never became documents, or that crash a stage."""
    for record in records:
        place = "" if record["offset"] is None else f" at {figures.count(record['offset'])}"
        console.print(text(f"{record['file']}{place}   ({record['source']}, {figures.size(record['bytes'])})", "bold"))
        console.print(text(f"  quarantined: {record['reason']}", "red"))
        if record["detail"]:
            console.print(text(f"  {one_line(record['detail'], 400)}"), soft_wrap=True)
