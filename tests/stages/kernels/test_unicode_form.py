"""Composition against ``unicodedata.normalize``, to the byte."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.form_tables import Form
from stages.kernels.normalize import COMPOSE, NOTHING, scan
from stages.kernels.unicode_form import compose
from stages.kernels.unicode_tables import assigned
from tests.stages.hostile import CHARACTERS, ROWS, arrays, long_bytes, random_rows

FORMS = st.sampled_from(["NFC", "NFKC"])
SLOW = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]

# A few hundred without a compiler, where all would take minutes.
CODE_POINTS = [chr(code) for code in (*assigned(), 0xF0000, 0x10FFFF)][:: 701 if SLOW else 1]


def composed(array: pa.Array, form: Form) -> list[str]:
    view = text_view(array)
    found: list[str] = text_array(*compose(view, np.ones(len(array), np.uint8), form)).to_pylist()
    return found


def to_do(array: pa.Array, form: Form) -> list[int]:
    done: list[int] = scan(text_view(array), form, newlines=False, controls=False).tolist()
    return done


def check(texts: Sequence[str], form: Form) -> None:
    array = pa.array(texts, pa.large_string())
    expected = [unicodedata.normalize(form, text) for text in texts]
    assert composed(array, form) == expected
    missed = [
        ascii(text)
        for text, other, todo in zip(texts, expected, to_do(array, form), strict=True)
        if text != other and todo != COMPOSE
    ]
    assert missed == []


@given(array=arrays(), form=FORMS)
def test_rows_are_those_of_unicodedata(array: pa.Array, form: Form) -> None:
    """Any row, in any array or slice, composes to what Python's own normalization says."""
    assert composed(array, form) == [unicodedata.normalize(form, text) for text in array.to_pylist()]


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_every_code_point(form: Form) -> None:
    """Each code point alone, and between a letter and an accent, composes right, and the scan misses none."""
    check(CODE_POINTS, form)
    check([f"a{character}\u0301" for character in CODE_POINTS], form)


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_random_combinations(form: Form) -> None:
    """Jumbled marks, jamo, vowel signs and composed letters: composes right, and the scan misses no row."""
    draw = random.Random(7)
    marks = [chr(code) for code in (*range(0x300, 0x370), *range(0x900, 0xD80), *range(0x1E00, 0x2000))]
    jamo = [chr(code) for code in (*range(0x1100, 0x1200), *range(0xAC00, 0xAC40))]
    pool = [*marks, *jamo, *CHARACTERS, *"aeiouAEIOU" * 9]
    check(["".join(draw.choices(pool, k=draw.randint(0, 12))) for _ in range(200 if SLOW else 20_000)], form)


def test_clean_text_of_many_scripts_is_left_alone() -> None:
    """Composed text with "maybe" characters (Bengali, Tamil, Burmese, Korean, Vietnamese) is not composed again."""
    texts = ["বাংলা ভাষা", "தமிழ் மொழி", "မြန်မာဘာသာ", "한국어", "Tiếng Việt", "मराठी भाषा", "日本語がある"]
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    assert to_do(pa.array(texts), "NFC") == [NOTHING] * len(texts)


@given(array=arrays(), form=FORMS)
def test_rows_that_are_not_marked_stay(array: pa.Array, form: Form) -> None:
    """Only rows that are marked change."""
    todo = np.arange(len(array), dtype=np.uint8) % 2
    found = text_array(*compose(text_view(array), todo, form)).to_pylist()
    expected = [unicodedata.normalize(form, text) if k % 2 else text for k, text in enumerate(array.to_pylist())]
    assert found == expected


def test_many_marks_on_one_letter() -> None:
    """A letter with millions of marks in falling order takes seconds, where an insertion sort would take years."""
    pairs = long_bytes() // 20
    texts = ["e" + "\u0301\u0316" * pairs, *ROWS]
    found = composed(pa.array(texts, pa.large_string()), "NFC")
    assert found[0] == "\u00e9" + "\u0316" * pairs + "\u0301" * (pairs - 1)
    assert found[1:] == [unicodedata.normalize("NFC", row) for row in ROWS]


def test_growth() -> None:
    """Text that grows elevenfold has room: U+FDFA becomes 18 characters under NFKC."""
    assert composed(pa.array(["\ufdfa" * 999, "a"]), "NFKC") == [unicodedata.normalize("NFKC", "\ufdfa") * 999, "a"]


def test_bytes_that_are_not_utf8_are_not_read_past() -> None:
    """A row that ends in the middle of a character stays as it is, and so does the next one."""
    rows = [b"a\xe4\xb8", b"\x80\xcc", b"\xf4\xbf\xbf\xbf", b"\xff", b"ok"]
    view = text_view(pa.array(rows, pa.large_binary()))
    assert scan(view, "NFC", newlines=True, controls=True).tolist() == [NOTHING] * 5


def test_random_rows_twice() -> None:
    """Composing composed text changes nothing."""
    once = composed(pa.array(random_rows(50, seed=3), pa.large_string()), "NFC")
    assert composed(pa.array(once, pa.large_string()), "NFC") == once
