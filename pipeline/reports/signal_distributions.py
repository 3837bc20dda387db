"""How the signals of a run are distributed, for each value of a column, and what rules would drop.

The signals table of one row block is read batch by batch, only the columns that are asked for, and documents are
grouped by a sort, so that the time does not grow with the number of languages. A distribution is kept as distinct
values with their counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.blocks.rules import broken
from pipeline.blocks.steps import stage_steps
from pipeline.errors import GristmillError
from pipeline.reports.joined_signals import signals_schema
from pipeline.reports.stored_run import StoredRows
from pipeline.reports.threshold_methods import Distribution
from pipeline.reports.threshold_scope import Scope
from stages.contract import Rule

Bools = npt.NDArray[np.bool_]

_COMPACT_AT = 64
"""Distributions of batches that are kept before they are merged into one."""

Distributions = Mapping[tuple[str, str], Distribution]
"""(value of the column, column of the signals table) → what was measured."""


def key_column(scope: Scope) -> str | None:
    """Where the signals table has the column as the stages saw it; None: the source, which its files are named by."""
    rows, by = scope.rows, scope.by
    if by == "source":
        return None
    before, after = (
        any(by in step.stage.writes(step.config) for step in stage_steps(s)) for s in (scope.before, scope.after)
    )
    if after and (before or by != "language"):
        raise GristmillError(f"a later stage writes the column {by} again", remedy="name other stages with --stage")
    if by == "language":
        return "language" if before else "language_in"
    if by not in signals_schema(rows).names:
        known = "source, language, domain, and columns by which the recipe routes"
        raise GristmillError(f"the signals table has no column {by!r}", remedy=f"known: {known}")
    return by


def _grouped(
    rows: StoredRows, key: str | None, columns: Sequence[str], sources: Sequence[str] | None
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Documents of one value of the column at a time, with the columns."""
    wanted = list(dict.fromkeys([*columns, *([] if key is None else [key])]))
    for part in rows.parts.values():
        if sources is not None and part.source not in sources:
            continue
        for batch in rows.phase.store.batches(part.files["signals"], wanted):
            if key is None:
                yield part.source, batch
            else:
                yield from _by_value(batch, batch.column(key).fill_null(""))


def _by_value(batch: pa.RecordBatch, values: pa.Array) -> Iterator[tuple[str, pa.RecordBatch]]:
    encoded = values.dictionary_encode()
    codes = encoded.indices.to_numpy()
    ordered = batch.take(pa.array(np.argsort(codes, kind="stable")))
    ends = np.cumsum(np.bincount(codes, minlength=len(encoded.dictionary)))
    for start, end, value in zip([0, *ends[:-1]], ends, encoded.dictionary.to_pylist(), strict=True):
        yield value, ordered.slice(start, end - start)


def distributions(
    rows: StoredRows, key: str | None, columns: Sequence[str], sources: Sequence[str] | None = None
) -> Distributions:
    """What was measured, by value of the key column and signal; of some sources only, if asked."""
    found: dict[tuple[str, str], list[Distribution]] = defaultdict(list)
    for value, batch in _grouped(rows, key, columns, sources):
        for name in columns:
            numbers = batch.column(name).drop_null().to_numpy().astype(np.float64)
            if len(numbers):
                kept = found[value, name]
                kept.append(Distribution.of(numbers))
                if len(kept) == _COMPACT_AT:
                    kept[:] = [Distribution.merged(kept)]
    return {pair: Distribution.merged(kept) for pair, kept in sorted(found.items())}


@dataclass(frozen=True)
class Judged:
    """``documents`` that have one of the stage's signals, and how many of them its rules ``drop``."""

    documents: int = 0
    drop: int = 0


def judge(
    rows: StoredRows, key: str | None, rules: Mapping[tuple[str, str], Sequence[Rule]]
) -> Mapping[tuple[str, str], Judged]:
    """What rules would drop. ``rules``: (value of the key column, name of a stage) → its rules."""
    found: dict[tuple[str, str], Judged] = defaultdict(Judged)
    stages: dict[str, list[str]] = defaultdict(list)
    for value, name in rules:
        stages[value].append(name)
    columns = {f"{name}.{rule.signal}" for (_, name), listed in rules.items() for rule in listed}
    for value, batch in _grouped(rows, key, sorted(columns), None):
        for name in stages.get(value, ()):
            seen, gone = _verdicts(batch, name, rules[value, name])
            have = found[value, name]
            found[value, name] = Judged(have.documents + int(seen.sum()), have.drop + int(gone.sum()))
    return found


def _verdicts(batch: pa.RecordBatch, name: str, rules: Sequence[Rule]) -> tuple[Bools, Bools]:
    """Rows that have one of the signals, and rows that break one of the rules."""
    seen, gone = np.zeros(batch.num_rows, np.bool_), np.zeros(batch.num_rows, np.bool_)
    for rule in rules:
        signal = batch.column(f"{name}.{rule.signal}")
        seen |= signal.is_valid().to_numpy(zero_copy_only=False)
        gone |= broken(rule, signal)
    return seen, gone
