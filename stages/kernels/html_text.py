"""Kept blocks as text.

Paragraphs are parted by an empty line; list items, rows of a table and lines of code by a line break. Items begin
with ``- `` or their number, two spaces deeper for each list around them; cells of a data table are parted by `` | ``.
White space is folded, but in ``<pre>``, where line breaks and indentation stay. References are resolved; soft
hyphens, byte order marks and control characters (C0, DEL, C1) go; no-break spaces become spaces. Nothing is marked as
a heading.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_blocks import (
    B_END,
    B_HIDDEN,
    B_OWNER,
    B_PRE,
    B_SCORE,
    B_START,
    is_formula,
    is_invisible,
)
from stages.kernels.html_choice import (
    L_CELL,
    L_CELLS,
    L_DEPTH,
    L_ITEM,
    L_LIST,
    L_NUMBER,
    L_PRE,
    L_ROW,
    L_ROWS,
    L_TABLE,
    is_data_table,
)
from stages.kernels.html_math import write_formula
from stages.kernels.html_names import DD, DT, OL
from stages.kernels.html_references import write_reference
from stages.kernels.html_tables import Tables
from stages.kernels.html_tree import BREAK, CLOSE, CLOSED, OPEN, PARENT, TAG, VALUE, VALUE_END, Tree

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

GROWTH, ROOM = 12, 1024
"""Text has at most GROWTH bytes for each of the page's, and needs ROOM more: a formula's worst case."""
_MAX_INDENT = 8
_NEWLINE, _SPACE = np.uint8(10), np.uint8(32)


@kernel
def _fold(out: Bytes, start: int, to: int) -> int:
    """Write a space unless the line is empty or ends in one."""
    if to > start and out[to - 1] != _SPACE and out[to - 1] != _NEWLINE:
        out[to] = _SPACE
        return to + 1
    return to


@kernel
def _put_byte(byte: int, is_pre: bool, out: Bytes, start: int, to: int) -> int:
    """Write a byte of text; ``start`` is where the block begins."""
    if byte > 32 and byte != 127:
        out[to] = byte
        return to + 1
    if not is_pre:
        is_space = byte == 32 or 9 <= byte <= 13
        return _fold(out, start, to) if is_space else to
    if byte == 32 or byte == 9 or byte == 10:
        out[to] = byte
        return to + 1
    return to


@kernel
def write_text(data: Bytes, begin: int, end: int, is_pre: bool, tables: Tables, out: Bytes, start: int, to: int) -> int:
    """Write text as HTML has it; ``out[start:to]`` is what the block has so far. O(end - begin)."""
    at = begin
    while at < end:
        byte = data[at]
        if byte == 38:
            behind, stop = write_reference(data, at, end, tables, out, to)
            if behind > at:
                at = behind
                if stop == to:
                    continue
                if stop == to + 1:
                    to = _put_byte(out[to], is_pre, out, start, to)
                elif not _is_dropped(out, to):
                    to = _put_byte(_SPACE, is_pre, out, start, to) if _is_no_break_space(out, to) else stop
                continue
        elif byte == 0xC2 and at + 1 < end and (data[at + 1] <= 0xA0 or data[at + 1] == 0xAD):
            to = _put_byte(_SPACE, is_pre, out, start, to) if data[at + 1] == 0xA0 else to
            at += 2
            continue
        elif byte == 0xEF and at + 2 < end and _is_dropped(data, at):
            at += 3
            continue
        elif byte == 13 and is_pre and (at + 1 >= end or data[at + 1] != _NEWLINE):
            byte = _NEWLINE
        to = _put_byte(byte, is_pre, out, start, to)
        at += 1
    return to


@kernel
def _is_dropped(data: Bytes, at: int) -> bool:
    """Soft hyphen, C1 control or byte order mark; ``at`` is not the last byte."""
    if data[at] == 0xC2:
        return data[at + 1] == 0xAD or data[at + 1] < 0xA0
    return data[at] == 0xEF and data[at + 1] == 0xBB and data[at + 2] == 0xBF


@kernel
def _is_no_break_space(data: Bytes, at: int) -> bool:
    return data[at] == 0xC2 and data[at + 1] == 0xA0


@kernel
def _put_break(is_pre: bool, in_cell: bool, out: Bytes, start: int, to: int) -> int:
    """A line break inside of a block."""
    if in_cell:
        return _fold(out, start, to)
    if not is_pre:
        while to > start and out[to - 1] == _SPACE:
            to -= 1
        if to == start:
            return to
    out[to] = _NEWLINE
    return to + 1


@kernel
def _write_block(
    data: Bytes, tree: Tree, row: Int32s, in_cell: bool, tables: Tables, out: Bytes, start: int, roots: Int64s
) -> int:
    """Write one block; returns the place behind it, ``start`` if nothing is left of it."""
    to = start
    is_pre = row[B_PRE] != 0
    at = row[B_START]
    while at < row[B_END]:
        code = tree.events[at]
        item = code >> 2
        if code == BREAK:
            to = _put_break(is_pre, in_cell, out, start, to)
        elif code >= 0 and code & 3 == OPEN:
            if is_formula(tree, item):
                to = write_formula(data, tree, item, tables, out, to, roots)
                at = tree.nodes[item, CLOSED]
            elif is_invisible(tree, item, tables.kinds):
                at = tree.nodes[item, CLOSED]
        elif code >= 0 and code & 3 > CLOSE:
            first, last = np.int64(tree.runs[item, 0]), np.int64(tree.runs[item, 1])
            to = write_text(data, first, last, is_pre, tables, out, start, to)
        at += 1
    return _trim(is_pre, out, start, to)


@kernel
def _trim(is_pre: bool, out: Bytes, start: int, to: int) -> int:
    """Cut white space off the end, and empty lines off the beginning of code."""
    while to > start and (out[to - 1] == _SPACE or out[to - 1] == _NEWLINE or out[to - 1] == 9):
        to -= 1
    if not is_pre:
        return to
    first = start
    for at in range(start, to):
        if out[at] == _NEWLINE:
            first = at + 1
        elif out[at] != _SPACE and out[at] != 9:
            break
    for at in range(first, to):
        out[start + at - first] = out[at]
    return to - (first - start)


@kernel
def _put_cells(count: int, out: Bytes, to: int) -> int:
    for _ in range(count):
        out[to], out[to + 1], out[to + 2] = _SPACE, 124, _SPACE
        to += 3
    return to


@kernel
def _put_empty_cells(count: int, out: Bytes, to: int) -> int:
    for _ in range(count):
        out[to], out[to + 1] = 124, _SPACE
        to += 2
    return to


@kernel
def _is_in_row(layout: Rows, owner: int) -> bool:
    """Whether a block is in a row of a data table."""
    return layout[owner, L_ROW] > 0 and is_data_table(layout, layout[owner, L_TABLE])


@kernel
def _part(layout: Rows, before: int, owner: int, out: Bytes, to: int) -> int:
    """Write what parts two blocks, given the elements that hold them. ``before`` is negative for the first block."""
    here = layout[owner]
    if before < 0:
        return to
    last = layout[before]
    breaks = 2
    if _is_in_row(layout, owner) and here[L_TABLE] == last[L_TABLE]:
        if here[L_ROW] == last[L_ROW]:
            if here[L_CELL] == last[L_CELL]:
                out[to] = _SPACE
                return to + 1
            is_cell = here[L_CELL] > 0 and last[L_CELL] > 0
            cells = layout[here[L_CELL], L_NUMBER] - layout[last[L_CELL], L_NUMBER] if is_cell else 1
            return _put_cells(cells, out, to)
        breaks = 1
    elif (here[L_PRE] and here[L_PRE] == last[L_PRE]) or (here[L_LIST] and here[L_LIST] == last[L_LIST]):
        breaks = 1
    for _ in range(breaks):
        out[to] = _NEWLINE
        to += 1
    return to


@kernel
def _put_number(number: int, out: Bytes, to: int) -> int:
    digits, bound = 1, 10
    while number >= bound:
        digits, bound = digits + 1, bound * 10
    for place in range(digits):
        out[to + digits - 1 - place] = 48 + number % 10
        number //= 10
    out[to + digits], out[to + digits + 1] = 46, _SPACE
    return to + digits + 2


@kernel
def _first_number(data: Bytes, tree: Tree, node: int) -> np.int64:
    """The ``start`` of an ordered list, 1 if it has none that is a small number."""
    begin, end = tree.nodes[node, VALUE], tree.nodes[node, VALUE_END]
    if end == begin or end - begin > 6:
        return np.int64(1)
    number = np.int64(0)
    for at in range(begin, end):
        if not 48 <= data[at] <= 57:
            return np.int64(1)
        number = number * 10 + np.int64(data[at]) - 48
    return number


@kernel
def _put_mark(data: Bytes, tree: Tree, layout: Rows, owner: int, out: Bytes, to: int) -> int:
    """Write indentation and mark of a list item. The mark comes once: ``layout[item, L_ROWS]`` says that it has."""
    here = layout[owner]
    item = here[L_ITEM]
    if here[L_DEPTH] == 0 or item == 0:
        return to
    for _ in range(2 * (min(here[L_DEPTH], _MAX_INDENT) - 1)):
        out[to] = _SPACE
        to += 1
    parent, tag = tree.nodes[item, PARENT], tree.nodes[item, TAG]
    if tag == DT or tag == DD:
        return to
    if layout[item, L_ROWS]:
        out[to] = out[to + 1] = _SPACE
        return to + 2
    if tree.nodes[parent, TAG] == OL:
        return _put_number(_first_number(data, tree, parent) + layout[item, L_CELLS] - 1, out, to)
    out[to], out[to + 1] = 45, _SPACE
    return to + 2


@kernel
def write_page(
    data: Bytes,
    tree: Tree,
    blocks: Rows,
    count: int,
    bound: int,
    layout: Rows,
    tables: Tables,
    out: Bytes,
    to: int,
    roots: Int64s,
) -> int:
    """Write the blocks above the bound from ``out[to]`` on; returns the place behind the text. O(bytes of the page).

    ``out`` must have ``GROWTH * len(data) + ROOM`` bytes left.
    """
    before = np.int64(-1)
    for block in range(count):
        row = blocks[block]
        if row[B_HIDDEN] or row[B_SCORE] <= bound:
            continue
        owner = np.int64(row[B_OWNER])
        in_row = _is_in_row(layout, owner)
        begin = _part(layout, before, owner, out, to)
        same_line = begin > to and out[begin - 1] == _SPACE
        start = begin
        if in_row and layout[owner, L_CELL] > 0 and not same_line:
            start = _put_empty_cells(layout[layout[owner, L_CELL], L_NUMBER] - 1, out, begin)
        is_plain = not in_row and row[B_PRE] == 0
        if is_plain:
            start = _put_mark(data, tree, layout, owner, out, begin)
        end = _write_block(data, tree, row, in_row, tables, out, start, roots)
        if end > start:
            to, before = end, owner
            if is_plain:
                layout[layout[owner, L_ITEM], L_ROWS] = 1
    return to
