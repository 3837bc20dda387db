"""Sentences as numbers, and the tree of n-grams with its counts, against slow twins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arpa_text import NUMBER_BYTES, SLACK, gathered, token_bytes, write_lines
from stages.kernels.arrow_text import text_view
from stages.kernels.kneser_ney import BEGIN, END, FIRST_WORD, levels
from stages.kernels.token_numbers import Sentences, sentences
from tests.reference import kneser_ney as reference
from tests.stages.hostile import TEXT, arrays

WORDS = st.text(st.sampled_from("aab  bc\n\n中é"), max_size=40)


def spelt(array: pa.Array, found: Sentences) -> list[list[str]]:
    """The sentences as lists of words."""
    data = text_view(array).data
    names = {BEGIN: "<s>", END: "</s>"}
    words = [bytes(data[a:b]).decode() for a, b in zip(found.starts, found.ends, strict=True)]
    lines: list[list[str]] = []
    for token in found.tokens.tolist():
        if token == BEGIN:
            lines.append([])
        lines[-1].append(names.get(token) or words[token - FIRST_WORD])
    return lines


@given(array=arrays(WORDS | TEXT), characters=st.booleans(), blank=st.booleans())
def test_sentences_are_those_of_the_twin(array: pa.Array, characters: bool, blank: bool) -> None:
    """Lines become ``<s> … </s>``, tokens are told apart and numbered the same in any order of rows."""
    found = sentences(*text_view(array), characters=characters, blank=blank)
    lines = [s for row in array.to_pylist() for s in reference.sentences(row, characters=characters, blank=blank)]
    assert spelt(array, found) == [["<s>", *line, "</s>"] for line in lines]
    assert len(found.starts) == len({word for line in lines for word in line})


@given(rows=st.lists(WORDS, min_size=1, max_size=3), order=st.integers(1, 6), threshold=st.integers(0, 2))
def test_levels_are_those_of_the_twin(rows: list[str], order: int, threshold: int) -> None:
    """Distinct n-grams of every length with raw and adjusted counts; parents and contexts are their parts."""
    array = pa.array(rows, pa.large_string())
    found = sentences(*text_view(array))
    lines = [s for row in rows for s in reference.sentences(row, characters=False, blank=False)]
    if not lines:
        return
    names = [word for line in spelt(array, found) for word in line]
    twin = reference.Model(lines, order, [threshold] * order)
    made = levels(found.tokens, order, (0, *[threshold] * (order - 1)))
    grams = [[tuple(names[place - n : place + 1]) for place in level.places] for n, level in enumerate(made)]
    assert grams[0][-1] == ("<s>",)
    for n, level in enumerate(made):
        known = grams[n] if n else grams[n][:-1]
        assert dict(zip(known, level.raw.tolist(), strict=False)) == twin.raw[n]
        assert dict(zip(known, level.counts.tolist(), strict=False)) == twin.counts[n]
        assert [twin.is_kept(gram) for gram in known] == level.kept.tolist()[: len(known)]
        if n:
            assert [grams[n - 1][parent] for parent in level.parents] == [gram[1:] for gram in known]
            assert [grams[n - 1][context] for context in level.contexts] == [gram[:-1] for gram in known]


@given(values=st.lists(st.floats(-999, 0), min_size=1, max_size=5), has_backoff=st.booleans())
def test_lines_are_read_back(values: list[float], has_backoff: bool) -> None:
    """Numbers are written to six decimals, words as they are, and the room that is asked for suffices."""
    words = gathered(np.frombuffer("x<s>y äb".encode(), np.uint8), np.array([1, 6]), np.array([4, 9]))
    tokens = np.array([0, 1] * len(values), np.int32)
    places = np.arange(1, 2 * len(values), 2)
    size = int(token_bytes(tokens, places, 2, words[1]))
    out = np.zeros(size + len(values) * (2 + 3 + 2 * NUMBER_BYTES) + SLACK, np.uint8)
    numbers = np.array(values)
    used = write_lines(tokens, places, 2, words, (numbers, numbers / 3), has_backoff, out)
    lines = bytes(out[:used]).decode().splitlines()
    fields = [line.split("\t") for line in lines]
    assert [row[1] for row in fields] == ["<s> äb"] * len(values)
    assert np.allclose([float(row[0]) for row in fields], values, atol=6e-7, rtol=0)
    if has_backoff:
        assert np.allclose([float(row[2]) for row in fields], numbers / 3, atol=6e-7, rtol=0)
