"""A stage that does not end: its process is ended, and the engine looks for the row that does it.

Native code (an HTML parser, a PDF library) can hang on one document, and no exception of Python's reaches it there. So
a C thread ends the process once a stage has been at one batch for too long. To the executor that is a crash, and
what follows is the same: :mod:`pipeline.blocks.crash` finds the row and quarantines it as ``timeout:<stage>``.

A time-out is the last resort, since it makes a run depend on how fast the machine is: stages bound their work by sizes
first. The limit is for a batch of about 16 MB, for which even a slow stage in Python takes half a minute.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TRIAL_SHARE = 0.25
"""Share of the limit that a search for the row gives to a part of the batch."""

_report: list[TextIO] = []


def report_to(stream: TextIO) -> None:
    """Have the stack of a process that is ended written there instead of to its standard error."""
    _report[:] = [stream]


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """End this process, whatever holds it up, unless the body is done within that time; None: no limit."""
    stream = _report[0] if _report else sys.__stderr__
    if seconds is None or stream is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=stream)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
