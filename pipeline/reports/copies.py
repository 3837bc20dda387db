"""``gristmill dups``: the copies of a document, how each differs from the one that stays, and what was cut as repeated.

Texts are shown as the stage saw them, personal data masked.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from pipeline.blocks.samples import mask
from pipeline.reports import figures
from pipeline.reports.clusters import ClusterVerdict, Member, members, seen_text, spans_of, survivor_document, verdicts
from pipeline.reports.find_document import Match
from pipeline.reports.inert import one_line
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.word_diff import word_diff
from pipeline.terminal import text

DIFFERENCES_SHOWN = 10
"""Members whose differences are shown, beside the document that was asked for."""
SPANS_SHOWN = 20
SPAN_CHARACTERS = 100


def print_copies(run: StoredRun, match: Match, console: Console) -> None:
    """The cluster of a document for every corpus stage that knows one, and its spans that repeat others."""
    found = [line for verdict in verdicts(run, match.address) for line in _cluster_lines(run, verdict, match)]
    for stage in dict.fromkeys(phase.name for phase in run.phases_of("resolve")):
        found += _span_lines(run, stage, match)
    for line in found or [text(f"{match.id} has no copies")]:
        console.print(line, soft_wrap=True)


def named(match: Match | None, address: int) -> str:
    """A document by its id and source; by its address where it cannot be found."""
    return f"{match.id} ({match.source})" if match else f"address {address}"


def _cluster_lines(run: StoredRun, verdict: ClusterVerdict, match: Match) -> Iterator[Text]:
    listed, size = members(run, verdict.stage, verdict.survivor)
    yield text(f"{verdict.stage}: a cluster of {figures.count(size)}", "bold")
    best = seen_text(run, verdict.stage, verdict.survivor)
    compared = 0
    for member in listed:
        asked = member.document.address == match.address
        yield _member_line(member, asked)
        compared += member.dropped
        if member.dropped and (asked or compared <= DIFFERENCES_SHOWN):
            yield from _difference(run, verdict.stage, member, best)
    if match.address not in {member.document.address for member in listed}:
        asked_for = Member(match, verdict.similarity, verdict.dropped)
        yield _member_line(asked_for, True)
        yield from _difference(run, verdict.stage, asked_for, best)
        listed = [*listed, asked_for]
    if size > len(listed):
        yield text(f"  and {figures.count(size - len(listed))} more")


def _member_line(member: Member, asked: bool) -> Text:
    said = "dropped" if member.dropped else "stays"
    line = f"  {said:<8}{named(member.document, 0)}, similarity {member.similarity:.3f}{'  ←' if asked else ''}"
    return text(line, "" if member.dropped else "green")


def _difference(run: StoredRun, stage: str, member: Member, best: str | None) -> Iterator[Text]:
    """How the member differs from the survivor: what only the survivor has is marked as gone."""
    own = seen_text(run, stage, member.document.address)
    if own is None or best is None:
        yield text("      (the texts are not stored any more)", "dim")
        return
    for line in word_diff(best, own) or ["(the same words)" if own != best else "(the same text)"]:
        shown = text(f"      {line}", "dim")
        shown.highlight_regex(r"\[-.*?-\]", "not dim red")
        shown.highlight_regex(r"\{\+.*?\+\}", "not dim green")
        yield shown


def _span_lines(run: StoredRun, stage: str, match: Match) -> Iterator[Text]:
    spans = spans_of(run, stage, match.address)
    if not spans:
        return
    yield text(f"{stage}: {figures.counted(len(spans), 'span')} cut", "bold")
    seen = (seen_text(run, stage, match.address) or "").encode()
    for span in spans[:SPANS_SHOWN]:
        cut = mask(seen[span.start : span.end].decode(errors="replace"))
        yield text(f"  bytes {span.start}–{span.end}: {one_line(cut.strip(), SPAN_CHARACTERS)}")
        where = (
            "in this document"
            if span.survivor == match.address
            else "in " + named(survivor_document(run, stage, span.survivor), span.survivor)
        )
        yield text(f"      said first {where}", "dim")
    if len(spans) > SPANS_SHOWN:
        yield text(f"  and {figures.count(len(spans) - SPANS_SHOWN)} more")
