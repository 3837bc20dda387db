"""Weights of letters against their twin."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.letters import weigh_letters
from tests.reference.letters import weight
from tests.stages.hostile import CHARACTERS, arrays, long_bytes

TEXT = st.text(st.sampled_from(CHARACTERS + "ไทยខ្មែរລາວ漢字한글ひカABCé𠮷"), max_size=24)


def weights(array: pa.Array, limit: int) -> list[int]:
    view = text_view(array)
    spans = np.stack([view.offsets[:-1], view.offsets[1:]], axis=1).reshape(-1, 1, 2)
    return weigh_letters(view.data, spans, limit).tolist()


@given(array=arrays(TEXT), limit=st.sampled_from([1, 7, 1000]))
def test_weights_are_those_of_the_twin(array: pa.Array, limit: int) -> None:
    """Letters count one or three, up to the limit, on slices and hostile text."""
    assert weights(array, limit) == [min(weight(text), limit) for text in array.to_pylist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("12 %\n", 0), ("é a\u0301", 2), ("日本 ニ", 9), ("한 ko", 5), ("ไทย", 9), ("дом", 3)],
)
def test_by_example(text: str, expected: int) -> None:
    """Digits, symbols and marks weigh nothing; a letter of a dense script weighs three."""
    assert weights(pa.array([text]), 1000) == [expected]


def test_a_row_is_the_sum_of_its_spans() -> None:
    """Spans of a row are counted together, and characters that a span's end cuts off do not reach into the next."""
    data = text_view(pa.array(["ab中中c"])).data
    spans = np.array([[[0, 2], [5, 9]], [[0, 4], [8, 8]]], np.int64)
    assert weigh_letters(data, spans, 99).tolist() == [6, 2]


def test_a_long_row() -> None:
    """A long row without a letter is read to its end, one of letters is not."""
    size = long_bytes() // 5
    assert weights(pa.array(["1" * size + "x", "y" * size]), 3) == [1, 3]
