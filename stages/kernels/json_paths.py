r"""Dotted paths into JSON objects, as the arrays by which a kernel follows them.

``meta.url`` leads into nested objects; a dot that belongs to a key is written ``\.``. Paths share their beginnings
in a trie whose nodes stand in preorder, so the columns of a subtree are a range: what an earlier key of the same
name held is forgotten in one short loop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.byte_runs import PAD

NAME, NAME_BYTES, FIRST_CHILD, SIBLING, COLUMN, FIRST_COLUMN, LAST_COLUMN = range(7)
"""What a trie node has: its name in ``names``, first child and next sibling (-1: none), the column of its own
value (-1: none), and the columns of its subtree, last one excluded. Node 0 is the record, its "name" the room in
which an escaped key is unescaped."""
NODE = 7
"""Numbers in a trie node."""


class Paths(NamedTuple):
    """Paths as a kernel follows them; one per reader, not shared, because kernels write into ``names``.

    ``names``: uint8, names of all nodes and room for one key. ``trie``: int64[nodes, 7]. ``columns``: the column in
    which each path's value is found.
    """

    names: npt.NDArray[np.uint8]
    trie: npt.NDArray[np.int64]
    columns: dict[str, int]


def split_path(path: str) -> tuple[str, ...]:
    r"""The keys of a dotted path; ``\.`` is a dot in a key."""
    return tuple(key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path))


class _Builder:
    def __init__(self) -> None:
        self.names = bytearray()
        self.rows: list[list[int]] = []
        self.columns: dict[str, int] = {}

    def add(self, name: str, keyed: Sequence[tuple[tuple[str, ...], str]]) -> int:
        """Add a node and all below it; ``keyed`` has what is left of each path, and the path."""
        encoded = name.encode()
        node = [len(self.names), len(encoded), -1, -1, -1, len(self.columns), 0]
        self.names += encoded
        number = len(self.rows)
        self.rows.append(node)
        for path in (path for keys, path in keyed if not keys):
            node[COLUMN] = self.columns.setdefault(path, len(self.columns))
        previous = None
        for key in dict.fromkeys(keys[0] for keys, _ in keyed if keys):
            child = self.add(key, [(keys[1:], path) for keys, path in keyed if keys and keys[0] == key])
            if previous is None:
                node[FIRST_CHILD] = child
            else:
                self.rows[previous][SIBLING] = child
            previous = child
        node[LAST_COLUMN] = len(self.columns)
        return number


def compile_paths(paths: Sequence[str]) -> Paths:
    """The arrays of some dotted paths; a path that comes twice has one column."""
    builder = _Builder()
    builder.add("", [(split_path(path), path) for path in dict.fromkeys(paths)])
    trie = np.array(builder.rows, np.int64)
    trie[0, NAME] = len(builder.names)
    room = int(trie[:, NAME_BYTES].max()) + PAD
    return Paths(np.frombuffer(bytes(builder.names) + bytes(room), np.uint8).copy(), trie, builder.columns)
