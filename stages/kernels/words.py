"""Counts of words and letters per row, by the definition in :mod:`stages.kernels.word_classes`.

An automaton takes a step per character. Each step waits for the one before, which alone would be 460 MB/s, so
eight bytes that are only ASCII letters and spaces, three quarters of English, are counted at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from stages.kernels.arrow_text import text_view
from stages.kernels.loads import load64
from stages.kernels.unicode_tables import CODE_POINTS
from stages.kernels.word_classes import (
    BEGINS,
    BETWEEN,
    CLASSES,
    IN_LETTERS,
    IN_SINGLE,
    KATAKANA,
    LETTER,
    PREFIX,
    SINGLE,
    WordTables,
    word_tables,
)

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]

HAN_LEADS = (0xE5, 0xE9)
"""First bytes of U+5000 to U+9FFF, all Han: no look-up needed for nine in ten characters of Chinese."""

_STATE = np.uint8(0xF0)
_HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONES = np.uint64(0x0101010101010101)
_LOWER_CASE = np.uint64(0x2020202020202020)
_SPACES = np.uint64(0x2020202020202020)
_LINE_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_FROM_A = np.uint64(0x1F1F1F1F1F1F1F1F)
_AFTER_Z = np.uint64(0x0505050505050505)


@njit(cache=True, nogil=True)
def _decode(data: Bytes, at: int, end: int) -> tuple[Int, int]:
    """(code point, bytes) at a position that is not ASCII; U+FFFD of one byte where it is not UTF-8."""
    lead = np.int64(data[at])
    if 0xE0 <= lead < 0xF0 and at + 3 <= end:
        return ((lead & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F), 3
    if 0xC2 <= lead < 0xE0 and at + 2 <= end:
        return ((lead & 0x1F) << 6) | np.int64(data[at + 1] & 0x3F), 2
    if 0xF0 <= lead < 0xF5 and at + 4 <= end:
        high = ((lead & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
        code = high | (np.int64(data[at + 2] & 0x3F) << 6) | np.int64(data[at + 3] & 0x3F)
        if code < CODE_POINTS:
            return code, 4
    return 0xFFFD, 1


@njit(cache=True, nogil=True)
def _words_of_eight(word: np.uint64, inside: np.uint64) -> Int:
    """Words that begin among eight ASCII bytes, or -1 unless all are letters, spaces and line feeds.

    ``inside``: 1 if a letter in the first byte goes on with a word that has begun, else 0.
    """
    lower = word | _LOWER_CASE
    letters = (lower + _FROM_A) & ~(lower + _AFTER_Z) & _HIGH
    space = word ^ _SPACES
    feed = word ^ _LINE_FEEDS
    spaces = ~(((space + _LOW) | space) & ((feed + _LOW) | feed)) & _HIGH
    if (letters | spaces) & ~word != _HIGH:
        return -1
    flags = letters >> np.uint64(7)
    begins = flags & ~((flags << np.uint64(8)) | inside)
    return np.int64((begins * _ONES) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _count_row(
    data: Bytes, at: int, end: int, classes: tuple[UInt16s, UInt16s], ascii_classes: Bytes, steps: Bytes
) -> Int:
    block_of, blocks = classes
    state = np.uint8(0)
    count: Int = 0
    while at < end:
        byte = data[at]
        if byte < 0x80:
            if at + 8 <= end:
                inside = np.uint64((steps[state | np.uint8(LETTER)] & BEGINS) ^ BEGINS)
                found = _words_of_eight(load64(data, at), inside)
                if found >= 0:
                    count += found
                    state = np.uint8(IN_LETTERS * CLASSES if data[at + 7] > 0x20 else BETWEEN * CLASSES)
                    at += 8
                    continue
            stop = min(at + 8, end)
            while at < stop and data[at] < 0x80:
                step = steps[state | ascii_classes[data[at]]]
                count += step & BEGINS
                state = step & _STATE
                at += 1
        elif HAN_LEADS[0] <= byte <= HAN_LEADS[1] and at + 3 <= end:
            count += (steps[state | np.uint8(SINGLE)]) & BEGINS
            state = np.uint8(IN_SINGLE * CLASSES)
            at += 3
        else:
            code, width = _decode(data, at, end)
            step = steps[state | np.uint8(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)])]
            count += step & BEGINS
            state = step & _STATE
            at += width
    return count


@njit(cache=True, nogil=True)
def _count_rows(
    data: Bytes,
    offsets: Int64s,
    classes: tuple[UInt16s, UInt16s],
    ascii_classes: Bytes,
    steps: Bytes,
    words: Int64s,
) -> None:
    """O(bytes)."""
    for row in range(len(words)):
        words[row] = _count_row(data, offsets[row], offsets[row + 1], classes, ascii_classes, steps)


@njit(cache=True, nogil=True)
def _count_letters(data: Bytes, spans: Int64s, classes: tuple[UInt16s, UInt16s], limit: int, counts: Int64s) -> None:
    """O(bytes up to the letter number ``limit`` of each row)."""
    block_of, blocks = classes
    for row in range(len(spans)):
        count = 0
        for span in range(spans.shape[1]):
            at, end = spans[row, span, 0], spans[row, span, 1]
            while at < end and count < limit:
                code: Int = np.int64(data[at])
                width = 1
                if code >= 0x80:
                    code, width = _decode(data, at, end)
                value = blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)]
                count += value == LETTER or KATAKANA <= value <= SINGLE or value == PREFIX
                at += width
        counts[row] = count


def count_words(array: pa.Array) -> Int64s:
    """int64[rows]: words in each row of a (large_)string array."""
    view, tables = text_view(array), word_tables()
    words = np.zeros(len(array), np.int64)
    with np.errstate(over="ignore"):
        _count_rows(view.data, view.offsets, _pair(tables), tables.ascii_classes, tables.steps, words)
    return words


def count_letters(data: Bytes, spans: Int64s, limit: int) -> Int64s:
    """int64[rows]: letters in each row, counted up to ``limit``: what makes words in any script, but digits and marks.

    ``spans``: int64[rows, k, 2], the row's text is ``data[start:end]`` of its k spans.
    """
    letters = np.zeros(len(spans), np.int64)
    _count_letters(data, spans, _pair(word_tables()), limit, letters)
    return letters


def _pair(tables: WordTables) -> tuple[UInt16s, UInt16s]:
    return tables.classes.block_of, tables.classes.blocks
