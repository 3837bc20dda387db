"""Rules look at stored values: inclusive ends, null passes, NaN is a bug, the first broken rule counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.blocks.rules import broken, chosen, first_broken, stored_signal, stored_type
from pipeline.errors import StageBug
from stages.contract import FitRef, Rule

NUMBERS = st.floats(-1e6, 1e6) | st.integers(-20, 20).map(lambda i: i / 10_000) | st.just(-0.0)
LIMIT = st.none() | st.just(0) | st.integers(-20, 20).map(lambda i: i / 10_000)
WORDS = st.none() | st.sampled_from(["", "a", "b", "é"])
LANGUAGES = st.sampled_from(["en", "zh"])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """A rule on one of the signals ``number``, ``count`` and ``word``, limited to a language or not."""
    when = draw(st.none() | st.just({"language": ["en"]}) | st.just({"language": ["en", "zh"], "source": ["x"]}))
    signal = draw(st.sampled_from(["number", "count", "word"]))
    if signal == "word":
        words = tuple(draw(st.lists(st.sampled_from("ab"), max_size=2)))
        if draw(st.booleans()):
            return Rule("r", signal, when=when, allowed=words)
        return Rule("r", signal, when=when, forbidden=words)
    return Rule("r", signal, draw(LIMIT), draw(LIMIT), when=when)


def slow_breaks(rule: Rule, value: object, row: dict[str, str]) -> bool:
    """One row, one rule."""
    if value is None or any(row[name] not in values for name, values in (rule.when or {}).items()):
        return False
    if rule.allowed is not None:
        return value not in rule.allowed
    if rule.forbidden is not None:
        return value in rule.forbidden
    number = float(value)  # type: ignore[arg-type]  # a number wherever the rule has limits
    assert not isinstance(rule.min, FitRef) and not isinstance(rule.max, FitRef)
    return (rule.min is not None and number < rule.min) or (rule.max is not None and number > rule.max)


ROW = st.tuples(st.none() | NUMBERS, st.none() | st.integers(-3, 3), WORDS, LANGUAGES, st.sampled_from(["x", "y"]))


@given(st.lists(rules(), max_size=4), st.lists(ROW, max_size=20))
def test_the_first_broken_rule_of_every_row(
    asked: Sequence[Rule], rows: Sequence[tuple[float | None, int | None, str | None, str, str]]
) -> None:
    """Each row gets the number of the first rule that it breaks, as row-by-row judging gives it."""
    number, count, word, language, source = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    signals = {
        "number": stored_signal(pa.array(number, pa.float64()), pa.float64(), "s.number"),
        "count": stored_signal(pa.array(count, pa.int64()), pa.int64(), "s.count"),
        "word": stored_signal(pa.array(word, pa.string()), pa.string(), "s.word"),
    }
    columns = {"language": pa.array(language, pa.string()), "source": pa.array(source, pa.string())}
    found = first_broken(asked, signals, columns, len(rows))
    stored = {name: array.to_pylist() for name, array in signals.items()}
    expected = [
        next(
            (
                index
                for index, rule in enumerate(asked)
                if slow_breaks(rule, stored[rule.signal][row], {"language": language[row], "source": source[row]})
            ),
            -1,
        )
        for row in range(len(rows))
    ]
    assert found.tolist() == expected
    assert found.dtype == np.int32


@given(st.lists(st.none() | NUMBERS, min_size=1), st.integers(0, 3))
def test_what_is_stored_of_a_number_depends_on_nothing_else(values: list[float | None], skip: int) -> None:
    """A number is stored the same alone, among others, among nulls, and in a slice."""
    alone = [stored_signal(pa.array([value], pa.float64()), pa.float64(), "s")[0].as_py() for value in values]
    together = stored_signal(pa.array([None] * skip + values, pa.float64())[skip:], pa.float64(), "s").to_pylist()
    assert [_bits(value) for value in together] == [_bits(value) for value in alone]


def _bits(value: float | None) -> bytes | None:
    return None if value is None else np.float64(value).tobytes()


def test_null_in_a_batch_does_not_change_its_neighbours() -> None:
    """0.0009000000000000001 is stored as 0.0009 also beside a null, where Arrow's own rounding would keep it."""
    for values in ([0.0009000000000000001], [0.0009000000000000001, None]):
        stored = stored_signal(pa.array(values, pa.float64()), pa.float64(), "s")
        assert stored[0].as_py() == 0.0009
        assert not broken(Rule("r", "s", max=0.0009), stored).any()


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (0.12344, 0.1234),
        (0.12346, 0.1235),
        (-0.00001, 0.0),
        (-0.0, 0.0),
        (1e9 + 0.5, 1e9 + 0.5),
        (math.inf, math.inf),
    ],
)
def test_floats_are_rounded_to_four_decimals(value: float, stored: float) -> None:
    """Floats are stored rounded to 1e-4; zero has no sign."""
    found = stored_signal(np.array([value]), pa.float64(), "s")[0].as_py()
    assert found == stored
    assert math.copysign(1, found) == math.copysign(1, stored)


