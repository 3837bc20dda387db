"""The phases of a corpus block, in their order; what they compute is in :mod:`pipeline.blocks.corpus` and ``near``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pipeline.blocks import corpus
from pipeline.blocks.corpus import (
    CANDIDATE_ORDER,
    LinkWork,
    ResolveWork,
    link_units,
    resolve_units,
)
from pipeline.blocks.merging import FAN_IN, MergeWork, merge_units
from pipeline.blocks.near import claims, rounds, verify
from pipeline.blocks.near.claims import ClaimUnit, ClaimWork
from pipeline.blocks.near.components import (
    EDGE_BYTES,
    LABELLED_ORDER,
    LINK_ORDER,
    ComponentsUnit,
    ComponentsWork,
    EdgesUnit,
    LabelWork,
)
from pipeline.blocks.near.rounds import SpreadWork, StarUnit, StarWork
from pipeline.blocks.near.verify import CARRIED_ORDER, EDGE_ORDER, GatherWork, JoinUnit, VerifyWork, rows_to_join
from pipeline.blocks.partition_list import PartitionList
from pipeline.blocks.reading import BlockUnit, Patches
from pipeline.blocks.sketch import SIGNATURES, SketchWork
from pipeline.blocks.sorted_runs import ROLE, KeyRange, part_files, ranges_of
from pipeline.blocks.sorted_runs import Run as SortedRun
from pipeline.blocks.work import Unit, Work
from pipeline.earlier import earlier_partitions
from pipeline.fingerprint import digest
from pipeline.plan import Block, CorpusBlock
from pipeline.store import Commit
from stages.contract import ADDRESS

PHASES_VERSION = 2
"""Raised when phases after the sketches decide otherwise on the same sketches."""
Runs = tuple[SortedRun, ...]
U = TypeVar("U")


class Phases(Protocol):
    """What runs a phase: the engine."""

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]: ...


@dataclass(frozen=True)
class CorpusPhases:
    """Runs the phases of one block. ``memory_bytes``: that components may take; beyond it they are found by rounds."""

    engine: Phases
    block: CorpusBlock
    memory_bytes: int

    def run(self, units: Sequence[BlockUnit]) -> dict[int, tuple[Patches, str]]:
        """Partition number → its patches and their digest, for partitions that have any."""
        whole = digest([[unit.key for unit in units], _sizes(), PHASES_VERSION])[:24]
        by = self.block.spec.record_order
        sketches = self._phase("sketch", SketchWork(self.block.name, self.block.store, self.block.spec), units)
        earlier = earlier_partitions(self.block.earlier, {unit.number for unit in units}, by)
        records = self._merged(
            [*self._runs(sketches, by), *(partition.records for partition in earlier)], f"{whole}-records"
        )
        signatures = {partition.number: partition.signatures for partition in earlier}
        signatures |= self._signatures(units, sketches)
        numbers = [*(partition.number for partition in earlier), *(unit.number for unit in units)]
        partitions = PartitionList.write(self.block.store.folder.child("partitions"), numbers, signatures)
        link = LinkWork(self.block.name, self.block.store, self.block.spec, records, partitions, len(earlier))
        linked = self._phase("link", link, link_units(records, whole))
        if self.block.spec.stage.verify is not None:
            linked = self._verified(partitions, rows_to_join(list(signatures.values())), linked, whole)
        files = [commit.files[role] for commit in linked for role in part_files(commit, corpus.RELATIONS)]
        relations = tuple(file for file in files if file.rows)
        known = {f"{one.number:010x}": (one.folder, one.was) for one in earlier}
        resolve = ResolveWork(self.block.name, self.block.store, self.block.spec, relations, known)
        return self._resolved(units, resolve, whole) if relations else {}

    def _signatures(self, units: Sequence[BlockUnit], sketches: Sequence[Commit]) -> dict[int, SortedRun]:
        """Of each partition by number; none where the stage has none."""
        if self.block.spec.stage.verify is None:
            return {}
        store, pairs = self.block.store, zip(units, sketches, strict=True)
        return {unit.number: SortedRun.of(store, sketch, (ADDRESS,), SIGNATURES) for unit, sketch in pairs}

    def _verified(self, partitions: PartitionList, rows: int, linked: Sequence[Commit], whole: str) -> list[Commit]:
        """From candidates to relations; no commits where no pair is similar enough. ``rows``: that a task joins."""
        candidates = self._merged(self._runs(linked, CANDIDATE_ORDER), f"{whole}-candidates", unique=True)
        if not any(run.rows for run in candidates):
            return []
        gather = GatherWork(self.block.name, self.block.store, candidates, partitions)
        gathered = self._phase("gather", gather, _ranged(JoinUnit, candidates, rows, f"{whole}-gather"))
        carried = self._merged(self._runs(gathered, CARRIED_ORDER), f"{whole}-carried")
        check = VerifyWork(self.block.name, self.block.store, self.block.spec, carried, partitions)
        verified = self._phase("verify", check, _ranged(JoinUnit, carried, rows, f"{whole}-verify"))
        edges = [run for run in self._runs(verified, EDGE_ORDER) if run.rows]
        return self._claimed(edges, partitions, whole) if edges else []

    def _claimed(self, edges: Sequence[SortedRun], partitions: PartitionList, whole: str) -> list[Commit]:
        fits = sum(run.rows for run in edges) * EDGE_BYTES <= self.memory_bytes
        links = self._in_memory(edges, whole) if fits else self._by_rounds(edges, whole)
        label = LabelWork(self.block.name, self.block.store, links)
        asked = [EdgesUnit(f"{whole}-label-{index:06d}", run) for index, run in enumerate(edges)]
        labelled = self._runs(self._phase("label", label, asked), LABELLED_ORDER)
        chosen = self._merged(labelled, f"{whole}-labelled")
        claim = ClaimWork(self.block.name, self.block.store, chosen, partitions)
        return self._phase("claim", claim, _ranged(ClaimUnit, chosen, claims.CLAIM_ROWS, f"{whole}-claim"))

    def _in_memory(self, edges: Sequence[SortedRun], whole: str) -> Runs:
        unit = ComponentsUnit(f"{whole}-components", tuple(edges))
        done = self._phase("components", ComponentsWork(self.block.name, self.block.store), [unit])
        return self._runs(done, LINK_ORDER)

    def _by_rounds(self, edges: Sequence[SortedRun], whole: str) -> Runs:
        asked = [EdgesUnit(f"{whole}-spread-{index:06d}", run) for index, run in enumerate(edges)]
        spread = self._phase("spread", SpreadWork(self.block.name, self.block.store), asked)
        links = self._merged(self._runs(spread, LINK_ORDER), f"{whole}-spread", unique=True)
        number, moved = 0, True
        while moved:
            links, large = self._star("large", links, f"{whole}-{number:03d}-large")
            links, small = self._star("small", links, f"{whole}-{number:03d}-small")
            number, moved = number + 1, bool(large or small)
        return links

    def _star(self, star: str, links: Runs, key: str) -> tuple[Runs, int]:
        """One half of a round: the links that it leaves, and how many it moved."""
        work = StarWork(self.block.name, self.block.store, "large" if star == "large" else "small", links)
        done = self._phase(f"{star}_star", work, _ranged(StarUnit, links, rounds.ROUND_ROWS, key))
        return self._merged(self._runs(done, LINK_ORDER), key, unique=True), sum(c.facts["moved"] for c in done)

    def _resolved(self, units: Sequence[BlockUnit], work: ResolveWork, whole: str) -> dict[int, tuple[Patches, str]]:
        found = {}
        relations = sum(file.rows for file in work.relations)
        asked = resolve_units([(unit.number, unit.file.rows) for unit in units], relations, whole)
        for commit in self._phase("resolve", work, asked):
            patches = Patches(self.block.store, commit.files["patches"])
            for number, checksum in commit.facts["digests"].items():
                found[int(number, 16)] = (patches, checksum)
        return found

    def _phase(self, kind: str, work: Work, units: Sequence[Unit]) -> list[Commit]:
        return self.engine.phase(kind, self.block.name, self.block, work, units)

    def _runs(self, commits: Sequence[Commit], by: tuple[str, ...]) -> Runs:
        store = self.block.store
        return tuple(SortedRun.of(store, one, by, role) for one in commits for role in part_files(one, ROLE))

    def _merged(self, runs: Sequence[SortedRun], key: str, unique: bool = False) -> Runs:
        """The runs, merged until there are no more than :data:`FAN_IN`."""
        while len(runs) > FAN_IN:
            work = MergeWork(self.block.name, self.block.store, unique)
            done = self._phase("merge", work, merge_units(runs, f"{key}-{len(runs)}"))
            runs = self._runs(done, runs[0].by)
        return tuple(runs)


def _sizes() -> list[int]:
    """What decides, with the partitions, which range a numbered unit covers: part of its key, as releases change it."""
    sizes = [corpus.LINK_ROWS, corpus.BUCKET_ROWS, corpus.RESOLVE_ROWS]
    return [*sizes, verify.JOIN_BYTES, verify.EDGE_ROWS, rounds.ROUND_ROWS, claims.CLAIM_ROWS, FAN_IN]


def _ranged(make: Callable[[str, KeyRange], U], runs: Runs, rows: int, key: str) -> list[U]:
    return [make(f"{key}-{index:06d}", wanted) for index, wanted in enumerate(ranges_of(runs, rows))]
