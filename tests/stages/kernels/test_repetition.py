"""Repetition within a document against its twin, and against what the papers' sentences say of small cases."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.repetition import SIGNALS, Reading, repetition, repetition_signals, words_of
from stages.kernels.word_spans import WordSpans, word_spans
from tests.reference import repetition as reference
from tests.stages.hostile import ROWS, TEXT, arrays, long_bytes, random_rows

READINGS: tuple[Reading, ...] = ("paper", "datatrove", "datatrove_english")

FEW_WORDS = st.lists(st.sampled_from(["a", "b", "cc", "don't", "é", "中", "か", "Ж", "1,0", "ไทย"]), max_size=40)
SEPARATORS = st.sampled_from([" ", " ", " ", ", ", "-", "\n", "\n\n"])
REPETITIVE = st.builds(
    lambda words, gaps: "".join(word + gap for word, gap in zip(words, gaps, strict=False)),
    FEW_WORDS,
    st.lists(SEPARATORS, min_size=40, max_size=40),
)
"""Texts in which most n-grams occur again."""
LINE = st.sampled_from(["", "a", "b c", "long line of text", "é", "中文中文", "  a", "a\u3000", "\u00a0", "\t", "\r"])
LINES = st.lists(LINE, max_size=12).map("\n".join)
SPACES = st.text("\n\n a\t\r\x1c\x85\u00a0\u1680\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000中", max_size=14)
"""All white space beyond ASCII, and what only looks like it."""


def measured(array: pa.Array, reading: Reading) -> list[list[float]]:
    signals = repetition_signals(text_view(array), reading)
    return [[float(signals[name][row]) for name in SIGNALS] for row in range(len(array))]


def signal(text: str, name: str, reading: Reading = "paper") -> float:
    return float(repetition_signals(text_view(pa.array([text])), reading)[name][0])


@pytest.mark.parametrize("reading", READINGS)
@given(array=arrays(TEXT | REPETITIVE | LINES | SPACES))
def test_every_signal_is_that_of_the_twin(array: pa.Array, reading: Reading) -> None:
    """Slices of both text types, all scripts, few words and lines often repeated: bit for bit the twin's fractions."""
    if reading == "datatrove_english":  # its hashes do not tell a token from the same one with NULs behind it
        array = pc.replace_substring(array, "\0", "0")
    assert measured(array, reading) == [reference.repetition(text, reading) for text in array.to_pylist()]


@pytest.mark.parametrize("reading", READINGS)
def test_hostile_rows(reading: Reading) -> None:
    """Fixed hostile rows and random ones give the twin's fractions, and all are between 0 and 1."""
    rows = [*ROWS, *random_rows(60, seed=4, longest=300), "ha " * 50, "\n" * 9, "a\n" * 9, "中" * 30]
    found = measured(pa.array(rows), reading)
    assert found == [reference.repetition(text, reading) for text in rows]
    assert all(0 <= value <= 1 for row in found for value in row)


