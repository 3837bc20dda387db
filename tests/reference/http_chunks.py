"""Slow, obvious twin of ``stages.kernels.http_chunks``."""

from __future__ import annotations

import re

ENDED, NO_LAST, CUT, BROKEN = range(4)

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,12})[ \t\r]*(?:;[^\n]*?)?\r?\n")
_BEGUN = re.compile(rb"(?:[0-9a-fA-F]{1,12}(?:[ \t\r]*(?:;[^\n]*)?)?)?")


def dechunk(data: bytes) -> tuple[bytes, int, int, int]:
    """Content, how it ends, whole chunks, place of the first trouble."""
    content, at, whole = b"", 0, 0
    while at < len(data):
        line = _SIZE_LINE.match(data, at)
        if line is None:
            begun = _BEGUN.fullmatch(data, at)
            return content, CUT if begun else BROKEN, whole, at
        size = int(line[1], 16)
        if size == 0:
            return content, ENDED, whole, at
        chunk = data[line.end() : line.end() + size]
        content += chunk
        if len(chunk) < size:
            return content, CUT, whole, at
        at = line.end() + size
        rest = data[at : at + 2]
        if rest.startswith(b"\n"):
            at += 1
        elif rest in (b"", b"\r", b"\r\n"):
            at += len(rest)
        else:
            return content, BROKEN, whole, at
        whole += 1
    return content, NO_LAST, whole, at
