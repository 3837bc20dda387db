"""The order of survivors is that of the criteria, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
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


def batch_of(rows: list[Any], hashes: Sequence[int] | None = None) -> pa.RecordBatch:
    """The rows; ``hashes``: of their contents, the first 32 bits, else all are the same."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    types = [pa.large_string(), pa.string(), pa.string(), pa.float64(), pa.float64()]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    halves = [np.array([one << 32, 0], "<u8").tobytes() for one in (hashes or [0] * len(rows))]
    arrays.append(pa.array([half[8:] + half[:8] for half in halves], pa.binary(16)))
    return pa.RecordBatch.from_arrays(arrays, names=["text", "source", "date", "score", "a.b", "content_hash"])


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
    """Lengths are compared to the byte, up to 100,000 as one criterion of two."""
    for size, criteria in ((4_000_000, ["longest"]), (99_999, ["score", "longest"]), (99_999, ["longest", "score"])):
        batch = batch_of([("a" * length, "x", None, 1, 1) for length in (size, size + 1)], [0, 2**32 - 1])
        first, second = ranks(batch, criteria, []).tolist()
        assert second < first


@pytest.mark.parametrize("criteria", [[], ["longest"], ["prefer"], ["prefer", "longest"], ["newest", "longest"]])
def test_content_decides_between_equals(criteria: list[str]) -> None:
    """What is equal in all criteria is in the order of its content's hash, whatever its address; copies are equal."""
    hashes = [5 << 28, 1 << 28, 9 << 28, 1 << 28]
    found = ranks(batch_of([("a", "news", None, 1, 1)] * 4, hashes), criteria, PREFER)
    assert sorted(range(4), key=found.tolist().__getitem__) == [1, 3, 0, 2]
    assert found[1] == found[3] and found.max() < 2**63


def test_three_numbers_share_the_bits() -> None:
    """Each of three criteria is compared to three digits, and the first decides before the second."""
    rows = [("a" * 5, "news", None, 0.5, 2.0), ("a" * 9, "news", None, 0.501, 1.0), ("a", "news", None, 0.501, 1.003)]
    found = ranks(batch_of(rows), ["score", "a.b", "longest"], []).tolist()
    assert sorted(range(3), key=found.__getitem__) == [2, 1, 0]
    assert max(found) < 2**63


def test_first_leaves_it_to_the_address() -> None:
    """``first`` gives every row the same rank, whatever its content."""
    batch = batch_of([("a", "x", None, 1, 1), ("bb", "y", None, 2, 2)], [7, 8])
    assert set(ranks(batch, ["first"], []).tolist()) == {0}


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
    assert read_names(["shortest"]) == (["text", "content_hash"], [])
