"""Where sentences end: one definition for all stages, every script, without a dictionary or a model.

The rules are those of Unicode sentence boundaries (UAX #29, SB1 to SB11):

* a terminal of any script (``! ? 。 । ؟ ። ။ ។``) ends a sentence, with the closing marks and spaces behind it;
* so does a full stop, unless a digit comes right behind it (``3.14``), a capital between capitals (``U.S``), a comma,
  colon or dash, or before any other letter a lower-case one (``etc. and``). ``…`` and ``...`` count as full stops;
* a line end ends a sentence: headings and list items have no full stop, so unwrap hard-wrapped text first.

Three things are added, which the standard leaves to a tailoring:

* a full stop behind a single capital other than ``I`` (``J. Smith``; then also ``Plan B. Then``) and behind a short
  list of abbreviations that come before a name (``Mr.``, ``e.g.``) or, some, before a number (``No. 5``) ends nothing;
* Thai and Lao have no terminals: there spaces between two of their letters do what those do elsewhere. That cuts at
  clauses too, so it finds more sentences than a reader would;
* a stretch of nothing but white space is no sentence.

Known limits: ``U.S. He`` and ``etc. Then`` are judged by their form and not by their meaning; text in lower case
throughout has only ``!``, ``?`` and line ends.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, padded_parts, trailing_zeros
from stages.kernels.byte_runs import flat
from stages.kernels.sentence_classes import (
    ABBREVIATION_FACTOR,
    CLOSE,
    CONTINUE,
    EXTEND,
    LETTER,
    LONGEST_ABBREVIATION,
    LOWER,
    NUMERIC,
    OTHER,
    SEPARATOR,
    SPACE,
    STOP,
    TERMINAL,
    UNENDED,
    UPPER,
    SentenceTables,
    sentence_tables,
)
from stages.kernels.unicode_tables import CODE_POINTS

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
UInt64s = npt.NDArray[np.uint64]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]

_END = OTHER
"""Class of what comes behind the end of the text."""

_ONE = np.uint64(1)
_FACTOR = np.uint64(ABBREVIATION_FACTOR)
_ascii_ends = mask_of(byte((0x0A, 0x0D)), byte(0x21), byte(0x2E), byte(0x3F))
_beyond_ascii = mask_of(byte((0x80, 0xFF)))
# First bytes of all separators, stops and terminals beyond ASCII, with as much of the rest as keeps common text out.
_other_ends = mask_of(
    byte(0xC2, 0x85),
    byte(0xD6, 0x89),
    byte(0xD8, (0x9D, 0x9F)),
    byte(0xDB, 0x94),
    byte(0xDC, (0x80, 0x82)),
    byte(0xDF, 0xB9),
    byte(0xE0, 0xA0, (0xB7, 0xBE)),
    byte(0xE0, 0xA5, (0xA4, 0xA5)),
    byte(0xE0, (0xB8, 0xBB), (0x80, 0xBF), 0x20),
    byte(0xE1),
    byte(0xE2, (0x80, 0x81), (0x87, 0x89)),
    byte(0xE2, 0x80, (0xA4, 0xA9)),
    byte(0xE2, 0x80, (0xBC, 0xBD)),
    byte(0xE2, (0xB3, 0xB9)),
    byte(0xE3, 0x80, 0x82),
    byte(0xEA, (0x93, 0xAF)),
    byte(0xEF, (0xB8, 0xBD)),
    byte(0xF0),
)


@njit(cache=True, nogil=True)
def class_at(data: Bytes, at: Int, end: Int, block_of: UInt16s, blocks: UInt16s) -> tuple[Int, Int]:
    """(class, bytes) of the character at a place before ``end``; OTHER of one byte where it is not UTF-8."""
    code: Int = np.int64(data[at])
    width = 1
    if code >= 0x80:
        if 0xE0 <= code < 0xF0 and at + 3 <= end:
            code = ((code & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F)
            width = 3
        elif 0xC2 <= code < 0xE0 and at + 2 <= end:
            code = ((code & 0x1F) << 6) | np.int64(data[at + 1] & 0x3F)
            width = 2
        elif 0xF0 <= code < 0xF5 and at + 4 <= end:
            high = ((code & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
            low = (np.int64(data[at + 2] & 0x3F) << 6) | np.int64(data[at + 3] & 0x3F)
            code = min(np.int64(high | low), np.int64(CODE_POINTS - 1))
            width = 4
        else:
            code = 0xFFFD
    return np.int64(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)]), width


@njit(cache=True, nogil=True)
def _next(data: Bytes, at: Int, end: Int, block_of: UInt16s, blocks: UInt16s) -> tuple[Int, Int, Int]:
    """(class, place, bytes) of the first character from ``at`` on that is no mark: marks belong to what they follow."""
    while at < end:
        kind, width = class_at(data, at, end, block_of, blocks)
        if kind != EXTEND:
            return kind, at, width
        at += width
    return _END, end, 0


@njit(cache=True, nogil=True)
def _before(data: Bytes, start: Int, at: Int, block_of: UInt16s, blocks: UInt16s) -> tuple[Int, Int]:
    """(class, place) of the last character before ``at`` that is no mark; OTHER and ``start`` if there is none."""
    place = at
    while place > start:
        place -= 1
        while place > start and data[place] & 0xC0 == 0x80:
            place -= 1
        kind, _ = class_at(data, place, at, block_of, blocks)
        if kind != EXTEND:
            return kind, place
    return _END, start


@njit(cache=True, nogil=True)
def _listed(word: np.uint64, words: UInt64s) -> bool | np.bool:
    place = (word * _FACTOR) >> np.uint64(56)
    while words[place]:
        if words[place] == word:
            return True
        place = (place + _ONE) & np.uint64(255)
    return False


@njit(cache=True, nogil=True)
def _abbreviated(
    data: Bytes,
    start: Int,
    at: Int,
    kind: Int,
    classes: tuple[UInt16s, UInt16s],
    abbreviations: tuple[UInt64s, UInt64s],
) -> bool | np.bool:
    """Whether the full stop at ``at`` belongs to an initial or abbreviation; ``kind``: what comes next."""
    block_of, blocks = classes
    last, place = _before(data, start, at, block_of, blocks)
    if last == UPPER and data[place] != 0x49:
        ahead, _ = _before(data, start, place, block_of, blocks)
        if not (NUMERIC <= ahead <= UNENDED):
            return True
    word = np.uint64(0)
    place = at
    while place > start and at - place <= LONGEST_ABBREVIATION:
        value = data[place - 1]
        letter = value | 0x20
        if not (0x61 <= letter <= 0x7A or value == 0x2E):
            break
        word |= np.uint64(letter if letter >= 0x61 else value) << np.uint64(8 * (at - place))
        place -= 1
    if at - place > LONGEST_ABBREVIATION or (
        place > start and (data[place - 1] >= 0x80 or 0x30 <= data[place - 1] <= 0x39)
    ):
        return False
    names, numbers = abbreviations
    return _listed(word, names) or (kind == NUMERIC and _listed(word, numbers))


@njit(cache=True, nogil=True)
def _past_terminal(
    data: Bytes,
    start: Int,
    at: Int,
    end: Int,
    classes: tuple[UInt16s, UInt16s],
    abbreviations: tuple[UInt64s, UInt64s],
) -> tuple[bool | np.bool, Int]:
    """(whether the sentence ends with the terminal at ``at``, place behind it from which to go on)."""
    block_of, blocks = classes
    kind, width = class_at(data, at, end, block_of, blocks)
    while True:
        last, terminal = kind, at
        kind, at, width = _next(data, at + width, end, block_of, blocks)
        if last == STOP and kind == NUMERIC:
            return False, at
        if last == STOP and kind == UPPER:
            before, _ = _before(data, start, terminal, block_of, blocks)
            if before == UPPER or before == LOWER:
                return False, at
        while kind == CLOSE:
            kind, at, width = _next(data, at + width, end, block_of, blocks)
        close = at
        while kind == SPACE:
            kind, at, width = _next(data, at + width, end, block_of, blocks)
        if kind != STOP and kind != TERMINAL:
            break
    if kind == SEPARATOR or at == end:
        return True, at + width
    if kind == CONTINUE:
        return False, at
    if last == STOP:
        letter, place = kind, at
        while place < end and not (letter == SEPARATOR or letter >= LOWER):
            letter, place, width = _next(data, place + max(width, 1), end, block_of, blocks)
        if letter == LOWER:
            return False, place
        if at > close and _abbreviated(data, start, terminal, kind, classes, abbreviations):
            return False, at
    return True, at


@njit(cache=True, nogil=True)
def _past_unended(data: Bytes, at: Int, end: Int, block_of: UInt16s, blocks: UInt16s) -> tuple[bool | np.bool, Int]:
    """The same for a space behind a character of Thai or Lao that begins at ``at``."""
    kind, at, width = _next(data, at + 3, end, block_of, blocks)
    while kind == SPACE:
        kind, at, width = _next(data, at + width, end, block_of, blocks)
    return kind == UNENDED, at


@njit(cache=True, nogil=True)
def _sentence_end(
    data: Bytes,
    start: Int,
    at: Int,
    end: Int,
    classes: tuple[UInt16s, UInt16s],
    abbreviations: tuple[UInt64s, UInt64s],
) -> Int:
    """Where the sentence ends that goes on at ``at`` in the row from ``start`` to ``end``."""
    block_of, blocks = classes
    while at < end:
        mask = _ascii_ends(data, at)
        if _beyond_ascii(data, at):
            mask |= _other_ends(data, at)
        resume = at
        while mask:
            place = at + trailing_zeros(mask)
            mask &= mask - _ONE
            if place >= end:
                break
            if place < resume:
                continue
            value = data[place]
            if value == 0x0A:
                return place + 1
            following = data[place + 1]
            if value == 0x2E and place + 1 < end and (0x61 <= following <= 0x7A or 0x30 <= following <= 0x39):
                continue  # half of all full stops in web articles: what the rules say after five look-ups
            kind, width = class_at(data, place, end, block_of, blocks)
            ends: bool | np.bool = False
            if kind == SEPARATOR:
                return place + width
            if kind >= STOP:
                ends, resume = _past_terminal(data, start, place, end, classes, abbreviations)
            elif (kind == UNENDED or kind == LETTER) and data[place] == 0xE0:
                ends, resume = _past_unended(data, place, end, block_of, blocks)
            if ends:
                return resume
        at = max(at + LANES, resume)
    return end


@njit(cache=True, nogil=True)
def _blank(data: Bytes, at: Int, end: Int, block_of: UInt16s, blocks: UInt16s) -> bool | np.bool:
    while at < end:
        kind, width = class_at(data, at, end, block_of, blocks)
        if kind != SPACE and kind != SEPARATOR:
            return False
        at += width
    return True


@njit(cache=True, nogil=True)
def _walk(
    data: Bytes,
    offsets: Int64s,
    tables: tuple[UInt16s, UInt16s, UInt64s, UInt64s],
    counts: Int64s,
    ends: Int64s,
) -> None:
    """Count the sentences of each row, and write where they end unless ``ends`` is empty. O(bytes)."""
    block_of, blocks, names, numbers = tables
    classes = flat(block_of), flat(blocks)
    abbreviations = flat(names), flat(numbers)
    text = flat(data)
    filled = 0
    for row in range(len(counts)):
        at = start = offsets[row]
        end = offsets[row + 1]
        count = 0
        while at < end:
            stop = _sentence_end(text, start, at, end, classes, abbreviations)
            if not _blank(text, at, stop, classes[0], classes[1]):
                count += 1
                if len(ends):
                    ends[filled] = stop
                    filled += 1
            at = stop
        counts[row] = count


def count_sentences(data: Bytes, offsets: Int64s) -> Int64s:
    """int64[rows]: sentences in each row of UTF-8 bytes (:class:`stages.kernels.arrow_text.TextView`)."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    tables = _arrays(sentence_tables())
    with np.errstate(over="ignore"):
        for part, places, first in padded_parts(data, offsets):
            _walk(part, places, tables, counts[first : first + len(places) - 1], np.zeros(0, np.int64))
    return counts


def sentence_ends(data: Bytes, offsets: Int64s) -> tuple[Int64s, Int64s]:
    """(int64[rows] sentences in each row, int64[all sentences] where each ends in ``data``).

    A sentence ends behind the closing marks, spaces and the line end that follow it, and begins where the one before
    ended or the row begins; white space without a sentence goes to the sentence after it, at the end of a row to none.
    """
    counts = count_sentences(data, offsets)
    ends = np.zeros(int(counts.sum()), np.int64)
    tables = _arrays(sentence_tables())
    filled = 0
    with np.errstate(over="ignore"):
        for part, places, first in padded_parts(data, offsets):
            rows = len(places) - 1
            size = int(counts[first : first + rows].sum())
            if size:
                _walk(part, places, tables, np.zeros(rows, np.int64), ends[filled : filled + size])
                ends[filled : filled + size] += offsets[first] - places[0]
            filled += size
    return counts, ends


def _arrays(tables: SentenceTables) -> tuple[UInt16s, UInt16s, UInt64s, UInt64s]:
    return tables.block_of, tables.blocks, tables.before_names, tables.before_numbers
