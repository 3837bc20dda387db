"""Runs of equal 128-bit keys among sorted records."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def key_groups(
    high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(place of the first record, how many there are) of each group, int64[groups] each. O(records)."""
    first = np.flatnonzero(np.r_[True, (high[1:] != high[:-1]) | (low[1:] != low[:-1])][: len(high)])
    return first, np.diff(np.r_[first, len(high)])
