"""The kernels on candidate pairs against their twins: stars, components, claims, similarities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.claims import claim
from stages.kernels.signatures import equal_share, jaccard_sorted, sorted_sets
from stages.kernels.stars import star_edges
from stages.kernels.union_find import components
from tests.reference import near_duplicates as reference

VERTICES = 12
EDGES = st.lists(st.tuples(st.integers(0, VERTICES - 1), st.integers(0, VERTICES - 1)), max_size=30)
SETS = st.lists(st.sets(st.integers(0, 9) | st.sampled_from([2**63, 2**64 - 1]), max_size=8), min_size=1, max_size=5)


def ends(edges: list[tuple[int, int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(0, 2)), max_size=30, unique_by=lambda r: r[:2]
    )
)
def test_stars_are_those_of_the_twin(records: list[tuple[int, int, int]]) -> None:
    """In each bucket every row has an edge to the best by (rank, address), and one to the next better row."""
    records.sort()
    columns = np.array(records, np.uint64).reshape(-1, 3).T.copy()
    centre, member = star_edges(*columns)
    assert list(zip(centre.tolist(), member.tolist(), strict=True)) == reference.star_edges(records)
    order = {address: (rank, address) for _, address, rank in records}
    if len(order) == len(records):
        assert all(order[one] < order[other] for one, other in zip(centre.tolist(), member.tolist(), strict=True))


def sets_of(rows: list[set[int]]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Of hashes that occur twice each."""
    hashes = np.array([value for row in rows for value in [*row, *row]], np.uint64)
    return sorted_sets(hashes, np.cumsum([0, *(2 * len(row) for row in rows)]))


@given(EDGES)
def test_components_are_those_of_the_twin(edges: list[tuple[int, int]]) -> None:
    """Each vertex gets the smallest one that it is connected to, whatever the order of the edges."""
    expected = reference.components(edges, VERTICES)
    for order in (edges, edges[::-1], [(b, a) for a, b in edges]):
        assert components(*ends(order), VERTICES).tolist() == expected


def test_an_edge_to_nowhere_is_refused() -> None:
    """Vertices are numbered from 0."""
    with pytest.raises(ValueError, match="outside of 0 … 2"):
        components(*ends([(0, 3)]), 3)


@given(EDGES, st.permutations(range(VERTICES)))
def test_claims_are_those_of_the_twin(edges: list[tuple[int, int]], order: list[int]) -> None:
    """Who stands for whom, for any order of vertices and edges."""
    expected = reference.claim(edges, order)
    for shuffled in (edges, edges[::-1], [(b, a) for a, b in edges] * 2):
        assert claim(*ends(shuffled), np.array(order)).tolist() == expected


@given(EDGES, st.permutations(range(VERTICES)))
def test_claims_keep_their_promises(edges: list[tuple[int, int]], order: list[int]) -> None:
    """What goes has an edge to what stays for it; no two survivors have one; the best of a component survives."""
    owner = claim(*ends(edges), np.array(order)).tolist()
    known = {frozenset(edge) for edge in edges}
    assert all(owner[own] == own for own in owner)
    assert all(own == vertex or frozenset((own, vertex)) in known for vertex, own in enumerate(owner))
    assert not any(owner[a] == a and owner[b] == b and a != b for a, b in edges)
    label = reference.components(edges, VERTICES)
    assert all(owner[vertex] == vertex for vertex in {label[v]: v for v in reversed(order)}.values())


def test_a_chain_is_not_wiped() -> None:
    """Of 2,000 rows, each like the next only, every other one survives."""
    vertices = np.arange(2000)
    owner = claim(vertices[:-1].copy(), vertices[1:].copy(), vertices)
    assert owner.tolist() == [vertex - vertex % 2 for vertex in range(2000)]
    assert components(vertices[:-1].copy(), vertices[1:].copy(), 2000).tolist() == [0] * 2000


@pytest.mark.compiled
def test_a_bucket_of_a_million_copies() -> None:
    """Work grows with the rows: a bucket of a million becomes a star, a component and a claim.

    Its 5 · 10¹¹ pairs would not be done within the time that a test is given.
    """
    n = 1_000_000
    rows = np.arange(n, dtype=np.uint64)
    centre, member = star_edges(np.zeros(n, np.uint64), rows, (rows % np.uint64(7) == 0) * np.uint64(1))
    assert len(centre) == len(member) == 2 * n - 3
    left, right = centre.astype(np.int64), member.astype(np.int64)
    assert components(left, right, n).max() == 0
    assert (claim(left, right, np.r_[1, 0, 2:n]) == 1).all()


@given(SETS, SETS, st.data())
def test_exact_similarity_is_that_of_the_sets(
    members: list[set[int]], centres: list[set[int]], data: st.DataObject
) -> None:
    """Sorted distinct hashes of each row, and their Jaccard similarity; two empty sets are the same."""
    place = [data.draw(st.integers(0, len(centres) - 1)) for _ in members]
    values, offsets = sets_of(members)
    assert values.tolist() == [value for one in members for value in sorted(one)]
    expected = [np.float32(reference.jaccard(one, centres[k])) for one, k in zip(members, place, strict=True)]
    assert jaccard_sorted(values, offsets, *sets_of(centres), np.array(place, np.int64)).tolist() == expected


@given(st.lists(st.lists(st.integers(0, 1), min_size=7, max_size=7), min_size=1, max_size=6), st.data())
def test_estimated_similarity_is_the_share_of_equal_lanes(rows: list[list[int]], data: st.DataObject) -> None:
    """Of each member and the centre at its place."""
    place = [data.draw(st.integers(0, len(rows) - 1)) for _ in rows]
    lanes = np.array(rows, np.uint32)
    expected = [
        np.float32(sum(a == b for a, b in zip(row, rows[k], strict=True)) / 7)
        for row, k in zip(rows, place, strict=True)
    ]
    assert equal_share(lanes, lanes[::-1].copy(), np.array([len(rows) - 1 - k for k in place])).tolist() == expected
