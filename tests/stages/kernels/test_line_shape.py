"""The kernel for line shapes against its twin, and against Unicode."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.line_shape import shape
from tests.reference import line_shape as reference

TEXTS = st.lists(
    st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\n\r\t\0\x7f a1_中é🙂"))), max_size=8
)


@given(TEXTS, st.integers(0, 3), st.sampled_from([pa.string(), pa.large_string()]))
@example(["", "\n", "\n\n", "a\n", "a\nb", "\0" * 5, "中" * 300 + "\n" + "x" * 5000], 0, pa.string())
def test_against_the_twin(texts: list[str], skip: int, kind: pa.DataType) -> None:
    """Every row's shape is the twin's, in slices too."""
    view = text_view(pa.array(texts, kind)[skip:])
    found = shape(view.data, view.offsets)
    assert found.tolist() == [reference.shape(text) for text in texts[skip:]]


def test_letters_of_all_scripts() -> None:
    """Of assigned letters and digits less than 1 in 1,000 is taken for a symbol, and of symbols most are."""
    letters: list[int] = []
    symbols: list[int] = []
    for code in [*range(0x80, 0xD800), *range(0xE000, 0x30000)]:
        kind = unicodedata.category(chr(code))
        (letters if kind[0] in "LN" else symbols if kind in ("So", "Sm", "Sc", "Po", "Ps", "Pe", "Pd") else []).append(
            code
        )
    for codes, least, most in ((letters, 0.0, 0.01), (symbols, 0.5, 1.0)):
        view = text_view(pa.array([chr(code) for code in codes]))
        share = 1 - shape(view.data, view.offsets)[:, 3].mean()
        assert least <= share <= most


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\xe4\xb8", b"a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80b"])
def test_what_is_not_utf8(content: bytes) -> None:
    """Broken bytes are counted somehow, without reading behind the row."""
    found = shape(np.frombuffer(content, np.uint8), np.array([0, len(content)]))
    assert 0 < found[0, 0] <= len(content)
