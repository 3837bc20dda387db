"""Counting of equal rows against its twin."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.kernels import distinct
from stages.kernels.arrow_text import text_view
from stages.kernels.distinct import count_distinct
from tests.reference.distinct import count_distinct as reference

ROW = (
    st.binary(max_size=3)
    | st.text(max_size=4).map(str.encode)
    | st.sampled_from([b"", b"\0", b"\0\0", "中😀".encode()])
)


@settings(max_examples=300)
@given(
    rows=st.lists(st.tuples(ROW, st.integers(0, 2), st.integers(0, 9)), max_size=40),
    skip=st.integers(0, 3),
    kind=st.sampled_from([pa.binary(), pa.large_binary()]),
)
def test_counts_are_those_of_the_twin(rows: list[tuple[bytes, int, int]], skip: int, kind: pa.DataType) -> None:
    """First rows and sums are those of a dictionary, on slices, empty rows and both binary types."""
    texts = [row[0] for row in rows][skip:]
    groups = [row[1] for row in rows][skip:]
    weights = [row[2] for row in rows][skip:]
    view = text_view(pa.array([row[0] for row in rows], kind)[skip:])
    first, count = count_distinct(view, np.array(groups, np.uint8), np.array(weights, np.int64))
    assert list(zip(first.tolist(), count.tolist(), strict=True)) == reference(texts, groups, weights)


@pytest.mark.compiled
def test_a_table_that_grows() -> None:
    """100,000 distinct rows, each twice, and a long row: nothing is lost when the table grows."""
    texts = [str(number) for number in range(100_000)] * 2 + ["x" * 1_000_000]
    view = text_view(pa.array(texts, pa.large_string()))
    first, count = count_distinct(view, np.zeros(len(texts), np.uint8), np.ones(len(texts), np.int64))
    assert first.tolist() == [*range(100_000), 200_000]
    assert count.tolist() == [2] * 100_000 + [1]


def test_equal_hashes_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are compared byte by byte: with a hash that is always the same the counts are right."""
    same = lambda data, start, end, group: np.uint64(7)  # noqa: E731
    monkeypatch.setattr(distinct, "_hash", same)
    for name in ("_same", "_grown"):
        monkeypatch.setattr(distinct, name, getattr(getattr(distinct, name), "py_func", getattr(distinct, name)))
    plain = getattr(distinct._count, "py_func", distinct._count)
    view = text_view(pa.array([b"a", b"b", b"a", b"ab"], pa.large_binary()))
    first, count = np.empty(4, np.int64), np.empty(4, np.int64)
    found = plain(view.data, view.offsets, np.zeros(4, np.uint8), np.ones(4, np.int64), first, count)
    assert (first[:found].tolist(), count[:found].tolist()) == ([0, 1, 3], [2, 1, 1])
