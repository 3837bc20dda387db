"""Blocks of text of a flat tree, and what is counted in them.

A block is the text between two borders of block elements (or two ``<br>`` in a row, outside of ``<pre>``): a paragraph,
a heading, a list item, a cell. It is the unit that is kept or left out. Formulas are part of the block in which they
stand. Hidden inline elements and the glyphs of formulas that MathJax and KaTeX have set are no part of any block;
blocks in hidden elements are marked.

Lengths are weights: letters of alphabets count 1 and Han characters, kana and hangul 2, so that a paragraph of 50
characters of Chinese is about as heavy as the same in English.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_keywords import SEPARATOR, TEXT, W_RENDERED_MATH
from stages.kernels.html_names import BLOCK, MATH, PRE, SCRIPT
from stages.kernels.html_references import write_reference
from stages.kernels.html_tables import Tables
from stages.kernels.html_tree import (
    BREAK,
    CLOSE,
    CLOSED,
    F_ARIA_HIDDEN,
    F_DIALOG,
    F_HIDDEN,
    F_LINK,
    F_PRE,
    F_TEX,
    FLAGS,
    HOLDER,
    LINKED_TEXT,
    OPEN,
    TAG,
    Tree,
)  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]

(
    B_START, B_END, B_OWNER, B_WEIGHT, B_LINKED, B_WORDS, B_SENTENCES, B_COMMAS, B_DIGITS, B_UPPER, B_FIRST, B_LAST,
    B_LINKS, B_BREAKS, B_HIDDEN, B_FORMULAS, B_SYMBOLS, B_PHRASES, B_PRE, B_SCORE,
    B_BYTES, B_STATE, B_SEPARATED, B_LOOKED,
) = range(24)  # fmt: skip
BLOCK_FIELDS = 24
"""What ``blocks`` holds: first event and the one behind the last; innermost block element; weight, of it linked; words;
ends of sentences; commas; digits; capitals; kinds of the first and last character; links; single ``<br>``; whether
hidden; formulas; signs such as © and |; groups of ``html_phrases``; whether in ``<pre>``; the score that it is given;
bytes of its text as the page has it; and of the search for phrases its state, whether the last symbol was a separator,
and the bytes looked at."""
HIDING = F_HIDDEN | F_ARIA_HIDDEN | F_DIALOG

MAX_BLOCKS = 1 << 18
FORMULA_WEIGHT = 5
PHRASE_BYTES = 160
"""Bytes at the beginning of a block in which phrases are looked for: they are short texts' mark."""

C_SPACE, C_LETTER, C_CAPITAL, C_DIGIT, C_END, C_COMMA, C_OTHER, C_WIDE, C_SIGN = range(9)
"""Kinds of characters."""


def _kinds_of_bytes() -> npt.NDArray[np.uint8]:
    kinds = np.full(256, C_OTHER, np.uint8)
    kinds[[0, 9, 10, 11, 12, 13, 32]] = C_SPACE
    kinds[97:123] = C_LETTER
    kinds[65:91] = C_CAPITAL
    kinds[48:58] = C_DIGIT
    kinds[[33, 46, 63]] = C_END
    kinds[[44, 59]] = C_COMMA
    kinds[[35, 62, 64, 124]] = C_SIGN
    kinds[128:] = C_LETTER
    return kinds


_KIND = _kinds_of_bytes()


