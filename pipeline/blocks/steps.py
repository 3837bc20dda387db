"""Row stages of one block, applied to one batch: measure, judge, drop, book.

A step is a use of a stage or a route. Rows carry their position in the batch, so that what happened to each
of them, kept or dropped, can be written beside the text (signals, and the first rule that it broke).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.rules import chosen, first_broken, stored_signal, stored_type
from pipeline.blocks.stall import time_limit
from pipeline.books import Books, group_by
from pipeline.errors import StageBug
from stages import catalogue
from stages.contract import BASE_COLUMNS, Applied, RowStage, Rule, StageConfig
from stages.kernels.arrow_text import byte_lengths

MOVING_COLUMNS = frozenset({"language", "domain"})
"""Columns that books and reports group by; a stage may write them, so the log keeps their last value."""


NEVER_NULL = BASE_COLUMNS.keys() - {"url", "date", "license"}


@dataclass(frozen=True)
class StageStep:
    """A use of a row stage. ``address``: ``name`` or ``name[branch]``; ``resources``: name → path or URI."""

    address: str
    name: str
    kind: str
    config: StageConfig
    resources: Mapping[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> RowStage:
        stage = catalogue.stage(self.kind)
        if not isinstance(stage, RowStage):
            raise StageBug(f"{self.kind} is not a row stage")
        return stage

    @property
    def rules(self) -> Sequence[Rule]:
        return self.stage.rules(self.config)

    def signal_types(self) -> dict[str, pa.DataType]:
        """Column of the signals table → type."""
        declared = self.stage.signals(self.config)
        types = {f"{self.name}.{signal}": stored_type(kind) for signal, kind in declared.items()}
        if self.writes_text:
            types[f"{self.name}.bytes"] = pa.int64()
        return types

    @property
    def asks(self) -> tuple[str, ...]:
        return self.stage.asks(self.config)

    @property
    def writes_text(self) -> bool:
        return "text" in self.stage.writes(self.config)


@dataclass(frozen=True)
class RouteStep:
    """Lists of stages by a column's value. Rows of no branch take ``default``; where it is None they pass by."""

    by: str
    branches: Mapping[str, tuple[StageStep, ...]]
    default: tuple[StageStep, ...] | None = None

    def lists(self) -> Iterator[tuple[StageStep, ...]]:
        yield from self.branches.values()
        if self.default is not None:
            yield self.default


Step = StageStep | RouteStep


def stage_steps(steps: Sequence[Step]) -> Iterator[StageStep]:
    """All uses of stages, those in routes among them, in order."""
    for step in steps:
        if isinstance(step, StageStep):
            yield step
        else:
            for branch in step.lists():
                yield from branch


def written_columns(steps: Sequence[Step]) -> dict[str, pa.DataType]:
    """Column → type of all columns that the steps write."""
    return {name: kind for step in stage_steps(steps) for name, kind in step.stage.writes(step.config).items()}


def columns_asked(steps: Sequence[Step]) -> set[str]:
    """Columns by whose values rows take a branch, meet a stage, or are judged by a rule."""
    routes = {step.by for step in steps if isinstance(step, RouteStep)}
    stages = {name for step in stage_steps(steps) for name in step.config.when or {}}
    rules = {name for step in stage_steps(steps) for rule in step.rules for name in rule.when or {}}
    return routes | stages | rules


def signal_columns(steps: Sequence[Step]) -> dict[str, pa.DataType]:
    """Column of the signals table → type, for all steps. Branches of a route share columns by name."""
    return {name: kind for step in stage_steps(steps) for name, kind in step.signal_types().items()}


def signals_asked(steps: Sequence[Step]) -> dict[str, list[str]]:
    """Address → signals that the step asks for and that no step before it measures: those of earlier blocks."""
    measured: set[str] = set()
    asked = {}
    for step in stage_steps(steps):
        missing = [name for name in step.asks if name not in measured]
        if missing:
            asked[step.address] = missing
        measured |= step.signal_types().keys()
    return asked


