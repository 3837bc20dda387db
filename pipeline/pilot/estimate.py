"""From what a pilot measured to what a run will take: time, disk, memory, tokens, each with a range.

Every phase is scaled by :mod:`pipeline.pilot.scaling`; time is that of the workers, units handed out as executors do,
with a further :data:`TIMING_ERROR` for what else the machine does.

Limits: workers that share processors with other work are slower than the pilot, which was alone, so on a machine that
is busy a run takes longer; duplicates across the pilot and the rest are not seen, so what a corpus stage drops is
unknown and later blocks are estimated without it; link and resolve are taken to grow with the documents, and what
near copies take is a range (:mod:`pipeline.pilot.dedup`); training is not included, nor is the wait for answers of
others, whose number is estimated.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.blocks.corpus import LINK_ROWS, RESOLVE_ROWS
from pipeline.blocks.merging import FAN_IN
from pipeline.blocks.sketch import SIGNATURES
from pipeline.blocks.sorted_runs import ROLE as RUN
from pipeline.pilot.assumed import SourceSize, source_sizes
from pipeline.pilot.dedup import NEAR_PHASES, ROW_BYTES, NearPhase, dedup_estimate, near_phases
from pipeline.pilot.engine import MeasuredPhase, MeasuredUnit, Pilot
from pipeline.pilot.scaling import Amount, Scale, total
from pipeline.pilot.stages import StageEstimate, stage_estimates
from pipeline.plan import Block, ExportBlock, Plan
from pipeline.tokens.shard_writer import SHARD_BYTES

TIMING_ERROR = 0.15
"""Relative standard error of a time measured on a machine that also does other things."""
MEMORY_MARGIN = 1.15
"""A worker's peak over the pilot's: measured 1.09 on two recipes; a run reads more batches, and some are larger."""
PROCESS_BYTES = 300 * 2**20
"""Of a worker that has imported what it needs; 250 to 300 MB here."""
RAY_SECONDS = 6.0
"""From the start of Ray on one machine to workers that have imported what they need. Assumed for an idle machine; on a
busy one of two cores it took 14 to 16."""
POOL_SECONDS = 1.5
"""The same for child processes of the local executor; assumed."""
MOST_WARM_SECONDS = 8.0
"""Longer than this, loading has compiled kernels; the run will find them compiled."""
MERGE_ERROR = 0.5
"""Relative standard error of the time to merge sketches, which a pilot does not measure."""
WHOLE_DATA = {"link", "resolve", "compact", "merge", "export"}
ONE_UNIT = {"finish", "index"}
MOST_SIMULATED = 20_000
"""Units up to which their distribution over workers is simulated; more are spread evenly enough."""


@dataclass(frozen=True)
class SourceEstimate:
    """A source; ``text_bytes`` and ``documents`` as its reader will give them.

    ``mb_per_s``: of text through all phases that go partition by partition, on one core. ``assumed``: how much text a
    file holds could not be measured.
    """

    size: SourceSize
    text_bytes: Amount
    documents: Amount
    read_bytes: int
    read_partitions: int
    mb_per_s: float | None
    assumed: bool


@dataclass(frozen=True)
class PhaseEstimate:
    """A phase of the run, whole. ``seconds``: with the workers of the recipe; ``units``: into how many it is cut."""

    kind: str
    name: str
    block: Block | None
    units: int
    seconds: Amount
    disk: Amount


@dataclass(frozen=True)
class Estimate:
    """All of it. ``start_seconds``: until workers are up and have loaded kernels and models.

    ``memory_bytes``: of a worker. ``asked``: address of a stage that asks others at a price → amount → how much of it
    the run will take, what is known already left out.
    """

    pilot: Pilot
    workers: int
    sources: tuple[SourceEstimate, ...]
    stages: tuple[StageEstimate, ...]
    phases: tuple[PhaseEstimate, ...]
    tokens: Amount | None
    start_seconds: float
    memory_bytes: int
    asked: Mapping[str, Mapping[str, Amount]] = field(default_factory=dict)


def estimate(plan: Plan, pilot: Pilot, workers: int, plan_seconds: float = 0.0) -> Estimate:
    """Scale a pilot up to the plan's whole input. ``plan_seconds``: what planning took, as it will again."""
    scale = Scale(plan, pilot)
    sizes = {size.name: size for size in source_sizes(plan)}
    budget = plan.recipe.execution.dedup_memory_bytes
    verified = {
        phase.name: list(near_phases(scale.documents.value, *found, budget))
        for phase in pilot.phases
        if (found := _sketch_sizes(phase)) is not None
    }
    return Estimate(
        pilot=pilot,
        workers=workers,
        sources=tuple(_source(size, scale, pilot) for size in sizes.values()),
        stages=tuple(stage_estimates(plan, pilot)),
        phases=tuple(
            found for phase in pilot.phases for found in _phases(phase, scale, workers, verified.get(phase.name, ()))
        ),
        tokens=_tokens(pilot, scale),
        start_seconds=plan_seconds + _start_seconds(plan, workers) + min(pilot.warm_seconds, MOST_WARM_SECONDS),
        memory_bytes=_memory_bytes(plan, pilot, scale),
        asked={
            address: {name: scale.sum_of(measured) for name, measured in amounts.items()}
            for address, amounts in pilot.asked.items()
        },
    )


