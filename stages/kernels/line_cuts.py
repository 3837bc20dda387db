"""Removes lines, and citation marks from those that stay: the line rules of C4 (Raffel et al. 2020, section 2.2).

The order is that of the released code: a line goes for the first thing that is wrong with it. Lines are those of
Python's ``splitlines``, without white space on either side; those that stay are joined by line feeds. A line is copied
to the new text first and judged there, where it has no citation marks any more, and overwritten if it goes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.byte_masks import LANES, PAD, byte, mask_of, padded_parts, trailing_zeros
from stages.kernels.byte_runs import flat
from stages.kernels.line_marks import (
    CURLY_BRACKET,
    ELLIPSIS,
    ELLIPSIS_SIGN,
    JAVASCRIPT,
    LOREM_IPSUM,
    POLICY,
    line_end,
    phrases,
    space_width,
    spaced_words,
    stripped,
)
from stages.kernels.loads import copy_bytes
from stages.kernels.sentence_classes import NUMERIC, sentence_tables
from stages.kernels.sentences import class_at
from stages.kernels.word_classes import BEGINS, word_tables

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]

REASONS = ("long_word", "no_end", "few_words", "javascript", "policy", "citations", "white_space")
"""Reasons for which bytes go, in the order in which lines are judged. A line goes with its line end; ``citations`` and
``white_space`` are taken from lines that stay."""
_LONG_WORD, _NO_END, _FEW_WORDS, _JAVASCRIPT, _POLICY, _CITATIONS, _WHITE_SPACE, _KEPT, _LOREM_IPSUM, _CURLY_BRACKET = (
    range(10)
)

SPACED, SPACED_BEFORE_CITATIONS, WORDS = range(3)
"""What words of a line are: what white space separates, the same while citation marks still stand, or the words of
:mod:`stages.kernels.word_classes`."""

_ANY_LENGTH = 1 << 62
_breaks_and_brackets = mask_of(
    byte((0x0A, 0x0D)), byte((0x1C, 0x1E)), byte(0x5B), byte(0xC2, 0x85), byte(0xE2, 0x80, (0xA8, 0xA9))
)
_MARKS = b"[edit][citation needed]"
_MARK_TEXT = np.frombuffer(_MARKS, np.uint8)
_EDIT = 6


class LineRules(NamedTuple):
    """Which lines stay.

    ``ends``: bits of :func:`stages.kernels.line_marks.line_end`, of which a line has to have one; 0 for any end.
    ``ellipses``: whether ``...`` and ``…`` are ends too. ``min_words``: fewest words of a line, 0 for any. ``words``:
    which. ``max_word_length``: most characters between white space, or None. ``javascript``, ``policy``: whether lines
    with these phrases go. ``citations``: whether ``[1]``, ``[]``, ``[edit]`` and ``[citation needed]`` are taken out.
    """

    ends: int
    ellipses: bool
    min_words: int
    words: int
    max_word_length: int | None
    javascript: bool
    policy: bool
    citations: bool


class Cut(NamedTuple):
    """New text, and what was found on the way.

    ``text``: the rows' new text. ``kept``: int64[rows], lines that stayed. ``lorem_ipsum``, ``curly_bracket``:
    int64[rows], lines with them among those that stayed until they were looked for, as C4 does: behind ``few_words``
    and behind ``javascript``. ``bytes``: reason → int64[rows].
    """

    text: TextView
    kept: Int64s
    lorem_ipsum: Int64s
    curly_bracket: Int64s
    bytes: dict[str, Int64s]


@njit(cache=True, nogil=True)
def _has_long_word(data: Bytes, at: Int, end: Int, limit: Int) -> bool | np.bool:
    length = 0
    while at < end:
        width = space_width(data, at, end)
        if width:
            length = 0
        else:
            length += data[at] & 0xC0 != 0x80
            if length > limit:
                return True
        at += max(width, 1)
    return False


@njit(cache=True, nogil=True)
def _words_up_to(data: Bytes, at: Int, end: Int, limit: Int, tables: tuple[UInt16s, UInt16s, Bytes]) -> Int:
    """Words as in :mod:`stages.kernels.words`, counted up to ``limit``."""
    block_of, blocks, steps = tables
    state = np.uint8(0)
    count: Int = 0
    while at < end and count < limit:
        kind, width = class_at(data, at, end, block_of, blocks)
        step = steps[state | np.uint8(kind)]
        count += step & BEGINS
        state = step & np.uint8(0xFF ^ BEGINS)
        at += width
    return count


@njit(cache=True, nogil=True)
def _past_citation(data: Bytes, at: Int, end: Int, block_of: UInt16s, blocks: UInt16s) -> Int:
    """Where the citation mark ends whose bracket opens at ``at``; ``at`` if it is none."""
    place = at + 1
    while place < end:
        kind, width = class_at(data, place, end, block_of, blocks)
        if kind != NUMERIC:
            break
        place += width
    if place < end and data[place] == 0x5D:
        return place + 1
    for first, size in ((0, _EDIT), (_EDIT, len(_MARKS) - _EDIT)):
        same = at + size <= end
        for k in range(size if same else 0):
            same = same and data[at + k] == _MARK_TEXT[first + k]
        if same:
            return at + size
    return at


@njit(cache=True, nogil=True)
def _copy_without_citations(
    data: Bytes, at: Int, end: Int, out: Bytes, to: Int, classes: tuple[UInt16s, UInt16s]
) -> Int:
    """The place behind what was written."""
    while at < end:
        past = at
        if data[at] == 0x5B:
            past = _past_citation(data, at, end, classes[0], classes[1])
        if past == at:
            out[to] = data[at]
            to += 1
            past += 1
        at = past
    return to


@njit(cache=True, nogil=True)
def _fault(
    text: Bytes,
    line: tuple[Int, Int],
    new: Bytes,
    copied: tuple[Int, Int],
    rules: tuple[Int, bool, Int, Int, Int, bool, bool, bool],
    classes: tuple[UInt16s, UInt16s],
    word_tables: tuple[UInt16s, UInt16s, Bytes],
    found: Int64s,
) -> int:
    """Number of the reason for which the line goes, or _KEPT; lines with lorem ipsum and curly brackets are counted."""
    ends, ellipses, min_words, words = rules[:4]
    javascript, policy = rules[5:7]
    start, end = copied
    if ends:
        marks = line_end(new, start, end, classes[0], classes[1])
        if marks & ends == 0 or (not ellipses and marks & (ELLIPSIS | ELLIPSIS_SIGN)):
            return _NO_END
    if min_words:
        if words == WORDS:
            count = _words_up_to(new, start, end, min_words, word_tables)
        elif words == SPACED:
            count = spaced_words(new, start, end, min_words)
        else:
            count = spaced_words(text, line[0], line[1], min_words)
        if count < min_words:
            return _FEW_WORDS
    bits = phrases(new, start, end)
    found[_LOREM_IPSUM] += bits & LOREM_IPSUM != 0
    if javascript and bits & JAVASCRIPT:
        return _JAVASCRIPT
    found[_CURLY_BRACKET] += bits & CURLY_BRACKET != 0
    if policy and bits & POLICY:
        return _POLICY
    return _KEPT


@njit(cache=True, nogil=True)
def _cut_line(
    data: Bytes,
    line: tuple[Int, Int, Int, bool],
    out: Bytes,
    to: Int,
    rules: tuple[Int, bool, Int, Int, Int, bool, bool, bool],
    classes: tuple[UInt16s, UInt16s],
    word_tables: tuple[UInt16s, UInt16s, Bytes],
    found: Int64s,
) -> Int:
    """Write the line of (start, end, start of the next one, whether it has brackets) behind ``to``, unless it goes."""
    text, new = flat(data), flat(out)
    start, end, following, brackets = line
    begin, stop = stripped(text, start, end)
    if stop - begin > rules[4] and _has_long_word(text, begin, stop, rules[4]):
        found[_LONG_WORD] += following - start
        return to
    first = to + (found[_KEPT] > 0)
    last = first + stop - begin
    if brackets and rules[7]:
        last = _copy_without_citations(text, begin, stop, new, first, classes)
    else:
        copy_bytes(out, first, data, begin, stop - begin)
    fault = _fault(text, (begin, stop), new, (first, last), rules, classes, word_tables, found)
    if fault != _KEPT:
        found[fault] += following - start
        return to
    found[_CITATIONS] += stop - begin - (last - first)
    if found[_KEPT] > 0:
        new[to] = 0x0A
    found[_KEPT] += 1
    return last


@njit(cache=True, nogil=True)
def _break_width(data: Bytes, at: Int, end: Int) -> int:
    """Bytes of the line end that begins like this; 0 if the row ends within it."""
    value = data[at]
    if value == 0x0D and at + 1 < end and data[at + 1] == 0x0A:
        return 2
    width = 1 if value < 0x80 else 2 if value == 0xC2 else 3
    return width if at + width <= end else 0


@njit(cache=True, nogil=True)
def _cut_rows(
    data: Bytes,
    offsets: Int64s,
    rules: tuple[Int, bool, Int, Int, Int, bool, bool, bool],
    classes: tuple[UInt16s, UInt16s],
    word_tables: tuple[UInt16s, UInt16s, Bytes],
    out: Bytes,
    places: Int64s,
    counts: Int64s,
) -> None:
    """Write the new text of the rows behind ``places[0]``. O(bytes)."""
    text, new = flat(data), flat(out)
    flat_classes = flat(classes[0]), flat(classes[1])
    flat_words = flat(word_tables[0]), flat(word_tables[1]), flat(word_tables[2])
    for row in range(len(offsets) - 1):
        at = start = offsets[row]
        end = offsets[row + 1]
        to = places[row]
        brackets = False
        found = counts[row]
        while at < end:
            mask = _breaks_and_brackets(text, at)
            while mask:
                place = at + trailing_zeros(mask)
                mask &= mask - np.uint64(1)
                if place >= end:
                    break
                if text[place] == 0x5B:
                    brackets = True
                    continue
                width = _break_width(text, place, end)
                if place < start or width == 0:
                    continue
                line = (start, place, place + width, brackets)
                to = _cut_line(data, line, out, to, rules, flat_classes, flat_words, found)
                start, brackets = place + width, False
            at += LANES
        if start < end:
            to = _cut_line(data, (start, end, end, brackets), out, to, rules, flat_classes, flat_words, found)
        begin, stop = stripped(new, places[row], to)
        for k in range(stop - begin if begin > places[row] else 0):
            new[places[row] + k] = new[begin + k]
        places[row + 1] = places[row] + stop - begin


def cut_lines(data: Bytes, offsets: Int64s, rules: LineRules) -> Cut:
    """Rows of UTF-8 bytes without the lines that break a rule. Takes the memory of the text once more."""
    rows = len(offsets) - 1
    out = np.empty(int(offsets[rows] - offsets[0]) + PAD, np.uint8)
    places = np.zeros(rows + 1, np.int64)
    counts = np.zeros((rows, 10), np.int64)
    longest = _ANY_LENGTH if rules.max_word_length is None else rules.max_word_length
    settings = (*rules[:4], longest, *rules[5:])
    tables, words = sentence_tables(), word_tables()
    classes, word_classes = (
        (tables.block_of, tables.blocks),
        (words.classes.block_of, words.classes.blocks, words.steps),
    )
    for part, part_offsets, first in padded_parts(data, offsets):
        last = first + len(part_offsets) - 1
        _cut_rows(
            part, part_offsets, settings, classes, word_classes, out, places[first : last + 1], counts[first:last]
        )
    counts[:, _WHITE_SPACE] = np.diff(offsets) - np.diff(places) - counts[:, :_WHITE_SPACE].sum(axis=1)
    return Cut(
        text=read_only(out[: places[rows]], places),
        kept=counts[:, _KEPT].copy(),
        lorem_ipsum=counts[:, _LOREM_IPSUM].copy(),
        curly_bracket=counts[:, _CURLY_BRACKET].copy(),
        bytes={reason: counts[:, place].copy() for place, reason in enumerate(REASONS)},
    )
