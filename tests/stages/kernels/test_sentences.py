"""Sentences against the rules by example, the classes of Unicode, and a slow twin."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels import sentence_classes as classes
from stages.kernels.arrow_text import text_view
from stages.kernels.sentences import count_sentences, sentence_ends
from tests.reference import sentences as reference
from tests.stages.hostile import TEXT, arrays, long_bytes

PROSE = st.text("abIJ 5\n.!?'\")(,-…。！“”؟།।", max_size=40)
WORDS = st.lists(
    st.sampled_from(
        [
            "Mr.",
            "e.g.",
            "No.",
            "5",
            "J.",
            "I.",
            "The",
            "end.",
            "etc.",
            "(so)",
            "U.S.",
            "3.14",
            "«Oui.»",
            "He",
            "...",
            "ไป",
            "มา",
            "ๆ",
            "ຂອງ",
        ]
    ),
    max_size=12,
).map(" ".join)


def split(text: str) -> list[str]:
    """The sentences as the kernel finds them, the places in bytes made text again."""
    view = text_view(pa.array([text]))
    counts, ends = sentence_ends(view.data, view.offsets)
    places = [0, *ends.tolist()]
    assert counts.tolist() == [len(ends)]
    return [text.encode()[start:end].decode() for start, end in zip(places, places[1:], strict=False)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t\n", []),
        ("no full stop", ["no full stop"]),
        ("One. Two! Three? Four", ["One. ", "Two! ", "Three? ", "Four"]),
        ("A heading\nand its text.", ["A heading\n", "and its text."]),
        ("It cost $3.14. Cheap.", ["It cost $3.14. ", "Cheap."]),
        ("etc. and so on; e.g. This one.", ["etc. and so on; e.g. This one."]),
        ("Mr. Smith met J. R. Jones. So did I. Then", ["Mr. Smith met J. R. Jones. ", "So did I. ", "Then"]),
        ("See No. 5. He said no. Then", ["See No. 5. ", "He said no. ", "Then"]),
        ("А. С. Пушкин писал. Хорошо.", ["А. С. Пушкин писал. ", "Хорошо."]),
        ('"Go." He went. (Yes.) Good.', ['"Go." ', "He went. ", "(Yes.) ", "Good."]),
        ("Wait... what? Well... Yes… No", ["Wait... what? ", "Well... ", "Yes… ", "No"]),
        ("Stop.), he said.", ["Stop.), he said."]),
        ("example.com and end.Next", ["example.com and end.Next"]),
        ("你好。“走吧！”他说。是的", ["你好。“", "走吧！”", "他说。", "是的"]),
        ("नमस्ते। कैसे हो? ठीक॥", ["नमस्ते। ", "कैसे हो? ", "ठीक॥"]),
        ("ما هذا؟ کتاب۔ نعم", ["ما هذا؟ ", "کتاب۔ ", "نعم"]),
        ("ሰላም። እሺ።", ["ሰላም። ", "እሺ።"]),
        ("ကောင်းတယ်။ သွားမယ်။", ["ကောင်းတယ်။ ", "သွားမယ်။"]),
        ("សួស្តី។ បាទ។", ["សួស្តី។ ", "បាទ។"]),
        ("ไปโรงเรียน กลับบ้าน 500 บาท", ["ไปโรงเรียน ", "กลับบ้าน 500 บาท"]),
        ("ต่าง ๆ กัน", ["ต่าง ๆ ", "กัน"]),
        ("ສະບາຍດີ ເຈົ້າ", ["ສະບາຍດີ ", "ເຈົ້າ"]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    """The definition by example."""
    assert split(text) == expected
    assert reference.sentences(text) == expected


@given(array=arrays(TEXT | PROSE | WORDS))
def test_sentences_are_those_of_the_twin(array: pa.Array) -> None:
    """Counts and ends are those of the rules, on slices, hostile text and all scripts."""
    view = text_view(array)
    expected = [reference.sentences(text) for text in array.to_pylist()]
    counts, ends = sentence_ends(view.data, view.offsets)
    assert counts.tolist() == count_sentences(view.data, view.offsets).tolist() == [len(found) for found in expected]
    places = []
    for start, found in zip(view.offsets.tolist(), expected, strict=False):
        sizes = np.cumsum([len(sentence.encode()) for sentence in found], dtype=np.int64)
        places += (start + sizes).tolist()
    assert ends.tolist() == places


@given(texts=st.lists(PROSE | WORDS, max_size=5))
def test_places_of_rows_do_not_matter(texts: list[str]) -> None:
    """Rows far from the end of the buffer, which are tested where they stand, count as rows at its end do."""
    near = text_view(pa.array(texts, pa.large_string()))
    far = text_view(pa.array([*texts, "x" * 200], pa.large_string()))
    assert count_sentences(*far).tolist()[:-1] == count_sentences(*near).tolist()


def test_terminals_are_those_of_unicode() -> None:
    """STOP and TERMINAL are the property Sentence_Terminal, but for ``…`` and three Khmer signs."""
    ours = np.flatnonzero(classes.code_point_classes() >= classes.STOP).tolist()
    property_of = regex.compile(r"\p{Sentence_Terminal}")
    theirs = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000 and property_of.match(chr(code))]
    assert set(ours) - set(theirs) == {0x2026, 0x17D6, 0x17D9, 0x17DA}
    assert set(theirs) <= set(ours)


def test_every_end_is_looked_at() -> None:
    """No separator, full stop or terminal slips through the tests that pass over text 64 bytes at a time."""
    found = classes.code_point_classes()
    ends = np.flatnonzero((found == classes.SEPARATOR) | (found >= classes.STOP)).tolist()
    texts = [f"x{chr(code)} 中" for code in ends]
    view = text_view(pa.array([*texts, "x" * 99]))
    assert count_sentences(*view).tolist() == [2] * len(texts) + [1]


def test_a_long_row() -> None:
    """A row of 50 MB is one like others: time grows with bytes, also where every full stop asks what comes after it."""
    size = long_bytes() // 5
    rows = ["A b. " * size, "." * size, ". " * size, ").(" * size, "1. 5 " * size, "ก " * size, ""]
    found = count_sentences(*text_view(pa.array(rows, pa.large_string()))).tolist()
    assert found == [size, 1, 1, 1, size + 1, size, 0]


def test_bytes_that_are_not_utf8() -> None:
    """Broken characters end nothing, and nothing outside the row is read."""
    rows = pa.array([b"a\xff. \xfeB", b"ab\xe3\x80", b"\x82\xf4\xbf\xbf\xbf", b"\xe0\xb8 \xe0"], pa.large_binary())
    assert count_sentences(*text_view(rows)).tolist() == [2, 1, 1, 1]
