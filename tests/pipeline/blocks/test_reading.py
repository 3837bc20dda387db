"""Partitions become batches with the base columns, and files sorted by address are read by range."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks.reading import SourceReader, address_bounds, rows_between, sample_mask, with_base_columns
from pipeline.errors import StoreError
from pipeline.sources import catalogue
from pipeline.sources.contract import SourceConfig
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore, DataFile
from stages.contract import ADDRESS, BASE_COLUMNS, ORDINAL_BITS
from tests.batches import CUTS, cut_at, documents


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(Folder(str(tmp_path)))


def write(store: BlockStore, parts: list[list[int]]) -> DataFile:
    """A file with a batch of addresses for each part that is not empty."""
    attempt = Attempt(store, "u")
    with attempt.arrow("patches", pa.schema([(ADDRESS, pa.uint64())])) as sink:
        for part in parts:
            if part:
                sink.write(pa.RecordBatch.from_pydict({ADDRESS: np.array(part, np.uint64)}))
    return attempt.files["patches"]


ADDRESSES = st.lists(st.integers(0, 60) | st.sampled_from([2**63, 2**64 - 1]), unique=True, max_size=30).map(sorted)


@settings(max_examples=60)
@given(ADDRESSES, st.lists(st.integers(0, 30), max_size=8), st.integers(0, 62), st.integers(0, 62))
def test_rows_between_are_those_in_the_range(addresses: list[int], cuts: list[int], first: int, length: int) -> None:
    """All rows of the range are found, and no other, however the file is cut into batches."""
    bounds = [0, *sorted(min(cut, len(addresses)) for cut in cuts), len(addresses)]
    parts = [addresses[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
    with tempfile.TemporaryDirectory() as folder:
        store = BlockStore(Folder(folder))
        found = rows_between(store, write(store, parts), first, first + length)
        assert found.column(ADDRESS).to_pylist() == [a for a in addresses if first <= a <= first + length]


def test_a_partition_is_found_without_reading_those_before_it(
    store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file with a batch for each of 1,000 partitions, about log(1,000) batches are looked at."""
    file = write(store, [list(range(n << ORDINAL_BITS, (n << ORDINAL_BITS) + 3)) for n in range(1000)])
    read = []

    class Counting:
        def __init__(self, reader: pa.ipc.RecordBatchFileReader) -> None:
            self.schema, self.num_record_batches = reader.schema, reader.num_record_batches
            self._reader = reader

        def get_batch(self, index: int) -> pa.RecordBatch:
            read.append(index)
            return self._reader.get_batch(index)

    monkeypatch.setattr(BlockStore, "open", lambda self, file: Counting(self._reader(file, None)))
    for number in (0, 500, 999):
        read.clear()
        rows = rows_between(store, file, *address_bounds(number, number))
        assert rows.column(ADDRESS).to_pylist() == list(range(number << ORDINAL_BITS, (number << ORDINAL_BITS) + 3))
        assert len(read) < 15


def rows(texts: list[str]) -> pa.RecordBatch:
    """What a reader yields, with two fields of its own."""
    batch = documents(texts).select(["id", "text", "url", "date", "license", "file", "offset"])
    batch = batch.append_column("score", pa.array([7] * len(texts), pa.int64()))
    return batch.append_column("domain", pa.array([None, "books"] * len(texts), pa.string())[: len(texts)])


READER = SourceReader(
    "news",
    "jsonl",
    SourceConfig(path="x", domain="web", columns={"snapshot": "2024-18", "language": "en"}),
    {"score": pa.int64(), "snapshot": pa.string(), "theirs": pa.string()},
)


def test_base_columns_are_added() -> None:
    """Addresses count from the partition's first; constants, fallbacks and columns of other sources are filled in."""
    batch = with_base_columns(READER, 5, 2, rows(["a", "b"]))
    assert batch.schema == pa.schema(list({**BASE_COLUMNS, **READER.columns}.items()))
    assert batch.column(ADDRESS).to_pylist() == [(5 << 24) + 2, (5 << 24) + 3]
    row = batch.to_pylist()[0]
    assert (row["source"], row["domain"], row["language"], row["snapshot"]) == ("news", "web", "en", "2024-18")
    assert (row["score"], row["theirs"], row["url"]) == (7, None, None)
    assert batch.column("domain").to_pylist() == ["web", "books"]
    assert batch.column("content_hash") == documents(["a", "b"]).column("content_hash")


def test_the_highest_partition_fits() -> None:
    """A partition number of 40 bits and the last ordinal make an address of 64 bits."""
    batch = with_base_columns(READER, 2**40 - 1, 2**24 - 1, rows(["a"]))
    assert batch.column(ADDRESS).to_pylist() == [2**64 - 1]
    with pytest.raises(StoreError, match="more than 16,777,216 rows") as caught:
        with_base_columns(READER, 1, 2**24 - 1, rows(["a", "b"]))
    assert "split_bytes" in str(caught.value.remedy)


@given(st.lists(st.text(max_size=3), max_size=30), CUTS, st.floats(0, 1), st.integers(0, 2**70))
def test_a_sample_depends_on_content_and_seed(texts: list[str], cuts: list[int], share: float, seed: int) -> None:
    """A document is in the sample or not wherever it stands, and stays in when the share grows."""
    batch = documents(texts)
    whole = sample_mask(batch, share, seed)
    pieces = [sample_mask(piece, share, seed) for piece in cut_at(batch, cuts)]
    assert np.concatenate(pieces).tolist() == whole.tolist()
    assert dict(zip(texts, whole.tolist(), strict=True)) == dict(zip(texts[::-1], whole[::-1].tolist(), strict=True))
    assert sample_mask(batch, 1.0, seed).all() and not sample_mask(batch, 0.0, seed).any()
    assert (sample_mask(batch, share / 2, seed) <= whole).all()


def test_a_sample_has_its_share() -> None:
    """A share of 0.1 is a tenth within five standard deviations, and samples of two seeds are independent."""
    batch = documents([str(i) for i in range(100_000)])
    one, other = sample_mask(batch, 0.1, 1), sample_mask(batch, 0.1, 2)
    assert abs(int(one.sum()) - 10_000) < 475
    assert abs(int((one & other).sum()) - 1000) < 160


def test_what_only_chooses_files_leaves_work_good() -> None:
    """A larger share of a crawl, or other cuts, give the same partitions the same keys; what changes rows does not."""
    crawl = {"snapshot": "CC-MAIN-2024-18", "fraction": 0.1}

    def fingerprint(kind: str, **settings: object) -> str:
        return SourceReader("s", kind, catalogue.source(kind).config.model_validate(settings)).fingerprint

    first = fingerprint("commoncrawl", **crawl)
    assert first == fingerprint("commoncrawl", **crawl | {"fraction": 0.2, "seed": 3, "split_bytes": 1000})
    assert first != fingerprint("commoncrawl", **crawl | {"extract": None})
    assert fingerprint("jsonl", path="a") == fingerprint("jsonl", path="b", split_bytes=1000, exclude=["c"])
    assert fingerprint("jsonl", path="a") != fingerprint("jsonl", path="a", text="body")
