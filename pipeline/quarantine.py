"""Records that could not be read or that crash a stage: counted, shown, and too many of them stop a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.books import READ, Books
from pipeline.errors import TooManyErrors
from pipeline.store import BlockStore, Commit

ALWAYS_ALLOWED = 100
"""Records of a source that may be quarantined however small it is."""
SHOWN = 5


def check_errors(share: float, store: BlockStore, commits: Sequence[Commit]) -> None:
    """Raise TooManyErrors if a source has more quarantined records than ``share`` of those that came in."""
    quarantined: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for commit in commits:
        if "parts" in commit.facts:  # ingest books a good record later, when its part is read
            read[commit.facts["source"]] += commit.facts["rows"]
        for entry in Books(commit.books):
            if entry.kind == "quarantined":
                quarantined[entry.source] += entry.documents
            elif entry.kind == "in" and entry.stage == READ:
                read[entry.source] += entry.documents
    for source, count in sorted(quarantined.items()):
        if count > max(ALWAYS_ALLOWED, share * read[source]):
            _stop(source, count, read[source], share, store, commits)


def _stop(source: str, count: int, read: int, share: float, store: BlockStore, commits: Sequence[Commit]) -> None:
    first = []
    for record in quarantine_records(store, commits):
        if record["source"] == source:
            first.append(f"    {record['file']} at {record['offset']}: {record['reason']} {record['detail'] or ''}")
        if len(first) == SHOWN:
            break
    message = f"{count:,} of {max(read, count):,} records of source {source!r} could not be used:\n" + "\n".join(first)
    remedy = f"mend the input, or allow more with max_errors (now {share:g})"
    raise TooManyErrors(message, remedy=remedy)


def quarantine_records(store: BlockStore, commits: Sequence[Commit]) -> Iterator[dict[str, Any]]:
    """All quarantined records of the commits, in their order."""
    for commit in commits:
        if "quarantine" in commit.files:
            for batch in store.batches(commit.files["quarantine"]):
                yield from batch.to_pylist()
