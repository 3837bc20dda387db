"""Which blocks of a page are kept: scores, and what belongs together.

The score of a block comes from ``html_scores``. Then

- the items of a list share one score, the mean by weight, and so do the cells of a table: half a list is of no use;
- a table of data, or a list that is not of links, between two blocks that are kept is kept;
- code and formulas that stand alone go with the text before or behind them, for what they are made of says little;
- a heading whose score is near the bound is kept with the text that follows it, and left out where that is left out.

On the development half of html_gold (out-of-fold scores) each of the rules is neutral to within a thousandth of F1:
they are there for the text's sake. A list or table that holds half of the page's prose or more is layout, and its
blocks do not share a score. Time is O(nodes + blocks).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_blocks import B_FORMULAS, B_HIDDEN, B_LINKED, B_OWNER, B_PRE, B_SCORE, B_WEIGHT, FORMULA_WEIGHT
from stages.kernels.html_names import CAPTION, DD, DL, DT, H1, LI, OL, PRE, TABLE, TD, TH, TR, UL
from stages.kernels.html_scores import N_PROSE, UNIT
from stages.kernels.html_tree import F_PRE, FLAGS, PARENT, TAG, Tree

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

L_LIST, L_DEPTH, L_ITEM, L_TABLE, L_ROW, L_CELL, L_PRE, L_NUMBER, L_CELLS, L_ROWS, L_NESTED = range(11)
LAYOUT_FIELDS = 11
"""What ``layout`` holds of each element, 0 where there is none around it: the outermost list and the number of lists;
the innermost item; the innermost table, row and cell; the outermost ``<pre>`` or the table of lines of code. L_NUMBER:
of an item in its list, of a cell in its row, from 1 on. Of a table: cells, rows and tables in it (headers and captions
count as 100 cells: they prove a table)."""

_MOST = 3 * UNIT
HEADING_REACH = UNIT // 2
"""How far from the bound a heading's score may be for what follows to decide. Farther costs F1."""
GROUP_SHARE = 50
"""Percent of the page's prose up to which a list or table is one thing."""


class Wanted(NamedTuple):
    """What of a page is wanted.

    ``text``: anything but its fields. ``whole``: all that is visible, no matter what it is; else the blocks with a
    score above ``bound``. ``lists``: items get marks. ``tables``, ``code``: whether data tables and ``<pre>`` are kept.
    """

    text: bool
    whole: bool
    bound: int
    lists: bool
    tables: bool
    code: bool


@kernel
def lay_out(tree: Tree, nodes: int, lists: bool, layout: Rows) -> None:
    """Fill ``layout``: int32[nodes, LAYOUT_FIELDS]. Without ``lists`` nothing is in an item. O(nodes)."""
    for column in range(LAYOUT_FIELDS):
        layout[0, column] = 0
    for node in range(1, nodes):
        parent, tag = tree.nodes[node, PARENT], tree.nodes[node, TAG]
        row, above = layout[node], layout[parent]
        for column in range(L_PRE + 1):
            row[column] = above[column]
        for column in range(L_PRE + 1, LAYOUT_FIELDS):
            row[column] = 0
        if tag == UL or tag == OL or tag == DL:
            row[L_LIST] = above[L_LIST] if above[L_LIST] else node
            row[L_DEPTH] = above[L_DEPTH] + 1
        elif tag == LI or tag == DD or tag == DT:
            row[L_ITEM] = node if lists else 0
            above[L_NUMBER] += 1 if tag == LI and above[L_CELL] != parent else 0
            row[L_CELLS] = above[L_NUMBER]
        elif tag == TABLE:
            layout[above[L_TABLE], L_NESTED] += 1
            row[L_TABLE], row[L_ROW], row[L_CELL] = node, 0, 0
        elif tag == TR:
            row[L_ROW], row[L_CELL] = node, 0
            layout[row[L_TABLE], L_ROWS] += 1
        elif tag == TD or tag == TH:
            row[L_CELL] = node
            layout[row[L_ROW], L_CELLS] += 1
            row[L_NUMBER] = layout[row[L_ROW], L_CELLS]
            layout[row[L_TABLE], L_CELLS] += 100 if tag == TH else 1
        elif tag == CAPTION:
            layout[row[L_TABLE], L_CELLS] += 100
        if tag == TD and tree.nodes[node, FLAGS] & F_PRE:
            row[L_PRE] = row[L_TABLE]
            layout[row[L_TABLE], L_NESTED] += 1
        elif (tag == PRE or tree.nodes[node, FLAGS] & F_PRE) and row[L_PRE] == 0:
            row[L_PRE] = node


@kernel
def is_data_table(layout: Rows, table: int) -> bool:
    """Whether a table holds data and does not lay out a page: none inside, and two rows of two cells, or a header."""
    row = layout[table]
    return (
        table > 0 and row[L_NESTED] == 0 and row[L_CELLS] >= 4 and row[L_CELLS] >= 2 * row[L_ROWS] and row[L_ROWS] > 1
    )


@kernel
def _group(layout: Rows, measures: Rows, owner: int) -> int:
    """The list or table that a block shares its score with, 0 if none."""
    most = np.int64(measures[0, N_PROSE]) * GROUP_SHARE
    group = layout[owner, L_LIST]
    if group > 0 and np.int64(measures[group, N_PROSE]) * 100 <= most:
        return group
    group = layout[owner, L_TABLE]
    if is_data_table(layout, group) and np.int64(measures[group, N_PROSE]) * 100 <= most:
        return group
    return 0


