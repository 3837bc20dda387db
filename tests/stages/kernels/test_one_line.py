"""Text as one line: the words are those of the twins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.one_line import PYTHON_LINES, UNICODE_SPACES, one_line
from tests.reference.fasttext import SPACES
from tests.reference.one_line import python_lines, unicode_spaces
from tests.stages.hostile import ROWS, TEXT, arrays, long_bytes

SEPARATORS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff\0ab中"
)
SPACED = st.text(st.sampled_from(SEPARATORS), max_size=12)
TWINS = {UNICODE_SPACES: unicode_spaces, PYTHON_LINES: python_lines}


def words(array: pa.Array, way: int) -> list[list[str]]:
    data, offsets = text_view(array)
    out = one_line(data, offsets, way)
    rows = [out[start:end].tobytes().decode() for start, end in zip(offsets, offsets[1:], strict=False)]
    return [[word for word in SPACES.split(row) if word] for row in rows]


@pytest.mark.parametrize("way", TWINS)
@given(array=arrays(TEXT | SPACED))
def test_words_are_those_of_the_twin(way: int, array: pa.Array) -> None:
    """Every way parts words where the program does that it stands for; offsets stay."""
    assert words(array, way) == [TWINS[way](text) for text in array.to_pylist()]


@pytest.mark.parametrize("way", TWINS)
def test_hostile_and_long_rows(way: int) -> None:
    """Every script, and a row that is nothing but spaces of three bytes."""
    texts = [*ROWS, "\u3000" * (long_bytes() // 30), "a\u2028" * (long_bytes() // 100)]
    assert words(pa.array(texts, pa.large_string()), way) == [TWINS[way](text) for text in texts]


def test_the_input_is_not_written() -> None:
    """The bytes belong to Arrow."""
    data, offsets = text_view(pa.array(["a\nb"]))
    before = data.copy()
    one_line(data, offsets, PYTHON_LINES)
    assert np.array_equal(data, before)
