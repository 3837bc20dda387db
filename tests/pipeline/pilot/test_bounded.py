"""Readers that stop early, and how far they say that they came."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.blocks.reading import SourceReader, SourceUnit, read_partition
from pipeline.pilot.bounded import Meter, Reading, bounded
from pipeline.pilot.choose import Chosen
from pipeline.plan import source_units
from pipeline.sources import catalogue
from pipeline.sources.streams import watch_opened


def texts(count: int = 4000) -> list[str]:
    rng = random.Random(5)
    return [" ".join(rng.choices(["mill", "grist", "river", "stone", "flour"], k=400)) for _ in range(count)]


def lines(documents: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in documents).encode()


def reader_of(path: str, kind: str = "jsonl", **settings: Any) -> SourceReader:
    return SourceReader("news", kind, catalogue.source(kind).config(path=path, **settings))


def read(reader: SourceReader, n_bytes: int, which: int = 0) -> tuple[list[str], Reading, Meter, SourceUnit]:
    """Texts that a bounded reader gives of a partition, and what it noted."""
    unit = source_units({"news": reader}, None, 0)[which]
    meter = Meter({unit.partition.key: Chosen(unit, 1.0, 1.0, n_bytes, 1.0)})
    with watch_opened(meter.opened):
        found = [
            text for batch in read_partition(bounded(reader, meter), unit) for text in batch.rows["text"].to_pylist()
        ]
    return found, meter.readings[unit.partition.key], meter, unit


@pytest.mark.parametrize("pack", ["plain", "gz", "zst"])
def test_the_first_rows_and_how_far_that_is(tmp_path: Path, pack: str) -> None:
    """The first rows come, unchanged, up to the bound; the share of the file is that of its text, packed or not."""
    documents = texts(20_000)
    content = lines(documents)
    packed = {"plain": content, "gz": gzip.compress(content, 1), "zst": zstandard.compress(content, 1)}[pack]
    path = tmp_path / f"a.jsonl{'' if pack == 'plain' else '.' + pack}"
    path.write_bytes(packed)
    found, reading, _, _ = read(reader_of(str(path)), 100_000)
    assert found == documents[: len(found)]
    assert sum(map(len, found)) <= 100_000 < sum(map(len, documents[: len(found) + 1]))
    assert (reading.kept_rows, reading.kept_bytes) == (len(found), sum(map(len, found)))
    assert reading.share is not None
    assert reading.text_bytes / reading.share == pytest.approx(sum(map(len, documents)), rel=0.03)


def test_a_partition_that_is_read_to_its_end_is_whole(tmp_path: Path) -> None:
    """Nothing is cut, nothing has to be guessed, nothing was read in vain."""
    (tmp_path / "a.jsonl").write_bytes(lines(texts(10)))
    found, reading, meter, _ = read(reader_of(str(tmp_path / "a.jsonl")), 2**20)
    assert len(found) == 10
    assert (reading.share, reading.complete) == (1.0, True)
    assert meter.wasted_seconds == pytest.approx(0, abs=1e-6)


def test_a_range_of_a_file_knows_its_own_end(tmp_path: Path) -> None:
    """Of a part of a file the share is that of the part."""
    documents = texts(30_000)
    (tmp_path / "a.jsonl").write_bytes(lines(documents))
    reader = reader_of(str(tmp_path / "a.jsonl"), split_bytes=40 * 2**20)
    _, reading, _, unit = read(reader, 100_000, which=1)
    piece = unit.partition.pieces[0]
    assert reading.share is not None
    assert reading.text_bytes / reading.share == pytest.approx(piece.end - piece.start, rel=0.05)


def test_a_row_group_is_read_to_its_end_unused(tmp_path: Path) -> None:
    """Parquet does not tell how far it is, so the rest is read for its amount; that time is not the pilot's."""
    documents = texts(20_000)
    pq.write_table(pa.table({"text": documents}), tmp_path / "a.parquet")
    found, reading, meter, _ = read(reader_of(str(tmp_path / "a.parquet"), "parquet"), 100_000)
    assert found == documents[: len(found)]
    assert (reading.share, reading.text_bytes) == (1.0, sum(map(len, documents)))
    assert 0 < meter.wasted_seconds <= reading.seconds
    assert meter.take_wasted() > 0
    assert meter.take_wasted() == 0


def test_of_many_files_those_before_the_last_are_done(tmp_path: Path) -> None:
    """Files that were closed count as a whole, the one at hand by its place."""
    for index in range(10):
        (tmp_path / f"{index}.txt").write_text("word " * 200_000)
    _, reading, _, _ = read(reader_of(f"{tmp_path}/*.txt", "text"), 3_500_000)
    assert reading.share is not None
    assert reading.text_bytes / reading.share == pytest.approx(10_000_000, rel=0.02)


def test_after_the_deadline_a_little_is_enough(tmp_path: Path) -> None:
    """Slow stages do not hold the pilot up: partitions that come late give one batch or less."""
    for index in range(40):
        (tmp_path / f"{index:02d}.txt").write_text("word " * 200_000)
    reader = reader_of(f"{tmp_path}/*.txt", "text")
    unit = source_units({"news": reader}, None, 0)[0]
    meter = Meter({unit.partition.key: Chosen(unit, 1.0, 1.0, 2**40, 1.0)}, deadline=time.monotonic() - 1)
    batches: Iterator[Any] = read_partition(bounded(reader, meter), unit)
    assert [batch.rows.num_rows for batch in batches] == [1]


def test_bad_records_are_counted(tmp_path: Path) -> None:
    """Whatever is quarantined in what was read is counted, the cut rows' neighbours too."""
    (tmp_path / "a.jsonl").write_bytes(lines(texts(5)) + b"no json\n" * 3 + lines(texts(5)))
    _, reading, _, _ = read(reader_of(str(tmp_path / "a.jsonl")), 1)
    assert (reading.kept_rows, reading.rows, reading.quarantined) == (1, 10, 3)
