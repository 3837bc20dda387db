"""Slow, obvious twin of ``stages.dedup.exact_dedup``: a dictionary by text and scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.contract import ADDRESS


def survivors(
    rows: Sequence[Mapping[str, Any]], scope: Sequence[str], prefer: Sequence[str]
) -> dict[int, tuple[int, int]]:
    """Address → (address of the survivor, rows in the cluster), for rows in clusters of two or more.

    Null counts as the empty string in a scope column.
    """
    clusters: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row["text"], *("" if row[column] is None else str(row[column]) for column in scope))
        clusters.setdefault(key, []).append(row)
    ranks = {source: rank for rank, source in reversed(list(enumerate(prefer)))}
    found: dict[int, tuple[int, int]] = {}
    for members in clusters.values():
        best = min(members, key=lambda row: (ranks.get(row["source"], len(prefer)), row[ADDRESS]))
        if len(members) > 1:
            found |= {row[ADDRESS]: (best[ADDRESS], len(members)) for row in members}
    return found
