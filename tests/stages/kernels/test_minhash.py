"""MinHash signatures against their twin, against chance, and against datasketch."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels import minhash
from stages.kernels.arrow_text import text_view
from stages.kernels.minhash import NO_SHINGLE, band_keys, permutations, signatures, spread
from tests.reference import minhash as reference
from tests.reference.shingles import shingle_hashes
from tests.stages.hostile import TEXT, arrays, long_bytes, random_rows


def lanes_of(hashes: npt.NDArray[np.uint64], offsets: list[int], count: int, seed: int) -> npt.NDArray[np.uint32]:
    lanes = np.empty((len(offsets) - 1, count), np.uint32)
    with np.errstate(over="ignore"):
        minhash._least_rows(hashes, np.array(offsets), *permutations(count, seed), lanes)
    return lanes


@given(
    array=arrays(TEXT | st.text("ab ", max_size=60)),
    n=st.integers(1, 5),
    lanes=st.integers(1, 20),
    seed=st.integers(0, 2**63),
)
def test_signatures_are_those_of_the_twin(array: pa.Array, n: int, lanes: int, seed: int) -> None:
    """Every lane is the least value of its permutation; rows without a shingle have the largest number."""
    found = signatures(text_view(array), n, lanes, seed=seed)
    expected = [reference.signature(shingle_hashes(text, n), lanes, seed) for text in array.to_pylist()]
    assert found.lanes.tolist() == expected


def test_groups_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is taken in groups that fit a cache; the signatures are those of all at once."""
    view = text_view(pa.array(random_rows(60, seed=1)))
    whole = signatures(view, 3, 16)
    for size in (1, 50, 1000):
        monkeypatch.setattr(minhash, "_GROUP_BYTES", size)
        found = signatures(view, 3, 16)
        assert found.lanes.tolist() == whole.lanes.tolist()
        assert [found.units.tolist(), found.short.tolist()] == [whole.units.tolist(), whole.short.tolist()]


@given(
    st.lists(st.lists(st.integers(0, 2**32 - 1), min_size=12, max_size=12), max_size=4),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_band_keys_are_those_of_the_twin(rows: list[list[int]], bands: int, size: int) -> None:
    """For even and odd numbers of rows in a band."""
    lanes = np.array(rows, np.uint32).reshape(-1, 12)
    assert band_keys(lanes, bands, size).tolist() == [reference.band_keys(row, bands, size) for row in rows]


def test_the_number_of_the_band_counts() -> None:
    """Equal lanes in two bands make two keys, and keys need lanes enough."""
    keys = band_keys(np.zeros((1, 12), np.uint32), 6, 2)
    assert len(set(keys[0].tolist())) == 6
    with pytest.raises(ValueError, match="need 14 lanes, there are 12"):
        band_keys(np.zeros((1, 12), np.uint32), 7, 2)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=4), st.integers(1, 9))
def test_spread_hashes_are_those_of_the_twin(hashes: list[tuple[int, int]], lanes: int) -> None:
    """A 128-bit hash as a signature."""
    found = spread(np.array(hashes, np.uint64).reshape(-1, 2), lanes)
    assert found.tolist() == [reference.spread(low, high, lanes) for low, high in hashes]


def test_nothing_in_nothing_out() -> None:
    """No rows, and rows without a shingle."""
    assert signatures(text_view(pa.array([], pa.string())), 5, 8).lanes.shape == (0, 8)
    assert (signatures(text_view(pa.array(["", "one two"])), 5, 8).lanes == NO_SHINGLE).all()


def test_a_long_row() -> None:
    """A row of 50 MB has the signature of its shingles, repeats included."""
    size = long_bytes()
    texts = ["one two three four " * (size // 19), "one two three four " * 4]
    found = signatures(text_view(pa.array(texts, pa.large_string())), 5, 8)
    assert found.lanes[0].tolist() == found.lanes[1].tolist()


@pytest.mark.compiled
def test_every_element_is_as_likely_to_be_the_least() -> None:
    """Min-wise uniformity: over 20,000 lanes each of 32 shingles is the least equally often (chi-square, p > .001)."""
    elements = np.random.default_rng(3).integers(0, 2**64, 32, dtype=np.uint64)
    least = lanes_of(elements, [0, 32], 20_000, seed=5)[0]
    values = lanes_of(elements, list(range(33)), 20_000, seed=5)
    counts = (values == least).sum(axis=1)
    expected = counts.sum() / 32
    assert counts.sum() == 20_000
    assert ((counts - expected) ** 2 / expected).sum() < 61.1  # the .999 quantile for 31 degrees of freedom


@pytest.mark.compiled
def test_lanes_are_independent_enough() -> None:
    """Over 400 pairs of sets the estimate is unbiased, and its variance is the binomial one within a quarter."""
    rng = np.random.default_rng(4)
    for jaccard in (0.5, 0.8):
        shared, own = round(600 * jaccard), round(600 * (1 - jaccard) / 2)
        sets = []
        for _ in range(400):
            drawn = rng.integers(0, 2**64, shared + 2 * own, dtype=np.uint64)
            sets += [drawn[: shared + own], np.r_[drawn[:shared], drawn[shared + own :]]]
        lanes = lanes_of(np.concatenate(sets), list(range(0, 800 * (shared + own) + 1, shared + own)), 112, seed=1)
        estimates = (lanes[::2] == lanes[1::2]).mean(axis=1)
        true = shared / (shared + 2 * own)
        error = np.sqrt(true * (1 - true) / 112)
        assert abs(estimates.mean() - true) < 4 * error / np.sqrt(400)
        assert 0.75 < estimates.var() / error**2 < 1.25


@pytest.mark.compiled
def test_estimates_agree_with_those_of_datasketch() -> None:
    """On edited texts both estimate the true similarity within their common error, and neither more to one side."""
    datasketch = pytest.importorskip("datasketch")
    draw = random.Random(6)
    words = [f"w{k}" for k in range(500)]
    ours, theirs = [], []
    for _ in range(60):
        one = draw.choices(words, k=150)
        other = [draw.choice(words) if draw.random() < 0.04 else word for word in one]
        texts = [" ".join(one), " ".join(other)]
        sets = [{" ".join(row[i : i + 5]).encode() for i in range(146)} for row in (one, other)]
        true = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        lanes = signatures(text_view(pa.array(texts)), 5, 112).lanes
        ours.append((lanes[0] == lanes[1]).mean() - true)
        sketches = [datasketch.MinHash(112) for _ in sets]
        for sketch, shingles in zip(sketches, sets, strict=True):
            sketch.update_batch(shingles)
        theirs.append(sketches[0].jaccard(sketches[1]) - true)
    error = 0.5 / np.sqrt(112)
    for differences in (np.array(ours), np.array(theirs), np.array(ours) - np.array(theirs)):
        assert np.abs(differences).max() < 5 * error
        assert abs(differences.mean()) < 4 * error / np.sqrt(60)


def test_permutations_are_permutations() -> None:
    """Multipliers are odd, lanes differ, and a seed draws the same ones again."""
    a, b = permutations(112, seed=9)
    assert (a & 1).all()
    assert len(set(a.tolist())) == len(set(b.tolist())) == 112
    assert [*zip(a.tolist(), b.tolist(), strict=True)] == reference.permutations(112, 9)
    assert permutations(112, seed=10)[0].tolist() != a.tolist()
