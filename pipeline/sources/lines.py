"""Blocks of whole lines from a byte stream, in bounded memory.

A block holds about 16 MB of lines, or one line that is longer. A file cut into byte ranges gives each line once:
it belongs to the range in which it begins, wherever it ends. One buffer is used over and over, so a block is
valid until the next one is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.sources.records import RAW_BYTES
from pipeline.sources.streams import ByteStream, DamagedStream
from stages.kernels.byte_runs import PAD

BLOCK_BYTES = 16 * 2**20
_BEYOND_BYTES = 64 * 2**10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Lines ``data[begin:stop]``, the last ended by a newline even where the file lacks it; PAD bytes follow.

    ``offset`` is where ``data[0]`` stands in the (decompressed) stream.
    """

    data: npt.NDArray[np.uint8]
    begin: int
    stop: int
    offset: int


@dataclass(frozen=True)
class Lost:
    """Bytes that are no block: a line over the limit, or what a damaged stream keeps to itself.

    ``offset`` in the decompressed stream; ``size``: bytes that are lost as far as they can be counted; ``raw``:
    the first 64 kB of them.
    """

    offset: int
    size: int
    reason: str
    detail: str
    raw: bytes


def line_blocks(
    stream: ByteStream, start: int = 0, end: int | None = None, *, max_line_bytes: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block | Lost]:
    """Lines that begin in ``start`` ≤ offset < ``end`` (None: to the end of the stream).

    ``stream`` stands at ``start``, or at ``start - 1`` where start > 0 (that byte tells whether a line begins at
    ``start``). A line over ``max_line_bytes`` is passed over and reported as ``too_large``, damage as what it is.
    A byte order mark at the beginning of the file is left out. ``block_bytes``: at least 3.
    """
    window = Window(stream, max(start - 1, 0), min(block_bytes, max_line_bytes + 1), max_line_bytes)
    if start > 0:
        window.pass_line(end)
    elif window.pass_mark() and end is not None:
        end = max(end, len(_BYTE_ORDER_MARK) + 1)  # the line behind the mark is the first range's, however short
    while end is None or window.offset < end:
        window.fill(end)
        stop = window.lines_end(end)
        if stop:
            yield Block(window.data, 0, stop, window.offset)
            window.drop(stop)
        elif window.have > max_line_bytes:
            yield window.pass_long_line()
        elif window.ended:
            yield from window.last()
            return


class Window:
    """The part of the stream that is in memory: ``buffer[:have]``, which begins at ``offset``.

    ``searched``: bytes that are known to hold no newline. ``room``: bytes that may be read; one line of
    ``max_line_bytes`` and its newline fit at most, so whether a line is too long does not depend on blocks.
    """

    def __init__(self, stream: ByteStream, offset: int, block_bytes: int, max_line_bytes: int) -> None:
        self.stream = stream
        self.offset = offset
        self.block_bytes = block_bytes
        self.max_line_bytes = max_line_bytes
        self.have = 0
        self.searched = 0
        self.ended = False
        self.damage: DamagedStream | None = None
        self._allocate(block_bytes, b"")

    def _allocate(self, room: int, content: bytes | memoryview) -> None:
        self.buffer = bytearray(room + 1 + PAD)
        self.buffer[: len(content)] = content
        self.data = np.frombuffer(self.buffer, np.uint8)
        self.room = room

    def fill(self, end: int | None) -> None:
        """Read on: as much as there is room for, but not far beyond ``end``; more room if one line fills it."""
        if self.have == self.searched == self.room and not self.ended:
            self._allocate(min(2 * self.room, self.max_line_bytes + 1), memoryview(self.buffer)[: self.have])
        limit = self.room
        if end is not None:
            limit = min(limit, max(end - self.offset, self.have) + _BEYOND_BYTES)
        view = memoryview(self.buffer)
        while self.have < limit and not self.ended:
            try:
                got = self.stream.readinto(view[self.have : limit])
            except DamagedStream as damage:
                self.damage, got = damage, 0
            self.have += got
            self.ended = got == 0

    def lines_end(self, end: int | None) -> int:
        """Behind the newline that ends the last whole line that begins before ``end``; 0 if there is none."""
        behind = self.have
        if end is not None and self.offset + self.have >= end:
            behind = end - 1 - self.offset
            last = self.buffer.find(b"\n", max(behind, self.searched), self.have)
            if last >= 0:
                return last + 1
        whole = self.buffer.rfind(b"\n", self.searched, behind)
        self.searched = self.have
        return whole + 1

    def drop(self, count: int) -> None:
        """Forget the first bytes, and the room that a long line needed."""
        rest = bytes(memoryview(self.buffer)[count : self.have])
        if self.room > self.block_bytes >= len(rest):
            self._allocate(self.block_bytes, rest)
        else:
            self.buffer[: len(rest)] = rest
        self.have = len(rest)
        self.offset += count
        self.searched = 0

    def pass_mark(self) -> bool:
        """Leave out a byte order mark at the beginning; whether there was one."""
        self.fill(self.offset)
        marked = self.buffer.startswith(_BYTE_ORDER_MARK)
        if marked:
            self.drop(len(_BYTE_ORDER_MARK))
        return marked

    def pass_line(self, end: int | None) -> bool:
        """Forget everything through the first newline, or up to about ``end``; whether there was a newline."""
        while end is None or self.offset < end:
            found = self.buffer.find(b"\n", self.searched, self.have)
            self.drop(self.have if found < 0 else found + 1)
            if found >= 0 or self.ended:
                return found >= 0
            self.fill(self.offset)
        return False

    def pass_long_line(self) -> Lost:
        """Forget the line at the beginning, of which no end is in sight."""
        offset, raw = self.offset, bytes(self.buffer[: min(self.have, RAW_BYTES)])
        self.searched = self.have
        newlines = int(self.pass_line(None))
        size = self.offset - offset - newlines
        detail = f"a line of {size:,} bytes; the limit is {self.max_line_bytes:,}"
        return Lost(offset, size, "too_large", detail, raw)

    def last(self) -> Iterator[Block | Lost]:
        """What is left at the end of the stream: a line without newline, or a torn one."""
        if self.damage is not None:
            size = self.have + self.damage.unread_bytes
            detail = f"{self.damage.detail}, after {self.offset + self.have:,} decompressed bytes"
            yield Lost(self.offset, size, self.damage.reason, detail, bytes(self.buffer[: min(self.have, RAW_BYTES)]))
        elif self.have:
            self.buffer[self.have] = 10
            yield Block(self.data, 0, self.have + 1, self.offset)
