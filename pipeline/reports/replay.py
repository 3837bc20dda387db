"""One row taken through a row block again, by the engine's own code: what every stage saw, measured and did.

The partition is read again (from its source, its ingested part or the block before), all rows but one are left out, and
the block runs into a temporary folder. What it says of the row must be what is stored.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.blocks.ingest import ingested_units
from pipeline.blocks.models import models_of
from pipeline.blocks.reading import BlockUnit, Patches, SourceUnit
from pipeline.blocks.rows import RowsWork
from pipeline.blocks.rules import broken, chosen, stored_signal
from pipeline.blocks.signals import SignalFile
from pipeline.blocks.steps import StageStep, stage_steps
from pipeline.errors import GristmillError, SourceError, StoreError
from pipeline.plan import make_plan, source_readers
from pipeline.reports.stored_run import Phase, StoredRun
from pipeline.reports.text_diff import diff_lines
from pipeline.runs import block_folder
from pipeline.storage import Folder
from pipeline.store import BlockStore
from stages.contract import ORDINAL_BITS, FitRef, Rule


@dataclass(frozen=True)
class RuleCheck:
    """A rule and how the row stands to it. ``margin``: how far inside; negative: outside. ``applies``: by ``when``."""

    name: str
    signal: str
    value: Any
    min: float | None
    max: float | None
    allowed: tuple[str, ...] | None
    broken: bool
    applies: bool = True
    forbidden: tuple[str, ...] | None = None

    @property
    def margin(self) -> float | None:
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            return None
        room = [self.value - self.min] if self.min is not None else []
        room += [self.max - self.value] if self.max is not None else []
        return min(room, default=None)


@dataclass(frozen=True)
class StageReplay:
    """What a stage did to the row. ``columns``: other columns that it wrote; sizes in bytes of text."""

    address: str
    bytes_before: int
    bytes_after: int
    signals: Mapping[str, Any]
    rules: tuple[RuleCheck, ...]
    cut: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockReplay:
    """What a block did to the row. ``signals``: the row of the signals table; ``origin``: the row as it came in."""

    stages: tuple[StageReplay, ...]
    signals: Mapping[str, Any]
    origin: Mapping[str, Any]


def replay_row(run: StoredRun, index: int, address: int) -> BlockReplay:
    """Take a row through a row block again.

    ``index``: of the block among the row blocks. Raises GristmillError where its input is gone or has changed.
    """
    rows = run.rows[index]
    number, ordinal = address >> ORDINAL_BITS, address & ((1 << ORDINAL_BITS) - 1)
    unit = source_unit(run, number) if index == 0 else block_unit(run, index, number)
    seen: list[tuple[str, pa.RecordBatch]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = RowsWork(
            name=rows.phase.name,
            store=BlockStore(Folder(folder)),
            steps=rows.steps,
            schema=rows.block.schema,
            readers=source_readers(run.recipe) if index == 0 else {},
            corpus=rows.corpus,
            seed=run.recipe.seed,
        )
        commit = work.run_with(unit, {}, lambda stage, batch: seen.append((stage, batch)), (ordinal, ordinal))
        found = [row for batch in work.store.batches(commit.files["signals"]) for row in batch.to_pylist()]
    if not found:
        raise StoreError("the row is not in its partition any more", remedy="run the recipe again")
    steps = {step.address: step for step in stage_steps(rows.steps)}
    models = models_of(rows.steps)
    stages = [_stage(steps[stage], batch, models.get(stage)) for stage, batch in seen if stage in steps]
    return BlockReplay(tuple(stages), found[0], _origin(seen))


def _origin(seen: list[tuple[str, pa.RecordBatch]]) -> dict[str, Any]:
    if not seen:
        return {}
    batch = seen[0][1]
    names = [name for name in batch.schema.names if name not in ("text", "content_hash")]
    return dict(batch.select(names).to_pylist()[0])


def _stage(step: StageStep, batch: pa.RecordBatch, model: Any) -> StageReplay:
    """Apply the stage once more, for what the books hold only in sum: this row's cuts and its text."""
    applied = step.stage.apply(batch, step.config, model)
    types = step.stage.signals(step.config)
    signals = {name: stored_signal(values, types[name], step.address) for name, values in applied.signals.items()}
    before = batch.column("text")[0].as_py()
    after = applied.columns["text"][0].as_py() if "text" in applied.columns else before
    columns: dict[str, pa.Array] = dict(zip(batch.schema.names, batch.columns, strict=True)) | dict(applied.columns)
    return StageReplay(
        step.address,
        len(before.encode()),
        len(after.encode()),
        {name: values[0].as_py() for name, values in signals.items()},
        tuple(rule_check(rule, signals[rule.signal], columns) for rule in step.rules),
        {reason: int(cut[0]) for reason, cut in applied.cut.items() if cut[0]},
        {name: values[0].as_py() for name, values in applied.columns.items() if name != "text"},
        tuple(diff_lines(before, after)),
    )


