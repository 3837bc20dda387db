"""Which of 64 bytes pass a test, as the bits of one number, for kernels that look for a few bytes in long text.

Text is mostly bytes that decide nothing. A test of 64 at a time (two or three vector operations) passes over them at
memory speed, and the loop in the kernel sees only the places where something may be. Tests are written as plain LLVM
vectors, so every CPU that LLVM knows will do.

Callers leave :data:`PAD` readable bytes behind the end of their data; :func:`padded_parts` sees to it. Numba's cache
does not see a change here: delete the cached kernels that use it (``stages/kernels/__pycache__``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 64
"""Bytes that are tested in one go: one bit of a uint64 each."""
PAD = LANES + 8
"""Bytes behind the end of the data that a test may read."""

Test = tuple[tuple[int, int], ...]
"""First and last value, for a byte and for those after it."""

_BYTE = ir.IntType(8)
_MASK = ir.IntType(LANES)
_VECTOR = ir.VectorType(_BYTE, LANES)
_LETTER_CASE = 0x20
_INTERPRETED: bool = config.DISABLE_JIT  # type: ignore[attr-defined]


def byte(*values: int | tuple[int, int]) -> Test:
    """A test of one byte after the other: each has this value, or one in this range."""
    return tuple(value if isinstance(value, tuple) else (value, value) for value in values)


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * LANES)


def _load(builder: Any, pointer: Any, index: Any) -> Any:
    loaded = builder.load(cgutils.pointer_add(builder, pointer, index, _VECTOR.as_pointer()))  # type: ignore[no-untyped-call]
    loaded.align = 1
    return loaded


def _within(builder: Any, vector: Any, low: int, high: int) -> Any:
    if low == high:
        return builder.icmp_unsigned("==", vector, _splat(low))
    return builder.icmp_unsigned("<=", builder.sub(vector, _splat(low)), _splat(high - low))


def _compiled(tests: tuple[Test, ...], fold: bool) -> Any:
    @intrinsic
    def mask(typingctx: Any, data: Any, index: Any) -> Any:
        """A comparison per byte of each test."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vectors = []
            for shift in range(max(map(len, tests))):
                place = builder.add(arguments[1], ir.Constant(ir.IntType(64), shift))
                vector = _load(builder, arguments[0], place)
                vectors.append(builder.or_(vector, _splat(_LETTER_CASE)) if fold else vector)
            found = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [0] * LANES)
            for test in tests:
                passed = None
                for vector, (low, high) in zip(vectors, test, strict=False):
                    flags = _within(builder, vector, low, high)
                    passed = flags if passed is None else builder.and_(passed, flags)
                found = builder.or_(found, passed)
            return builder.bitcast(found, _MASK)

        return types.uint64(data, types.int64), codegen

    return mask


def _interpreted(tests: tuple[Test, ...], fold: bool) -> Any:
    def mask(data: npt.NDArray[np.uint8], index: int) -> np.uint64:
        found = np.zeros(LANES, np.bool_)
        for test in tests:
            passed = np.ones(LANES, np.bool_)
            for shift, (low, high) in enumerate(test):
                piece = data[index + shift : index + shift + LANES] | (_LETTER_CASE if fold else 0)
                passed &= (low <= piece) & (piece <= high)
            found |= passed
        return np.uint64(int.from_bytes(np.packbits(found, bitorder="little").tobytes(), "little"))

    return mask


def mask_of(*tests: Test, fold: bool = False) -> Any:
    """A function (flat bytes, index) → uint64 for kernels: bit i is set where one of the tests passes at index + i.

    ``fold``: bit 5 of every byte is set before, which makes ASCII letters lower case (and other bytes something else:
    look again where the bit is set).
    """
    return (_interpreted if _INTERPRETED else _compiled)(tests, fold)


@intrinsic
def _trailing_zeros_compiled(typingctx: Any, mask: Any) -> Any:
    """One instruction."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic
def _ones_compiled(typingctx: Any, mask: Any) -> Any:
    """One instruction."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), codegen


def _trailing_zeros_interpreted(mask: np.uint64) -> int:
    value = int(mask)
    return (value & -value).bit_length() - 1 if value else LANES


def _ones_interpreted(mask: np.uint64) -> int:
    return int(mask).bit_count()


trailing_zeros: Any = _trailing_zeros_interpreted if _INTERPRETED else _trailing_zeros_compiled
"""(uint64) → int64: place of the lowest bit that is set, 64 if none is."""
ones: Any = _ones_interpreted if _INTERPRETED else _ones_compiled
"""(uint64) → int64: bits that are set."""


def padded_parts(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], int]]:
    """(bytes, offsets, number of the first row) of runs of rows, with PAD readable bytes behind each run.

    At most two runs: the rows that have that many bytes behind them, as they are, and a copy of the others.
    """
    rows = len(offsets) - 1
    near_end = int(np.searchsorted(offsets[1:], len(data) - PAD, side="right"))
    if near_end:
        yield data, offsets[: near_end + 1], 0
    if near_end < rows:
        start, end = int(offsets[near_end]), int(offsets[rows])
        tail = np.zeros(end - start + PAD, np.uint8)
        tail[: end - start] = data[start:end]
        shifted = offsets[near_end:] - start
        tail.flags.writeable = shifted.flags.writeable = False
        yield tail, shifted, near_end
