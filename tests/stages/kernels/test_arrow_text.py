"""Views of Arrow text as plain arrays."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given

from stages.kernels.arrow_text import byte_lengths, text_array, text_view
from tests.stages.hostile import arrays


@given(array=arrays())
def test_rows_are_the_bytes_between_offsets(array: pa.Array) -> None:
    """Each row of any array or slice is found at its offsets, which are int64 whatever the type."""
    view = text_view(array)
    places = view.offsets.tolist()
    rows = [view.data[start:end].tobytes().decode() for start, end in zip(places, places[1:], strict=False)]
    assert rows == array.to_pylist()
    assert view.offsets.dtype == "int64"
    assert byte_lengths(array).tolist() == [len(row.encode()) for row in rows]


@given(array=arrays())
def test_there_and_back(array: pa.Array) -> None:
    """An array over a view's buffers is the same text as large_string."""
    view = text_view(pa.array(array.to_pylist(), pa.large_string()))
    again = text_array(view.data, view.offsets)
    again.validate(full=True)
    assert again.type == pa.large_string()
    assert again.to_pylist() == array.to_pylist()


def test_bytes_are_not_copied() -> None:
    """The view lies on Arrow's own buffer."""
    array = pa.array(["some text"] * 3, pa.large_string())
    assert text_view(array).data.ctypes.data == array.buffers()[2].address


def test_nulls_and_other_types_are_refused() -> None:
    """A null row may own bytes, so no kernel may see one; numbers are no text."""
    with pytest.raises(ValueError, match="1 null rows reached a text kernel"):
        text_view(pa.array(["a", None]))
    with pytest.raises(TypeError, match="expected text or binary, got int64"):
        text_view(pa.array([1]))