def rule_names(steps: Sequence[Step]) -> list[str]:
    """``address:rule`` of all rules, in the order in which rows meet them."""
    return [f"{step.address}:{rule.name}" for step in stage_steps(steps) for rule in step.rules]


Watch = Callable[[str, pa.RecordBatch], None]


@dataclass
class BatchLog:
    """What happened to the rows of one batch. ``dropped``: int32[rows], number of a rule or -1.

    ``dropped_rows``: (number of a rule, rows that it dropped), for samples.
    """

    rows: int
    dropped: npt.NDArray[np.int32]
    dropped_rows: list[tuple[int, pa.RecordBatch]] = field(default_factory=list)
    _signals: dict[str, list[tuple[npt.NDArray[np.int64], pa.Array]]] = field(default_factory=lambda: defaultdict(list))

    @staticmethod
    def of(rows: int) -> BatchLog:
        return BatchLog(rows, np.full(rows, -1, np.int32))

    def drop(self, rule: int, rows: Rows) -> None:
        """Note that the rule dropped the rows."""
        self.dropped[rows.positions] = rule
        self.dropped_rows.append((rule, rows.batch))

    def record(self, name: str, positions: npt.NDArray[np.int64], values: pa.Array) -> None:
        """Note a signal of the rows at those positions."""
        self._signals[name].append((positions, values))

    def signal(self, name: str, kind: pa.DataType) -> pa.Array:
        """The signal of all rows of the batch, null where it was not measured."""
        parts = self._signals.get(name, [])
        if not parts:
            return pa.nulls(self.rows, kind)
        if len(parts) == 1 and len(parts[0][1]) == self.rows:
            return parts[0][1]
        places = np.full(self.rows, -1, np.int64)
        places[np.concatenate([positions for positions, _ in parts])] = np.arange(sum(len(v) for _, v in parts))
        return pa.concat_arrays([values for _, values in parts]).take(pa.array(places, mask=places < 0))


@dataclass
class Rows:
    """Rows on their way: a batch, and for each row its position in the batch that came in."""

    batch: pa.RecordBatch
    positions: npt.NDArray[np.int64]

    def keep(self, mask: npt.NDArray[np.bool_]) -> Rows:
        if mask.all():
            return self
        return Rows(self.batch.filter(pa.array(mask)), self.positions[mask])


