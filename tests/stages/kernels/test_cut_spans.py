"""Spans are cut out of rows, whatever the rows are; what is no span is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.cut_spans import cut_spans, tears_characters
from tests.reference.cut_spans import tears, without_spans
from tests.stages.hostile import TEXT, long_bytes

Ints = npt.NDArray[np.int64]


def columns(spans: list[list[tuple[int, int]]]) -> tuple[Ints, Ints, Ints]:
    """rows, starts, ends of the spans of each row."""
    flat = [(row, start, end) for row, some in enumerate(spans) for start, end in some]
    rows, starts, ends = (np.array([span[i] for span in flat], np.int64) for i in range(3))
    return rows, starts, ends


@st.composite
def cuts(draw: st.DrawFn) -> tuple[pa.Array, list[bytes], list[list[tuple[int, int]]]]:
    """An array, perhaps a slice, the bytes of its rows, and spans of each that do not overlap."""
    texts = draw(st.lists(TEXT, max_size=6))
    skip, kind = draw(st.integers(0, 2)), draw(st.sampled_from([pa.string(), pa.large_string()]))
    rows = [text.encode() for text in texts[skip:]]
    spans = []
    for row in rows:
        bounds = sorted(draw(st.sets(st.integers(0, len(row)), max_size=8)))
        spans.append(list(zip(bounds[::2], bounds[1::2], strict=False)))
    return pa.array(texts, kind)[skip:], rows, spans


@given(cuts())
def test_against_the_twin(drawn: tuple[pa.Array, list[bytes], list[list[tuple[int, int]]]]) -> None:
    """Every row is what is outside of its spans, in slices and in both text types."""
    array, rows, spans = drawn
    view = text_view(array)
    data, offsets = cut_spans(view.data, view.offsets, *columns(spans))
    found = [data[start:end].tobytes() for start, end in zip(offsets[:-1], offsets[1:], strict=True)]
    assert found == [without_spans(row, some) for row, some in zip(rows, spans, strict=True)]
    assert offsets[0] == 0 and offsets[-1] == len(data)


def test_spans_that_touch() -> None:
    """One span may begin where another ends, and all of a row may go."""
    view = text_view(pa.array(["abcdef", "", "xyz"]))
    data, offsets = cut_spans(view.data, view.offsets, *columns([[(0, 2), (2, 3)], [], [(0, 3)]]))
    assert data.tobytes() == b"def" and offsets.tolist() == [0, 3, 3, 3]


def test_a_long_row_with_many_spans() -> None:
    """Every second byte of 50 MB."""
    size = long_bytes()
    view = text_view(pa.array(["ab" * (size // 2)], pa.large_string()))
    starts = np.arange(0, size, 2)
    data, offsets = cut_spans(view.data, view.offsets, np.zeros(len(starts), np.int64), starts, starts + 1)
    assert len(data) == size // 2 == offsets[-1]
    assert (data == ord("b")).all()


@pytest.mark.parametrize(
    "spans",
    [
        ([0, 0], [0, 1], [2, 3]),
        ([0, 0], [2, 0], [3, 1]),
        ([1, 0], [0, 0], [1, 1]),
        ([0], [1], [1]),
        ([0], [2], [1]),
        ([0], [-1], [1]),
        ([0], [0], [4]),
        ([1], [0], [1]),
    ],
)
def test_what_is_no_span(spans: Any) -> None:
    """Overlapping or unsorted spans, empty ones, and ends outside of the row raise ValueError."""
    view = text_view(pa.array(["abc", "", "a"]))
    with pytest.raises(ValueError, match="span"):
        cut_spans(view.data, view.offsets, *(np.array(column, np.int64) for column in spans))


@given(st.lists(TEXT, min_size=1, max_size=4), st.data())
def test_places_inside_of_characters(texts: list[str], data: st.DataObject) -> None:
    """A place is torn exactly if no character begins or ends there."""
    row = data.draw(st.integers(0, len(texts) - 1))
    place = data.draw(st.integers(0, len(texts[row].encode())))
    view = text_view(pa.array(texts))
    assert tears_characters(view.data, view.offsets, np.array([row]), np.array([place])) == tears(texts[row], place)
