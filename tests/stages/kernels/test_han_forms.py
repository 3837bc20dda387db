"""Counts of characters by form and replacement by dictionary, against their twins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.han_forms import Replacements, count_forms, form_table, replace, replacements_of
from tests.reference.han_forms import counts, replaced
from tests.stages.hostile import CHARACTERS, arrays, long_bytes

SIMPLIFIED, TRADITIONAL = set("发头门龙"), set("發頭門龍𠮷")
PAIRS = {
    "发": "發",
    "头": "頭",
    "头发": "頭髮",
    "头发菜": "頭髮菜",
    "发展": "發展",
    "龙": "龍龍",
    "SQL注": "SQL註",
    "L中": "Ｌ",
    "𠮷": "吉",
    "é": "",
    "一发中": "一發中",
}
TEXT = st.text(st.sampled_from("发头菜展龙门發中注一SQL é𠮷豈\U0002f800ひ한ﾞ" + CHARACTERS), max_size=30)
TABLE = form_table(SIMPLIFIED, TRADITIONAL)
REPLACEMENTS = replacements_of(PAIRS)


def converted(array: pa.Array, replacements: Replacements = REPLACEMENTS) -> list[str]:
    view = text_view(array)
    found: list[str] = text_array(*replace(view, np.ones(len(array), np.bool_), replacements)).to_pylist()
    return found


@given(array=arrays(TEXT))
def test_counts_are_those_of_the_twin(array: pa.Array) -> None:
    """Characters of each kind equal the twin's, on slices and hostile text."""
    found = count_forms(text_view(array), TABLE).tolist()
    assert found == [counts(text, SIMPLIFIED, TRADITIONAL) for text in array.to_pylist()]


@given(array=arrays(TEXT))
def test_replacements_are_those_of_the_twin(array: pa.Array) -> None:
    """At each place the longest key is replaced, by something shorter or longer, on slices and hostile text."""
    assert converted(array) == [replaced(text, PAIRS) for text in array.to_pylist()]


@given(
    pairs=st.dictionaries(
        st.text("ab头发中", min_size=1, max_size=4).filter(lambda key: not key.isascii()), st.text("发xy中", max_size=5)
    ),
    text=st.text("ab头发中", max_size=30),
)
def test_any_dictionary(pairs: dict[str, str], text: str) -> None:
    """Whatever the keys are, also those that begin with ASCII or are the beginning of another."""
    assert converted(pa.array([text]), replacements_of(pairs)) == [replaced(text, pairs)]


def test_only_chosen_rows_are_converted() -> None:
    """Rows that are not chosen stay as they are between those that are."""
    view = text_view(pa.array(["头发", "头发", "", "发"]))
    chosen = np.array([True, False, True, True])
    assert text_array(*replace(view, chosen, REPLACEMENTS)).to_pylist() == ["頭髮", "头发", "", "發"]


def test_a_key_of_ascii_is_refused() -> None:
    """Runs of ASCII are passed over, so a key of nothing else would never be found: an error, not silence."""
    with pytest.raises(ValueError, match="not ASCII"):
        replacements_of({"abc": "d"})


def test_bytes_that_are_not_utf8_stay() -> None:
    """A character that the row's end cuts off is copied, and nothing of the next row is taken for it."""
    rows = [
        "头".encode() + b"\xe5\xa4",
        b"\xb4" + "发".encode(),
        b"\xf0\xa0",
        b"\xae\xb7\xff",
        b"S",
        "QL注".encode(),
    ]
    view = text_view(pa.array(rows, pa.large_binary()))
    found = replace(view, np.ones(len(rows), np.bool_), REPLACEMENTS)
    expected = b"".join(rows).replace("头".encode(), "頭".encode(), 1)
    assert found.data.tobytes() == expected.replace("发".encode(), "發".encode())
    assert count_forms(view, TABLE)[:, 1].tolist() == [1, 1, 0, 0, 0, 0]


def test_a_long_row() -> None:
    """A row of 50 MB is counted and converted as a whole, and its neighbours are what they are alone."""
    size = long_bytes() // 6
    array = pa.array(["发", "头发" * size, "门"], pa.large_string())
    assert count_forms(text_view(array), TABLE)[:, 1].tolist() == [1, 2 * size, 1]
    assert converted(array) == ["發", "頭髮" * size, "门"]
