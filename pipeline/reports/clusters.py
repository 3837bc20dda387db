"""Clusters of copies, as corpus stages left them in their patches.

Stages that cut spans have patches too, but no clusters.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.blocks.reading import rows_between
from pipeline.errors import GristmillError, RunNotFound, StoreError
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


@dataclass(frozen=True)
class CutSpan:
    """Bytes of a document that a stage cut out, and the address of the row whose copy of them stays."""

    start: int
    end: int
    survivor: int


def spans_of(run: StoredRun, stage: str, address: int) -> list[CutSpan]:
    """What a stage cut out of a document."""
    patches = partition_patches(run, stage, address >> ORDINAL_BITS)
    if patches is None or has_clusters(patches.store, patches.file):
        return []
    rows = rows_between(patches.store, patches.file, address, address)
    return [CutSpan(**row) for row in rows.select(["start", "end", "survivor"]).to_pylist()]


def seen_text(run: StoredRun, stage: str, address: int) -> str | None:
    """The text of a document as a corpus stage saw it, of this run or an earlier one; None if it is not stored."""
    found = _text_before(run, stage, address)
    earlier = None if found is not None else _earlier_place(run, stage, address)
    if earlier is not None:
        with suppress(GristmillError):
            there = StoredRun.open(earlier[0])
            for phase in reversed(there.phases_of("sketch")):
                found = _text_before(there, phase.name, earlier[1]) if found is None else found
    return found


def _text_before(run: StoredRun, stage: str, address: int) -> str | None:
    """Of the documents that the last row block before the stage handed on."""
    before = takewhile(lambda phase: (phase.kind, phase.name) != ("sketch", stage), run.phases)
    blocks = sum(phase.kind == "rows" for phase in before)
    part = run.rows[blocks - 1].parts.get(address >> ORDINAL_BITS) if blocks else None
    if part is None:
        return None
    with suppress(StoreError):
        rows = rows_between(run.rows[blocks - 1].phase.store, part.files["docs"], address, address)
        for text in rows.column("text").to_pylist():
            return str(text)
    return None


def _earlier_place(run: StoredRun, stage: str, survivor: int) -> tuple[str, int] | None:
    """Folder of the earlier run that a survivor is of, and its address there."""
    place = f"{survivor >> ORDINAL_BITS:010x}"
    for phase in run.phases_of("resolve"):
        for commit in phase.commits() if phase.name == stage else ():
            if place in commit.facts.get("earlier", {}):
                folder, number = commit.facts["earlier"][place]
                return folder, number << ORDINAL_BITS | survivor & ((1 << ORDINAL_BITS) - 1)
    return None


def _earlier_document(run: StoredRun, stage: str, survivor: int) -> Match | None:
    found = _earlier_place(run, stage, survivor)
    if found is not None:
        with suppress(RunNotFound):
            for match in ids_of(StoredRun.open(found[0]), [found[1]]).values():
                return replace(match, address=survivor, source=f"{match.source} of {found[0]}")
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
