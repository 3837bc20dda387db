"""Hashes against published vectors and slow twins."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.hashing import binary_to_u64, hash128, hash128_binary, mix64, salt128, u64_to_binary
from tests.reference import hashing as reference
from tests.stages.hostile import arrays, long_bytes

NUMBERS = st.integers(0, 2**64 - 1)


def pairs(high: np.ndarray, low: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(high.tolist(), low.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "00000000000000000000000000000000"),
        (b"hello", "029bbd41b3a7d8cb191dae486a901e5b"),
        (b"The quick brown fox jumps over the lazy dog", "6c1b07bc7bbc4be347939ac4a93c437a"),
    ],
)
def test_published_digests(text: bytes, digest: str) -> None:
    """The 16 bytes are those that other implementations of MurmurHash3 x64 128 give."""
    assert hash128_binary(pa.array([text])).to_pylist() == [bytes.fromhex(digest)]


@given(array=arrays(), seed=st.integers(0, 2**32 - 1))
def test_hashes_are_those_of_the_twin(array: pa.Array, seed: int) -> None:
    """Every row of any text array, slices included, hashes as its bytes alone do."""
    expected = [reference.hash128(text.encode(), seed) for text in array.to_pylist()]
    assert pairs(*hash128(array, seed)) == expected


@given(rows=st.lists(st.binary(max_size=70), max_size=5))
def test_every_length_of_tail(rows: list[bytes]) -> None:
    """Bytes that are no text hash too, whatever is left after the last block of 16."""
    expected = [reference.hash128(row) for row in rows]
    assert pairs(*hash128(pa.array(rows, pa.large_binary()))) == expected


def test_a_long_row() -> None:
    """A row beyond 32-bit lengths of blocks: the last byte counts, and rows before and after are untouched."""
    size = long_bytes()
    array = pa.array([b"a", b"x" * size, b"x" * (size - 1) + b"y", b"a"], pa.large_binary())
    found = pairs(*hash128(array))
    assert found[0] == found[3] == reference.hash128(b"a")
    assert found[1] != found[2]


def test_bad_input_is_refused() -> None:
    """Nulls, seeds that do not fit and other types are errors, not some hash."""
    with pytest.raises(ValueError, match="null"):
        hash128(pa.array(["a", None]))
    with pytest.raises(ValueError, match="seed"):
        hash128(pa.array(["a"]), seed=2**32)
    with pytest.raises(ValueError, match="null"):
        binary_to_u64(pa.array([None], pa.binary(16)))
    with pytest.raises(TypeError, match="fixed_size_binary"):
        binary_to_u64(pa.array([b"a"]))


@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6), skip=st.integers(0, 3))
def test_binary_form_goes_back_and_forth(rows: list[tuple[int, int]], skip: int) -> None:
    """``binary(16)`` holds low then high, little-endian, and slices read from their own offset."""
    high, low = (np.array([row[k] for row in rows], np.uint64) for k in range(2))
    stored = u64_to_binary(high, low)
    assert stored.to_pylist() == [(h << 64 | w).to_bytes(16, "little") for h, w in rows]
    assert pairs(*binary_to_u64(stored[skip:])) == rows[skip:]


@given(values=st.lists(NUMBERS, max_size=6), seed=NUMBERS)
def test_mix_is_that_of_the_twin(values: list[int], seed: int) -> None:
    """One seed for all rows, or the same seed in each row, gives the twin's numbers."""
    numbers = np.array(values, np.uint64)
    expected = [reference.mix64(value, seed) for value in values]
    assert mix64(numbers, seed).tolist() == expected
    assert mix64(numbers, np.full(len(values), seed, np.uint64)).tolist() == expected


def test_mix_wants_a_seed_for_each_row_or_one() -> None:
    """Two seeds for three values are an error."""
    with pytest.raises(ValueError, match="2 seeds for 3 values"):
        mix64(np.zeros(3, np.uint64), np.zeros(2, np.uint64))


def test_salts_keep_keys_apart() -> None:
    """Equal keys stay equal under equal salts; another salt, key or order of salts gives other keys in both halves."""
    high, low = hash128(pa.array(["a", "a", "b", "a"]))
    one, two = np.array([1, 1, 1, 2], np.uint64), np.array([2, 2, 2, 1], np.uint64)
    salted = pairs(*salt128(high, low, one))
    assert salted[0] == salted[1]
    for half in range(2):
        assert len({key[half] for key in salted}) == 3
    assert pairs(*salt128(high, low, one, two))[0] != pairs(*salt128(high, low, one, two))[3]
    assert pairs(*salt128(high, low)) == pairs(high, low)
