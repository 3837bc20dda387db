"""Raw memory for kernels that walk through text: elements without checks, and runs of bytes 32 at a time.

:func:`flat` turns an array into a pointer. A helper that takes arrays pays for each call with dozens of words on
the stack and two atomic operations per array (the JSON scanner: 2 times as slow on short records); a pointer is one
word. It is not checked and keeps nothing alive, so only functions called by one that has the array may take it.

The runs are one vector load, one or two comparisons and a count of trailing zeros, written as plain LLVM vectors, so
every CPU that LLVM knows will do. Callers leave :data:`PAD` readable bytes (and writable ones, where it says so)
behind the end of their data. Numba's cache does not see a change here: delete the cached kernels that use it
(``stages/kernels/__pycache__``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

PAD = 32
"""Bytes that are looked at, or copied, in one go."""

_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, PAD)


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * PAD)


def _address(builder: Any, pointer: Any, index: Any, kind: Any) -> Any:
    return cgutils.pointer_add(builder, pointer, index, kind.as_pointer())  # type: ignore[no-untyped-call]


def _load(builder: Any, pointer: Any, index: Any, kind: Any) -> Any:
    loaded = builder.load(_address(builder, pointer, index, kind))
    loaded.align = 1
    return loaded


def _first(builder: Any, flags: Any) -> Any:
    mask = builder.bitcast(flags, ir.IntType(PAD))
    return builder.zext(builder.cttz(mask, ir.Constant(ir.IntType(1), 0)), ir.IntType(64))


@intrinsic
def _flat_compiled(typingctx: Any, array: Any) -> Any:
    """The address of the first element. Not for arrays with gaps: they do not compile."""
    if array.layout != "C":
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.bitcast(data, context.get_value_type(signature.return_type))

    return types.CPointer(array.dtype)(array), codegen  # type: ignore[no-untyped-call]


@intrinsic
def _word_at_compiled(typingctx: Any, data: Any, index: Any) -> Any:
    """One unaligned load."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(builder, arguments[0], arguments[1], ir.IntType(64))

    return types.uint64(data, types.int64), codegen


@intrinsic
def _plain_run_compiled(typingctx: Any, data: Any, index: Any) -> Any:
    """Signed bytes below 32 are the controls and everything that is not ASCII: one comparison for both."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chunk = _load(builder, arguments[0], arguments[1], _VECTOR)
        special = builder.icmp_signed("<", chunk, _splat(0x20))
        special = builder.or_(special, builder.icmp_signed("==", chunk, _splat(0x22)))
        special = builder.or_(special, builder.icmp_signed("==", chunk, _splat(0x5C)))
        return _first(builder, special)

    return types.int64(data, types.int64), codegen


@intrinsic
def _copy_run_compiled(typingctx: Any, data: Any, index: Any, out: Any, position: Any) -> Any:
    """One load, one store, one comparison."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chunk = _load(builder, arguments[0], arguments[1], _VECTOR)
        builder.store(chunk, _address(builder, arguments[2], arguments[3], _VECTOR)).align = 1
        return _first(builder, builder.icmp_signed("==", chunk, _splat(0x5C)))

    return types.int64(data, types.int64, out, types.int64), codegen


def _flat_interpreted(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.reshape(-1)


def _word_at_interpreted(data: npt.NDArray[np.uint8], index: int) -> np.uint64:
    return np.uint64(int.from_bytes(data[index : index + 8].tobytes(), "little"))


def _plain_run_interpreted(data: npt.NDArray[np.uint8], index: int) -> int:
    run = 0
    while run < PAD and 0x20 <= data[index + run] < 0x80 and data[index + run] not in (0x22, 0x5C):
        run += 1
    return run


def _copy_run_interpreted(data: npt.NDArray[np.uint8], index: int, out: npt.NDArray[np.uint8], position: int) -> int:
    chunk = data[index : index + PAD]
    out[position : position + PAD] = chunk
    found = np.flatnonzero(chunk == 0x5C)
    return int(found[0]) if len(found) else PAD


# Intrinsics exist only for the compiler; with NUMBA_DISABLE_JIT the same name has to be a plain function.
_INTERPRETED: bool = config.DISABLE_JIT  # type: ignore[attr-defined]
flat: Any = _flat_interpreted if _INTERPRETED else _flat_compiled
"""(contiguous array) → its elements as one row: a pointer when compiled, a view when not."""
word_at: Any = _word_at_interpreted if _INTERPRETED else _word_at_compiled
"""(flat bytes, index) → the 8 bytes from index on as a little-endian uint64."""
plain_run: Any = _plain_run_interpreted if _INTERPRETED else _plain_run_compiled
"""(flat bytes, index) → int64: bytes from index on that stand for themselves in a JSON string, at most 32: ASCII
without controls, quotation mark and backslash."""
copy_run: Any = _copy_run_interpreted if _INTERPRETED else _copy_run_compiled
"""(flat bytes, index, flat bytes, position) → int64: copies 32 bytes to the second row and tells how many of them
come before the first backslash, at most 32."""
