"""Slow, obvious twin of ``stages.kernels.html_scores``: what is said of each block, by name, from definitions.

Every sum goes over all blocks below an element anew, and every path up to the document is walked anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stages.kernels import html_blocks as b
from stages.kernels.html_names import BLOCK, H1
from stages.kernels.html_phrases import PHRASE_GROUPS
from stages.kernels.html_scores import CONTEXTS, OWN_TAGS, WORD_GROUPS
from stages.kernels.html_tree import FLAGS, LAST, PARENT, TAG, Tree

FLAG_BITS = 9


def share(part: int, whole: int) -> int:
    return part * 1000 // max(whole, 1)


@dataclass(frozen=True)
class Sums:
    """Of the visible blocks below an element."""

    weight: int = 0
    linked: int = 0
    prose: int = 0
    blocks: int = 0
    paragraphs: int = 0


@dataclass(eq=False)
class Described:
    """A page whose blocks are described. ``blocks``: rows as ``find_blocks`` fills them."""

    tree: Tree
    nodes: int
    kinds: Any
    blocks: np.ndarray

    def sums(self, node: int) -> Sums:
        """All visible blocks whose owner is the element or below it."""
        below = [
            row
            for row in self.blocks.tolist()
            if node <= row[b.B_OWNER] <= self.tree.nodes[node, LAST] and not row[b.B_HIDDEN]
        ]
        prose = [row for row in below if paragraph(row)]
        return Sums(
            sum(row[b.B_WEIGHT] for row in below),
            sum(row[b.B_LINKED] for row in below),
            sum(row[b.B_WEIGHT] - row[b.B_LINKED] for row in prose),
            len(below),
            len(prose),
        )

    @cached_property
    def page(self) -> Sums:
        return self.sums(0)

    def path(self, node: int) -> list[int]:
        """The element and those around it, the document last."""
        return [node] if node == 0 else [node, *self.path(int(self.tree.nodes[node, PARENT]))]

    def tag(self, node: int) -> int:
        return int(self.tree.nodes[node, TAG])

    def depth(self, node: int) -> int:
        return sum(bool(self.kinds[self.tag(above)] & BLOCK) for above in self.path(node)[:-1])

    def smallest_with(self, percent: int) -> int:
        """From the document down, always into the first child that holds that much of the prose."""
        node = 0
        while True:
            children = [i for i in range(1, self.nodes) if self.tree.nodes[i, PARENT] == node]
            fit = [i for i in children if self.sums(i).prose * 100 >= self.page.prose * percent]
            if not fit:
                return node
            node = fit[0]

    def up(self, node: int) -> int:
        """The nearest ancestor with more blocks; the document if there is none."""
        count = self.sums(node).blocks
        return next((above for above in self.path(node)[1:] if self.sums(above).blocks > count), 0)

    def box(self, node: int) -> int:
        """The largest element around with less than 30 % of the prose, the element itself if there is none."""
        path = self.path(node)[:-1]
        for inner, outer in zip(path, path[1:], strict=False):
            if self.sums(outer).prose * 100 >= self.page.prose * 30:
                return inner
        return path[-1] if path else node

    def names_around(self, node: int, large: bool) -> int:
        """Words of all elements on the path that hold 40 % of the prose, or of all others."""
        bits = 0
        for above in self.path(node)[:-1]:
            if (self.sums(above).prose * 100 >= self.page.prose * 40) == large:
                bits |= int(self.tree.words[above])
        return bits

    def contexts(self, node: int) -> list[int]:
        """For each kind of element and each flag, whether one around has it."""
        path = self.path(node)[:-1]
        tags = [int(any(self.tag(above) == tag for above in path)) for tag in CONTEXTS]
        flags = [int(any(self.tree.nodes[a, FLAGS] >> (8 + bit) & 1 for a in path)) for bit in range(FLAG_BITS)]
        return tags + flags

    def leaves(self, node: int, target: int) -> int:
        """By how many block elements the target lies deeper than the last element that both have around them."""
        common = next(above for above in self.path(node) if above in self.path(target))
        return self.depth(target) - self.depth(common)

    def describe(self, block: int) -> dict[str, int]:
        """Name → number, as :func:`stages.kernels.html_scores.feature_names` has them."""
        row = self.blocks[block].tolist()
        owner = row[b.B_OWNER]
        parent = max(int(self.tree.nodes[owner, PARENT]), 0)
        said = self._own(row) | {"blocks_of_owner": self.sums(owner).blocks, "is_pre": row[b.B_PRE]}
        heading = H1 + 2 if H1 + 2 <= self.tag(owner) < H1 + 6 else self.tag(owner)
        said |= {f"tag_{i}": int(tag == heading) for i, tag in enumerate(OWN_TAGS)}
        said |= {f"context_{i}": bit for i, bit in enumerate(self.contexts(owner))}
        levels = {
            "own": int(self.tree.words[owner]),
            "parent": int(self.tree.words[parent]),
            "box": self.names_around(owner, False),
            "large": self.names_around(owner, True),
        }
        said |= {f"{name}_{i}": bits >> i & 1 for name, bits in levels.items() for i in range(WORD_GROUPS)}
        said |= {f"phrase_{i}": row[b.B_PHRASES] >> i & 1 for i in range(PHRASE_GROUPS)}
        return said | self._levels(owner) | self._place(block, owner) | self._neighbours(block) | self._page(block)

    def _own(self, row: list[int]) -> dict[str, int]:
        weight, words = row[b.B_WEIGHT], max(row[b.B_WORDS], 1)
        return {
            "weight": weight,
            "linked": share(row[b.B_LINKED], weight),
            "words": row[b.B_WORDS],
            "sentences": share(row[b.B_SENTENCES], weight + 20),
            "commas": share(row[b.B_COMMAS], weight + 20),
            "digits": share(row[b.B_DIGITS], weight),
            "capitals": share(row[b.B_UPPER], words),
            "signs": row[b.B_SYMBOLS],
            "breaks": row[b.B_BREAKS],
            "links": row[b.B_LINKS],
            "word_length": share(weight, words),
            "first": row[b.B_FIRST],
            "last": row[b.B_LAST],
        }

    def _levels(self, owner: int) -> dict[str, int]:
        said: dict[str, int] = {}
        node = owner
        for level in range(1, 5):
            node = self.up(node)
            sums = self.sums(node)
            said |= {
                f"up{level}_weight": sums.weight,
                f"up{level}_linked": share(sums.linked, sums.weight),
                f"up{level}_prose": share(sums.prose, sums.weight),
                f"up{level}_blocks": sums.blocks,
                f"up{level}_share": share(sums.prose, self.page.prose),
                f"up{level}_mean": sums.weight // max(sums.blocks, 1),
            }
        return said

    def _place(self, block: int, owner: int) -> dict[str, int]:
        before = self.blocks[:block].tolist()
        half, most, nearly = (self.smallest_with(percent) for percent in (50, 70, 90))
        prose = sum(row[b.B_WEIGHT] - row[b.B_LINKED] for row in before if paragraph(row))
        return {
            "place": share(block, len(self.blocks)),
            "weight_before": share(sum(r[b.B_WEIGHT] for r in before if not r[b.B_HIDDEN]), self.page.weight),
            "prose_before": share(prose, self.page.prose),
            "depth": self.depth(owner),
            **{f"in_{name}": int(node in self.path(owner)) for name, node in ((50, half), (70, most), (90, nearly))},
            "leaves_50": self.leaves(owner, half),
            "leaves_70": self.leaves(owner, most),
            "share_50": share(self.sums(half).prose, self.page.prose),
            "share_70": share(self.sums(most).prose, self.page.prose),
        }

    def _neighbours(self, block: int) -> dict[str, int]:
        said: dict[str, int] = {}
        owner = self.blocks[block, b.B_OWNER]
        for step in (-2, -1, 1, 2):
            said |= dict.fromkeys(
                (f"next{step:+d}_{w}" for w in ("weight", "linked", "alike", "paragraph", "heading")), -1
            )
            if 0 <= block + step < len(self.blocks):
                row = self.blocks[block + step].tolist()
                other = row[b.B_OWNER]
                siblings = self.tree.nodes[other, PARENT] == self.tree.nodes[owner, PARENT]
                said |= {
                    f"next{step:+d}_weight": row[b.B_WEIGHT],
                    f"next{step:+d}_linked": share(row[b.B_LINKED], row[b.B_WEIGHT]),
                    f"next{step:+d}_alike": int(self.tag(other) == self.tag(owner)) + int(siblings),
                    f"next{step:+d}_paragraph": int(paragraph(row)),
                    f"next{step:+d}_heading": int(H1 <= self.tag(other) < H1 + 6),
                }
        return said

    def _page(self, block: int) -> dict[str, int]:
        owner = int(self.blocks[block, b.B_OWNER])
        above, box = self.sums(max(int(self.tree.nodes[owner, PARENT]), 0)), self.sums(self.box(owner))
        prose = [i for i, row in enumerate(self.blocks.tolist()) if paragraph(row)]
        since = [block - i for i in prose if i < block]
        until = [i - block for i in prose if block < i <= block + 30]
        return {
            "since_paragraph": min(since[-1], 99) if since else 99,
            "until_paragraph": until[0] if until else 99,
            "page_weight": self.page.weight,
            "page_linked": share(self.page.linked, self.page.weight),
            "page_prose": share(self.page.prose, self.page.weight),
            "page_paragraphs": self.page.paragraphs,
            "page_blocks": len(self.blocks),
            "parent_blocks": above.blocks,
            "parent_paragraphs": above.paragraphs,
            "behind_h1": int(any(self.tag(row[b.B_OWNER]) == H1 for row in self.blocks[:block].tolist())),
            "box_weight": box.weight,
            "box_linked": share(box.linked, box.weight),
        }


def paragraph(row: list[int]) -> bool:
    """40 letters or more, less than a third linked, and a comma, the end of a sentence or 100 letters."""
    weight = row[b.B_WEIGHT]
    is_long = weight >= 100 or row[b.B_SENTENCES] + row[b.B_COMMAS] > 0
    return weight >= 40 and 3 * row[b.B_LINKED] < weight and is_long