@pytest.mark.parametrize("reading", READINGS)
def test_long_rows(reading: Reading) -> None:
    """One word, one line and one character over and over, and words of which none repeats, take linear time."""
    size = max(long_bytes() // 50, 4_000)
    distinct = " ".join(map(str, range(size // 8)))
    found = measured(pa.array(["word " * size, "word\n" * size, "\n" * size, "中" * (size // 3), distinct]), reading)
    every = reading == "paper"
    words = 1.0 if every else 4 / 5
    later = (size - 1) / size * words
    assert found[0][4:7] == [1.0] * 3
    assert found[0][7:] == pytest.approx([words] * 6, rel=1e-2)
    assert found[1][:2] == ([1.0, 1.0] if every else pytest.approx([later / words, later], rel=1e-3))
    assert found[2] == [0.0] * 13 if every else found[2][0] == 0.5
    assert found[3][4:] == pytest.approx([float(reading != "datatrove_english")] * 9, rel=1e-2)
    assert max(found[4]) < 1e-2


@pytest.mark.parametrize(
    ("text", "name", "paper", "datatrove"),
    [
        ("a\nb\na\nc", "duplicate_line_fraction", 2 / 4, 1 / 4),
        ("aa\nb\naa\nc", "duplicate_line_character_fraction", 4 / 6, 2 / 9),
        ("a\n a\u3000\na", "duplicate_line_fraction", 3 / 3, 1 / 3),
        ("a\n\nb\n\nc\n", "duplicate_line_fraction", 0, 0),
        ("\na\n", "duplicate_line_fraction", 0, 1 / 3),
        ("a\nb\n\na\nb\n\nc", "duplicate_paragraph_fraction", 2 / 3, 1 / 3),
        ("a\nb\n\na\nb\n\nc", "duplicate_paragraph_character_fraction", 6 / 7, 3 / 11),
        ("a\n \na\n \nb", "duplicate_paragraph_fraction", 2 / 3, 0),
        ("a b c a b d", "top_2gram_character_fraction", 4 / 6, 2 * 3 / 11),
        ("a b cc dd a b e cc dd", "top_2gram_character_fraction", 8 / 13, 2 * 3 / 21),
        ("a b c d", "top_2gram_character_fraction", 0, 3 / 7),
        ("a a a a", "top_2gram_character_fraction", 1, 1),
        ("a b c d e f a b c d e g", "duplicate_5gram_character_fraction", 10 / 12, 5 / 23),
        ("a b c d e f a b c d e f", "duplicate_5gram_character_fraction", 1, 5 / 23),
        ("a a a a a a a", "duplicate_5gram_character_fraction", 1, 5 / 13),
        ("a ab c d e x aa b c d e", "duplicate_5gram_character_fraction", 0, 0),
        ("一二三四五六七八九十。一二三四五六七八九十", "duplicate_10gram_character_fraction", 1, 10 / 21),
        ("The cat the cat", "top_2gram_character_fraction", 0, 7 / 15),
    ],
)
def test_what_the_readings_say(text: str, name: str, paper: float, datatrove: float) -> None:
    """Blank lines, white space, overlaps, ties, n-grams that occur once, first occurrences, and case."""
    assert signal(text, name, "paper") == pytest.approx(paper)
    assert signal(text, name, "datatrove") == pytest.approx(datatrove)


def test_words_of_the_readings() -> None:
    """The paper's words are letters and digits; datatrove's are marks as well, and for English ``don't`` is two."""
    view = text_view(pa.array(["I don't, 中文"]))
    found = [len(words_of(view, reading).starts) for reading in READINGS]
    assert found == [4, 5, 5]


@pytest.mark.parametrize("reading", READINGS)
def test_too_short_text_repeats_nothing(reading: Reading) -> None:
    """No line, no paragraph, or fewer words than n is 0, not null and not NaN."""
    assert measured(pa.array(["", " ", "word"]), reading) == [[0.0] * 13] * 3
    assert measured(pa.array(["a b"]), reading)[0][5:] == [0.0] * 8


def test_rows_do_not_see_each_other() -> None:
    """What occurs in two documents is no repetition in either, and an earlier row leaves nothing behind."""
    rows = ["a b c d e f " * 3, "a b c d e f g", "", "x\nx\nx", "x", "a b c d e f " * 3]
    together = measured(pa.array(rows), "paper")
    assert together == [measured(pa.array([row]), "paper")[0] for row in rows]


def test_rows_of_too_many_words_are_refused() -> None:
    """Places are held in 32 bits: a row of more than 2**30 words is an error that says so."""
    none = np.zeros(0, np.int64)
    words = WordSpans(np.array([0, 2**30 + 1]), none, none, none.astype(np.uint64))
    with pytest.raises(ValueError, match="more than 1,073,741,824 words; split documents"):
        repetition(text_view(pa.array([""])), words)


def test_groups_and_whole_batches_are_the_same() -> None:
    """A caller that has the words of a whole batch gets what group by group gives."""
    size = long_bytes() // 1_000
    view = text_view(pa.array(["a b a b " * copies for copies in (1, size, 3, size, 0)]))
    found = repetition(view, word_spans(view.data, view.offsets))
    assert found.T.tolist() == [values.tolist() for values in repetition_signals(view).values()]
