"""Passages: the twin's, whole, and at character boundaries."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.passages import passages
from tests.reference import passages as reference
from tests.stages.hostile import ROWS, TEXT, arrays, long_bytes


def cut(array: pa.Array, size: int) -> list[list[bytes]]:
    data, offsets = text_view(array)
    found: list[list[bytes]] = [[] for _ in range(len(array))]
    for row, number, start, end in zip(*(column.tolist() for column in passages(data, offsets, size)), strict=True):
        assert number == len(found[row])
        found[row].append(data[start:end].tobytes())
    return found


@given(array=arrays(TEXT | TEXT.map(lambda text: text * 9)), size=st.integers(1, 200))
def test_passages_are_those_of_the_twin(array: pa.Array, size: int) -> None:
    """Together they are the text, and none tears a character."""
    texts = [text.encode() for text in array.to_pylist()]
    found = cut(array, size)
    assert found == [reference.passages(text, size) for text in texts]
    assert [b"".join(row) for row in found] == texts
    for row in found:
        for passage in row:
            passage.decode()


def test_hostile_and_long_rows() -> None:
    """A long row without a space is cut between characters, one with spaces at them."""
    size = long_bytes() // 50
    texts = [*ROWS, "中" * size, "word " * size]
    found = cut(pa.array(texts, pa.large_string()), 1000)
    assert [b"".join(row).decode() for row in found] == texts
    assert max(len(passage) for row in found for passage in row) <= 1064
    assert all(passage.lstrip().startswith(b"word") for passage in found[-1])
