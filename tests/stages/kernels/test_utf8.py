"""Windows of long text against their twin."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.utf8 import windows
from tests.reference.utf8 import windows as reference
from tests.stages.hostile import TEXT, arrays, long_bytes


def pieces(array: pa.Array, characters: int) -> list[list[str]]:
    view = text_view(array)
    spans = windows(view.data, view.offsets[:-1], view.offsets[1:], characters)
    return [[view.data[start:end].tobytes().decode() for start, end in row] for row in spans.tolist()]


@given(array=arrays(TEXT | st.text("a中é😀", min_size=5, max_size=40)), characters=st.integers(3, 30))
def test_windows_are_those_of_the_twin(array: pa.Array, characters: int) -> None:
    """Head, middle and tail by characters, never torn ones, whatever the mixture of widths."""
    assert pieces(array, characters) == [reference(text, characters) for text in array.to_pylist()]


def test_windows_do_not_overlap() -> None:
    """Where the bytes' middle lies in the head (wide characters first), the middle window begins after the head."""
    text = "中" * 30 + "a" * 61
    assert pieces(pa.array([text]), 90) == [["中" * 30, "a" * 30, "a" * 30]]


def test_a_long_row_costs_no_more() -> None:
    """The middle of a long row is found, and it is the middle."""
    half = long_bytes() // 2
    assert pieces(pa.array(["a" * half + "中" + "b" * half], pa.large_string()), 9) == [["aaa", "a中b", "bbb"]]