class StepRunner:
    """Runs the steps of a block on batches of one source, with the models loaded once.

    ``models``: address → model. ``watch`` is told (address, batch) before each stage starts; crash bisection
    listens. ``first_rule``: the number by which the log knows the first rule of these steps. ``stall_seconds``: how
    long a stage may be at one batch before the process is ended.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        models: Mapping[str, Any],
        watch: Watch | None = None,
        first_rule: int = 0,
        stall_seconds: float | None = None,
    ) -> None:
        self.steps = steps
        self.models = models
        self.stall_seconds = stall_seconds
        self.seconds: dict[str, float] = defaultdict(float)
        self._watch = watch
        self._signal_types = signal_columns(steps)
        self._first_rule = {}
        at = first_rule
        for step in stage_steps(steps):
            self._first_rule[step.address] = at
            at += len(step.rules)

    def run(self, rows: Rows, source: str, books: Books, log: BatchLog) -> Rows:
        """Apply all steps to rows of one source. Returns those that survive, in order; ``log`` gets all of them."""
        return self._run_list(self.steps, rows, source, books, log)

    def _run_list(self, steps: Sequence[Step], rows: Rows, source: str, books: Books, log: BatchLog) -> Rows:
        for step in steps:
            if isinstance(step, RouteStep):
                rows = self._run_route(step, rows, source, books, log)
            else:
                rows = self._run_chosen(step, rows, source, books, log)
        return rows

    def _run_route(self, route: RouteStep, rows: Rows, source: str, books: Books, log: BatchLog) -> Rows:
        groups = group_by(rows.batch.column(route.by).fill_null(""))
        done: list[Rows] = []
        for code, value in enumerate(groups.names):
            part = rows.keep(groups.codes == code)
            branch = route.branches.get(value, route.default)
            done.append(part if branch is None else self._run_list(branch, part, source, books, log))
        return merge(done, extended(rows.batch.schema, written_columns([route]))) if done else rows

    def _run_chosen(self, step: StageStep, rows: Rows, source: str, books: Books, log: BatchLog) -> Rows:
        if step.config.when is None:
            return self._run_stage(step, rows, source, books, log)
        mask = chosen(step.config.when, _columns(rows.batch))
        passed = rows.keep(~mask)
        done = self._run_stage(step, rows.keep(mask), source, books, log)
        return merge([done, passed], extended(rows.batch.schema, written_columns([step])))

    def _run_stage(self, step: StageStep, rows: Rows, source: str, books: Books, log: BatchLog) -> Rows:
        if not rows.batch.num_rows:
            return rows
        asking = self._with_asked(step, rows, log)
        if self._watch:
            self._watch(step.address, asking)
        started = time.perf_counter()
        stage = step.stage
        with time_limit(None if stage.waits else self.stall_seconds):
            applied = stage.apply(asking, step.config, self.models.get(step.address))
        signals = _checked_signals(step, applied, rows.batch.num_rows)
        batch = with_columns(rows.batch, applied.columns, stage.writes(step.config), step.address)
        for name, values in signals.items():
            log.record(f"{step.name}.{name}", rows.positions, values)
        for name in MOVING_COLUMNS & applied.columns.keys():
            log.record(name, rows.positions, batch.column(name))
        after = self._book_changes(step, rows, batch, applied, source, books, log)
        broken = first_broken(step.rules, signals, _columns(batch), batch.num_rows)
        rows = self._drop(step, Rows(batch, rows.positions), broken, after, source, books, log)
        self.seconds[step.address] += time.perf_counter() - started
        return rows

    def _with_asked(self, step: StageStep, rows: Rows, log: BatchLog) -> pa.RecordBatch:
        """The batch with the signals that the stage asks for; those of earlier blocks are columns already."""
        batch = rows.batch
        for name in step.asks:
            if name in batch.schema.names:
                continue
            if name not in self._signal_types:
                raise StageBug(f"asks for {name}, which no stage before it measures", where=step.address)
            kind = self._signal_types[name]
            values = log.signal(name, kind).take(pa.array(rows.positions))
            batch = batch.append_column(pa.field(name, kind), values)
        return batch

    def _book_changes(
        self, step: StageStep, rows: Rows, batch: pa.RecordBatch, applied: Applied, source: str, books: Books,
        log: BatchLog,
    ) -> npt.NDArray[np.int64]:  # fmt: skip
        """Book what came in, what was cut and what was added. Returns int64[n], bytes of text after the stage."""
        groups = group_by(batch.column("language"))
        before = byte_lengths(rows.batch.column("text"))
        books.add_rows(step.address, source, groups, "in", "", before)
        _check_cut(step, applied, len(before))
        if not step.writes_text:
            return before
        after = byte_lengths(batch.column("text"))
        cut_all = np.zeros(len(before), np.int64)
        for reason, cut in applied.cut.items():
            books.add_rows(step.address, source, groups, "cut", reason, cut, cut > 0)
            cut_all += cut
        added = after - before + cut_all
        if (added < 0).any():
            raise StageBug("text lost bytes that no cut reason accounts for", where=step.address)
        books.add_rows(step.address, source, groups, "added", "", added, added > 0)
        log.record(f"{step.name}.bytes", rows.positions, pa.array(after))
        return after

    def _drop(
        self, step: StageStep, rows: Rows, broken: npt.NDArray[np.int32], n_bytes: npt.NDArray[np.int64], source: str,
        books: Books, log: BatchLog,
    ) -> Rows:  # fmt: skip
        groups = group_by(rows.batch.column("language"))
        kept = broken < 0
        books.add_rows(step.address, source, groups, "out", "", n_bytes, kept)
        if kept.all():
            return rows
        for index, rule in enumerate(step.rules):
            mask = broken == index
            if mask.any():
                books.add_rows(step.address, source, groups, "dropped", rule.name, n_bytes, mask)
                log.drop(self._first_rule[step.address] + index, rows.keep(mask))
        return rows.keep(kept)


def merge(parts: Sequence[Rows], schema: pa.Schema) -> Rows:
    """Put parts of a batch together again in the order of positions; columns that a part lacks are null."""
    batches = [conform(part.batch, schema) for part in parts]
    positions = np.concatenate([part.positions for part in parts])
    batch = pa.concat_batches(batches)
    if (np.diff(positions) > 0).all():
        return Rows(batch, positions)
    order = np.argsort(positions, kind="stable")
    return Rows(batch.take(pa.array(order)), positions[order])


def with_columns(
    batch: pa.RecordBatch, columns: Mapping[str, pa.Array], declared: Mapping[str, pa.DataType], where: str
) -> pa.RecordBatch:
    """The batch with columns replaced or appended. Raises StageBug for undeclared ones or a wrong length."""
    if set(columns) - set(declared):
        raise StageBug(f"wrote undeclared columns {sorted(set(columns) - set(declared))}", where=where)
    arrays, fields = list(batch.columns), list(batch.schema)
    for name, kind in declared.items():
        index = batch.schema.get_field_index(name)
        if name not in columns and index >= 0:
            continue
        values = columns.get(name)
        if values is None:
            values = pa.nulls(batch.num_rows, kind)
        if len(values) != batch.num_rows:
            raise StageBug(f"column {name}: {len(values)} values for {batch.num_rows} rows", where=where)
        if name in NEVER_NULL and values.null_count:
            raise StageBug(f"wrote null {name}", where=where)
        if index >= 0 and fields[index].type != kind:
            raise StageBug(f"column {name} is {fields[index].type}, declared as {kind}", where=where)
        values = values if values.type == kind else values.cast(kind)
        if index >= 0:
            arrays[index], fields[index] = values, pa.field(name, kind)
        else:
            arrays.append(values)
            fields.append(pa.field(name, kind))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _checked_signals(step: StageStep, applied: Applied, rows: int) -> dict[str, pa.Array]:
    declared = step.stage.signals(step.config)
    if set(applied.signals) != set(declared):
        missing, extra = sorted(set(declared) - set(applied.signals)), sorted(set(applied.signals) - set(declared))
        raise StageBug(f"signals do not match what is declared: missing {missing}, extra {extra}", where=step.address)
    signals = {}
    for name, kind in declared.items():
        signals[name] = stored_signal(applied.signals[name], kind, f"{step.address}.{name}")
        if len(signals[name]) != rows:
            raise StageBug(f"signal {name}: {len(signals[name])} values for {rows} rows", where=step.address)
    return signals


def _check_cut(step: StageStep, applied: Applied, rows: int) -> None:
    if applied.cut and not step.writes_text:
        raise StageBug("cut bytes, but does not declare that it writes text", where=step.address)
    for reason, cut in applied.cut.items():
        if len(cut) != rows or (cut < 0).any():
            raise StageBug(f"cut {reason}: expected {rows} counts of bytes, none below 0", where=step.address)


def _columns(batch: pa.RecordBatch) -> Mapping[str, pa.Array]:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def extended(schema: pa.Schema, columns: Mapping[str, pa.DataType]) -> pa.Schema:
    """The schema with the columns that it lacks appended."""
    for name, kind in columns.items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, kind))
    return schema


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with exactly the schema's columns, in its order; null where it lacks one."""
    if batch.schema.equals(schema):
        return batch
    names = set(batch.schema.names)
    arrays = [batch.column(f.name) if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
