"""Rules on signals: which rows are to go, and why.

The same code judges rows in a run and in ``whatif``. It looks at stored values only (floats rounded to 1e-4
before), so that machines agree and a stored signal gives the same verdict later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StageBug
from stages.contract import FitRef, Rule, Threshold

DECIMALS = 4
"""Digits after the point that signals keep: models agree between machines to that, not to the last bit."""


def stored_signal(values: pa.Array | npt.NDArray[np.generic], kind: pa.DataType, where: str) -> pa.Array:
    """The signal as it is stored: of its declared type, floats rounded. Raises StageBug on NaN."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    if pa.types.is_floating(kind):
        array = array.cast(pa.float64())
        numbers = array.to_numpy(zero_copy_only=False)
        missing = _plain(array.is_null())
        if (np.isnan(numbers) & ~missing).any():
            remedy = "a measurement that does not exist is null; this is a bug in the stage"
            raise StageBug("signal is NaN", where=where, remedy=remedy)
        # NumPy alone rounds, with nulls or without: Arrow's round gives another last bit for some values
        return pa.array(np.round(numbers, DECIMALS) + 0.0, mask=missing if array.null_count else None)
    return array.cast(kind)


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type in which a signal of that declared type is stored: all floats as float64.

    A float32 would not keep four decimals, and a value at a threshold would fall below it.
    """
    return pa.float64() if pa.types.is_floating(kind) else kind


def broken(rule: Rule, values: pa.Array) -> npt.NDArray[np.bool_]:
    """bool[n]: the value is outside what the rule allows. Null passes."""
    bad = np.zeros(len(values), np.bool_)
    if rule.allowed is not None:
        bad |= ~_is_one_of(values, rule.allowed) & _plain(values.is_valid())
        return bad
    if rule.forbidden is not None:
        return bad | _is_one_of(values, rule.forbidden)
    low, high = _number(rule.min, rule), _number(rule.max, rule)
    if low is None and high is None:
        return bad
    valid = _plain(values.is_valid())
    numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
    if low is not None:
        bad |= valid & (numbers < low)
    if high is not None:
        bad |= valid & (numbers > high)
    return bad


def first_broken(
    rules: Sequence[Rule], signals: Mapping[str, pa.Array], columns: Mapping[str, pa.Array], rows: int
) -> npt.NDArray[np.int32]:
    """int32[rows]: index of the first rule that each row breaks, -1 where it breaks none.

    ``signals``: the stage's own names → arrays of ``rows`` values; ``columns``: for rules with ``when``.
    """
    first = np.full(rows, -1, np.int32)
    for index, rule in enumerate(rules):
        bad = broken(rule, signals[rule.signal])
        if rule.when is not None:
            bad &= chosen(rule.when, columns)
        first[bad & (first < 0)] = index
    return first


def chosen(when: Mapping[str, Sequence[str]], columns: Mapping[str, pa.Array]) -> npt.NDArray[np.bool_]:
    """bool[n]: rows whose columns all have one of the wanted values."""
    wanted: npt.NDArray[np.bool_] | None = None
    for name, values in when.items():
        column = columns[name]
        mask = _plain(pc.is_in(column, value_set=pa.array(list(values), column.type)))
        wanted = mask if wanted is None else wanted & mask
    if wanted is None:
        raise StageBug("`when` is empty")
    return wanted


def _number(threshold: Threshold, rule: Rule) -> float | None:
    if isinstance(threshold, FitRef):
        raise StageBug(f"rule {rule.name}: fit {threshold.fit!r} was not resolved before the stage ran")
    return threshold


def _is_one_of(values: pa.Array, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    return _plain(pc.is_in(values, value_set=pa.array(names, values.type)))


def _plain(mask: pa.Array) -> npt.NDArray[np.bool_]:
    plain: npt.NDArray[np.bool_] = mask.fill_null(False).to_numpy(zero_copy_only=False)
    return plain