@kernel
def _level_groups(nodes: int, blocks: Rows, count: int, layout: Rows, measures: Rows, sums: Int64s) -> None:
    """Give all blocks of a list or table their mean score. ``sums``: int64[nodes, 2]."""
    for node in range(nodes):
        sums[node, 0] = sums[node, 1] = 0
    for block in range(count):
        row = blocks[block]
        group = _group(layout, measures, row[B_OWNER])
        if group > 0 and row[B_HIDDEN] == 0:
            weight = np.int64(min(row[B_WEIGHT], 100))
            sums[group, 0] += min(max(row[B_SCORE], -_MOST), _MOST) * weight
            sums[group, 1] += weight
    for block in range(count):
        group = _group(layout, measures, blocks[block, B_OWNER])
        if group > 0 and sums[group, 1] > 0:
            blocks[block, B_SCORE] = np.int32(sums[group, 0] // sums[group, 1])


@kernel
def _follow(row: Int32s, other: int) -> int:
    """Raise the score of code or of a lone formula to that of its neighbour; returns the score for the next block."""
    is_formula = row[B_FORMULAS] > 0 and row[B_WEIGHT] <= FORMULA_WEIGHT * row[B_FORMULAS] + 3
    if row[B_PRE] or is_formula:
        row[B_SCORE] = max(row[B_SCORE], other)
    return row[B_SCORE]


@kernel
def _level_code(blocks: Rows, count: int) -> None:
    before = -_MOST
    for block in range(count):
        if blocks[block, B_HIDDEN] == 0:
            before = _follow(blocks[block], before)
    behind = -_MOST
    for block in range(count - 1, -1, -1):
        if blocks[block, B_HIDDEN] == 0:
            behind = _follow(blocks[block], behind)


@kernel
def _whole(layout: Rows, owner: int) -> int:
    """The table of data or the list that a block is in, 0 if none."""
    table = layout[owner, L_TABLE]
    return table if is_data_table(layout, table) else layout[owner, L_LIST]


@kernel
def _bridge(blocks: Rows, count: int, layout: Rows, bound: int) -> None:
    """Keep a table of data, or a list of which no more than half is linked, between two blocks that are kept."""
    whole, first, weight, linked = 0, 0, 0, 0
    is_behind_kept, was_kept = False, False
    for block in range(count):
        row = blocks[block]
        if row[B_HIDDEN]:
            continue
        here = int(_whole(layout, row[B_OWNER]))
        is_kept = bool(row[B_SCORE] > bound)
        if here != whole:
            is_text = is_data_table(layout, whole) or 2 * linked <= weight
            if whole > 0 and is_behind_kept and is_kept and is_text:
                for other in range(first, block):
                    blocks[other, B_SCORE] = max(blocks[other, B_SCORE], bound + 1)
                was_kept = True
            whole, first, weight, linked, is_behind_kept = here, block, 0, 0, was_kept
        weight += row[B_WEIGHT]
        linked += row[B_LINKED]
        was_kept = is_kept


@kernel
def _level_headings(tree: Tree, blocks: Rows, count: int, bound: int) -> None:
    """Decide on headings by what follows. From the last block to the first, so that headings in a row agree."""
    known, kept = False, False
    for block in range(count - 1, -1, -1):
        row = blocks[block]
        if row[B_HIDDEN]:
            continue
        tag = tree.nodes[row[B_OWNER], TAG]
        if known and H1 <= tag < H1 + 6:
            if kept and row[B_SCORE] > bound - HEADING_REACH:
                row[B_SCORE] = max(row[B_SCORE], bound + 1)
            elif not kept and row[B_SCORE] < bound + HEADING_REACH:
                row[B_SCORE] = min(row[B_SCORE], bound)
        known, kept = True, row[B_SCORE] > bound


@kernel
def _leave_out(blocks: Rows, count: int, layout: Rows, wanted: Wanted) -> None:
    """Take kinds of blocks out that are not wanted, whatever their score."""
    for block in range(count):
        row = blocks[block]
        in_table = is_data_table(layout, layout[row[B_OWNER], L_TABLE])
        if (in_table and not wanted.tables) or (row[B_PRE] and not wanted.code):
            row[B_SCORE] = wanted.bound


@kernel
def choose(
    tree: Tree, nodes: int, blocks: Rows, count: int, layout: Rows, measures: Rows, sums: Int64s, wanted: Wanted
) -> None:
    """Apply the rules to scored blocks; a block is kept if its score is then above the bound.

    ``layout`` as :func:`lay_out` fills it, ``measures`` as ``html_scores`` does; ``sums``: int64[nodes, 2], room to
    work in.
    """
    if wanted.whole:
        for block in range(count):
            blocks[block, B_SCORE] = wanted.bound + 1
    else:
        _level_groups(nodes, blocks, count, layout, measures, sums)
        _level_code(blocks, count)
        _bridge(blocks, count, layout, wanted.bound)
        _level_headings(tree, blocks, count, wanted.bound)
    if not (wanted.tables and wanted.code):
        _leave_out(blocks, count, layout, wanted)
