"""Lines and paragraphs, and what is compared of them, against slow twins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.segments import folded, segments, stripped
from tests.reference import segments as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

BROKEN_LINES = st.text(st.sampled_from("ab1É中ก\n\n\n \t\r"), max_size=40)


def pieces_of(array: pa.Array, *, paragraphs: bool) -> list[list[str]]:
    view = text_view(array)
    found = segments(view, paragraphs=paragraphs)
    rows: list[list[str]] = [[] for _ in range(len(array))]
    for row, start, end in zip(*found, strict=True):
        rows[row].append(bytes(view.data[start:end]).decode())
    return rows


@given(array=arrays(TEXT | BROKEN_LINES))
def test_segments_are_those_of_the_twin(array: pa.Array) -> None:
    """Lines and paragraphs are cut where the twin cuts them, and together are the whole row."""
    for by_paragraph, twin in ((False, reference.lines), (True, reference.paragraphs)):
        found = pieces_of(array, paragraphs=by_paragraph)
        assert found == [twin(text) for text in array.to_pylist()]
        assert ["".join(pieces) for pieces in found] == array.to_pylist()


@given(array=arrays(TEXT | BROKEN_LINES))
def test_what_is_compared_is_that_of_the_twin(array: pa.Array) -> None:
    """Folded and stripped segments, and their characters, are the twin's in every script."""
    view = text_view(array)
    found = segments(view, paragraphs=False)
    lines = [line for text in array.to_pylist() for line in reference.lines(text)]
    for kernel, twin in ((folded, reference.folded), (stripped, lambda line: line.strip(reference.SPACE))):
        said, characters = kernel(view.data, found)
        texts = [bytes(said.data[a:b]).decode() for a, b in zip(said.offsets, said.offsets[1:], strict=False)]
        assert texts == [twin(line) for line in lines]
        assert characters.tolist() == [len(text) for text in texts]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Subscribe now!", "subscribe, NOW"),
        ("Page 1 of 12", "page 9 of 34"),
        ("Café Ünal", "cafe unal"),
        ("ＡＢＣ１２３", "abc 000"),
        ("  a\t b ", "ab"),
        ("Straẞe", "straße"),
        ("e\u0301te\u0301", "été"),
        ("\u2066right\u2069", "right"),
    ],
)
def test_what_counts_as_the_same(one: str, other: str) -> None:
    """Case, accents, punctuation, width, space and the digits' values do not tell lines apart."""
    view = text_view(pa.array([one, other]))
    said, _ = folded(view.data, segments(view, paragraphs=False))
    first, second = (bytes(said.data[a:b]) for a, b in zip(said.offsets, said.offsets[1:], strict=False))
    assert first == second != b""


@pytest.mark.parametrize(("one", "other"), [("กำ", "กา"), ("か", "が"), ("में", "म"), ("中", "国"), ("1", "11")])
def test_what_does_not(one: str, other: str) -> None:
    """Vowel signs, voicing marks, characters and the number of digits do."""
    view = text_view(pa.array([one, other]))
    said, _ = folded(view.data, segments(view, paragraphs=False))
    assert bytes(said.data[: said.offsets[1]]) != bytes(said.data[said.offsets[1] :])


def test_a_long_line() -> None:
    """One line of 50 MB is one segment, and so is one paragraph of as many short lines."""
    size = long_bytes()
    for text in ("é" * (size // 2), "a\n" * (size // 2)):
        view = text_view(pa.array([text], pa.large_string()))
        assert len(segments(view, paragraphs=True).rows) == 1
        said, characters = folded(view.data, segments(view, paragraphs=True))
        assert characters.tolist() == [size // 2]
        assert np.all(np.unique(said.data) == [ord(text[0].replace("é", "e"))])
