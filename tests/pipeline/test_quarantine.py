"""A few bad records are counted, many stop the run and are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.books import READ, Books
from pipeline.errors import TooManyErrors
from pipeline.quarantine import ALWAYS_ALLOWED, check_errors, quarantine_records
from pipeline.sources.contract import QUARANTINE_SCHEMA
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore, Commit


def commit(store: BlockStore, unit: str, source: str, good: int, bad: int, facts: dict[str, Any]) -> Commit:
    """A unit of a source with that many good and bad records; the good ones are booked unless it is an ingest."""
    books, attempt = Books(), Attempt(store, unit)
    if "parts" not in facts:
        books.add(READ, source, "und", "in", "", good, good)
    if bad:
        rows = [
            {"source": source, "file": f"{unit}.jsonl", "offset": 10 * i, "bytes": 5, "reason": "bad_json", "raw": b""}
            for i in range(bad)
        ]
        records = pa.RecordBatch.from_pylist(rows, schema=QUARANTINE_SCHEMA)
        books.add_quarantined(READ, source, records)
        with attempt.arrow("quarantine", QUARANTINE_SCHEMA) as sink:
            sink.write(records)
    return attempt.commit(books.rows(), facts, {})


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(Folder(str(tmp_path)))


def test_a_hundred_are_always_allowed(store: BlockStore) -> None:
    """Up to 100 records of a source may be bad however few there are; one more is too many."""
    some = commit(store, "a", "news", 0, ALWAYS_ALLOWED, {})
    check_errors(0.0, store, [some])
    more = commit(store, "b", "news", 0, 1, {})
    with pytest.raises(TooManyErrors):
        check_errors(0.0, store, [some, more])


def test_the_share_counts_all_units_of_a_source(store: BlockStore) -> None:
    """A share of what came in from the source, bad ones among it, may be bad; each source is judged by itself."""
    bad = commit(store, "a", "news", 0, 150, {})
    good = commit(store, "b", "news", 14_850, 0, {})
    other = commit(store, "c", "books", 1_000_000, 0, {})
    check_errors(0.01, store, [bad, good])
    with pytest.raises(TooManyErrors, match="150 of 15,000 records of source 'news'"):
        check_errors(0.0099, store, [bad, good, other])


def test_an_ingested_stream_has_good_records_too(store: BlockStore) -> None:
    """While a stream is ingested its good records are not booked yet, but they count."""
    found = commit(store, "a", "news", 0, 150, {"parts": 2, "source": "news", "rows": 149_850, "quarantined": 150})
    check_errors(0.001, store, [found])
    with pytest.raises(TooManyErrors, match="150 of 150,000"):
        check_errors(0.0009, store, [found])


def test_the_first_ones_are_named(store: BlockStore) -> None:
    """The message shows the first five with file, offset and reason, and how to go on."""
    with pytest.raises(TooManyErrors) as caught:
        check_errors(0.001, store, [commit(store, "x", "books", 0, 1, {}), commit(store, "y", "news", 5, 200, {})])
    shown = str(caught.value).splitlines()
    assert [line.split()[:4] for line in shown[1:6]] == [["y.jsonl", "at", f"{10 * i}:", "bad_json"] for i in range(5)]
    assert "max_errors (now 0.001)" in shown[-1]
    assert len(shown) == 7


def test_records_come_in_the_order_of_commits(store: BlockStore) -> None:
    """All quarantined records can be read; units without any have no file."""
    commits = [commit(store, unit, "news", 1, bad, {}) for unit, bad in (("b", 2), ("a", 0), ("c", 1))]
    assert [record["file"] for record in quarantine_records(store, commits)] == ["b.jsonl", "b.jsonl", "c.jsonl"]
