"""Properties of code points as two-stage tables that kernels can index.

A table of all 1,114,112 code points is mostly one value; cut into blocks of 64 and with equal blocks stored
once it is a few kB and stays in the first-level cache. 64 is the number of code points that share all bytes of
UTF-8 but the last. Block 0 is all zero, so that ``block_of[cp >> 6] == 0`` answers for most text without a second
look-up. The values come from this Python's ``unicodedata``, whose version is part of every fingerprint.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000
BLOCK_BITS = 6
_BLOCK = 1 << BLOCK_BITS


class TwoStage(NamedTuple):
    """``blocks[(block_of[cp >> 6] << 6) | (cp & 63)]`` is the value of code point ``cp``.

    ``block_of``: uint16[17408]. ``blocks``: uint16[64 × distinct blocks], the first 64 are zero.
    """

    block_of: npt.NDArray[np.uint16]
    blocks: npt.NDArray[np.uint16]


def two_stage(values: npt.NDArray[np.uint16]) -> TwoStage:
    """The two-stage form of uint16[0x110000]."""
    rows = values.reshape(-1, _BLOCK)
    seen = {bytes(2 * _BLOCK): 0}
    block_of = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows], np.uint16)
    return TwoStage(block_of, np.frombuffer(b"".join(seen), np.uint16))


def assigned() -> Iterator[int]:
    """Code points that may have properties: planes 4 to 13 are empty, 15 and 16 private, surrogates not text."""
    yield from range(0xD800)
    yield from range(0xE000, 0x40000)
    yield from range(0xE0000, 0xE1000)


@lru_cache(maxsize=1)
def categories() -> dict[str, npt.NDArray[np.int64]]:
    """General category (``Lu``, ``Mn`` …) → its code points, ascending; unassigned ones (``Cn``) are left out."""
    found: dict[str, list[int]] = {}
    for code in assigned():
        found.setdefault(unicodedata.category(chr(code)), []).append(code)
    found.pop("Cn", None)
    return {name: np.array(codes, np.int64) for name, codes in found.items()}
