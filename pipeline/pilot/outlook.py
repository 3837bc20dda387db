"""What a run still has to do and whether the machine has room for it: the estimate less what is in the store.

Nothing is freed during a run, so the most disk that it needs is what the store holds at its end. The part of it that
is needed at the same time is less: a block may go once the last block that reads it is done, which ``needed_until``
names; today ``gristmill gc`` frees blocks when no kept run needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline import machine
from pipeline.pilot.assumed import SourceSize, assumed_bytes, source_sizes
from pipeline.pilot.estimate import Estimate, PhaseEstimate
from pipeline.pilot.findings import Finding
from pipeline.pilot.scaling import Amount, total
from pipeline.plan import Block, Plan
from pipeline.reports import figures
from pipeline.reports.store_walk import StoreWalk
from pipeline.storage import Folder

REPORT_SECONDS = 1.0
"""For reading the commits and writing report and page of a small run."""


@dataclass(frozen=True)
class PhaseLeft:
    """A phase, and what is left of it. ``estimate`` is of the whole phase; ``left``: the share that is to be done."""

    estimate: PhaseEstimate
    left: float
    stored_bytes: int

    @property
    def seconds(self) -> Amount:
        return self.estimate.seconds.times(self.left)

    @property
    def disk(self) -> Amount:
        return self.estimate.disk.times(self.left)


@dataclass(frozen=True)
class Outlook:
    """All that ``gristmill plan`` has to say. ``estimate`` is None without a pilot.

    ``stored_bytes``: of phases that are complete in the store; ``new_bytes``: what the run will write. ``free_bytes``:
    on the disk of the store, None on an object store. ``needed_until``: block's fingerprint → the last block that reads
    it. ``published_bytes``: copies of token shards in the run's folder (hard links on a disk).
    """

    plan: Plan
    walk: StoreWalk
    sizes: tuple[SourceSize, ...]
    workers: int
    estimate: Estimate | None = None
    findings: tuple[Finding, ...] = ()
    phases: tuple[PhaseLeft, ...] = ()
    needed_until: Mapping[str, str] = field(default_factory=dict)
    new_bytes: Amount = field(default_factory=Amount)
    seconds: Amount = field(default_factory=Amount)
    free_bytes: int | None = None
    memory: machine.Memory | None = None
    warnings: tuple[str, ...] = ()

    @property
    def stored_bytes(self) -> int:
        return sum(phase.bytes for phase in self.walk.walked)

    @property
    def at_once_bytes(self) -> float:
        """The most that is needed at the same time: what is written, and the blocks that are still to be read."""
        return _at_once(self)


def outlook(
    plan: Plan, walk: StoreWalk, workers: int, estimate: Estimate | None = None, findings: tuple[Finding, ...] = ()
) -> Outlook:
    """Put plan, store, pilot and machine together."""
    store = Folder(plan.recipe.store)
    free = machine.disk(store.path).free if store.is_local else None
    phases = tuple(_left(phase, walk) for phase in estimate.phases) if estimate else ()
    found = Outlook(
        plan=plan,
        walk=walk,
        sizes=tuple(source_sizes(plan)),
        workers=workers,
        estimate=estimate,
        findings=findings,
        phases=phases,
        needed_until=needed_until(plan),
        new_bytes=_new_bytes(plan, walk, phases, estimate),
        seconds=_seconds(phases, estimate),
        free_bytes=free,
        memory=machine.memory() if _is_here(plan) else None,
    )
    return replace(found, warnings=tuple(_warnings(found)))


def workers_of(plan: Plan) -> int:
    """Tasks at a time. For a cluster whose size the recipe does not give, this machine's processors are assumed."""
    execution = plan.recipe.execution
    return execution.workers or (1 if execution.executor == "local" else machine.cpu_count())


def _is_here(plan: Plan) -> bool:
    execution = plan.recipe.execution
    return execution.executor == "local" or execution.address is None


