"""What a line ends with and which phrases it holds: shared by the kernels that count lines and those that cut them.

Phrases are those of the released code of C4 (``tensorflow_datasets/text/c4_utils.py``), found on bytes and without
regard to the case of ASCII letters. The rarest pair of letters of each is looked for 64 bytes at a time; only where one
stands (once in 150 to 500 bytes of English) is the phrase compared.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_masks import LANES, byte, mask_of, ones, trailing_zeros
from stages.kernels.sentence_classes import CLOSE, EXTEND, STOP
from stages.kernels.sentences import class_at

Bytes = npt.NDArray[np.uint8]
UInt16s = npt.NDArray[np.uint16]
Int = int | np.int64

END_MARK, QUOTE, APOSTROPHE, TERMINAL_LAST, TERMINAL_CLOSED, ELLIPSIS, ELLIPSIS_SIGN = (1 << k for k in range(7))
"""Bits of :func:`line_end`. END_MARK: ``. ? !``. TERMINAL_LAST: the last character ends sentences in some script (``…``
does not, U+2024 and the like do). TERMINAL_CLOSED: so does the last one but for closing marks. ELLIPSIS: ``...``."""

JAVASCRIPT, POLICY, LOREM_IPSUM, CURLY_BRACKET = (1 << k for k in range(4))
"""Bits of :func:`phrase_at`. CURLY_BRACKET is ``{``."""

phrase_places = mask_of(
    byte(ord("j"), ord("a")),
    byte(ord("p"), ord("s")),
    byte(ord("c"), ord("y")),
    byte(ord("k"), ord("i")),
    byte(ord("m"), ord("s")),
    byte(ord("{")),
    fold=True,
)
"""Where phrases may be: the pair of letters that :func:`phrase_at` begins with, and ``{`` (or ``[``)."""

_ascii_spaces = mask_of(byte(0x20), byte((0x09, 0x0D)), byte((0x1C, 0x1F)))
_other_spaces = mask_of(
    byte(0xC2, 0x85),
    byte(0xC2, 0xA0),
    byte(0xE1, 0x9A, 0x80),
    byte(0xE2, 0x80, (0x80, 0x8A)),
    byte(0xE2, 0x80, (0xA8, 0xA9)),
    byte(0xE2, 0x80, 0xAF),
    byte(0xE2, 0x81, 0x9F),
    byte(0xE3, 0x80, 0x80),
)
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_WORDS = b"javascriptlorem ipsumterms of useprivacy policycookiesuse of "
_TEXT = np.frombuffer(_WORDS, np.uint8)


@njit(cache=True, nogil=True)
def space_width(data: Bytes, at: Int, end: Int) -> int:
    """Bytes of the white space (what ``str.strip`` removes) at a place before ``end``, 0 if there is none."""
    value = data[at]
    if value < 0x80:
        return 1 if value == 0x20 or 0x09 <= value <= 0x0D or 0x1C <= value <= 0x1F else 0
    if value == 0xC2:
        return 2 if at + 2 <= end and (data[at + 1] == 0x85 or data[at + 1] == 0xA0) else 0
    if at + 3 > end or not 0xE1 <= value <= 0xE3:
        return 0
    second, third = data[at + 1], data[at + 2]
    if value == 0xE2:
        general = second == 0x80 and (third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF)
        return 3 if general or (second == 0x81 and third == 0x9F) else 0
    ideographic = value == 0xE3 and second == 0x80 and third == 0x80
    return 3 if ideographic or (value == 0xE1 and second == 0x9A and third == 0x80) else 0


@njit(cache=True, nogil=True)
def stripped(data: Bytes, start: Int, end: Int) -> tuple[Int, Int]:
    """(start, end) without white space on either side; both at ``end`` if there is nothing else."""
    while start < end:
        width = space_width(data, start, end)
        if width == 0:
            break
        start += width
    while end > start:
        at = end - 1
        while at > start and end - at < 3 and data[at] & 0xC0 == 0x80:
            at -= 1
        if space_width(data, at, end) != end - at:
            break
        end = at
    return start, end


@njit(cache=True, nogil=True)
def spaced_words(data: Bytes, at: Int, end: Int, limit: Int) -> Int:
    """Words that white space separates, counted up to ``limit``; PAD bytes behind ``end`` can be read."""
    count: Int = 0
    before = _ONE
    while at < end and count < limit:
        within = _ALL >> np.uint64(LANES - min(LANES, end - at))
        if _other_spaces(data, at) & within:
            break
        spaces = _ascii_spaces(data, at)
        count += ones(within & ~spaces & ((spaces << _ONE) | before))
        before = spaces >> np.uint64(LANES - 1)
        at += LANES
    inside = before == 0
    while at < end and count < limit:
        width = space_width(data, at, end)
        count += not inside and width == 0
        inside = width == 0
        at += max(width, 1)
    return min(count, limit)


@njit(cache=True, nogil=True)
def _equal(data: Bytes, at: Int, start: Int, end: Int, first: int, size: int) -> bool | np.bool:
    """Whether ``size`` letters and spaces of _WORDS from ``first`` on stand at ``at``, letters in either case."""
    if at < start or at + size > end:
        return False
    for k in range(size):
        expected = _TEXT[first + k]
        found = data[at + k]
        if found != expected and (expected == 0x20 or found != expected - 0x20):
            return False
    return True


@njit(cache=True, nogil=True)
def phrase_at(data: Bytes, at: Int, start: Int, end: Int) -> int:
    """The phrase whose rare letters stand at ``at``, within ``start`` to ``end``; 0 if there is none."""
    letter = data[at]
    if letter == 0x7B:
        return CURLY_BRACKET
    letter |= 0x20
    if letter == 0x6A:
        return JAVASCRIPT if _equal(data, at, start, end, 0, 10) else 0
    if letter == 0x70:
        return LOREM_IPSUM if _equal(data, at - 7, start, end, 10, 11) else 0
    if letter == 0x6D:
        return POLICY if _equal(data, at - 3, start, end, 21, 12) else 0
    if letter == 0x63:
        policy = _equal(data, at - 4, start, end, 41, 6)
        privacy = policy and _equal(data, at - 12, start, end, 33, 8)
        return (
            POLICY if privacy or (policy and _equal(data, at - 11, start, end, 47, 6) and data[at - 5] == 0x20) else 0
        )
    if letter == 0x6B and _equal(data, at - 3, start, end, 47, 7):
        if _equal(data, at - 10, start, end, 54, 7) or (_equal(data, at - 7, start, end, 54, 4)):
            return POLICY
        uses = _equal(data, at - 8, start, end, 54, 3) and data[at - 4] == 0x20 and data[at - 5] | 0x20 == 0x73
        return POLICY if uses else 0
    return 0


@njit(cache=True, nogil=True)
def phrases(data: Bytes, start: Int, end: Int) -> int:
    """Bits of all phrases from ``start`` to ``end``, behind which PAD bytes can be read."""
    found = 0
    at: Int = start
    while at < end:
        mask = phrase_places(data, at)
        while mask:
            place = at + trailing_zeros(mask)
            if place >= end:
                break
            mask &= mask - np.uint64(1)
            found |= phrase_at(data, place, start, end)
        at += LANES
    return found


@njit(cache=True, nogil=True)
def line_end(data: Bytes, start: Int, end: Int, block_of: UInt16s, blocks: UInt16s) -> int:
    """Bits of what the text from ``start`` to ``end`` ends with."""
    if start == end:
        return 0
    last = data[end - 1]
    if last == 0x2E:
        dots = end - start >= 3 and data[end - 2] == 0x2E and data[end - 3] == 0x2E
        return END_MARK | TERMINAL_LAST | TERMINAL_CLOSED | (ELLIPSIS if dots else 0)
    if last == 0x21 or last == 0x3F:
        return END_MARK | TERMINAL_LAST | TERMINAL_CLOSED
    found = QUOTE if last == 0x22 else APOSTROPHE if last == 0x27 else 0
    at: Int = end
    kind: Int = CLOSE
    while at > start and (kind == CLOSE or kind == EXTEND):
        before = at
        at -= 1
        while at > start and data[at] & 0xC0 == 0x80:
            at -= 1
        kind, _ = class_at(data, at, before, block_of, blocks)
        sign = before - at == 3 and data[at] == 0xE2 and data[at + 1] == 0x80 and data[at + 2] == 0xA6
        if before == end and sign:
            found |= ELLIPSIS_SIGN
        if kind >= STOP:
            found |= TERMINAL_CLOSED
            if before == end and not sign:
                found |= TERMINAL_LAST
    return found
