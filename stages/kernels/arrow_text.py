"""Views of Arrow text columns as the plain arrays that kernels take.

Kernels see UTF-8 bytes and row offsets. Offsets are widened to int64 here, so that each kernel is compiled
once and works for ``string`` and ``large_string``, whole arrays and slices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class TextView(NamedTuple):
    """UTF-8 bytes and where rows begin: row i is ``data[offsets[i]:offsets[i + 1]]``.

    ``data``: uint8[bytes], read-only. ``offsets``: int64[rows + 1], ascending; the first need not be 0.
    """

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]


_OFFSET_TYPES: dict[pa.DataType, np.dtype[Any]] = {
    pa.string(): np.dtype(np.int32),
    pa.binary(): np.dtype(np.int32),
    pa.large_string(): np.dtype(np.int64),
    pa.large_binary(): np.dtype(np.int64),
}


def text_view(array: pa.Array) -> TextView:
    """View a (large_)string or (large_)binary array without copying its bytes.

    Raises TypeError for another type, ValueError if a row is null (a null row may own bytes).
    """
    if array.type not in _OFFSET_TYPES:
        raise TypeError(f"expected text or binary, got {array.type}")
    if array.null_count:
        raise ValueError(f"{array.null_count} null rows reached a text kernel; sources fill or quarantine them")
    _, offsets_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offsets_buffer is None:
        return read_only(np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64))
    dtype = _OFFSET_TYPES[array.type]
    offsets = np.frombuffer(offsets_buffer, dtype, len(array) + 1, array.offset * dtype.itemsize)
    data = np.zeros(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    return read_only(data, offsets.astype(np.int64, copy=False))


def read_only(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> TextView:
    """A view of arrays that nobody writes to any more: Numba compiles a kernel again for arrays that it may write."""
    data.flags.writeable = False
    offsets.flags.writeable = False
    return TextView(data, offsets)


def text_array(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.Array:
    """A ``large_string`` array over kernel output, without copying. ``offsets[0]`` must be 0."""
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def byte_lengths(array: pa.Array) -> npt.NDArray[np.int64]:
    """int64[rows]: bytes of UTF-8 in each row."""
    return np.diff(text_view(array).offsets)
