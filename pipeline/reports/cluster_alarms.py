"""What deduplication should not do unseen: one cluster with very many documents, or a source that loses nearly all.

Both have happened to published corpora: 51,160 unrelated books in one chained cluster, whole sources wiped. Clusters
here do not chain, so a giant one is a page that was copied or generated very often, or a threshold that is too low.
An alarm comes with some of the documents, so that one sees which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow.compute as pc

from pipeline.blocks.samples import mask
from pipeline.books import Entry
from pipeline.reports import figures
from pipeline.reports.cluster_tables import member_rows
from pipeline.reports.clusters import members, seen_text, survivor_document
from pipeline.reports.find_document import ids_of
from pipeline.reports.inert import one_line
from pipeline.reports.model import Alarm
from pipeline.reports.stored_run import StoredRun
from stages.contract import ADDRESS, ORDINAL_BITS

GIANT_SHARE = 0.01
"""A cluster with more of a stage's documents is a giant, if it also has :data:`GIANT_DOCUMENTS`."""
GIANT_DOCUMENTS = 1000
LOST_SHARE = 0.9
"""A source that loses more of its documents to a stage loses nearly all, if it had :data:`LOST_DOCUMENTS`."""
LOST_DOCUMENTS = 100
SAMPLES = 3
SAMPLE_CHARACTERS = 160
READ_CHARACTERS = 1000
"""Of a sample, before it is masked: what is cut in its middle is not recognized."""


def cluster_alarms(run: StoredRun, stage: str, largest: Mapping[int, int], entries: Sequence[Entry]) -> Iterator[Alarm]:
    """What is to be looked at.

    ``largest``: survivor's address → documents of the largest clusters; ``entries``: all of the books.
    """
    came, dropped = _by_source(entries, stage, "in"), _by_source(entries, stage, "dropped")
    documents = sum(came.values())
    for survivor, size in largest.items():
        if size >= GIANT_DOCUMENTS and size > GIANT_SHARE * documents:
            said = f"one cluster has {figures.count(size)} of {figures.count(documents)} documents"
            yield Alarm(message=said, samples=list(_of_cluster(run, stage, survivor)))
    for source, number in came.items():
        lost = dropped.get(source, 0)
        if number >= LOST_DOCUMENTS and lost > LOST_SHARE * number:
            said = f"source {one_line(source, 80)} loses {figures.count(lost)} of {figures.count(number)} documents"
            yield Alarm(message=said, samples=list(_of_source(run, stage, source)))


def _by_source(entries: Sequence[Entry], stage: str, kind: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in entries:
        if entry.stage == stage and entry.kind == kind:
            found[entry.source] = found.get(entry.source, 0) + entry.documents
    return found


def _of_cluster(run: StoredRun, stage: str, survivor: int) -> Iterator[str]:
    """The survivor, and some that it stands for."""
    listed, _ = members(run, stage, survivor, SAMPLES)
    for member in listed:
        fate = f"similarity {member.similarity:.3f}" if member.dropped else "stays"
        yield f"{member.document.id} ({fate}): {_beginning(run, stage, member.document.address)}"


def _of_source(run: StoredRun, stage: str, source: str) -> Iterator[str]:
    """Some documents of a source that went, and what stays for them."""
    numbers = {number for number, part in run.rows[0].parts.items() if part.source == source}
    gone = _gone(run, stage, numbers)
    known = ids_of(run, [address for address, *_ in gone])
    for address, survivor, similarity in gone:
        stays = survivor_document(run, stage, survivor)
        other = f"{stays.id} of {stays.source}" if stays else f"address {survivor}"
        name = known[address].id if address in known else f"address {address}"
        yield f"{name} for {other} (similarity {similarity:.3f}): {_beginning(run, stage, address)}"


def _gone(run: StoredRun, stage: str, numbers: set[int]) -> list[tuple[int, int, float]]:
    """Address, survivor and similarity of the first documents of some partitions that the stage dropped."""
    found: list[tuple[int, int, float]] = []
    for phase in run.phases_of("resolve"):
        for batch in member_rows(phase) if phase.name == stage else ():
            if batch.num_rows and batch.column(ADDRESS)[0].as_py() >> ORDINAL_BITS in numbers:
                rows = batch.filter(pc.field("drop")).slice(0, SAMPLES - len(found)).to_pylist()
                found += [(row[ADDRESS], row["survivor"], row["similarity"]) for row in rows]
            if len(found) >= SAMPLES:
                return found
    return found


def _beginning(run: StoredRun, stage: str, address: int) -> str:
    seen = seen_text(run, stage, address)
    if seen is None:
        return "(its text is not stored any more)"
    return one_line(mask(" ".join(seen[:READ_CHARACTERS].split())), SAMPLE_CHARACTERS)
