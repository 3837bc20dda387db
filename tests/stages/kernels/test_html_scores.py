"""Descriptions and scores of blocks against their twin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.kernels.html_blocks import B_HIDDEN, B_SCORE, BLOCK_FIELDS, find_blocks
from stages.kernels.html_scores import (
    FEATURES,
    LANES,
    NO_FOREST,
    NODE_MEASURES,
    SURE,
    SURE_AFTER,
    Forest,
    feature_names,
    score_blocks,
    show_hidden,
)  # fmt: skip
from stages.kernels.html_tables import tables
from stages.kernels.html_tree import Tree, parse, tree_for
from tests.reference import html_scores as twin
from tests.stages.hostile_html import pages

PROSE = ("Some words, and more of them, until it is a paragraph by any measure. ", "Short. ", "长文本，有标点。" * 6)
PARTS = (
    *(f"<p>{text}</p>" for text in PROSE), *PROSE, "<h1>Head</h1>", "<h4>Sub</h4>", "<div class='sidebar box'>",
    "</div>", "<ul><li><a href=/>Read more about it, here</a>", "</ul>", "<article itemprop=articleBody>",
    "</article>", "<nav>", "</nav>", "<table>", "<td>1 234", "</table>", "<p hidden>hidden, too", "<br><br>",
    "© 2020 | @me #tag", "<pre>a\n b</pre>",
)  # fmt: skip
ARTICLES = st.lists(st.sampled_from(PARTS), max_size=14).map(lambda parts: "".join(parts).encode())


class Scored(NamedTuple):
    tree: Tree
    nodes: int
    blocks: npt.NDArray[np.int32]
    features: npt.NDArray[np.int32]


def scored(page: bytes, forest: Forest, rows: int | None = None) -> Scored:
    """``rows``: of descriptions; as many as blocks if left out."""
    data = np.frombuffer(page, np.uint8)
    tree = tree_for(len(data))
    nodes, events, _ = parse(data, tree, tables())
    blocks = np.zeros((len(tree.runs), BLOCK_FIELDS), np.int32)
    count = find_blocks(data, tree, events, tables(), blocks, np.zeros(16, np.uint8))
    features = np.full((rows or max(count, 1), FEATURES), -7, np.int32)
    measures, words = np.full((nodes, NODE_MEASURES), -7, np.int32), np.full((nodes, 2), -7, np.int64)
    score_blocks(tree, nodes, tables().kinds, blocks, count, measures, words, features, forest)
    return Scored(tree, nodes, blocks[:count], features)


@settings(max_examples=150, deadline=None)
@given(page=pages() | ARTICLES)
def test_descriptions_are_those_of_the_twin(page: bytes) -> None:
    """Every number that describes a block is the one that its name defines."""
    found = scored(page, NO_FOREST)
    described = twin.Described(found.tree, found.nodes, tables().kinds, found.blocks)
    for block in range(len(found.blocks)):
        assert dict(zip(feature_names(), found.features[block].tolist(), strict=True)) == described.describe(block)


@given(page=ARTICLES)
def test_one_row_of_descriptions_is_enough(page: bytes) -> None:
    """Scores do not depend on how many descriptions are kept."""
    forest = forest_of(np.random.default_rng(1), 3 * LANES)
    assert scored(page, forest, 1).blocks[:, B_SCORE].tolist() == scored(page, forest).blocks[:, B_SCORE].tolist()


def forest_of(draw: np.random.Generator, trees: int, largest: int = 5_000) -> Forest:
    """A random forest; leaves up to ``largest``."""
    nodes: list[list[int]] = []
    roots = []
    for _ in range(trees):
        roots.append(len(nodes))
        nodes.append([])
        todo = [(roots[-1], 0)]
        while todo:
            place, depth = todo.pop()
            if depth == 5 or draw.random() < 0.3:
                nodes[place] = [0, 2**31 - 1, place, int(draw.integers(-largest, largest + 1))]
            else:
                nodes[place] = [int(draw.integers(FEATURES)), int(draw.integers(0, 40)), len(nodes), 0]
                todo += [(len(nodes), depth + 1), (len(nodes) + 1, depth + 1)]
                nodes += [[], []]
    return Forest(np.array(nodes, np.int32), np.array(roots, np.int32), np.full(trees // LANES, 5, np.int32))


def score_of(features: list[int], forest: Forest) -> int:
    """Tree by tree; after groups of trees the sum may be sure enough."""
    total = 0
    for number, root in enumerate(forest.roots.tolist(), 1):
        place = root
        while forest.nodes[place, 2] != place:
            feature, bound, below, _ = forest.nodes[place].tolist()
            place = below if features[feature] <= bound else below + 1
        total += int(forest.nodes[place, 3])
        if number % LANES == 0 and number >= SURE_AFTER * LANES and abs(total) > SURE:
            break
    return total


@settings(max_examples=50, deadline=None)
@given(page=ARTICLES, seed=st.integers(0, 99), largest=st.sampled_from([100, 20_000]), groups=st.integers(0, 8))
def test_scores_are_sums_of_leaves(page: bytes, seed: int, largest: int, groups: int) -> None:
    """A score is the sum of one leaf per tree, and of no further trees once it is sure."""
    forest = forest_of(np.random.default_rng(seed), groups * LANES, largest) if groups else NO_FOREST
    found = scored(page, forest)
    expected = [score_of(row, forest) for row in found.features[: len(found.blocks)].tolist()]
    assert found.blocks[:, B_SCORE].tolist() == expected


def test_a_page_that_is_mostly_hidden_is_shown() -> None:
    """Hidden text of more than twice the weight of the visible counts as visible, up to that it does not."""
    for hidden, expected in ((8, True), (9, False)):
        data = np.frombuffer(f"<p>abcd</p><div hidden>{'x' * hidden}</div>".encode(), np.uint8)
        tree = tree_for(len(data))
        _, events, _ = parse(data, tree, tables())
        blocks = np.zeros((len(tree.runs), BLOCK_FIELDS), np.int32)
        count = find_blocks(data, tree, events, tables(), blocks, np.zeros(16, np.uint8))
        show_hidden(blocks, count)
        assert blocks[:count, B_HIDDEN].any() == expected
