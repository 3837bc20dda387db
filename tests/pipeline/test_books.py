"""Books are sums: they merge in any order, and the identity of every line can be checked."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.books import NO_LANGUAGE, Books, group_by
from pipeline.sources.contract import QUARANTINE_SCHEMA

KINDS = ["in", "out", "dropped", "cut", "added", "quarantined", "repaired"]
NAMES = st.sampled_from(["a", "b", "ü"])
LINE = st.tuples(
    NAMES, NAMES, NAMES, st.sampled_from(KINDS), st.sampled_from(["", "r"]), st.integers(0, 9), st.integers(0, 2**60)
)
LINES = st.lists(LINE, max_size=12)


def of(*parts: list[tuple[object, ...]]) -> list[list[object]]:
    """Rows of books that were merged from the parts one after the other."""
    books = Books()
    for part in parts:
        books.merge(Books(part).rows())
    return books.rows()


@given(LINES, LINES, LINES)
def test_merge_in_any_order_and_grouping(
    a: list[tuple[object, ...]], b: list[tuple[object, ...]], c: list[tuple[object, ...]]
) -> None:
    """Merging is associative and commutative, and empty books change nothing."""
    together = of(a, b, c)
    assert of(c, a, b) == together
    books = Books(a)
    rest = Books(b)
    rest.merge(c)
    books.merge(rest.rows())
    assert books.rows() == together
    assert of(a, []) == of(a)


@given(LINES)
def test_rows_survive_json(lines: list[tuple[object, ...]]) -> None:
    """Rows are JSON, and books made of them are the same books."""
    rows = Books(lines).rows()
    assert Books(json.loads(json.dumps(rows))).rows() == rows


@given(LINES, st.sampled_from(KINDS), NAMES, NAMES)
def test_total_is_the_sum_of_the_chosen_lines(
    lines: list[tuple[object, ...]], kind: str, stage: str, source: str
) -> None:
    """``total`` sums the lines of a kind, and of a stage, source, language or reason if asked."""
    chosen = [line for line in lines if line[3] == kind]
    books = Books(lines)
    assert books.total(kind) == _sum(chosen)  # type: ignore[arg-type]  # hypothesis draws the literal
    here = [line for line in chosen if line[:2] == (stage, source)]
    assert books.total(kind, stage, source=source) == _sum(here)  # type: ignore[arg-type]  # the same


def _sum(lines: list[tuple[object, ...]]) -> tuple[int, int]:
    return sum(int(str(line[5])) for line in lines), sum(int(str(line[6])) for line in lines)


LANGUAGES = st.lists(st.sampled_from(["en", "zh", "und"]), min_size=1, max_size=20)


@given(LANGUAGES, st.randoms(use_true_random=False))
def test_add_rows_counts_each_language(languages: list[str], rng: object) -> None:
    """``add_rows`` adds documents and bytes of the chosen rows under their own language."""
    n_bytes = np.arange(1, len(languages) + 1, dtype=np.int64) ** 2
    chosen = np.array([rng.random() < 0.5 for _ in languages])  # type: ignore[attr-defined]  # random.Random
    books = Books()
    books.add_rows("s", "news", group_by(pa.array(languages)), "dropped", "r", n_bytes, chosen)
    for language in ("en", "zh", "und"):
        mask = chosen & (np.array(languages) == language)
        assert books.total("dropped", "s", language=language) == (mask.sum(), n_bytes[mask].sum())


def test_add_rows_of_nothing_adds_no_line() -> None:
    """No rows leave no line of zeros behind."""
    books = Books()
    books.add_rows("s", "news", group_by(pa.array([], pa.string())), "in", "", np.zeros(0, np.int64))
    books.add_rows("s", "news", group_by(pa.array(["en"])), "in", "", np.ones(1, np.int64), np.array([False]))
    assert books.rows() == []


def test_the_identity_of_a_stage() -> None:
    """in = out + dropped + cut − added + quarantined, in documents and in bytes; repaired counts for nothing."""
    books = Books()
    books.add("s", "news", "en", "in", "", 10, 1000)
    books.add("s", "news", "en", "out", "", 6, 640)
    books.add("s", "news", "en", "dropped", "r", 3, 300)
    books.add("s", "news", "en", "quarantined", "crash:s", 1, 50)
    books.add("s", "news", "en", "cut", "boilerplate", 5, 20)
    books.add("s", "news", "en", "added", "", 2, 10)
    books.add("s", "news", "en", "repaired", "bad_utf8", 4, 0)
    assert books.unbalanced() == []
    books.add("s", "news", "en", "out", "", 1, 7)
    assert books.unbalanced() == ["s/news/en: -1 documents and -7 bytes unaccounted for"]


def test_the_identity_is_kept_for_each_language() -> None:
    """A document that goes in as one language and out as another is missing from both."""
    books = Books()
    books.add("s", "news", "en", "in", "", 1, 5)
    books.add("s", "news", "de", "out", "", 1, 5)
    assert len(books.unbalanced()) == 2


def test_quarantined_records_come_in_and_go() -> None:
    """Quarantine is booked by reason, under no language, and balances by itself."""
    rows = [{"source": "news", "bytes": size, "reason": reason} for size, reason in [(3, "a"), (4, "b"), (5, "a")]]
    books = Books()
    books.add_quarantined("read", "news", pa.RecordBatch.from_pylist(rows, schema=QUARANTINE_SCHEMA))
    assert books.total("quarantined", reason="a", language=NO_LANGUAGE) == (2, 8)
    assert books.total("quarantined", reason="b") == (1, 4)
    assert books.unbalanced() == []


def test_group_by_slices() -> None:
    """Rows of a slice are grouped by their own values."""
    groups = group_by(pa.array(["x", "en", "zh", "en"])[1:])
    assert [groups.names[code] for code in groups.codes] == ["en", "zh", "en"]
