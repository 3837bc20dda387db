"""Slow, obvious twins of the kernels on candidate pairs: stars, components, claims, similarities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def star_edges(records: Iterable[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """(centre, member) of records (key, address, rank): bucket by bucket, in order of (rank, address)."""
    buckets: dict[int, list[tuple[int, int]]] = {}
    for key, address, rank in records:
        buckets.setdefault(key, []).append((rank, address))
    edges: list[tuple[int, int]] = []
    for rows in buckets.values():
        addresses = [address for _, address in sorted(rows)]
        for place, row in enumerate(addresses[1:]):
            edges.append((addresses[0], row))
            if place:
                edges.append((addresses[place], row))
    return edges


def components(edges: Iterable[tuple[int, int]], vertices: int) -> list[int]:
    """The smallest vertex that each one is connected to."""
    label = list(range(vertices))
    for _ in range(vertices):
        for one, other in edges:
            label[one] = label[other] = min(label[one], label[other])
    return label


def claim(edges: Iterable[tuple[int, int]], order: Sequence[int]) -> list[int]:
    owner: dict[int, int] = {}
    for vertex in order:
        if vertex not in owner:
            owner[vertex] = vertex
            for one, other in edges:
                if vertex in (one, other):
                    owner.setdefault(one, vertex)
                    owner.setdefault(other, vertex)
    return [owner[vertex] for vertex in range(len(order))]


def jaccard(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0