def needed_until(plan: Plan) -> dict[str, str]:
    """Block's fingerprint → name of the last block that reads it."""
    last: dict[str, str] = {}
    for block in plan.blocks:
        for name in ("upstream", "corpus"):
            before: Block | None = getattr(block, name, None)
            if before is not None:
                last[before.fingerprint] = block.name
    return last


def _left(phase: PhaseEstimate, walk: StoreWalk) -> PhaseLeft:
    for walked in walk.walked:
        if (walked.kind, walked.name, walked.block and walked.block.fingerprint) == (
            phase.kind, phase.name, phase.block and phase.block.fingerprint,
        ):  # fmt: skip
            return PhaseLeft(phase, 1 - walked.done / walked.units if walked.units else 0.0, walked.bytes)
    return PhaseLeft(phase, 1.0, 0)


def _new_bytes(plan: Plan, walk: StoreWalk, phases: tuple[PhaseLeft, ...], estimate: Estimate | None) -> Amount:
    missing = [phase.block for phase in walk.walked if not phase.complete] + list(walk.blocks_left())
    if estimate is None:
        value = assumed_bytes(plan, missing)
        return Amount(value, value / 2, value * 2)
    measured = {phase.block.fingerprint for phase in estimate.phases if phase.block}
    unmeasured = assumed_bytes(plan, [block for block in missing if block and block.fingerprint not in measured])
    published = Amount()
    if not Folder(plan.recipe.runs).is_local:
        published = total(phase.disk for phase in phases if phase.estimate.kind in ("compact", "index"))
    return total([*(phase.disk for phase in phases), published, Amount(unmeasured, unmeasured / 2, unmeasured * 2)])


def _seconds(phases: tuple[PhaseLeft, ...], estimate: Estimate | None) -> Amount:
    if estimate is None:
        return Amount()
    found = total(phase.seconds for phase in phases)
    started = estimate.start_seconds + REPORT_SECONDS
    return total([found, Amount(started, started / 2, started * 2)])


def _at_once(outlook: Outlook) -> float:
    """Blocks in the plan's order: a block's files count from when it is written until its last reader is done."""
    sizes: dict[str, float] = {}
    for phase in outlook.phases:
        key = phase.estimate.block.fingerprint if phase.estimate.block else ""
        sizes[key] = sizes.get(key, 0.0) + phase.estimate.disk.value
    order = ["", *(block.fingerprint for block in outlook.plan.blocks)]
    names = {block.fingerprint: block.name for block in outlook.plan.blocks}
    last = {key: order.index(reader) for key, reader in _last_readers(outlook.plan).items()}
    most = 0.0
    for now, key in enumerate(order):
        alive = [other for other in order[: now + 1] if last.get(other, len(names)) >= now or other == key]
        most = max(most, sum(sizes.get(other, 0.0) for other in alive))
    return most


def _last_readers(plan: Plan) -> dict[str, str]:
    """Block's fingerprint ("" for the ingest) → fingerprint of the last block that reads it."""
    last: dict[str, str] = {}
    for block in plan.blocks:
        befores = [getattr(block, name, None) for name in ("upstream", "corpus")]
        if getattr(block, "upstream", None) is None:
            last[""] = block.fingerprint
        for before in befores:
            if before is not None:
                last[before.fingerprint] = block.fingerprint
    return last


def _warnings(found: Outlook) -> list[str]:
    """What does not fit this machine."""
    warnings = []
    if found.free_bytes is not None and found.new_bytes.high > found.free_bytes:
        sure = "" if found.new_bytes.low > found.free_bytes else "perhaps "
        warnings.append(f"the disk of the store is {sure}too small for what the run writes")
    if found.estimate and found.memory:
        needed = found.estimate.memory_bytes * found.workers
        if needed > found.memory.available:
            warnings.append(f"{figures.counted(found.workers, 'worker')} may need more memory than is free here")
    return warnings
