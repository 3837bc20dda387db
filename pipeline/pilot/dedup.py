"""What near deduplication takes, from a formula: a pilot sees too few of the copies to scale it up.

Costs of a record or a pair were measured on one core of the machine that the log names; how many pairs a corpus has is
not known before, so it is a range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.blocks.corpus import BUCKET_ROWS, LINK_ROWS
from pipeline.blocks.merging import FAN_IN
from pipeline.blocks.near.claims import CLAIM_ROWS
from pipeline.blocks.near.components import EDGE_BYTES
from pipeline.blocks.near.rounds import ROUND_ROWS
from pipeline.blocks.near.verify import JOIN_BYTES

RECORD_BYTES = 24
"""Key, address, rank."""
ROW_BYTES = 16
"""Address and rank before a signature."""
CANDIDATE_BYTES = 16
CARRIED_BYTES = 24
"""Two addresses and a rank, before the member's signature."""
EDGE_FILE_BYTES = 36
LINK_FILE_BYTES = 16
LABELLED_BYTES = 44
RELATION_BYTES = 20
COPIES = 4
"""Times that a task holds what it reads: as read, in one piece, its order, sorted."""
LINK_COPIES = 6
"""The same for a link task, which holds pairs too: two for a record where all records are in buckets."""
ROUNDS = 6
"""Rounds of large-star and small-star; 4 were seen on clusters of edited pages, 11 on a chain of 2,000."""

CANDIDATES = (0.05, 0.5, 2.0)
"""Candidates for each document: few, likely, many. With 30 % planted copies there were .50 with 14 bands of 8."""
VERIFIED = 0.9
"""Of the candidates; of chance matches there are few where rows are many."""
SHARED = 0.43
"""Of its keys, that a candidate pair has in common: 6 of 14, as seen on planted copies."""
MEMBERS = 1.5
"""Rows in clusters for a verified pair: a survivor is one more, and half of the copies are alone."""

SECONDS = {"link": 0.3e-6, "gather": 2.3e-6, "verify": 1.3e-6, "components": 0.65e-6, "label": 0.6e-6, "claim": 1.2e-6}
"""Of a core, for a record (link), a candidate (gather, verify) or a verified pair."""
MERGE_SECONDS = 20e-9
"""For a byte that is merged: 59 MB/s of records, 72 of signatures."""
ROUND_SECONDS = 1.0e-6
"""For a verified pair in a round, both halves."""


@dataclass(frozen=True)
class DedupEstimate:
    """Bytes and seconds of one core. ``disk``, ``seconds``, ``units``: by phase.

    ``memory_bytes``: of the largest task, beyond what the process itself takes.
    """

    disk: dict[str, float]
    seconds: dict[str, float]
    units: dict[str, int]
    memory_bytes: int

    @property
    def disk_bytes(self) -> float:
        return sum(self.disk.values())


def dedup_estimate(
    documents: float,
    bands: float,
    lanes: float,
    *,
    candidates: float = CANDIDATES[1],
    partitions: int = 1,
    memory_bytes: int = 2**31,
) -> DedupEstimate:
    """Near deduplication of D documents with b bands and signatures of l 32-bit lanes; the time to sketch is left out.

    ::

        C = candidates · D,  V = 0.9 C                                 pairs, verified pairs
        disk = D (24 b + 16 + 4 l)                               sketches
             + 16 C u (1 − (1 − 1/u)^(.43 b)) + (24 + 4 l) C     candidates of u link tasks, with a signature beside
             + (36 + 16 + 44) V + 1.5 (20 + 20) V                verified, components, labelled; relations, patches
             + 48 · rounds · V                                   if components are found by rounds
             + what is read by ranges and has more than 128 files, again for each further power of 128:
               sketches' records (a file a partition), candidates (a link task), candidates with a signature and
               labelled pairs (a gather task)
        memory = max(6 · 24 · min(2.5 M, b D),                   link
                     4 · min(64 MiB, (24 + 4 l) C),              gather, verify
                     128 V while that is at most memory_bytes,   components, else 5 · 16 · min(4 M, 2 V) a round
                     4 · 44 · min(2 M, V))                       claim, or all pairs of one larger component

    ``bands`` and ``lanes`` are means where documents differ: lanes = signature bytes / 4.
    """
    pairs, signature = candidates * documents, 4 * lanes
    verified = VERIFIED * pairs
    in_memory = verified * EDGE_BYTES <= memory_bytes
    carried = (CARRIED_BYTES + signature) * pairs
    joins = max(1, math.ceil(carried / JOIN_BYTES))
    link_units = max(1, math.ceil(bands * documents / LINK_ROWS))
    linked = CANDIDATE_BYTES * pairs * link_units * (1 - (1 - 1 / link_units) ** (SHARED * bands))
    merged = documents * RECORD_BYTES * bands * _levels(partitions) + linked * _levels(link_units)
    merged += (carried + LABELLED_BYTES * verified) * _levels(joins)
    links = LINK_FILE_BYTES * (1 if in_memory else 1 + 3 * ROUNDS) * verified
    disk = {
        "sketch": documents * (RECORD_BYTES * bands + ROW_BYTES + signature),
        "merge": merged,
        "link": linked,
        "gather": carried,
        "verify": EDGE_FILE_BYTES * verified,
        "components": links,
        "label": LABELLED_BYTES * verified,
        "claim": RELATION_BYTES * MEMBERS * verified,
        "resolve": RELATION_BYTES * MEMBERS * verified,
    }
    memory = max(
        LINK_COPIES * RECORD_BYTES * min(LINK_ROWS + BUCKET_ROWS, bands * documents),
        COPIES * min(JOIN_BYTES, carried),
        EDGE_BYTES * verified if in_memory else (COPIES + 1) * LINK_FILE_BYTES * min(ROUND_ROWS, 2 * verified),
        COPIES * LABELLED_BYTES * min(CLAIM_ROWS, verified),
    )
    per = {"link": bands * documents, "gather": pairs, "verify": pairs}
    seconds = {kind: cost * per.get(kind, verified) for kind, cost in SECONDS.items()}
    if not in_memory:
        seconds["components"] = ROUND_SECONDS * ROUNDS * verified
    seconds["merge"] = MERGE_SECONDS * merged
    units = {"link": link_units, "gather": joins, "verify": joins, "label": joins}
    units["claim"] = max(1, math.ceil(verified / CLAIM_ROWS))
    return DedupEstimate(disk, seconds, units, round(memory))


def _levels(files: float) -> int:
    """How often files are merged before they are few enough to be read by ranges."""
    return max(0, math.ceil(math.log(max(files, 1), FAN_IN)) - 1)


@dataclass(frozen=True)
class NearPhase:
    """A phase after the sketches: (low, likely, high) seconds of one core and bytes, and its units if likely."""

    kind: str
    units: int
    seconds: tuple[float, float, float]
    disk: tuple[float, float, float]


NEAR_PHASES = ("gather", "verify", "components", "label", "claim")


def near_phases(documents: float, bands: float, lanes: float, memory_bytes: int) -> Iterator[NearPhase]:
    """The phases between link and resolve."""
    few, likely, many = (
        dedup_estimate(documents, bands, lanes, candidates=c, memory_bytes=memory_bytes) for c in CANDIDATES
    )
    for kind in NEAR_PHASES:
        seconds = (few.seconds[kind], likely.seconds[kind], many.seconds[kind])
        yield NearPhase(kind, likely.units.get(kind, 1), seconds, (few.disk[kind], likely.disk[kind], many.disk[kind]))
