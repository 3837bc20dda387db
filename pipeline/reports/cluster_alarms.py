"""What deduplication should not do unseen: one cluster with very many documents, or a source that loses nearly all.

Both have happened to published corpora: 51,160 unrelated books in one chained cluster, whole sources wiped. Clusters
here do not chain, so a giant one is a page that was copied or generated very often, or a threshold that is too low.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.books import Entry
from pipeline.reports import figures
from pipeline.reports.clusters import members
from pipeline.reports.inert import one_line
from pipeline.reports.stored_run import StoredRun

GIANT_SHARE = 0.01
"""A cluster with more of a stage's documents is a giant, if it also has :data:`GIANT_DOCUMENTS`."""
GIANT_DOCUMENTS = 1000
LOST_SHARE = 0.9
"""A source that loses more of its documents to a stage loses nearly all, if it had :data:`LOST_DOCUMENTS`."""
LOST_DOCUMENTS = 100
SAMPLES = 3


def cluster_alarms(run: StoredRun, stage: str, largest: Mapping[int, int], entries: Sequence[Entry]) -> Iterator[str]:
    """Sentences. ``largest``: survivor's address → documents of the largest clusters; ``entries``: all of the books."""
    came, dropped = _by_source(entries, stage, "in"), _by_source(entries, stage, "dropped")
    for survivor, size in largest.items():
        if size >= GIANT_DOCUMENTS and size > GIANT_SHARE * sum(came.values()):
            listed, _ = members(run, stage, survivor, SAMPLES)
            shown = ", ".join(one_line(member.document.id, 80) for member in listed)
            yield f"one cluster has {figures.count(size)} of {figures.count(sum(came.values()))} documents: {shown}, …"
    for source, documents in came.items():
        lost = dropped.get(source, 0)
        if documents >= LOST_DOCUMENTS and lost > LOST_SHARE * documents:
            yield f"source {one_line(source, 80)} loses {figures.count(lost)} of {figures.count(documents)} documents"


def _by_source(entries: Sequence[Entry], stage: str, kind: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in entries:
        if entry.stage == stage and entry.kind == kind:
            found[entry.source] = found.get(entry.source, 0) + entry.documents
    return found
