"""What a scope is where none is asked for, and when it is doubted."""

from __future__ import annotations

import pytest

from stages.dedup.minhash_dedup import MinHashDedup
from stages.dedup.scope import Scope, scope_doubts, scope_line, settle_scope, settled_scope

CRAWL, BOOKS = ["text", "snapshot"], ["text", "language"]


@pytest.mark.parametrize(
    ("scope", "columns", "settled"),
    [
        (None, CRAWL, ["snapshot"]),
        (None, BOOKS, "all"),
        ("all", CRAWL, "all"),
        (["language"], CRAWL, ["language"]),
        ([], BOOKS, []),
    ],
)
def test_settled(scope: Scope, columns: list[str], settled: Scope) -> None:
    """Left out it is the snapshot or all; what is asked for stays, and settling twice changes nothing."""
    assert settled_scope(scope, columns) == settled
    config = settle_scope(MinHashDedup(scope=scope, bands=3), columns)
    assert (config.scope, config.bands) == (settled, 3)
    assert settle_scope(config, columns) == config


@pytest.mark.parametrize(
    ("scope", "columns", "doubted"),
    [
        ("all", CRAWL, True),
        (["language"], CRAWL, True),
        (["snapshot"], CRAWL, False),
        (["language", "snapshot"], CRAWL, False),
        ("all", BOOKS, False),
    ],
)
def test_doubts(scope: Scope, columns: list[str], doubted: bool) -> None:
    """Only rows of different snapshots that are compared are doubted."""
    assert len(scope_doubts(MinHashDedup(scope=scope), columns)) == doubted


def test_in_words() -> None:
    """All rows, or the columns in which they agree."""
    assert scope_line("all") == "compared: all rows"
    assert scope_line(["snapshot", "language"]) == "compared: rows of the same snapshot and language"
