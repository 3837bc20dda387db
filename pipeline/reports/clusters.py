"""Clusters of copies, as corpus stages left them in their patches."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blocks.reading import rows_between
from pipeline.reports.find_document import Match, ids_of
from pipeline.reports.replay import partition_patches
from pipeline.reports.stored_run import Phase, StoredRun
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
        if patches is None:
            continue
        rows = rows_between(patches.store, patches.file, address, address)
        for row in rows.select(["drop", "survivor", "similarity"]).to_pylist():
            found.append(ClusterVerdict(stage, row["survivor"], row["similarity"], row["drop"]))
    return found


def members(run: StoredRun, stage: str, survivor: int, limit: int = SHOWN) -> tuple[list[Member], int]:
    """The first members of a cluster, the survivor first, and how many there are."""
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
    return listed, len(rows)


def _of_cluster(phase: Phase, survivor: int) -> list[pa.RecordBatch]:
    wanted = pa.scalar(survivor, pa.uint64())
    return [
        batch.filter(pc.equal(batch.column("survivor"), wanted))
        for file in phase.files("patches")
        for batch in phase.store.batches(file, [ADDRESS, "drop", "survivor", "similarity"])
    ]
