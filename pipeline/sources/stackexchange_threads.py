"""Questions together with their answers, which stand anywhere behind them in the file.

A first pass notes thread, place and length of every post: 20 bytes a post, and as many again while they are sorted
(Stack Overflow, with 60 million posts: 2.4 GB; all other sites: below 150 MB). Then threads are put together in the
order of their questions' numbers, some of them at a time: of a plain file the wanted posts are read where they are, of
a compressed one in another pass over the file for each 256 MB of posts.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.sources.contract import Piece
from pipeline.sources.lines import Block, Lost, line_blocks
from pipeline.sources.records import BATCH_BYTES, Fault
from pipeline.sources.stackexchange_posts import ANSWER, QUESTION, is_frame
from pipeline.sources.streams import open_raw, open_stream

PASS_BYTES = 256 * 2**20
_GAP_BYTES = 256 * 2**10

_HEAD = re.compile(rb"\s*<row\s")
_NUMBERS = {name: re.compile(rb'\s%s="([0-9]{1,18})"' % name) for name in (b"Id", b"PostTypeId", b"ParentId")}


class Line(NamedTuple):
    """A line without its newline, and where it begins in the decompressed file."""

    offset: int
    content: bytes


def lines_of(piece: Piece, max_line_bytes: int, start: int = 0, end: int | None = None) -> Iterator[Line | Fault]:
    """Lines that begin between start and end, without those that frame the rows."""
    stream = open_stream(piece.uri, piece.size) if end is None else open_raw(piece.uri, piece.size, max(start - 1, 0))
    try:
        for part in line_blocks(stream, start, end, max_line_bytes=max_line_bytes):
            if isinstance(part, Lost):
                yield Fault(part.offset, part.size, part.reason, part.detail, part.raw)
            else:
                yield from _lines(part)
    finally:
        stream.close()


def _lines(block: Block) -> Iterator[Line]:
    offset = block.offset + block.begin
    for content in block.data[block.begin : block.stop].tobytes().split(b"\n"):
        if not is_frame(content):
            yield Line(offset, content)
        offset += len(content) + 1


class Index(NamedTuple):
    """Posts sorted by thread, then place: int64[n] thread, offset, bytes."""

    threads: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


class IndexBuilder:
    """Takes the lines of a file one after the other."""

    def __init__(self) -> None:
        self._threads, self._offsets, self._sizes = array("q"), array("q"), array("i")

    def add(self, line: Line) -> bool:
        """Whether the line is a question or an answer; others, and rows without their numbers, are not taken."""
        thread = _thread(line.content)
        if thread is None:
            return False
        self._threads.append(thread)
        self._offsets.append(line.offset)
        self._sizes.append(len(line.content))
        return True

    def finish(self) -> Index:
        """The posts taken, sorted."""
        threads, offsets = np.array(self._threads, np.int64), np.array(self._offsets, np.int64)
        order = np.lexsort([offsets, threads])
        return Index(threads[order], offsets[order], np.array(self._sizes, np.int64)[order])


def _thread(content: bytes) -> int | None:
    if not _HEAD.match(content):
        return None
    kind = _number(content, b"PostTypeId")
    return _number(content, {QUESTION: b"Id", ANSWER: b"ParentId"}.get(kind or 0, b""))


def _number(content: bytes, name: bytes) -> int | None:
    found = _NUMBERS[name].search(content) if name else None
    return int(found.group(1)) if found else None


def threads(index: Index, piece: Piece, is_plain: bool, max_bytes: int) -> Iterator[list[Line] | Fault]:
    """Lines of each thread, in the order of threads, then places; one of more than ``max_bytes`` is a fault."""
    bounds = np.flatnonzero(np.diff(index.threads, prepend=-1, append=-1))
    sizes = np.diff(np.concatenate([[0], np.cumsum(index.sizes)])[bounds])
    for first, last in _groups(np.minimum(sizes, max_bytes), BATCH_BYTES if is_plain else PASS_BYTES):
        fits = np.repeat(sizes[first:last] <= max_bytes, np.diff(bounds[first : last + 1]))
        posts = np.arange(bounds[first], bounds[last])[fits]
        places = dict(zip(index.offsets[posts].tolist(), index.sizes[posts].tolist(), strict=True))
        found = _read_places(piece, places) if is_plain else _read_pass(piece, places, max_bytes)
        for thread in range(first, last):
            offsets = index.offsets[bounds[thread] : bounds[thread + 1]].tolist()
            if sizes[thread] > max_bytes:
                detail = f"a thread of {len(offsets):,} posts and {sizes[thread]:,} bytes; the limit is {max_bytes:,}"
                yield Fault(offsets[0], int(sizes[thread]), "too_large", detail, b"")
            else:
                yield [Line(offset, found[offset]) for offset in offsets]


def _groups(sizes: npt.NDArray[np.int64], limit_bytes: int) -> Iterator[tuple[int, int]]:
    """Runs of threads (first, behind the last) of about so many bytes."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(ends):
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + limit_bytes, side="right")), first + 1)
        yield first, last
        first = last


def _read_places(piece: Piece, places: Mapping[int, int]) -> dict[int, bytes]:
    """Offset → line, for offset → bytes. Read in runs: over small gaps it is quicker to read on than to seek."""
    found: dict[int, bytes] = {}
    with open_raw(piece.uri, piece.size) as raw:
        for run in _runs(sorted(places.items())):
            start, stop = run[0][0], sum(run[-1])
            data = bytes(raw.read_at(stop - start, start))
            found.update((place, data[place - start : place - start + size]) for place, size in run)
    return found


def _runs(places: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    run: list[tuple[int, int]] = []
    for place in places:
        if run and place[0] - sum(run[-1]) > _GAP_BYTES:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _read_pass(piece: Piece, places: Mapping[int, int], max_line_bytes: int) -> dict[int, bytes]:
    """Offset → line, for offset → bytes, by reading the file from its beginning."""
    lines = lines_of(piece, max_line_bytes)
    return {line.offset: line.content for line in lines if isinstance(line, Line) and line.offset in places}
