"""Of rows with the same address one stays: the preferred, the newest or oldest, the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import ADDRESS, SKETCH_KEYS
from stages.dedup.url_dedup import STAGE, UrlDedup
from tests.batches import CUTS, cut_at, documents
from tests.stages.hostile import ROWS

URL = st.sampled_from([None, "", "http://a.org", "https://www.a.org/", "http://a.org/?utm_source=x", "http://b.org"])
DATE = st.sampled_from([None, "2023", "2024-01-02T03:04:05Z", "2024-01-02", "no date"])
ROW = st.tuples(URL, DATE, st.sampled_from(["news", "crawl"]))


def batch_of(rows: Sequence[tuple[str | None, str | None, str]], number: int = 1) -> pa.RecordBatch:
    urls, dates, sources = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    strings = {"url": pa.array(urls, pa.string()), "date": pa.array(dates, pa.string())}
    return documents(["text"] * len(rows), number=number, source=sources, **strings)


def survivors(batches: list[pa.RecordBatch], **settings: Any) -> dict[int, tuple[int, int]]:
    """Address → (address of the survivor, cluster size) of rows in clusters."""
    config = UrlDedup(**settings)
    records = pa.concat_batches(
        [sketch for b in batches if isinstance(sketch := STAGE.sketch(b, config), pa.RecordBatch)]
    )
    found = STAGE.resolve(STAGE.link(records, config), config).to_pylist()
    assert all(row["drop"] == (row["survivor"] != row[ADDRESS]) for row in found)
    return {row[ADDRESS]: (row["survivor"], row["cluster_size"]) for row in found}


@given(rows=st.lists(ROW, max_size=12), cuts=CUTS, keep=st.sampled_from(["newest", "oldest", "first"]))
def test_batches_do_not_matter(rows: list[Any], cuts: list[int], keep: str) -> None:
    """Cut anyhow, the same rows stay; rows without a URL have no part in it; of each address one stays."""
    batch = batch_of(rows)
    whole = survivors([batch], keep=keep)
    assert survivors(cut_at(batch, cuts), keep=keep) == whole
    first = documents([""]).column(ADDRESS)[0].as_py()
    site = {first + i: url.split("/")[2].removeprefix("www.") for i, (url, _, _) in enumerate(rows) if url}
    groups = {name: [address for address, other in site.items() if other == name] for name in site.values()}
    assert {a: n for a, (_, n) in whole.items()} == {a: len(g) for g in groups.values() if len(g) > 1 for a in g}
    assert all(site[address] == site[survivor] for address, (survivor, _) in whole.items())


@pytest.mark.parametrize(
    ("settings", "winner"),
    [
        ({}, 0),
        ({"keep": "newest"}, 2),
        ({"keep": "oldest"}, 1),
        ({"prefer": ["crawl"], "keep": "oldest"}, 3),
        ({"prefer": ["crawl"]}, 3),
    ],
)
def test_which_row_stays(settings: dict[str, Any], winner: int) -> None:
    """Source first, then date (a row without one comes last), then the order of the files."""
    rows = [
        ("http://a.org", None, "news"),
        ("http://a.org/", "2023-05", "news"),
        ("http://www.a.org", "2024-01-02T03:04:05Z", "news"),
        ("https://a.org", "2023-12-31", "crawl"),
    ]
    batch = batch_of(rows)
    assert {survivor for survivor, _ in survivors([batch], **settings).values()} == {
        batch.column(ADDRESS)[winner].as_py()
    }


def test_scopes_are_kept_apart() -> None:
    """The same address in two sources is no copy if the scope is the source."""
    batch = batch_of([("http://a.org", None, "news"), ("http://a.org", None, "crawl")])
    assert survivors([batch], scope=["source"]) == {}
    assert len(survivors([batch], scope="all")) == 2


def test_hostile_urls() -> None:
    """URLs of hostile text are compared like others, blank ones are none."""
    rows = [(text, None, "news") for text in ROWS]
    found = survivors([batch_of(rows), batch_of(rows, number=2)])
    assert len(found) == 2 * sum(bool(text.strip()) for text in ROWS)


def test_the_contract() -> None:
    """Records begin with the keys; patches have the declared columns; nothing in gives nothing out."""
    for rows in ([], [("http://a.org", None, "news")]):
        records = STAGE.sketch(batch_of(rows), UrlDedup())
        assert isinstance(records, pa.RecordBatch)
        assert records.schema.names[: len(SKETCH_KEYS)] == list(SKETCH_KEYS)
        assert STAGE.resolve(STAGE.link(records, UrlDedup()), UrlDedup()).num_rows == 0
    assert set(STAGE.reads(UrlDedup(scope=["snapshot"]))) == {"url", "date", "source", "snapshot"}
