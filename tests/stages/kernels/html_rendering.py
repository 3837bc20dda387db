"""All that is visible of a page, by the kernels and by their twins; nothing is left out as boilerplate."""

from __future__ import annotations

import numpy as np

from stages.kernels.html_blocks import B_SCORE, BLOCK_FIELDS, MAX_BLOCKS, find_blocks
from stages.kernels.html_choice import LAYOUT_FIELDS, lay_out
from stages.kernels.html_tables import tables
from stages.kernels.html_text import GROWTH, ROOM, write_page
from stages.kernels.html_tree import parse, tree_for


def visible(html: str | bytes) -> str:
    """The text of a page with every block that is not hidden; written into no more room than the kernels ask for."""
    data = np.frombuffer(html.encode() if isinstance(html, str) else html, np.uint8)
    tree = tree_for(len(data))
    nodes, events, _ = parse(data, tree, tables())
    blocks = np.empty((min(len(tree.runs), MAX_BLOCKS), BLOCK_FIELDS), np.int32)
    count = find_blocks(data, tree, events, tables(), blocks, np.zeros(16, np.uint8))
    blocks[:count, B_SCORE] = 1
    layout = np.empty((len(tree.nodes), LAYOUT_FIELDS), np.int32)
    lay_out(tree, nodes, True, layout)
    out = np.empty(GROWTH * len(data) + ROOM, np.uint8)
    out[:1_000_000] = 32  # what stands there may not matter
    end = write_page(data, tree, blocks, count, 0, layout, tables(), out, 0, np.zeros((64, 2), np.int64))
    return out[:end].tobytes().decode("utf-8", "surrogateescape")