@kernel
def _wide_kind(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Kind and bytes of the character beyond ASCII at ``at``."""
    lead = data[at]
    second = data[at + 1] if at + 1 < end else 0
    third = data[at + 2] if at + 2 < end else 0
    if lead < 0xE0:
        if lead == 0xC2:
            return C_SPACE if second == 0xA0 or second == 0xAD else C_SIGN if second == 0xA9 else C_OTHER, 2
        return C_LETTER, 2
    if lead >= 0xF0:
        return C_OTHER, 4
    if lead == 0xE2 and second == 0x80:
        return C_END if third == 0xA6 else C_OTHER, 3
    if lead == 0xE3 and second == 0x80:
        return C_END if third == 0x82 else C_COMMA if third == 0x81 else C_OTHER, 3
    if lead == 0xEF and second == 0xBC:
        return C_END if third == 0x81 or third == 0x9F else C_COMMA if third == 0x8C or third == 0x9B else C_OTHER, 3
    return C_WIDE if 0xE3 <= lead <= 0xED else C_LETTER, 3


@kernel
def _count(row: Int32s, kind: int, in_word: bool) -> bool:
    """Count one character. Returns whether it belongs to a word."""
    if kind == C_SPACE:
        return False
    if row[B_WEIGHT] == 0:
        row[B_FIRST] = kind
    row[B_LAST] = kind
    row[B_WEIGHT] += 2 if kind == C_WIDE else 1
    if kind == C_WIDE:
        row[B_WORDS] += 1
        return False
    is_letter = kind == C_LETTER or kind == C_CAPITAL or kind == C_DIGIT
    if is_letter and not in_word:
        row[B_WORDS] += 1
    if kind == C_CAPITAL:
        row[B_UPPER] += 1
    elif kind == C_DIGIT:
        row[B_DIGITS] += 1
    elif kind == C_END:
        row[B_SENTENCES] += 1
    elif kind == C_COMMA:
        row[B_COMMAS] += 1
    elif kind == C_SIGN:
        row[B_SYMBOLS] += 1
    return is_letter or (in_word and kind == C_OTHER)


@kernel
def _look(row: Int32s, byte: int, tables: Tables) -> None:
    """Give one byte of text to the automaton of phrases. Separators in a row are one."""
    symbol = tables.symbol[TEXT, byte]
    if symbol != SEPARATOR or row[B_SEPARATED] == 0:
        state = np.int32(tables.step[row[B_STATE], symbol])
        row[B_STATE] = state
        row[B_PHRASES] |= np.int32(tables.found[state])
    row[B_SEPARATED] = 1 if symbol == SEPARATOR else 0
    row[B_LOOKED] += 1


@kernel
def _look_at(row: Int32s, data: Bytes, start: int, end: int, kind: int, tables: Tables) -> None:
    """Give one character to the automaton, unless the beginning of the block is behind; all spaces are one."""
    if row[B_LOOKED] < PHRASE_BYTES:
        if kind == C_SPACE:
            _look(row, 32, tables)
        else:
            for place in range(start, end):
                _look(row, data[place], tables)


@kernel
def _measure(data: Bytes, start: int, end: int, row: Int32s, in_word: bool, tables: Tables, scratch: Bytes) -> bool:
    """Count the characters of a run. Returns whether it ends inside of a word."""
    at = start
    while at < end:
        byte = data[at]
        width = 1
        kind = np.int64(_KIND[byte])
        if byte == 38:
            behind, length = write_reference(data, at, end, tables, scratch, np.int64(0))
            if behind > at:
                kind = np.int64(C_SPACE)
                if length > 0:
                    kind = np.int64(_KIND[scratch[0]]) if scratch[0] < 0x80 else _wide_kind(scratch, 0, length)[0]
                _look_at(row, scratch, 0, length, kind, tables)
                in_word = _count(row, kind, in_word)
                at = behind
                continue
        elif byte >= 0x80:
            kind, width = _wide_kind(data, at, end)
        in_word = _count(row, kind, in_word)
        _look_at(row, data, at, min(at + width, end), kind, tables)
        at += width
    return in_word


@kernel
def _begin(row: Int32s, at: int, owner: int, is_hidden: bool, is_pre: bool, tables: Tables) -> None:
    for field in range(BLOCK_FIELDS):
        row[field] = 0
    row[B_START], row[B_OWNER] = at, owner
    row[B_HIDDEN], row[B_PRE] = 1 if is_hidden else 0, 1 if is_pre else 0
    row[B_STATE], row[B_SEPARATED] = tables.start[TEXT], 1


@kernel
def _close(row: Int32s, at: int, tables: Tables) -> None:
    row[B_END] = at
    if row[B_LOOKED] < PHRASE_BYTES:
        _look(row, 32, tables)


@kernel
def _has_text(data: Bytes, start: int, end: int) -> bool:
    for place in range(start, end):
        if _KIND[data[place]] != C_SPACE:
            return True
    return False


@kernel
def is_formula(tree: Tree, node: int) -> bool:
    """Whether an element stands for a formula, so that its value or content is not text."""
    tag = tree.nodes[node, TAG]
    return tag == MATH or tag == SCRIPT or tree.nodes[node, FLAGS] & F_TEX != 0


@kernel
def is_invisible(tree: Tree, node: int, kinds: Int32s) -> bool:
    """Whether an inline element is hidden, or a formula as a script has set it."""
    if kinds[tree.nodes[node, TAG]] & BLOCK:
        return False
    return tree.nodes[node, FLAGS] & HIDING != 0 or tree.words[node] & W_RENDERED_MATH != 0


@kernel
def find_blocks(data: Bytes, tree: Tree, events: int, tables: Tables, blocks: Rows, scratch: Bytes) -> int:
    """Cut a page into blocks; returns their number. O(bytes of text + events).

    ``blocks``: int32[rows, BLOCK_FIELDS]; text behind the last row is left out. ``scratch``: uint8[16].
    """
    count, at, breaks = 0, np.int64(0), 0
    hidden_until, pre_until = -1, -1
    fresh, in_word, new_link = True, False, False
    while at < events:
        code = tree.events[at]
        border, is_text, formula = False, False, False
        item = code >> 2
        if code == BREAK:
            breaks += 1
            in_word = False
            border = bool(breaks >= 2 and at > pre_until)
            if not border and not fresh:
                blocks[count, B_BREAKS] += 1
        elif code < 0:
            border = True
        elif code & 3 == OPEN:
            if is_formula(tree, item):
                formula = True
            elif is_invisible(tree, item, tables.kinds):
                at = tree.nodes[item, CLOSED] + 1
                continue
            elif tables.kinds[tree.nodes[item, TAG]] & BLOCK:
                border = True
                if tree.nodes[item, FLAGS] & HIDING and at > hidden_until:
                    hidden_until = tree.nodes[item, CLOSED]
                if (tree.nodes[item, TAG] == PRE or tree.nodes[item, FLAGS] & F_PRE) and at > pre_until:
                    pre_until = tree.nodes[item, CLOSED]
            elif tree.nodes[item, FLAGS] & F_LINK:
                new_link = True
        elif code & 3 == CLOSE:
            border = bool(tables.kinds[tree.nodes[item, TAG]] & BLOCK)
        else:
            is_text = bool(not fresh or at < pre_until or _has_text(data, tree.runs[item, 0], tree.runs[item, 1]))
        if border:
            if not fresh and blocks[count, B_WEIGHT] > 0:
                _close(blocks[count], at, tables)
                count += 1
            fresh, in_word, breaks = True, False, 0
        if is_text or formula:
            if fresh:
                if count >= len(blocks):
                    return count
                owner = tree.nodes[item, HOLDER] if formula else tree.runs[item, 2]
                _begin(blocks[count], at, owner, at < hidden_until, at < pre_until, tables)
                fresh = False
            row = blocks[count]
            before = row[B_WEIGHT]
            if formula:
                row[B_FORMULAS] += 1
                row[B_WEIGHT] += FORMULA_WEIGHT
            else:
                row[B_BYTES] += tree.runs[item, 1] - tree.runs[item, 0]
                first, last = np.int64(tree.runs[item, 0]), np.int64(tree.runs[item, 1])
                in_word = _measure(data, first, last, row, in_word, tables, scratch)
            if row[B_WEIGHT] > before:
                breaks = 0
                if not formula and code & 3 == LINKED_TEXT:
                    row[B_LINKED] += row[B_WEIGHT] - before
                    row[B_LINKS] += 1 if new_link else 0
                    new_link = False
        at = tree.nodes[item, CLOSED] + 1 if formula else at + 1
    if not fresh and blocks[count, B_WEIGHT] > 0:
        _close(blocks[count], events, tables)
        count += 1
    return count
