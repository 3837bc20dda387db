"""Counts of words, code, formulas and prices, compared with regular expressions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.topic_text import text_tables, topic_text
from tests.reference import topic_text as reference
from tests.stages import hostile

ENTRIES = [
    ("cart", 0, 0), ("add to", 0, 1), ("warenkorb", 0, 1), ("internationalization", 0, 2), ("straße", 0, 3),
    ("post", 1, 0), ("re", 1, 1), ("论坛", 1, 0), ("购物车", 0, 5), ("购物", 0, 6), ("только что", 1, 2),
    ("cart", 1, 3), ("artikel-nr", 0, 7),
]  # fmt: skip
STARTS = ("def", "import", "cart")
TABLES = text_tables(ENTRIES, STARTS)
NO_LIMIT = 1 << 40

PIECES = st.sampled_from(
    ["cart", "CART", "add", "to", "add to", "Internationalization", "straße", "STRASSE", "post", "re", "论坛", "购物车",
     "购物", "购", "车", "только", "что", "artikel", "nr", "def", "import x", " ", "  ", "\t", "\n", "\n\n", "-", " - ",
     ".", ";", "{", "}", "):", "f(x)", "a = b", "\\frac", "\\n", "C:\\dir", "^{", "_{", "∑", "𝑥", "⨁", "$", "5", "€",
     "£", "¥", "￥", "₹", "<", ">", "&", "é", "ü", "一", "カ", "한", "😀", "abcdefgh", "abcdefghi",
     "×", "\0", "\r", "_("]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join) | hostile.TEXT


def found(array: pa.Array, limit: int = NO_LIMIT) -> list[list[int]]:
    with np.errstate(over="ignore"):  # hashes wrap around, and say so where the JIT is off
        result: list[list[int]] = topic_text(*text_view(array), limit, 2, TABLES).tolist()
    return result


def expected(rows: list[str], limit: int = NO_LIMIT) -> list[list[int]]:
    return reference.topic_text(rows, limit, 2, ENTRIES, STARTS)


@given(hostile.arrays(TEXTS), st.sampled_from([NO_LIMIT, 1, 2, 7, 8, 20]))
def test_equals_the_twin(array: pa.Array, limit: int) -> None:
    """In all scripts, as whole arrays and slices, and cut at any byte."""
    assert found(array, limit) == expected(array.to_pylist(), limit)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("int x = 5;", True),
        ("}", True),
        ("if (x > y):", True),
        ("  value = other", True),
        ("  print(x)", True),
        ("import os", True),
        ("import duties on steel were raised.", False),
        ("value of the house", False),
        ("a <b> = {c}", True),
        ("We met (as always) in the park.", False),
        ("1. | Müller | 1993 | WÜ", False),
        ("[link](https://example.org/a-b) and more", False),
        ("x" * 500 + ";", False),
    ],
)
def test_lines_of_code(line: str, code: bool) -> None:
    """Statements, blocks, calls and imports are code; prose, tables and links are not."""
    [[_, size, code_size, *_rest]] = found(pa.array([line]))
    assert (code_size == size) is code and (code_size == 0) is not code


def test_words_pairs_and_kinds() -> None:
    """A pair spans spaces and hyphens, not other signs or lines; a kind of word counts once."""
    text = "Add to cart, add, to; add\nto. Artikel-Nr CART cart"
    [row] = found(pa.array([text]))
    assert row[5:7] == [5, 3] and row[7:9] == [3, 1]
    assert row[0] == 11


def test_chinese_entries_overlap() -> None:
    """Each entry is counted wherever it stands, also inside a longer one; two characters are one word."""
    [row] = found(pa.array(["论坛里的购物车和购物"]))
    assert row[5:9] == [3, 2, 1, 1]
    assert row[0] == 5


def test_the_last_characters_of_the_buffer() -> None:
    """What stands behind a row does not matter: the same row alone, and followed by others."""
    alone, followed = pa.array(["去论坛"]), pa.array(["去论坛", "坛坛坛坛坛坛"])
    assert found(alone) == found(followed)[:1] == expected(["去论坛"])


@pytest.mark.compiled
@pytest.mark.parametrize(
    "text", ["cart " * 999_999, "a" * 5_000_000, "\n" * 5_000_000, "购" * 999_999, "$" * 5_000_000]
)
def test_very_long_rows(text: str) -> None:
    """One line, one word and nothing but line feeds of 5 MB come to an end, with plausible counts."""
    [row] = found(pa.array([text], pa.large_string()))
    assert row[1] == len(text.strip().encode())
    assert row[0] == (len(text.split()) if text[0] in "ca\n" else len(text) // 2 if text[0] == "购" else 0)
