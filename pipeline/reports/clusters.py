"""Clusters of copies, as corpus stages left them in their patches.

Stages that cut spans have patches too, but no clusters.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blocks.reading import rows_between
from pipeline.errors import RunNotFound
from pipeline.reports.find_document import Match, ids_of
from pipeline.reports.replay import partition_patches
from pipeline.reports.stored_run import Phase, StoredRun
from pipeline.store import BlockStore, DataFile
from stages.contract import ADDRESS, ORDINAL_BITS

SHOWN = 50


@dataclass(frozen=True)
class Member:
    """A document of a cluster. ``similarity``: to the survivor, as the stage estimated it."""

    document: Match
    similarity: float
    dropped: bool


@dataclass(frozen=True)
class ClusterVerdict:
    """What a corpus stage said of a document. ``survivor``: the address of the row that stands for it."""

    stage: str
    survivor: int
    similarity: float
    dropped: bool


def verdicts(run: StoredRun, address: int) -> list[ClusterVerdict]:
    """What each corpus stage that knows the document said of it; none where it has no copies."""
    found = []
    for stage in dict.fromkeys(phase.name for phase in run.phases_of("resolve")):
        patches = partition_patches(run, stage, address >> ORDINAL_BITS)
        if patches is None or not has_clusters(patches.store, patches.file):
            continue
        rows = rows_between(patches.store, patches.file, address, address)
        for row in rows.select(["drop", "survivor", "similarity"]).to_pylist():
            found.append(ClusterVerdict(stage, row["survivor"], row["similarity"], row["drop"]))
    return found


def members(run: StoredRun, stage: str, survivor: int, limit: int = SHOWN) -> tuple[list[Member], int]:
    """The first members of a cluster, the survivor first, and how many there are.

    A survivor of an earlier run is found there, and says so in its source.
    """
    rows = [
        row
        for phase in run.phases_of("resolve")
        if phase.name == stage
        for batch in _of_cluster(phase, survivor)
        for row in batch.to_pylist()
    ]
    rows.sort(key=lambda row: (row["drop"], row[ADDRESS]))
    shown = rows[:limit]
    known = ids_of(run, [row[ADDRESS] for row in shown])
    listed = [Member(known[row[ADDRESS]], row["similarity"], row["drop"]) for row in shown if row[ADDRESS] in known]
    earlier = _earlier_document(run, stage, survivor)
    return ([Member(earlier, 1.0, False), *listed], len(rows) + 1) if earlier else (listed, len(rows))


def survivor_document(run: StoredRun, stage: str, survivor: int) -> Match | None:
    """The document that stands for a cluster, of this run or an earlier one; None if it cannot be found any more."""
    return ids_of(run, [survivor]).get(survivor) or _earlier_document(run, stage, survivor)


def spans_of(run: StoredRun, stage: str, address: int) -> list[tuple[int, int]]:
    """Bytes (start, end) that a stage cut out of a document."""
    patches = partition_patches(run, stage, address >> ORDINAL_BITS)
    if patches is None or has_clusters(patches.store, patches.file):
        return []
    rows = rows_between(patches.store, patches.file, address, address)
    return [(row["start"], row["end"]) for row in rows.select(["start", "end"]).to_pylist()]


def _earlier_document(run: StoredRun, stage: str, survivor: int) -> Match | None:
    place = f"{survivor >> ORDINAL_BITS:010x}"
    for phase in run.phases_of("resolve"):
        for commit in phase.commits() if phase.name == stage else ():
            if place in commit.facts.get("earlier", {}):
                folder, number = commit.facts["earlier"][place]
                address = number << ORDINAL_BITS | survivor & ((1 << ORDINAL_BITS) - 1)
                with suppress(RunNotFound):
                    for match in ids_of(StoredRun.open(folder), [address]).values():
                        return replace(match, address=survivor, source=f"{match.source} of {folder}")
                return None
    return None


def has_clusters(store: BlockStore, patches: DataFile) -> bool:
    """Whether the patches are of a stage that drops copies, and not of one that cuts spans."""
    return "start" not in store.open(patches).schema.names


def _of_cluster(phase: Phase, survivor: int) -> list[pa.RecordBatch]:
    wanted = pa.scalar(survivor, pa.uint64())
    return [
        batch.filter(pc.equal(batch.column("survivor"), wanted))
        for file in phase.files("patches")
        if has_clusters(phase.store, file)
        for batch in phase.store.batches(file, [ADDRESS, "drop", "survivor", "similarity"])
    ]
