"""What is counted in blocks, against its twin. Where blocks begin and end is checked with the text of pages."""

from __future__ import annotations

import html
from dataclasses import astuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.html_blocks import (
    B_BREAKS,
    B_BYTES,
    B_COMMAS,
    B_DIGITS,
    B_FIRST,
    B_FORMULAS,
    B_LAST,
    B_LINKED,
    B_LINKS,
    B_SENTENCES,
    B_SYMBOLS,
    B_UPPER,
    B_WEIGHT,
    B_WORDS,
    BLOCK_FIELDS,
    FORMULA_WEIGHT,
    find_blocks,
)  # fmt: skip
from stages.kernels.html_tables import tables
from stages.kernels.html_tree import parse, tree_for
from tests.reference import html_blocks as twin
from tests.stages.hostile import TEXT

FIELDS = (
    B_WEIGHT, B_LINKED, B_WORDS, B_SENTENCES, B_COMMAS, B_DIGITS, B_UPPER, B_FIRST, B_LAST, B_LINKS, B_SYMBOLS,
)  # fmt: skip
PROSE = st.sampled_from(["It's 12,5 % – or 13; isn't it?", "© 2020 | @me #1", "他说：“好。”", "…", "ΑΒΓ, абв"])


def blocks_of(page: str) -> np.ndarray:
    data = np.frombuffer(page.encode(), np.uint8)
    tree = tree_for(len(data))
    _, events, _ = parse(data, tree, tables())
    blocks = np.zeros((len(tree.runs), BLOCK_FIELDS), np.int32)
    return blocks[: find_blocks(data, tree, events, tables(), blocks, np.zeros(16, np.uint8))]


@given(pieces=st.lists(st.tuples(TEXT | PROSE, st.booleans()), max_size=6))
def test_counts_are_those_of_the_twin(pieces: list[tuple[str, bool]]) -> None:
    """Weight, words, signs and links of a block equal the twin's, across links and references."""
    page = "".join(f"<a href=x>{html.escape(text)}</a>" if linked else html.escape(text) for text, linked in pieces)
    found, expected = blocks_of(f"<p>{page}</p>"), twin.counted(pieces)
    assert len(found) == (expected.weight > 0)
    for row in found.tolist():
        assert tuple(row[field] for field in FIELDS) == astuple(expected)


def test_breaks_formulas_and_bytes() -> None:
    """Single breaks and formulas are counted, two breaks part blocks, and bytes are those of the page."""
    page = "<p>a&amp;b<br>c <math><mi>x</mi></math><br><br>d</p>"
    first, second = blocks_of(page).tolist()
    assert (first[B_BREAKS], first[B_FORMULAS], first[B_WEIGHT]) == (2, 1, 4 + FORMULA_WEIGHT)
    assert (first[B_BYTES], second[B_BYTES]) == (len("a&amp;bc "), 1)
