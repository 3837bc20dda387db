"""Runs a plan on the pilot's partitions: the engine itself, with a temporary store and in this process.

Every phase is run as it will be, fits and corpus stages too; what it took and wrote is noted unit by unit. Nothing is
written outside the temporary folder, and nobody is asked: a stage that asks others at a price is rehearsed. A fit that
has no documents in the pilot does not stop it: its threshold is switched off, and what comes after a model that cannot
be made is not measured.

Limits: a document that crashes a stage ends the process, and one on which a stage hangs holds it up; a run would search
for it and quarantine it. Blocks that are in the store already are measured all the same, for those after them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pipeline import machine
from pipeline.blocks.steps import stage_steps
from pipeline.blocks.work import Unit, Work
from pipeline.books import Books
from pipeline.engine import Engine
from pipeline.errors import GristmillError
from pipeline.executors.worker import prepare, run_unit
from pipeline.pilot.assumed import source_sizes
from pipeline.pilot.bounded import Meter, Reading, bounded
from pipeline.pilot.choose import PILOT_BYTES, SOURCE_BYTES, Chosen, choose
from pipeline.pilot.rehearsed import Noted, rehearsed
from pipeline.plan import Block, CorpusBlock, ExportBlock, FitBlock, Plan, RowsBlock
from pipeline.progress import Silent
from pipeline.recipe.model import Recipe
from pipeline.sources.streams import watch_opened
from pipeline.storage import Folder
from pipeline.store import BlockStore, Commit
from stages import catalogue

SECONDS = 12.0
"""After so long the rest of the pilot's partitions give little."""
WARM_BYTES = 64 * 2**10
"""Text of each source that goes through everything once before, so that loading kernels and models is told apart."""


@dataclass(frozen=True)
class MeasuredUnit:
    """A unit of a phase. ``partition``: key of the pilot's partition, if it has one.

    ``seconds``: of its work, without reading what was not used; ``fixed_seconds``: what of it does not grow with the
    text (files opened, flushed and named).
    """

    partition: str | None
    commit: Commit
    seconds: float
    fixed_seconds: float


@dataclass(frozen=True)
class MeasuredPhase:
    """A phase of the pilot."""

    kind: str
    name: str
    block: Block | None
    units: tuple[MeasuredUnit, ...]


@dataclass(frozen=True)
class Pilot:
    """What a pilot found. ``chosen``: source → its partitions; ``readings``: by partition's key.

    ``warm_seconds``: loading of kernels and models; ``memory_bytes``: the most that this process had; ``fits``: fits
    that had no documents; ``stopped``: why it could not go to the end, if so. ``asked``: address of a stage that asks
    others at a price → amount → partition's key → what it would have asked about the pilot's documents.
    """

    chosen: Mapping[str, list[Chosen]]
    readings: Mapping[str, Reading]
    phases: tuple[MeasuredPhase, ...]
    seconds: float
    warm_seconds: float
    memory_bytes: int
    fits: tuple[str, ...] = ()
    stopped: str | None = None
    asked: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def books(self) -> Books:
        """The books of all units."""
        books = Books()
        for phase in self.phases:
            for unit in phase.units:
                books.merge(unit.commit.books)
        return books


def run_pilot(plan: Plan, seconds: float = SECONDS) -> Pilot:
    """Take some of each source through the plan. Raises GristmillError for what would stop the run."""
    started = time.monotonic()
    chosen = _chosen(plan)
    prepare()
    with tempfile.TemporaryDirectory(prefix="gristmill-pilot-") as folder:
        warm = {name: [replace(one, text_bytes=WARM_BYTES) for one in some[:1]] for name, some in chosen.items()}
        _run(plan, warm, Folder(folder).child("warm"), 0.0)
        warm_seconds = time.monotonic() - started
        before = machine.resident_bytes()
        machine.reset_peak()
        engine = _run(plan, chosen, Folder(folder).child("pilot"), seconds)
    memory = max(machine.peak_bytes(), before)
    return Pilot(
        chosen=chosen,
        readings=engine.meter.readings,
        phases=tuple(engine.measured),
        seconds=time.monotonic() - started,
        warm_seconds=warm_seconds,
        memory_bytes=memory,
        fits=tuple(engine.empty_fits),
        stopped=engine.stopped,
        asked=engine.asked(),
    )


