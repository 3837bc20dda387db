"""The order of survivors is that of the criteria, one after the other."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.dedup.survivor_order import ranks, read_names

NUMBERS = st.none() | st.floats(width=16, allow_infinity=True) | st.integers(-1000, 1000).map(float)
ROWS = st.tuples(
    st.text("ab中", max_size=4),
    st.sampled_from(["news", "books", "crawl"]),
    st.sampled_from([None, "", "2024", "2024-05-18", "2024-05-18T01:02:03Z", "1999-12-31", "2024-99-99"]),
    NUMBERS,
    NUMBERS,
)
CRITERIA = st.lists(
    st.sampled_from(["longest", "shortest", "newest", "oldest", "prefer", "score", "-score", "a.b"]),
    max_size=2,
    unique=True,
)
PREFER = ["books", "news"]


def batch_of(rows: list[Any]) -> pa.RecordBatch:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    types = [pa.large_string(), pa.string(), pa.string(), pa.float64(), pa.float64()]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=["text", "source", "date", "score", "a.b"])


def worth(row: Any, name: str) -> float:
    """Smallest best; what is unknown is the worst."""
    text, source, date, *numbers = row
    if name in ("longest", "shortest"):
        return len(text.encode()) * (1 if name == "shortest" else -1)
    if name == "prefer":
        return PREFER.index(source) if source in PREFER else len(PREFER)
    if name in ("newest", "oldest"):
        days = {"2024-05-18": 19861, "1999-12-31": 10956}
        known = days.get((date or "")[:10], math.nan)
        number = known if name == "newest" else -known
    else:
        value = numbers[name == "a.b"]
        number = math.nan if value is None else -value if name.startswith("-") else value
    return math.inf if math.isnan(number) else -max(min(number, 1e300), -1e300)


@given(st.lists(ROWS, min_size=1, max_size=12), CRITERIA)
def test_ranks_are_in_the_order_of_the_criteria(rows: list[Any], criteria: list[str]) -> None:
    """For any two rows the ranks compare as the lists of their worths do."""
    found = ranks(batch_of(rows), criteria, PREFER).tolist()
    expected = [[worth(row, name) for name in criteria] for row in rows]
    places = {tuple(value): place for place, value in enumerate(sorted(expected))}
    steps = {value: place for place, value in enumerate(sorted(set(found)))}
    order = {value: place for place, value in enumerate(sorted(places))}
    assert [steps[value] for value in found] == [order[tuple(value)] for value in expected]
    assert max(found) < 2**63


def test_a_byte_decides_between_long_texts() -> None:
    """Lengths are compared to the byte, as one criterion of two too."""
    batch = batch_of([("a" * size, "x", None, 1, 1) for size in (4_000_000, 4_000_001)])
    for criteria in (["longest"], ["score", "longest"], ["longest", "score"]):
        first, second = ranks(batch, criteria, []).tolist()
        assert second < first


def test_three_numbers_share_the_bits() -> None:
    """Each of three criteria is compared to three digits, and the first decides before the second."""
    rows = [("a" * 5, "news", None, 0.5, 2.0), ("a" * 9, "news", None, 0.501, 1.0), ("a", "news", None, 0.501, 1.003)]
    found = ranks(batch_of(rows), ["score", "a.b", "longest"], []).tolist()
    assert sorted(range(3), key=found.__getitem__) == [2, 1, 0]
    assert max(found) < 2**63


def test_first_leaves_it_to_the_address() -> None:
    """``first`` gives every row the same rank."""
    assert set(ranks(batch_of([("a", "x", None, 1, 1), ("bb", "y", None, 2, 2)]), ["first"], []).tolist()) == {0}


def test_words_are_no_numbers() -> None:
    """A column of strings cannot say which row is the best."""
    with pytest.raises(ValueError, match="source is string, expected numbers, or one of longest, shortest"):
        ranks(batch_of([("a", "x", None, 1, 1)]), ["source"], [])


def test_what_the_criteria_read() -> None:
    """Columns by name, signals by their dot."""
    assert read_names(["prefer", "-score", "word_count.words", "newest", "longest", "first"]) == (
        ["source", "score", "date", "text"],
        ["word_count.words"],
    )
