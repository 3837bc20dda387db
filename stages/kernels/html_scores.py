"""A score for each block of text, high if it is part of what the page is about, low if of the frame around it.

Every block is described by 274 whole numbers: of itself (length, share of links, sentences, tag, phrases), of its
neighbours, of the elements around it (names, share of links and of the page's prose at four levels), and of where it
lies relative to the smallest elements that hold 50 and 70 % of the page's prose. A forest of small decision trees
(gradient boosting, Friedman 2001) turns them into a score; it was trained on trafilatura's evaluation set by
``benchmarks/train_extractor.py`` and is read from ``stages/extract_model.json``. That blocks are classified with
features of their neighbours and ancestors follows Kohlschütter et al. 2010 (boilerpipe) and Vogels et al. 2018
(Web2Text).

Everything is integer arithmetic, so that scores are the same on every machine. Time is O(nodes + blocks · trees).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_blocks import (
    B_BREAKS,
    B_COMMAS,
    B_DIGITS,
    B_FIRST,
    B_HIDDEN,
    B_LAST,
    B_LINKED,
    B_LINKS,
    B_OWNER,
    B_PHRASES,
    B_PRE,
    B_SCORE,
    B_SENTENCES,
    B_SYMBOLS,
    B_UPPER,
    B_WEIGHT,
    B_WORDS,
)  # fmt: skip
from stages.kernels.html_names import (
    ADDRESS,
    ARTICLE,
    ASIDE,
    BLOCK,
    BLOCKQUOTE,
    CAPTION,
    DD,
    DETAILS,
    DIV,
    DL,
    DT,
    FIGCAPTION,
    FIGURE,
    FOOTER,
    FORM,
    H1,
    H2,
    H3,
    HEADER,
    LABEL,
    LI,
    MAIN,
    NAV,
    OL,
    PRE,
    SECTION,
    TABLE,
    TAG_NUMBERS,
    TD,
    TH,
    UL,
    P,
)  # fmt: skip
from stages.kernels.html_phrases import PHRASE_GROUPS
from stages.kernels.html_tree import FLAGS, LAST, PARENT, TAG, Tree

Int32s = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]
Words = npt.NDArray[np.int64]

WORD_GROUPS = 33
(
    N_WEIGHT, N_LINKED, N_PROSE, N_BLOCKS, N_PARAGRAPHS, N_CONTEXT, N_DEPTH, N_UP, N_BOX, N_MEET_50, N_MEET_70,
) = range(11)  # fmt: skip
NODE_MEASURES = 11
"""What ``measures`` holds of each element, with all below it: weight, of it linked, of it prose; blocks; paragraphs;
kinds of the elements around (bits); depth in block elements; nearest ancestor with more blocks; the largest element
around it with less than 30 % of the prose; depth at which its path leaves the path to the smallest element with 50 (70)
% of it."""

_CONTEXT_OF_TAG = np.zeros(TAG_NUMBERS, np.int32)
CONTEXTS = (
    ARTICLE, MAIN, SECTION, NAV, ASIDE, HEADER, FOOTER, FORM, UL, OL, TABLE, FIGURE, BLOCKQUOTE, LI, DL, DETAILS,
    ADDRESS, LABEL,
)  # fmt: skip
for _bit, _tag in enumerate(CONTEXTS):
    _CONTEXT_OF_TAG[_tag] = 1 << _bit
_FLAG_BITS = 9
CONTEXT_BITS = len(CONTEXTS) + _FLAG_BITS

OWN_TAGS = (
    P, H1, H2, H3, LI, TD, TH, DIV, SECTION, DT, DD, BLOCKQUOTE, PRE, FIGCAPTION, CAPTION, ADDRESS, FOOTER, HEADER,
    ARTICLE, ASIDE,
)  # fmt: skip
_PLACE_OF_TAG = np.full(TAG_NUMBERS, -1, np.int32)
for _place, _tag in enumerate(OWN_TAGS):
    _PLACE_OF_TAG[_tag] = _place
_PLACE_OF_TAG[H3 + 1 : H1 + 6] = OWN_TAGS.index(H3)


LANES = 8
"""Trees that are walked at once: the steps of one hide the waiting of the others. 4.4 times as fast as tree by tree."""
UNIT = 65_536
"""Scores are in units of 1/65,536 of a logit."""
SURE, SURE_AFTER = 3 * UNIT, 4
"""A block whose score is beyond this after four times LANES trees gets no more of them: no bound lies there. Of the
blocks of html_gold three in four are, and none comes out on the other side of 0."""


class Forest(NamedTuple):
    """Decision trees.

    ``nodes``: int32[places, 4]: feature, bound, place of the node if ≤ bound (the other is behind it), value. A leaf
    has itself as next and a bound that nothing is above. ``roots``: int32[trees], a multiple of LANES. ``depths``:
    int32[trees / LANES], steps from the roots to the leaves.
    """

    nodes: Rows
    roots: Int32s
    depths: Int32s


NO_FOREST = Forest(np.zeros((0, 4), np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))
"""For calls that score nothing."""

_FAR = 99
_LOOK_AHEAD = 30
BOX_SHARE, LARGE_SHARE = 30, 40
"""Percent of the page's prose: below the first an element is a box, from the second on it is too large for its names to
say much about a block in it (a wrapper with a class like ``has-sidebar``)."""


def feature_names() -> list[str]:
    """Names of the numbers that describe a block, in order."""
    names = ["weight", "linked", "words", "sentences", "commas", "digits", "capitals", "signs", "breaks", "links"]
    names += ["word_length", "first", "last", "blocks_of_owner", "is_pre"]
    names += [f"tag_{place}" for place in range(len(OWN_TAGS))]
    names += [f"context_{bit}" for bit in range(CONTEXT_BITS)]
    names += [f"{level}_{bit}" for level in ("own", "parent", "box", "large") for bit in range(WORD_GROUPS)]
    names += [f"phrase_{bit}" for bit in range(PHRASE_GROUPS)]
    for level in range(1, 5):
        names += [f"up{level}_{what}" for what in ("weight", "linked", "prose", "blocks", "share", "mean")]
    names += ["place", "weight_before", "prose_before", "depth", "in_50", "in_70", "in_90", "leaves_50", "leaves_70"]
    names += ["share_50", "share_70"]
    for step in (-2, -1, 1, 2):
        names += [f"next{step:+d}_{what}" for what in ("weight", "linked", "alike", "paragraph", "heading")]
    names += ["since_paragraph", "until_paragraph", "page_weight", "page_linked", "page_prose", "page_paragraphs"]
    return [*names, "page_blocks", "parent_blocks", "parent_paragraphs", "behind_h1", "box_weight", "box_linked"]


FEATURES = len(feature_names())


@kernel
def is_paragraph(row: Int32s) -> bool:
    """Whether a block looks like prose.

    It has 40 letters or more, less than a third of them linked, and a comma, a sentence's end or 100 letters.
    """
    weight = row[B_WEIGHT]
    return weight >= 40 and row[B_LINKED] * 3 < weight and (row[B_SENTENCES] + row[B_COMMAS] > 0 or weight >= 100)


@kernel
def show_hidden(blocks: Rows, count: int) -> None:
    """Take marks of hidden blocks away where most of the page is hidden: a script would have shown it.

    More than twice the weight of the visible blocks is needed.
    """
    visible, hidden = np.int64(0), np.int64(0)
    for block in range(count):
        if blocks[block, B_HIDDEN]:
            hidden += blocks[block, B_WEIGHT]
        else:
            visible += blocks[block, B_WEIGHT]
    if hidden > 2 * visible:
        for block in range(count):
            blocks[block, B_HIDDEN] = 0


@kernel
def _sum_up(tree: Tree, nodes: int, blocks: Rows, count: int, measures: Rows) -> None:
    """Add the counts of blocks to all elements around them. O(nodes + blocks)."""
    for node in range(nodes):
        for column in range(NODE_MEASURES):
            measures[node, column] = 0
    for block in range(count):
        row = blocks[block]
        if row[B_HIDDEN] == 0:
            measure = measures[row[B_OWNER]]
            measure[N_WEIGHT] += row[B_WEIGHT]
            measure[N_LINKED] += row[B_LINKED]
            measure[N_BLOCKS] += 1
            if is_paragraph(row):
                measure[N_PROSE] += row[B_WEIGHT] - row[B_LINKED]
                measure[N_PARAGRAPHS] += 1
    for node in range(nodes - 1, 0, -1):
        parent = tree.nodes[node, PARENT]
        for column in range(N_PARAGRAPHS + 1):
            measures[parent, column] += measures[node, column]


@kernel
def _smallest_with(tree: Tree, nodes: int, measures: Rows, percent: int) -> int:
    """The smallest element that holds that much of the prose of each element around it. O(nodes)."""
    wanted = np.int64(measures[0, N_PROSE]) * percent
    current, node = 0, 1
    while node < nodes and node <= tree.nodes[current, LAST]:
        if np.int64(measures[node, N_PROSE]) * 100 >= wanted:
            current = node
            node += 1
        else:
            node = tree.nodes[node, LAST] + 1
    return current


@kernel
def _inherit(tree: Tree, nodes: int, kinds: Int32s, measures: Rows, words: Words, half: int, most: int) -> None:
    """Fill the measures that come from above.

    ``words``: int64[nodes, 2], names of boxes and of large elements around.
    """
    prose = np.int64(measures[0, N_PROSE])
    words[0, 0] = words[0, 1] = 0
    for node in range(1, nodes):
        parent = tree.nodes[node, PARENT]
        row, above = measures[node], measures[parent]
        tag = tree.nodes[node, TAG]
        row[N_DEPTH] = above[N_DEPTH] + (1 if kinds[tag] & BLOCK else 0)
        flags = (tree.nodes[node, FLAGS] >> 8) & ((1 << _FLAG_BITS) - 1)
        row[N_CONTEXT] = above[N_CONTEXT] | _CONTEXT_OF_TAG[tag] | flags << len(CONTEXTS)
        row[N_UP] = parent if above[N_BLOCKS] > row[N_BLOCKS] else above[N_UP]
        in_box = parent > 0 and np.int64(above[N_PROSE]) * 100 < prose * BOX_SHARE
        row[N_BOX] = above[N_BOX] if in_box else node
        row[N_MEET_50] = row[N_DEPTH] if node <= half <= tree.nodes[node, LAST] else above[N_MEET_50]
        row[N_MEET_70] = row[N_DEPTH] if node <= most <= tree.nodes[node, LAST] else above[N_MEET_70]
        is_large = np.int64(row[N_PROSE]) * 100 >= prose * LARGE_SHARE
        words[node, 0] = words[parent, 0] | (0 if is_large else tree.words[node])
        words[node, 1] = words[parent, 1] | (tree.words[node] if is_large else 0)


@kernel
def _share(part: int, whole: int) -> int:
    """Thousandths."""
    return int(np.int64(part) * 1000 // np.int64(max(whole, 1)))


@kernel
def _put_bits(features: Int32s, at: int, bits: int, count: int) -> int:
    for bit in range(count):
        features[at + bit] = (bits >> bit) & 1
    return at + count


@kernel
def _put_own(row: Int32s, features: Int32s) -> int:
    """What the block says of itself."""
    weight, words = row[B_WEIGHT], max(row[B_WORDS], 1)
    features[0] = weight
    features[1] = _share(row[B_LINKED], weight)
    features[2] = row[B_WORDS]
    features[3] = _share(row[B_SENTENCES], weight + 20)
    features[4] = _share(row[B_COMMAS], weight + 20)
    features[5] = _share(row[B_DIGITS], weight)
    features[6] = _share(row[B_UPPER], words)
    features[7] = row[B_SYMBOLS]
    features[8] = row[B_BREAKS]
    features[9] = row[B_LINKS]
    features[10] = _share(weight, words)
    features[11] = row[B_FIRST]
    features[12] = row[B_LAST]
    return 13


@kernel
def _put_around(tree: Tree, row: Int32s, measures: Rows, words: Words, features: Int32s, at: int) -> int:
    """What the elements around the block say."""
    owner = row[B_OWNER]
    parent = max(tree.nodes[owner, PARENT], 0)
    features[at], features[at + 1] = measures[owner, N_BLOCKS], row[B_PRE]
    at += 2
    for place in range(len(OWN_TAGS)):
        features[at + place] = 0
    place = _PLACE_OF_TAG[tree.nodes[owner, TAG]]
    if place >= 0:
        features[at + place] = 1
    at = _put_bits(features, at + len(OWN_TAGS), measures[owner, N_CONTEXT], CONTEXT_BITS)
    at = _put_bits(features, at, tree.words[owner], WORD_GROUPS)
    at = _put_bits(features, at, tree.words[parent], WORD_GROUPS)
    at = _put_bits(features, at, words[owner, 0], WORD_GROUPS)
    at = _put_bits(features, at, words[owner, 1], WORD_GROUPS)
    at = _put_bits(features, at, row[B_PHRASES], PHRASE_GROUPS)
    ancestor = owner
    for _ in range(4):
        ancestor = measures[ancestor, N_UP]
        measure = measures[ancestor]
        features[at] = measure[N_WEIGHT]
        features[at + 1] = _share(measure[N_LINKED], measure[N_WEIGHT])
        features[at + 2] = _share(measure[N_PROSE], measure[N_WEIGHT])
        features[at + 3] = measure[N_BLOCKS]
        features[at + 4] = _share(measure[N_PROSE], measures[0, N_PROSE])
        features[at + 5] = measure[N_WEIGHT] // max(measure[N_BLOCKS], 1)
        at += 6
    return at


@kernel
def _put_neighbours(tree: Tree, blocks: Rows, count: int, block: int, features: Int32s, at: int) -> int:
    """What the two blocks before and the two behind are."""
    owner = blocks[block, B_OWNER]
    for step in (-2, -1, 1, 2):
        other = block + step
        if other < 0 or other >= count:
            for column in range(5):
                features[at + column] = -1
        else:
            row = blocks[other]
            tag = tree.nodes[row[B_OWNER], TAG]
            same_parent = tree.nodes[row[B_OWNER], PARENT] == tree.nodes[owner, PARENT]
            features[at] = row[B_WEIGHT]
            features[at + 1] = _share(row[B_LINKED], row[B_WEIGHT])
            features[at + 2] = (1 if tag == tree.nodes[owner, TAG] else 0) + (1 if same_parent else 0)
            features[at + 3] = 1 if is_paragraph(row) else 0
            features[at + 4] = 1 if H1 <= tag < H1 + 6 else 0
        at += 5
    return at


@kernel
def _put_place(
    tree: Tree, owner: int, measures: Rows, half: int, most: int, nearly: int, features: Int32s, at: int
) -> int:
    """Where the block lies relative to the smallest elements with 50, 70 and 90 % of the prose."""
    features[at] = measures[owner, N_DEPTH]
    features[at + 1] = 1 if half <= owner <= tree.nodes[half, LAST] else 0
    features[at + 2] = 1 if most <= owner <= tree.nodes[most, LAST] else 0
    features[at + 3] = 1 if nearly <= owner <= tree.nodes[nearly, LAST] else 0
    features[at + 4] = measures[half, N_DEPTH] - measures[owner, N_MEET_50]
    features[at + 5] = measures[most, N_DEPTH] - measures[owner, N_MEET_70]
    features[at + 6] = _share(measures[half, N_PROSE], measures[0, N_PROSE])
    features[at + 7] = _share(measures[most, N_PROSE], measures[0, N_PROSE])
    return at + 8


@kernel
def _put_page(measures: Rows, count: int, owner: int, parent: int, features: Int32s, at: int) -> None:
    """What the page, the parent and the box are like."""
    page, box = measures[0], measures[measures[owner, N_BOX]]
    features[at] = page[N_WEIGHT]
    features[at + 1] = _share(page[N_LINKED], page[N_WEIGHT])
    features[at + 2] = _share(page[N_PROSE], page[N_WEIGHT])
    features[at + 3] = page[N_PARAGRAPHS]
    features[at + 4] = count
    features[at + 5] = measures[parent, N_BLOCKS]
    features[at + 6] = measures[parent, N_PARAGRAPHS]
    features[at + 8] = box[N_WEIGHT]
    features[at + 9] = _share(box[N_LINKED], box[N_WEIGHT])


@kernel
def _step(features: Int32s, nodes: Rows, place: int) -> int:
    """The next node. No branch: which way a block goes cannot be predicted."""
    return nodes[place, 2] + (1 if features[nodes[place, 0]] > nodes[place, 1] else 0)


@kernel
def _score(x: Int32s, forest: Forest) -> int:
    """Sum of the leaves that a block falls into, of the first trees if that is enough."""
    nodes, roots = forest.nodes, forest.roots
    total = np.int64(0)
    for group in range(len(forest.depths)):
        first = group * LANES
        a, b, c, d = roots[first], roots[first + 1], roots[first + 2], roots[first + 3]
        e, f, g, h = roots[first + 4], roots[first + 5], roots[first + 6], roots[first + 7]
        for _ in range(forest.depths[group]):
            a, b, c, d = _step(x, nodes, a), _step(x, nodes, b), _step(x, nodes, c), _step(x, nodes, d)
            e, f, g, h = _step(x, nodes, e), _step(x, nodes, f), _step(x, nodes, g), _step(x, nodes, h)
        total += nodes[a, 3] + nodes[b, 3] + nodes[c, 3] + nodes[d, 3]
        total += nodes[e, 3] + nodes[f, 3] + nodes[g, 3] + nodes[h, 3]
        if group + 1 >= SURE_AFTER and (total > SURE or total < -SURE):
            break
    return int(total)


@kernel
def score_blocks(
    tree: Tree,
    nodes: int,
    kinds: Int32s,
    blocks: Rows,
    count: int,
    measures: Rows,
    words: Words,
    features: Rows,
    forest: Forest,
) -> None:
    """Write the score of each block into its row; above 0 it is rather content.

    ``measures``: int32[nodes, NODE_MEASURES], ``words``: int64[nodes, 2], room to work in. ``features``: int32[rows,
    FEATURES]; block i is described in row i modulo the number of rows, so that one row is enough to score, and as many
    as blocks keep all descriptions.
    """
    _sum_up(tree, nodes, blocks, count, measures)
    half = _smallest_with(tree, nodes, measures, 50)
    most = _smallest_with(tree, nodes, measures, 70)
    nearly = _smallest_with(tree, nodes, measures, 90)
    _inherit(tree, nodes, kinds, measures, words, half, most)
    weight_before, prose_before, last_paragraph, behind_h1 = 0, 0, -1, 0
    next_paragraph = -1
    for block in range(count):
        row, out = blocks[block], features[block % len(features)]
        owner = row[B_OWNER]
        parent = max(tree.nodes[owner, PARENT], 0)
        at = _put_own(row, out)
        at = _put_around(tree, row, measures, words, out, at)
        out[at] = _share(block, count)
        out[at + 1] = _share(weight_before, measures[0, N_WEIGHT])
        out[at + 2] = _share(prose_before, measures[0, N_PROSE])
        at = _put_place(tree, owner, measures, half, most, nearly, out, at + 3)
        at = _put_neighbours(tree, blocks, count, block, out, at)
        if next_paragraph <= block:
            next_paragraph = block + 1
            while next_paragraph < count and not is_paragraph(blocks[next_paragraph]):
                next_paragraph += 1
        until = next_paragraph - block
        out[at] = min(block - last_paragraph, _FAR) if last_paragraph >= 0 else _FAR
        out[at + 1] = until if next_paragraph < count and until <= _LOOK_AHEAD else _FAR
        _put_page(measures, count, owner, parent, out, at + 2)
        out[at + 9] = behind_h1
        row[B_SCORE] = _score(out, forest)
        if is_paragraph(row):
            last_paragraph = block
            prose_before += row[B_WEIGHT] - row[B_LINKED]
        if row[B_HIDDEN] == 0:
            weight_before += row[B_WEIGHT]
        if tree.nodes[owner, TAG] == H1:
            behind_h1 = 1
