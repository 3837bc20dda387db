"""How far a recipe has come: the engine's own walk through a plan, asking the store and computing nothing.

Units of a later phase are known once the phase before is complete, so the walk stops at the first phase that has
work left; blocks after it have not begun, or cannot be told yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.blocks.work import Unit, Work
from pipeline.engine import Engine, done_units
from pipeline.plan import Block, ExportBlock, Plan
from pipeline.progress import Silent
from pipeline.runs import RunBlock
from pipeline.storage import Folder
from pipeline.store import Commit, DataFile


@dataclass(frozen=True)
class WalkedPhase:
    """A phase: units that are committed, of how many. ``bytes``: of their files, for phases that are complete."""

    kind: str
    name: str
    block: Block | None
    done: int
    units: int
    bytes: int = 0

    @property
    def complete(self) -> bool:
        return self.done == self.units


class _WorkLeft(Exception):
    """The walk has come to a phase that is not complete."""


class _NoExecutor:
    """A walk computes nothing."""

    workers = 0

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        raise AssertionError("a walk computes nothing")

    def close(self) -> None: ...


class StoreWalk(Engine):
    """Walks a plan. ``walked``: phases up to the first that has work left."""

    def __init__(self, plan: Plan, folder: Folder) -> None:
        super().__init__(plan, _NoExecutor(), Silent(), folder)
        self.walked: list[WalkedPhase] = []

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]:
        keys = [unit.key for unit in units]
        done = len(done_units(work, units))
        if done < len(keys):
            self.walked.append(WalkedPhase(kind, name, block, done, len(keys)))
            raise _WorkLeft
        commits = list(work.store.read_many(keys))
        n_bytes = sum(file.bytes for commit in commits for file in commit.files.values())
        self.walked.append(WalkedPhase(kind, name, block, done, len(keys), n_bytes))
        self.phases.append(RunBlock(name, kind, block.fingerprint if block else "", work.store.folder.uri, tuple(keys)))
        return commits

    def publish(self, block: Block, files: Mapping[str, str]) -> None:
        """Nothing is published by looking."""

    def finish_export(self, block: ExportBlock, files: Sequence[DataFile]) -> None:
        """Nothing is finished by looking."""

    @property
    def complete(self) -> bool:
        return all(phase.complete for phase in self.walked)

    def blocks_left(self) -> list[Block]:
        """Blocks of the plan that the walk did not come to."""
        reached = [phase.block for phase in self.walked]
        return [block for block in self.plan.blocks if not any(block is other for other in reached)]


def walk_store(plan: Plan, folder: Folder) -> StoreWalk:
    """How far the store is with a plan."""
    walk = StoreWalk(plan, folder)
    with suppress(_WorkLeft):
        walk.run()
    return walk