def test_rounding_comes_before_the_rule() -> None:
    """A value within half of 1e-4 of a threshold is at the threshold, and ends are inclusive."""
    stored = stored_signal(np.array([0.29996, 0.3, 0.30004, 0.30006, 0.29994]), pa.float64(), "s")
    assert broken(Rule("r", "s", max=0.3), stored).tolist() == [False, False, False, True, False]
    assert broken(Rule("r", "s", min=0.3), stored).tolist() == [False, False, False, False, True]


def test_single_precision_is_stored_as_double() -> None:
    """A threshold given in decimals is met by a float32 signal, which could not hold it itself."""
    assert stored_type(pa.float32()) == pa.float64()
    assert stored_type(pa.int16()) == pa.int16()
    stored = stored_signal(np.array([0.7], np.float32), pa.float32(), "s")
    assert stored.type == pa.float64()
    assert not broken(Rule("r", "s", max=0.7), stored).any()


@pytest.mark.parametrize("values", [np.array([1.0, np.nan]), pa.array([1.0, float("nan"), None], pa.float64())])
def test_nan_is_a_bug(values: pa.Array) -> None:
    """NaN names the signal and says what a missing measurement is."""
    with pytest.raises(StageBug, match="length.words.*NaN") as caught:
        stored_signal(values, pa.float64(), "length.words")
    assert "null" in str(caught.value.remedy)


def test_zero_is_a_threshold_and_none_is_off() -> None:
    """0 is a threshold; None switches an end off."""
    values = pa.array([-1, 0, 1])
    assert broken(Rule("r", "s", min=0), values).tolist() == [True, False, False]
    assert broken(Rule("r", "s", max=0), values).tolist() == [False, False, True]
    assert broken(Rule("r", "s"), values).tolist() == [False, False, False]


def test_no_string_is_allowed_where_the_list_is_empty() -> None:
    """An empty list of allowed values lets only null pass."""
    assert broken(Rule("r", "s", allowed=()), pa.array(["a", None])).tolist() == [True, False]


def test_an_unresolved_fit_is_a_bug() -> None:
    """A rule never runs with a threshold that no fit has computed yet."""
    with pytest.raises(StageBug, match="'low' was not resolved"):
        broken(Rule("r", "s", min=FitRef(fit="low")), pa.array([1]))


def test_chosen_rows_have_all_wanted_values() -> None:
    """``when`` wants every column to have one of its values; null is none of them."""
    columns = {"language": pa.array(["en", "zh", None, "en"]), "source": pa.array(["x", "x", "x", "y"])}
    assert chosen({"language": ["en"], "source": ["x"]}, columns).tolist() == [True, False, False, False]
    assert chosen({"language": []}, columns).tolist() == [False] * 4
