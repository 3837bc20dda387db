"""Text as CCNet's models expect it, against a slow twin that goes step by step."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import TextView, text_array, text_view
from stages.kernels.lm_text import ccnet_text, one_line, spaced_characters
from tests.reference import lm_text as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

PROSE = st.text(st.sampled_from("ABÉé Σİ한각がｶ１२9「。—…．\n\t\x85🚀ǅ"), max_size=30)


def rows(view: TextView) -> list[str]:
    return list(text_array(view.data[view.offsets[0] :], view.offsets - view.offsets[0]).to_pylist())


@given(array=arrays(TEXT | PROSE), lines=st.booleans())
def test_text_is_that_of_the_twin(array: pa.Array, lines: bool) -> None:
    """Every character of every script becomes what CCNet's steps make of it, in slices too."""
    expected = [reference.ccnet(text, lines=lines) for text in array.to_pylist()]
    assert rows(ccnet_text(text_view(array), lines=lines)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café ÜNAL, 2024!", "cafe unal, 0000!"),
        ("「你好」，世界。１２３", '"你好",世界.000'),
        ("a—b…c．d", "a - b...c. d"),
        ("tab\there\x00\x7f\x9f", "tabhere"),
        ("한", unicodedata.normalize("NFD", "한")),
        ("がİ", "かi"),
        ("１", "0"),
    ],
)
def test_what_becomes_of_text(text: str, expected: str) -> None:
    """Case, accents, digits, punctuation and controls go as in the published code; Hangul falls into its letters."""
    assert rows(ccnet_text(text_view(pa.array([text])), lines=True)) == [expected]


def test_line_feeds() -> None:
    """They stay for models of lines; for a document as one line CCNet writes nothing in their place."""
    view = text_view(pa.array(["a\nb", "left\n"])[:1])
    assert rows(ccnet_text(view, lines=True)) == ["a\nb"]
    assert rows(ccnet_text(view, lines=False)) == ["ab"]
    assert rows(one_line(text_view(pa.array(["x\n", "a\nb\n"])[1:]))) == ["a b "]


@given(array=arrays())
def test_characters_are_spaced_out(array: pa.Array) -> None:
    """Between any two characters stands a space."""
    assert rows(spaced_characters(text_view(array))) == [reference.spaced(text) for text in array.to_pylist()]


def test_the_longest_that_text_can_become() -> None:
    """A row of Hangul syllables becomes three times as long, and there is room for it."""
    count = long_bytes() // 30
    made = ccnet_text(text_view(pa.array(["각" * count], pa.large_string())), lines=True)
    assert made.offsets.tolist() == [0, 9 * count]
    assert rows(spaced_characters(text_view(pa.array(["a" * 1000])))) == [" ".join("a" * 1000)]
