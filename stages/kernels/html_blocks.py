"""Blocks of text of a flat tree, and what can be measured of them and of the elements around them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.html_keywords import W_RENDERED_MATH
from stages.kernels.html_names import BLOCK, MATH, PRE, SCRIPT, TABLE_PART
from stages.kernels.html_tree import (
    BOUNDARY, BREAK, CLOSE, F_ARIA_HIDDEN, F_DIALOG, F_HIDDEN, F_TEX, FLAGS, LAST, LINKED_TEXT, OPEN, OPENED, CLOSED, PARENT, RULE, TAG,
    TEXT, Tree,
)  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

(
    B_START, B_END, B_OWNER, B_WEIGHT, B_LINKED, B_WORDS, B_SENTENCES, B_COMMAS, B_DIGITS, B_UPPER, B_FIRST, B_LAST,
    B_LINKS, B_BREAKS, B_HIDDEN, B_FORMULAS, B_SYMBOLS,
) = range(17)  # fmt: skip
BLOCK_FIELDS = 17

_SPACE, _LETTER, _UPPER, _DIGIT, _END, _COMMA, _OTHER, _WIDE, _SYMBOL = range(9)


def _classes() -> npt.NDArray[np.uint8]:
    classes = np.full(256, _OTHER, np.uint8)
    classes[[9, 10, 11, 12, 13, 32, 0]] = _SPACE
    classes[97:123] = _LETTER
    classes[65:91] = _UPPER
    classes[48:58] = _DIGIT
    classes[[33, 46, 63]] = _END
    classes[[44, 59]] = _COMMA
    classes[[124, 62, 64, 35]] = _SYMBOL
    classes[128:] = _LETTER
    return classes


_CLASS = _classes()


@njit(cache=True, nogil=True, _nrt=False)
def _entity_end(data: Bytes, at: int, end: int) -> int:
    """Place behind a character reference whose ``&`` is at ``at``, or ``at`` if there is none."""
    last = min(end, at + 34)
    for place in range(at + 1, last):
        byte = data[place]
        if byte == 59:
            return place + 1 if place > at + 1 else at
        alphanumeric = 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or (byte == 35 and place == at + 1)
        if not alphanumeric:
            return at
    return at


@njit(cache=True, nogil=True, _nrt=False)
def _measure(data: Bytes, start: int, end: int, row: Int32s, linked: bool, in_word: bool) -> bool:
    """Add a run of text to the counts of its block. Returns whether it ends inside of a word."""
    at = start
    weight = 0
    while at < end:
        byte = data[at]
        kind = _CLASS[byte]
        if byte == 38:
            behind = _entity_end(data, at, end)
            if behind > at:
                is_space = data[at + 1] == 110 and data[at + 2] == 98
                kind = _SPACE if is_space else _LETTER
                at = behind - 1
        elif byte >= 0x80:
            if byte < 0xC0:
                at += 1
                continue
            if byte == 0xC2 and at + 1 < end and data[at + 1] == 0xA0:
                kind = _SPACE
                at += 1
            elif byte == 0xC2 and at + 1 < end and data[at + 1] == 0xA9:
                kind = _SYMBOL
            elif byte == 0xE3 and at + 2 < end and data[at + 1] == 0x80 and data[at + 2] <= 0x82:
                kind = _END if data[at + 2] == 0x82 else _COMMA
            elif byte == 0xEF and at + 2 < end and data[at + 1] == 0xBC:
                low = data[at + 2]
                kind = _END if low == 0x81 or low == 0x9F else _COMMA if low == 0x8C or low == 0x9B else _WIDE
            elif byte == 0xE2 and at + 2 < end and data[at + 1] == 0x80:
                kind = _END if data[at + 2] == 0xA6 else _OTHER
            elif 0xE3 <= byte <= 0xED:
                kind = _WIDE
        at += 1
        if kind == _SPACE:
            in_word = False
            continue
        if kind == _WIDE:
            weight += 2
            row[B_WORDS] += 1
            in_word = False
        else:
            weight += 1
            if not in_word and (kind == _LETTER or kind == _UPPER or kind == _DIGIT):
                row[B_WORDS] += 1
                in_word = True
            if kind == _UPPER:
                row[B_UPPER] += 1
            elif kind == _DIGIT:
                row[B_DIGITS] += 1
            elif kind == _END:
                row[B_SENTENCES] += 1
            elif kind == _COMMA:
                row[B_COMMAS] += 1
            elif kind == _SYMBOL:
                row[B_SYMBOLS] += 1
        if row[B_WEIGHT] + weight <= 2:
            row[B_FIRST] = kind
        row[B_LAST] = kind
    row[B_WEIGHT] += weight
    if linked:
        row[B_LINKED] += weight
    return in_word


@njit(cache=True, nogil=True, _nrt=False)
def find_blocks(data: Bytes, tree: Tree, events: int, kinds: Int32s, blocks: npt.NDArray[np.int32]) -> int:
    """Cut the page into blocks: text between two borders of block elements. Returns their number. O(bytes of text)."""
    count = 0
    node = 0
    owner = 0
    hidden_until = -1
    pre_until = -1
    breaks = 0
    in_word = False
    fresh = True
    at = 0
    while at < events:
        code = tree.events[at]
        border = False
        if code < 0:
            if code == BREAK:
                breaks += 1
                in_word = False
                border = breaks >= 2 and at > pre_until
                if not border and not fresh:
                    blocks[count, B_BREAKS] += 1
            else:
                border = True
        else:
            kind, item = code & 3, code >> 2
            if kind == OPEN:
                tag, flags = tree.nodes[item, TAG], tree.nodes[item, FLAGS]
                is_block = kinds[tag] & BLOCK != 0
                if tag == MATH or tag == SCRIPT or flags & F_TEX:
                    if not fresh:
                        blocks[count, B_FORMULAS] += 1
                    at = tree.nodes[item, CLOSED] + 1
                    continue
                if not is_block and (flags & (F_HIDDEN | F_ARIA_HIDDEN | F_DIALOG) or tree.words[item] & W_RENDERED_MATH):
                    at = tree.nodes[item, CLOSED] + 1
                    continue
                if is_block and flags & (F_HIDDEN | F_ARIA_HIDDEN | F_DIALOG) and at > hidden_until:
                    hidden_until = tree.nodes[item, CLOSED]
                if tag == PRE and at > pre_until:
                    pre_until = tree.nodes[item, CLOSED]
                node = item
                if is_block:
                    border = True
                elif flags & 16 and not fresh:
                    blocks[count, B_LINKS] += 1
            elif kind == CLOSE:
                node = tree.nodes[item, PARENT]
                border = kinds[tree.nodes[item, TAG]] & BLOCK != 0
        if border:
            if not fresh:
                if blocks[count, B_WEIGHT] > 0:
                    blocks[count, B_END] = at
                    count += 1
                fresh = True
            in_word = False
            breaks = 0
        if code >= 0 and (code & 3) >= TEXT:
            run = code >> 2
            start, end = tree.runs[run, 0], tree.runs[run, 1]
            if fresh:
                has_text = False
                for place in range(start, end):
                    if _CLASS[data[place]] != _SPACE:
                        has_text = True
                        break
                if not has_text:
                    at += 1
                    continue
                if count >= len(blocks):
                    return count
                for field in range(BLOCK_FIELDS):
                    blocks[count, field] = 0
                fresh = False
                in_word = False
                owner = node
                while owner > 0 and kinds[tree.nodes[owner, TAG]] & BLOCK == 0:
                    owner = tree.nodes[owner, PARENT]
                blocks[count, B_START] = at
                blocks[count, B_OWNER] = owner
                blocks[count, B_HIDDEN] = 1 if at < hidden_until else 0
            before = blocks[count, B_WEIGHT]
            in_word = _measure(data, start, end, blocks[count], (code & 3) == LINKED_TEXT, in_word)
            if blocks[count, B_WEIGHT] > before:
                breaks = 0
        at += 1
    if not fresh and blocks[count, B_WEIGHT] > 0:
        blocks[count, B_END] = events
        count += 1
    return count
