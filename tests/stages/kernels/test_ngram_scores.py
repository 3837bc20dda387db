"""Scores of lines are those of the definition, and of the kenlm package."""

from __future__ import annotations

import math
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.arpa import parse_arpa
from classifiers.errors import ModelError
from classifiers.ngram_lm import Tokens, arpa_bytes, estimate
from stages.kernels.arrow_text import text_view
from stages.kernels.ngram_scores import LineScores, score_lines
from stages.kernels.ngram_table import NgramTable, has_word, line_shape, make_table, put_words
from tests.reference import ngram_scores as reference
from tests.stages.hostile import ROWS, TEXT, arrays, long_bytes

WORDS = st.text(st.sampled_from("aab  bc\n中é"), max_size=60)
PROSE = "the ferry left at noon\nnobody could say when the ferry would come back\n" * 3


def model(text: str, order: int, tokens: Tokens = "words", prune: tuple[int, ...] = ()) -> tuple[NgramTable, bytes]:
    content = arpa_bytes(estimate(text_view(pa.array([text])), order, tokens=tokens, prune=prune))
    return parse_arpa(np.frombuffer(content, np.uint8), "test")[0], content


def scored(table: NgramTable, array: pa.Array, *, characters: bool = False) -> LineScores:
    view = text_view(array)
    return score_lines(table, view.data, view.offsets, characters=characters)


def expected(content: bytes, order: int, rows: list[str], *, characters: bool) -> list[tuple[int, float, int, int]]:
    grams = reference.grams(content)
    found = []
    for row, text in enumerate(rows):
        for line in text.split("\n"):
            words = reference.tokens(line, characters=characters)
            if words:
                total, unknown = reference.score(grams, order, words)
                found.append((row, total, len(words), unknown))
    return found


@given(
    text=WORDS | TEXT,
    array=arrays(WORDS | TEXT),
    order=st.integers(1, 5),
    prune=st.sampled_from([(), (0, 1), (0, 0, 2)]),
    characters=st.booleans(),
)
def test_scores_are_those_of_the_definition(
    text: str, array: pa.Array, order: int, prune: tuple[int, ...], characters: bool
) -> None:
    """Sums, tokens and unknown ones of every line are the twin's: all scripts, slices, pruned models."""
    try:
        table, content = model(text, order, "characters" if characters else "words", prune[:order])
    except ModelError:
        return
    found = scored(table, array, characters=characters)
    wanted = expected(content, order, array.to_pylist(), characters=characters)
    assert list(zip(found.rows, found.tokens, found.unknown, strict=True)) == [(r, t, u) for r, _, t, u in wanted]
    assert found.scores.tolist() == pytest.approx([total for _, total, _, _ in wanted], abs=1e-4)


@pytest.mark.parametrize("prune", [(), (0, 0, 1)])
def test_scores_are_those_of_kenlm(prune: tuple[int, ...], tmp_path: Path) -> None:
    """Seen and unseen lines, and one longer than what is looked up at a time, get the score that the package gives."""
    table, content = model(PROSE + "when nobody left the ferry", 4, prune=prune)
    path = tmp_path / "model.arpa"
    path.write_bytes(content)
    lines = ["the ferry left at noon", "noon", "strange words at noon", "when the when the ferry", "the ferry " * 1500]
    found = scored(table, pa.array(["\n".join(lines)]))
    theirs = kenlm.Model(str(path))
    assert found.scores[:4].tolist() == pytest.approx([theirs.score(line) for line in lines[:4]], abs=1e-4)
    assert found.scores[4] == pytest.approx(theirs.score(lines[4]), rel=1e-4)  # it adds up in single precision
    assert found.tokens.tolist() == [5, 1, 4, 5, 3000]


@pytest.mark.parametrize("count", [1021, 1022, 1023, 1024, 2044, 2046, 2050])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_long_lines_are_scored_as_if_at_once(count: int, order: int) -> None:
    """Where a long line is cut for looking up, context is carried over the cut."""
    table, content = model("a b c d e f g\nb c a\nc d f a b c", order)
    words = ("a b c d e f g h c d f " * count).split()[:count]
    found = scored(table, pa.array([" ".join(words)]))
    total, unknown = reference.score(reference.grams(content), order, words)
    assert found.scores.tolist() == pytest.approx([total], rel=1e-7)
    assert found.unknown.tolist() == [unknown]


def test_lines_without_a_token_are_left_out() -> None:
    """Empty rows and lines of white space have no score; rows are numbered by where they stand."""
    table, _ = model(PROSE, 2)
    found = scored(table, pa.array(["", " \t\n\r\n", "\n\nnoon\n \nat noon"]))
    assert found.rows.tolist() == [2, 2]
    assert found.tokens.tolist() == [1, 2]
    assert len(scored(table, pa.array([], pa.string())).rows) == 0


def test_hostile_text_is_scored() -> None:
    """Emoji, right-to-left, NULs and lone marks are tokens like others, known where the model has seen them."""
    text = "\n".join(ROWS).replace("\r", "")
    table, _ = model(text, 3)
    found = scored(table, pa.array([text, "unseen"]))
    assert found.unknown.tolist() == [0] * (len(found.rows) - 1) + [1]
    assert np.isfinite(found.scores).all()


def test_a_long_row() -> None:
    """One line of 50 MB is scored in fixed memory."""
    table, _ = model(PROSE, 5)
    count = long_bytes() // 4
    found = scored(table, pa.array(["the " * count], pa.large_string()))
    assert found.tokens.tolist() == [count]
    assert math.isfinite(found.scores[0])


def test_words_of_a_table() -> None:
    """A table knows the words put into it and the unknown word, and no others; it has room for what was asked."""
    words = [f"w{number}".encode() for number in range(1000)]
    table = make_table(line_shape([len(words)]))
    put_words(table, words)
    assert all(has_word(table, word) for word in [*words, b"<unk>"])
    assert not has_word(table, b"w1000") and not has_word(table, b"")
