"""Having the kernel write a file to the disk while more of it is computed, so that the flush at its end is short.

Flushing 50 MB at once took 0.12 to 0.17 s here, in which a worker computes nothing; with the pages on their way already
0.04 to 0.08. Linux only; elsewhere the flush at the end does all of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

_SYNC_FILE_RANGE_WRITE = 2
"""Start writing dirty pages, and do not wait for them (sync_file_range(2))."""


def begin_writeback(descriptor: int, offset: int, size: int) -> None:
    """Start writing bytes of an open file. No promise: only a flush says that they are there, and reports errors."""
    _sync_file_range()(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], object]:
    try:
        found = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return lambda *_: None
    found.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return found