def _chosen(plan: Plan) -> dict[str, list[Chosen]]:
    """Source → its partitions of the pilot."""
    sizes = source_sizes(plan)
    largest = max(sizes, key=lambda size: size.text_bytes)
    # where a run looks at a sample, more has to be read for as much to come through
    wanted = min(SOURCE_BYTES, PILOT_BYTES // len(sizes)) / max(plan.sample or 1.0, 0.1)
    return {
        size.name: choose(
            [unit for unit in plan.units if unit.source == size.name],
            plan.recipe.seed,
            int(wanted),
            size is largest,
        )
        for size in sizes
    }


def _run(plan: Plan, chosen: Mapping[str, list[Chosen]], folder: Folder, seconds: float) -> PilotEngine:
    meter = Meter({one.key: one for some in chosen.values() for one in some}, deadline=time.monotonic() + seconds)
    noted = Noted()
    engine = PilotEngine(_pilot_plan(plan, meter, noted, folder), folder, meter, noted)
    with watch_opened(meter.opened), suppress(_CannotGoOn):
        engine.run()
    return engine


def _pilot_plan(plan: Plan, meter: Meter, noted: Noted, folder: Folder) -> Plan:
    """The plan with the pilot's partitions, bounded readers, rehearsals, and all stores below the folder."""
    moved: dict[str, Block] = {}
    for block in plan.blocks:
        changes: dict[str, Any] = {"store": BlockStore(folder.child(f"store/{block.fingerprint[:32]}"))}
        for name in ("upstream", "corpus"):
            before = getattr(block, name, None)
            if before is not None:
                changes[name] = moved[before.fingerprint]
        if isinstance(block, RowsBlock):
            changes["steps"] = rehearsed(block.steps, noted)
        if isinstance(block, FitBlock):
            changes["spec"] = replace(block.spec, measure=rehearsed(block.spec.measure, noted))
        if isinstance(block, CorpusBlock):
            changes["earlier"] = ()  # reading all of an earlier run is not a pilot's
        if isinstance(block, ExportBlock):
            changes["path"] = None  # below the folder, and not where the run will write
        moved[block.fingerprint] = replace(block, **changes)
    return replace(
        plan,
        recipe=_pilot_recipe(plan.recipe),
        readers={name: bounded(reader, meter) for name, reader in plan.readers.items()},
        units=tuple(one.unit for one in meter.chosen.values()),
        ingest=BlockStore(folder.child("store/ingest")),
        blocks=tuple(moved.values()),
    )


def _pilot_recipe(recipe: Recipe) -> Recipe:
    """The recipe without what would stop a pilot: too many errors in a part, or a time-out that ends the process."""
    execution = recipe.execution.model_copy(update={"stall_seconds": None})
    return recipe.model_copy(update={"max_errors": 1.0, "execution": execution})


class _CannotGoOn(Exception):
    """A model that later blocks need could not be made of the pilot."""


class PilotEngine(Engine):
    """The engine, noting what each unit took. ``measured``: the phases; ``empty_fits``: fits without documents."""

    def __init__(self, plan: Plan, folder: Folder, meter: Meter, noted: Noted) -> None:
        self.stopwatch = _Stopwatch(meter)
        super().__init__(plan, self.stopwatch, Silent(), folder)
        self.meter = meter
        self.noted = noted
        self.measured: list[MeasuredPhase] = []
        self.empty_fits: list[str] = []
        self.stopped: str | None = None

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]:
        commits = super().phase(kind, name, block, work, units)
        measured = tuple(
            MeasuredUnit(self._partition(unit), commit, *self.stopwatch.taken(unit, commit))
            for unit, commit in zip(units, commits, strict=True)
        )
        self.measured.append(MeasuredPhase(kind, name, block, measured))
        return commits

    def _partition(self, unit: Unit) -> str | None:
        partition = getattr(unit, "partition", None)
        if partition is not None:
            return str(partition.key)
        number = getattr(unit, "number", None)
        return None if number is None else self._partitions().get(number)

    def _partitions(self) -> dict[int, str]:
        return {unit.number: unit.partition.key for units in self.sources.values() for unit in units}

    def asked(self) -> dict[str, dict[str, dict[str, float]]]:
        """What stages would have asked, see :class:`Pilot`."""
        partitions = self._partitions()
        found: dict[str, dict[str, dict[str, float]]] = {}
        for address, amounts in self.noted.totals().items():
            found[address] = {}
            for name, by_number in amounts.items():
                sums = found[address][name] = {}
                for number, value in by_number.items():
                    sums[partitions[number]] = sums.get(partitions[number], 0.0) + value
        return found

    def _run_fit(self, block: FitBlock) -> None:
        try:
            super()._run_fit(block)
        except GristmillError as error:
            self.empty_fits.append(block.name)
            if catalogue.fit(block.spec.kind).value is None or self._is_model(block.name):
                self.stopped = f"fit {block.name}: {error.message}"
                raise _CannotGoOn from error
            self.values[block.name] = cast(float, None)  # None switches a threshold off

    def _is_model(self, fit: str) -> bool:
        """Whether a stage takes what the fit makes as a model, and not as a threshold only."""
        blocks = [block for block in self.plan.blocks if isinstance(block, RowsBlock)]
        return any(f"fit:{fit}" in step.resources.values() for block in blocks for step in stage_steps(block.steps))

    def publish(self, block: Block, files: Mapping[str, str]) -> None:
        """A pilot publishes nothing."""


@dataclass
class _Stopwatch:
    """An executor that runs units in this process, one after the other, and takes the time."""

    meter: Meter
    workers: int = 1
    _wall: dict[str, tuple[float, float]] = field(default_factory=dict)

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        for unit in units:
            self.meter.take_wasted()
            started = time.perf_counter()
            result = run_unit(work, unit)
            self._wall[unit.key] = time.perf_counter() - started, self.meter.take_wasted()
            if not isinstance(result, Commit):
                raise result
            yield unit, result

    def taken(self, unit: Unit, commit: Commit) -> tuple[float, float]:
        """(seconds, fixed seconds) of the unit's work in the last phase that had it."""
        wall, wasted = self._wall[unit.key]
        spent = sum(seconds for name, seconds in commit.seconds.items() if name != "total")
        return max(0.0, wall - wasted), max(0.0, wall - spent)

    def close(self) -> None: ...