def _source(size: SourceSize, scale: Scale, pilot: Pilot) -> SourceEstimate:
    keys = scale.by_source[size.name]
    readings = [scale.readings[key] for key in keys]
    kept = sum(reading.kept_bytes for reading in readings)
    seconds = sum(unit.seconds for phase in pilot.phases for unit in phase.units if unit.partition in keys)
    return SourceEstimate(
        size=size,
        text_bytes=scale.sum_of({key: float(scale.readings[key].kept_bytes) for key in keys}, [size.name]),
        documents=scale.sum_of({key: float(scale.readings[key].kept_rows) for key in keys}, [size.name]),
        read_bytes=kept,
        read_partitions=len(keys),
        mb_per_s=kept / 1e6 / seconds if seconds > 0 and kept else None,
        assumed=any(reading.share is None for reading in readings),
    )


def _phases(phase: MeasuredPhase, scale: Scale, workers: int, verified: Sequence[NearPhase]) -> Iterator[PhaseEstimate]:
    """The phase, and behind the sketches of very many partitions their merge, which no pilot has.

    What verified pairs take comes from a formula, and stands behind the link: a pilot has too few of them.
    """
    if phase.kind in NEAR_PHASES:
        return
    work, disk, units = _work(phase, scale), _disk(phase, scale), _units(phase, scale)
    found = PhaseEstimate(
        phase.kind, phase.name, phase.block, units, work.times(_makespan(phase, scale, workers)), disk
    )
    yield found
    levels = 0
    while phase.kind == "sketch" and units > FAN_IN:
        units, levels = math.ceil(units / FAN_IN), levels + 1
    if levels:
        # records are read and written again, not made; as long as making them is the upper end
        seconds = found.seconds.times(levels / 2, MERGE_ERROR)
        yield PhaseEstimate("merge", phase.name, phase.block, units, seconds, disk.times(levels))
    for near in verified if phase.kind == "link" else ():
        low, value, high = (spent / max(1, min(workers, near.units)) for spent in near.seconds)
        n_bytes = Amount(near.disk[1], near.disk[0], near.disk[2])
        yield PhaseEstimate(near.kind, phase.name, phase.block, near.units, Amount(value, low, high), n_bytes)


def _sketch_sizes(phase: MeasuredPhase) -> tuple[float, float] | None:
    """Records of a document, and 32-bit lanes of its signature, as the pilot saw them; None without signatures."""
    files = [unit.commit.files for unit in phase.units]
    rows = sum(file[SIGNATURES].rows for file in files if SIGNATURES in file)
    if phase.kind != "sketch" or not rows:
        return None
    records, size = sum(file[RUN].rows for file in files), sum(file[SIGNATURES].bytes for file in files)
    return records / rows, max(0.0, size / rows - ROW_BYTES) / 4


def _memory_bytes(plan: Plan, pilot: Pilot, scale: Scale) -> int:
    """Of a worker: what the pilot had, or what the largest task of a deduplication needs on top of the process."""
    needed = [round(pilot.memory_bytes * MEMORY_MARGIN)]
    for phase in pilot.phases:
        if (sizes := _sketch_sizes(phase)) is not None:
            budget = plan.recipe.execution.dedup_memory_bytes
            needed.append(
                PROCESS_BYTES + dedup_estimate(scale.documents.value, *sizes, memory_bytes=budget).memory_bytes
            )
    return max(needed)


def _makespan(phase: MeasuredPhase, scale: Scale, workers: int) -> float:
    """Time until the last of the workers is done, as a share of all their work.

    Units go in order to whoever is free, as executors hand them out, so few large units leave workers idle.
    """
    units = _units(phase, scale)
    if phase.kind in ONE_UNIT | WHOLE_DATA or units > MOST_SIMULATED:
        return 1 / max(1, min(workers, units))
    speeds = _seconds_per_byte(phase, scale)
    texts = scale.streams if phase.kind == "ingest" else scale.parts
    fixed = _fixed_seconds(phase)
    busy = [0.0] * max(1, workers)
    for source in _sources(phase, scale):
        for text in texts[source]:
            heapq.heapreplace(busy, busy[0] + text * speeds[source] + fixed)
    return max(busy) / sum(busy) if sum(busy) else 1.0