def rule_check(rule: Rule, values: pa.Array, columns: Mapping[str, pa.Array]) -> RuleCheck:
    """How one row stands to a rule. ``values``: its signal, ``columns``: of the row, arrays of one value each."""
    applies = rule.when is None or bool(chosen(rule.when, columns)[0])
    low, high = (None if isinstance(end, FitRef) else end for end in (rule.min, rule.max))
    bad = applies and bool(broken(rule, values)[0])
    return RuleCheck(rule.name, rule.signal, values[0].as_py(), low, high, rule.allowed, bad, applies, rule.forbidden)


def source_unit(run: StoredRun, number: int) -> SourceUnit:
    """The partition of a source as the run read it. Raises SourceError if its files are gone or have changed."""
    remedy = "the stored signals still tell what was measured"
    try:
        plan = make_plan(run.recipe, run.run.sample)
    except GristmillError as error:
        raise SourceError(f"the input cannot be read again: {error.message}", remedy=remedy) from error
    ingest = BlockStore(Folder(block_folder(run.run.folder, plan.ingest.folder.uri)))
    known = set(run.rows[0].phase.block.units)
    for unit in plan.units:
        parts = [unit]
        if unit.partition.stream:
            done = ingest.commits.exists(f"{unit.key}.json")
            parts = ingested_units(unit, ingest.read(unit.key), ingest) if done else []
        for part in parts:
            if part.number == number and part.key in known:
                return part
    raise SourceError("the input has changed since the run, or is gone", remedy=remedy)


def block_unit(run: StoredRun, index: int, number: int) -> BlockUnit:
    """A partition of the documents of the block before, with the patches that apply to it."""
    before, rows = run.rows[index - 1], run.rows[index]
    part = before.parts[number]
    patches = None
    if rows.corpus is not None:
        patches = partition_patches(run, rows.corpus.name, number)
    signals = _signal_files(run, index, number)
    return BlockUnit(part.unit, number, part.source, before.phase.store, part.files["docs"], patches, signals)


def _signal_files(run: StoredRun, index: int, number: int) -> tuple[SignalFile, ...]:
    """Signals of earlier blocks that the block's stages ask for."""
    files = []
    for earlier in reversed(run.rows[:index]):
        names = run.rows[index].block.signals.get(earlier.block.fingerprint)
        if names:
            files.append(SignalFile(earlier.phase.store, earlier.parts[number].files["signals"], names))
    return tuple(files)


def partition_patches(run: StoredRun, stage: str, number: int) -> Patches | None:
    """Where a corpus stage's patches of a partition are; None if it has none."""
    for phase in run.phases_of("resolve"):
        if phase.name == stage:
            return _patches(phase, number)
    return None


def _patches(phase: Phase, number: int) -> Patches | None:
    for commit in phase.commits():
        if f"{number:010x}" in commit.facts["digests"]:
            return Patches(phase.store, commit.files["patches"])
    return None
