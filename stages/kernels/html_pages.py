"""HTML pages to text: the kernels of ``html_*`` one after the other, for many pages in one call.

Room for the largest page is taken once per call and used for all its pages, so that no kernel allocates. Time is linear
in the bytes of the pages. Memory is that of the texts and, for the largest page, what its elements need: 400 bytes
each, and 250 MB at most, whatever the page (``html_tree.MAX_NODES``).

What has no complete tag is no HTML: such a row is its own text, byte for byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_blocks import B_BYTES, B_HIDDEN, B_SCORE, BLOCK_FIELDS, MAX_BLOCKS, find_blocks
from stages.kernels.html_choice import LAYOUT_FIELDS, Wanted, choose, lay_out
from stages.kernels.html_metadata import FIELD_BYTES, FIELDS, write_field
from stages.kernels.html_scores import FEATURES, NODE_MEASURES, Forest, score_blocks, show_hidden
from stages.kernels.html_tables import Tables, tables
from stages.kernels.html_text import GROWTH, ROOM, write_page
from stages.kernels.html_tree import PARENT, Tree, parse, tree_for

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

P_BLOCKS, P_KEPT_BYTES, P_LEFT_BYTES, P_HIDDEN_BYTES, P_PLAIN, P_DEPTH = range(6)
PAGE_FIELDS = 6
"""What is counted of a page: kept blocks; bytes of text, as the page has it, in kept, in left out and in hidden blocks;
whether it is no HTML at all; where no text is wanted, how deep its elements are nested."""

_LT, _GT, _BANG, _SLASH, _QUESTION = 60, 62, 33, 47, 63


class Work(NamedTuple):
    """Room for the kernels, enough for the largest page of a call."""

    blocks: Rows
    measures: Rows
    words: Int64s
    layout: Rows
    features: Rows
    scratch: Bytes
    roots: Int64s


class Output(NamedTuple):
    """Where texts go.

    ``ends[i + 1]``: end of text i in ``text``. ``field_ends``: the same for ``FIELDS`` fields a page in ``fields``.
    ``counts``: int64[pages, PAGE_FIELDS].
    """

    text: Bytes
    ends: Int64s
    fields: Bytes
    field_ends: Int64s
    counts: Int64s


def work_for(tree: Tree) -> Work:
    """Room for pages that fit into ``tree``."""
    nodes = len(tree.nodes)
    return Work(
        blocks=np.empty((min(len(tree.runs), MAX_BLOCKS), BLOCK_FIELDS), np.int32),
        measures=np.empty((nodes, NODE_MEASURES), np.int32),
        words=np.empty((nodes, 2), np.int64),
        layout=np.empty((nodes, LAYOUT_FIELDS), np.int32),
        features=np.empty((1, FEATURES), np.int32),
        scratch=np.empty(16, np.uint8),
        roots=np.empty((64, 2), np.int64),
    )


@kernel
def _is_plain(data: Bytes) -> bool:
    """Whether there is no complete tag, comment or doctype. O(bytes up to the first)."""
    end = len(data)
    for at in range(end - 1):
        if data[at] == _LT:
            behind = data[at + 1]
            if 97 <= (behind | 32) <= 122 or behind == _BANG or behind == _SLASH or behind == _QUESTION:
                for place in range(at + 2, end):
                    if data[place] == _GT:
                        return False
                return True
    return True


@kernel
def _count_page(blocks: Rows, count: int, bound: int, counts: Int64s) -> None:
    for block in range(count):
        row = blocks[block]
        if row[B_HIDDEN]:
            counts[P_HIDDEN_BYTES] += row[B_BYTES]
        elif row[B_SCORE] > bound:
            counts[P_BLOCKS] += 1
            counts[P_KEPT_BYTES] += row[B_BYTES]
        else:
            counts[P_LEFT_BYTES] += row[B_BYTES]


@kernel
def _depth(tree: Tree, nodes: int, depths: Rows) -> int:
    """How deep elements are nested. ``depths``: int32[nodes, 1 or more], room to work in."""
    deepest = 0
    depths[0, 0] = 0
    for node in range(1, nodes):
        depths[node, 0] = depths[tree.nodes[node, PARENT], 0] + 1
        deepest = max(deepest, depths[node, 0])
    return deepest


@kernel
def _copy_plain(data: Bytes, out: Bytes, to: int, counts: Int64s) -> int:
    """Write a row that is no HTML; returns the place behind it."""
    for place in range(len(data)):
        out[to + place] = data[place]
    counts[P_PLAIN], counts[P_KEPT_BYTES], counts[P_BLOCKS] = 1, len(data), 1 if len(data) else 0
    return to + len(data)


@kernel
def _write_text(
    html: Bytes, tree: Tree, nodes: int, events: int, work: Work, tables: Tables, forest: Forest, wanted: Wanted,
    out: Output, page: int,
) -> int:  # fmt: skip
    """Write the text and the counts of a page that has been parsed; returns the place behind the text."""
    blocks, to = work.blocks, out.ends[page]
    count = find_blocks(html, tree, events, tables, blocks, work.scratch)
    show_hidden(blocks, count)
    if not wanted.whole:
        score_blocks(
            tree, nodes, tables.kinds, blocks, count, work.measures, work.words, work.features, forest
        )  # fmt: skip
    lay_out(tree, nodes, wanted.lists, work.layout)
    choose(tree, nodes, blocks, count, work.layout, work.measures, work.words, wanted)
    _count_page(blocks, count, wanted.bound, out.counts[page])
    return write_page(html, tree, blocks, count, wanted.bound, work.layout, tables, out.text, to, work.roots)


@kernel
def extract_pages(
    data: Bytes,
    offsets: Int64s,
    page: int,
    tree: Tree,
    work: Work,
    tables: Tables,
    forest: Forest,
    wanted: Wanted,
    out: Output,
) -> int:
    """Write the pages from ``page`` on while there is room; returns the first page that has not been written."""
    while page < len(offsets) - 1:
        html = data[offsets[page] : offsets[page + 1]]
        if len(out.text) - out.ends[page] < GROWTH * len(html) + ROOM:
            break
        for column in range(PAGE_FIELDS):
            out.counts[page, column] = 0
        is_plain = _is_plain(html)
        out.ends[page + 1] = out.ends[page]
        if is_plain:
            out.ends[page + 1] = _copy_plain(html, out.text, out.ends[page], out.counts[page])
        else:
            nodes, events, _ = parse(html, tree, tables)
            if wanted.text:
                out.ends[page + 1] = _write_text(
                    html, tree, nodes, events, work, tables, forest, wanted, out, page
                )  # fmt: skip
            else:
                out.counts[page, P_DEPTH] = _depth(tree, nodes, work.layout)
        for field in range(FIELDS):
            place = page * FIELDS + field
            end = out.field_ends[place]
            out.field_ends[place + 1] = end if is_plain else write_field(html, tree, field, tables, out.fields, end)
        page += 1
    return page


def text_of_pages(data: Bytes, offsets: Int64s, forest: Forest, wanted: Wanted) -> Output:
    """Texts, fields and counts of pages of valid UTF-8: page i is ``data[offsets[i]:offsets[i + 1]]``."""
    pages = len(offsets) - 1
    sizes = np.diff(offsets)
    largest = int(sizes.max()) if pages else 0
    tree = tree_for(largest)
    work = work_for(tree)
    out = Output(
        text=np.empty(int(sizes.sum()) // 4 + GROWTH * largest + ROOM, np.uint8),
        ends=np.zeros(pages + 1, np.int64),
        fields=np.empty(pages * FIELDS * FIELD_BYTES, np.uint8),
        field_ends=np.zeros(pages * FIELDS + 1, np.int64),
        counts=np.zeros((pages, PAGE_FIELDS), np.int64),
    )
    page = 0
    while True:
        page = extract_pages(data, offsets, page, tree, work, tables(), forest, wanted, out)
        if page == pages:
            break
        larger = np.empty(2 * len(out.text) + GROWTH * largest + ROOM, np.uint8)
        larger[: out.ends[page]] = out.text[: out.ends[page]]
        out = out._replace(text=larger)
    return out._replace(text=out.text[: out.ends[-1]].copy(), fields=out.fields[: out.field_ends[-1]].copy())
