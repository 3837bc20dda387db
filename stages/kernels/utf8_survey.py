"""Whether bytes are UTF-8, and how far they are from it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.loads import load64

Bytes = npt.NDArray[np.uint8]

_HIGH_BITS = np.uint64(0x8080808080808080)


class Survey(NamedTuple):
    """``sequences``: well-formed ones of two to four bytes. ``broken``: of what UTF-8 does not have, how many pieces.

    A piece is what decoders put one U+FFFD for: a maximal subpart of an ill-formed sequence (Unicode 16, section 3.9).
    """

    sequences: int
    broken: int


@njit(cache=True, nogil=True)
def _survey(data: Bytes, start: int, stop: int) -> tuple[int, int]:
    """O(bytes); ASCII goes eight bytes at a time."""
    sequences = broken = 0
    at = start
    while at < stop:
        lead = data[at]
        if lead < 0x80:
            at += 1
            while at + 8 <= stop and load64(data, at) & _HIGH_BITS == 0:
                at += 8
            continue
        more, low, high = 0, 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        taken = 1
        while taken <= more and at + taken < stop and low <= data[at + taken] <= high:
            low, high = 0x80, 0xBF
            taken += 1
        at += taken
        if more and taken > more:
            sequences += 1
        else:
            broken += 1
    return sequences, broken


def survey(data: Bytes) -> Survey:
    """Count well-formed and broken sequences of a uint8 array. ``broken`` 0: the bytes are UTF-8."""
    return Survey(*_survey(data, 0, len(data)))
