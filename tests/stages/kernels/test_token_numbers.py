"""Sentences of tokens as numbers, and how many there will be."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.kneser_ney import BEGIN, END, FIRST_WORD
from stages.kernels.token_numbers import count_tokens, sentences
from tests.reference import kneser_ney as reference
from tests.stages.hostile import ROWS, TEXT, arrays


def words_of(array: pa.Array, characters: bool, blank: bool) -> list[list[str]]:
    """The sentences, read back from their numbers."""
    view = text_view(array)
    found = sentences(view.data, view.offsets, characters=characters, blank=blank)
    types = [view.data[start:end].tobytes().decode() for start, end in zip(found.starts, found.ends, strict=True)]
    made: list[list[str]] = []
    for number in found.tokens.tolist():
        if number == BEGIN:
            made.append([])
        elif number != END:
            made[-1].append(types[number - FIRST_WORD])
    return made


@given(
    array=arrays(TEXT | st.text(st.sampled_from("a \n中<s/>"), max_size=20)),
    characters=st.booleans(),
    blank=st.booleans(),
)
def test_tokens_are_those_of_the_twin(array: pa.Array, characters: bool, blank: bool) -> None:
    """Rows, slices and hostile text give the twin's sentences."""
    expected = [s for row in array.to_pylist() for s in reference.sentences(row, characters=characters, blank=blank)]
    assert words_of(array, characters, blank) == expected


@given(array=arrays(), characters=st.booleans(), blank=st.booleans())
def test_the_count_is_that_of_the_tokens(array: pa.Array, characters: bool, blank: bool) -> None:
    """The tokens are counted before they are numbered, ends of sentences among them."""
    view = text_view(array)
    found = sentences(view.data, view.offsets, characters=characters, blank=blank)
    assert count_tokens(view.data, view.offsets, characters=characters, blank=blank) == len(found.tokens)


@pytest.mark.parametrize("characters", [False, True])
def test_markers_are_counted_and_left_out(characters: bool) -> None:
    """A marker in the text takes room in the count, and is none of the words."""
    view = text_view(pa.array([*ROWS, "<s> a </s> <unk>\n<s>"]))
    count = count_tokens(view.data, view.offsets, characters=characters)
    kept = len(sentences(view.data, view.offsets, characters=characters).tokens)
    assert count - kept == (0 if characters else 6)
