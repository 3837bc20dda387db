"""Words in class names against their twin, and phrases by example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.html_blocks import B_PHRASES, BLOCK_FIELDS, find_blocks
from stages.kernels.html_keywords import (
    W_BODY,
    W_COMMENT,
    W_CONTENT,
    W_LAYOUT,
    W_NAV,
    W_PAGER,
    W_SHARE,
    W_SIDEBAR,
    WORDS,
)  # fmt: skip
from stages.kernels.html_phrases import (
    PHRASE_GROUPS,
    PHRASES,
    T_AUTHOR,
    T_COMMENT,
    T_COPYRIGHT,
    T_DATE,
    T_MORE,
    T_NAV,
    T_SHARE,
    T_SHOP,
)  # fmt: skip
from stages.kernels.html_scores import WORD_GROUPS
from stages.kernels.html_tables import tables
from stages.kernels.html_tree import MAX_NAME_BYTES, parse, tree_for, words_of
from tests.reference import html_keywords as twin

PIECES = [word.strip("|") for words in WORDS.values() for word in words.split()]
NAMES = st.lists(
    st.sampled_from(PIECES) | st.sampled_from(["-", "_", " ", "\t", "1", "é", "x", "X", "A", "b"]), max_size=6
).map("".join)


def found(name: str) -> int:
    data = np.frombuffer(name.encode(), np.uint8)
    return int(words_of(data, 0, len(data), tables()))


@given(name=NAMES, spell=st.sampled_from([str, str.upper, str.title]))
def test_words_are_those_of_the_twin(name: str, spell: type[str]) -> None:
    """A class has the words that regular expressions find in it, however it is spelled."""
    assert found(spell(name)) == twin.words_of(spell(name))


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("nav", W_NAV),
        ("mainNav", W_NAV | W_CONTENT),
        ("navy canvas", 0),
        ("article-body", W_BODY | W_CONTENT),
        ("articleBody", W_BODY | W_CONTENT),
        ("has-sidebar", W_SIDEBAR | W_LAYOUT),
        ("comment-list", W_COMMENT),
        ("social_share-buttons", W_SHARE),
        ("prev next", W_PAGER),
    ],
)
def test_words_by_example(name: str, bits: int) -> None:
    """What common class names say, and that parts of other words say nothing."""
    assert found(name) & bits == bits
    assert bits or not found(name)


def test_long_names_end() -> None:
    """Of a class only the first bytes are looked at."""
    assert found("x" * MAX_NAME_BYTES + " nav") == 0
    assert found("x" * (MAX_NAME_BYTES - 4) + " nav") == W_NAV


def test_each_group_has_its_bit() -> None:
    """Groups are numbered without gaps, as many as the descriptions have room for."""
    assert sorted(WORDS) == [1 << bit for bit in range(WORD_GROUPS)]
    assert sorted(PHRASES) == [1 << bit for bit in range(PHRASE_GROUPS)]


def phrases(text: str) -> int:
    data = np.frombuffer(f"<p>{text}</p>".encode(), np.uint8)
    tree = tree_for(len(data))
    _, events, _ = parse(data, tree, tables())
    blocks = np.zeros((4, BLOCK_FIELDS), np.int32)
    assert find_blocks(data, tree, events, tables(), blocks, np.zeros(16, np.uint8)) == 1
    return int(blocks[0, B_PHRASES])


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("Read more", T_MORE),
        ("<b>READ</b> &nbsp; more!", T_MORE),
        ("Home", T_NAV),
        ("At home", 0),
        ("&copy; 2020 Somebody", T_COPYRIGHT),
        ("Von Ada Lovelace", T_AUTHOR),
        ("12.03.2021", T_DATE),
        ("3 Kommentare", T_COMMENT),
        ("Share on Facebook", T_SHARE),
        ("19,99 €", T_SHOP),
        ("The ferry left at noon", 0),
    ],
)
def test_phrases_by_example(text: str, bits: int) -> None:
    """Phrases are found across markup, references and case; ``^`` is the beginning of the block only."""
    assert phrases(text) & bits == bits
    assert bits or not phrases(text)


def test_phrases_stand_at_the_beginning() -> None:
    """A phrase behind the first bytes of a block says nothing."""
    assert phrases("word " * 40 + "read more") == 0