def _seconds_per_byte(phase: MeasuredPhase, scale: Scale) -> dict[str, float]:
    """Source → seconds of work for a byte of its text."""
    growing = _by_partition(phase.units, [max(0.0, unit.seconds - unit.fixed_seconds) for unit in phase.units])
    found = {}
    for name in _sources(phase, scale):
        text = sum(scale.text[key] for key in scale.by_source[name] if key in growing)
        found[name] = scale.sum_of(growing, [name]).value / text if text else 0.0
    return found


def _fixed_seconds(phase: MeasuredPhase) -> float:
    """Seconds of a unit that do not grow with its text."""
    return sum(unit.fixed_seconds for unit in phase.units) / max(len(phase.units), 1)


def _units(phase: MeasuredPhase, scale: Scale) -> int:
    """Units of work that the phase will have."""
    if phase.kind in ONE_UNIT:
        return 1
    if phase.kind in WHOLE_DATA:
        rows, written = scale.documents.value, _bytes_of(phase.units, None) * scale.overall.value
        if isinstance(phase.block, ExportBlock):
            return max(1, math.ceil(written / phase.block.spec.target_bytes))
        size = {"link": LINK_ROWS, "resolve": RESOLVE_ROWS, "merge": LINK_ROWS * FAN_IN, "compact": SHARD_BYTES}
        return max(1, math.ceil((written if phase.kind == "compact" else rows) / size[phase.kind]))
    texts = scale.streams if phase.kind == "ingest" else scale.parts
    return sum(len(texts[name]) for name in _sources(phase, scale))


def _sources(phase: MeasuredPhase, scale: Scale) -> list[str]:
    keys = {unit.partition for unit in phase.units}
    return [name for name, mine in scale.by_source.items() if keys & set(mine)]


def _work(phase: MeasuredPhase, scale: Scale) -> Amount:
    """Seconds of one core."""
    if phase.kind in ONE_UNIT:
        seconds = sum(unit.seconds for unit in phase.units)
        return Amount(seconds, seconds, 2 * seconds)
    growing = [max(0.0, unit.seconds - unit.fixed_seconds) for unit in phase.units]
    fixed = _fixed_seconds(phase) * _units(phase, scale)
    if phase.kind in WHOLE_DATA:
        found = scale.overall.times(sum(growing))
    else:
        found = scale.sum_of(_by_partition(phase.units, growing), _sources(phase, scale))
    return total([found.times(1.0, TIMING_ERROR), Amount.of(fixed, (fixed * TIMING_ERROR) ** 2)])


def _disk(phase: MeasuredPhase, scale: Scale) -> Amount:
    """Bytes of data files and commits."""
    samples = _bytes_of(phase.units, lambda role: role == "samples") + sum(
        len(unit.commit.to_json()) for unit in phase.units
    )
    fixed = samples / max(len(phase.units), 1) * _units(phase, scale)
    sizes = [float(_bytes_of([unit], lambda role: role != "samples")) for unit in phase.units]
    if phase.kind in ONE_UNIT:
        found = scale.overall.times(sum(sizes)) if phase.kind == "index" else Amount.of(sum(sizes), 0.0)
    elif phase.kind in WHOLE_DATA:
        found = scale.overall.times(sum(sizes))
    else:
        found = scale.sum_of(_by_partition(phase.units, sizes), _sources(phase, scale))
    return total([found, Amount(fixed, fixed, fixed)])


def _by_partition(units: Sequence[MeasuredUnit], values: Sequence[float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for unit, value in zip(units, values, strict=True):
        if unit.partition is not None:
            found[unit.partition] = found.get(unit.partition, 0.0) + value
    return found


def _bytes_of(units: Iterable[MeasuredUnit], wanted: Callable[[str], bool] | None) -> int:
    return sum(
        file.bytes for unit in units for role, file in unit.commit.files.items() if wanted is None or wanted(role)
    )


def _tokens(pilot: Pilot, scale: Scale) -> Amount | None:
    for phase in pilot.phases:
        if phase.kind == "tokenize":
            counts = [float(unit.commit.facts["counts"]["tokens"]) for unit in phase.units]
            return scale.sum_of(_by_partition(phase.units, counts))
    return None


def _start_seconds(plan: Plan, workers: int) -> float:
    execution = plan.recipe.execution
    if execution.executor == "ray":
        return RAY_SECONDS if execution.address is None else 1.0
    return 0.0 if workers == 1 else POOL_SECONDS
