"""The source ``parquet``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.sources import parquet
from pipeline.sources.parquet import SOURCE, ParquetConfig
from tests.pipeline.sources.reading import Everything, memory_of_reading, read_all, read_partitions

HOSTILE = ["", "plain", "中文 🙂", "שלום", "e\u0301\u0300", "a\x00b", "x" * 10_000]


def write(folder: Path, columns: Any, name: str = "a.parquet", **how: Any) -> Path:
    """A file of these columns."""
    file = folder / name
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **how)
    return file


def read(file: Path, **settings: Any) -> Everything:
    """Everything in a file."""
    return read_all(SOURCE, ParquetConfig(path=str(file), **settings))


def test_columns(tmp_path: Path) -> None:
    """Known columns are taken where the file has them; numbers and times become text; ids are prefixed."""
    meta = pa.array([{"lang": "en", "deep": {"n": 1.5}}, None, {"lang": None, "deep": None}])
    columns = {
        "id": [10, None, 30],
        "text": ["a", "b", "c"],
        "date": [datetime(2024, 1, 2), None, None],
        "meta": meta,
        "a.b": ["dot", "dot", None],
    }
    fields = {"language": "meta.lang", "n": "meta.deep.n", "dotted": "a.b"}
    found = read(write(tmp_path, columns), fields=fields)
    assert found.quarantined == []
    assert [row["id"] for row in found.rows] == ["a.parquet#10", "a.parquet#1", "a.parquet#30"]
    assert [row["text"] for row in found.rows] == ["a", "b", "c"]
    assert [row["date"] for row in found.rows] == ["2024-01-02 00:00:00.000000", None, None]
    assert [row["language"] for row in found.rows] == ["en", None, None]
    assert [row["n"] for row in found.rows] == ["1.5", None, None]
    assert [row["dotted"] for row in found.rows] == ["dot", "dot", None]
    assert [(row["file"], row["offset"], row["url"]) for row in found.rows] == [
        ("a.parquet", i, None) for i in range(3)
    ]


TYPES: dict[str, Callable[[list[str]], pa.Array]] = {
    "string": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "binary": lambda texts: pa.array([text.encode() for text in texts], pa.binary()),
    "dictionary": lambda texts: pa.array(texts).dictionary_encode(),
}


@pytest.mark.parametrize("kind", list(TYPES))
def test_types_of_text(tmp_path: Path, kind: str) -> None:
    """Text may be any kind of strings, or bytes of UTF-8; hostile text comes back as it is."""
    found = read(write(tmp_path, {"text": TYPES[kind](HOSTILE)}))
    assert [row["text"] for row in found.rows] == HOSTILE
    assert found.quarantined == []


@pytest.mark.parametrize("kind", ["string", "binary"])
def test_rows_that_cannot_be_taken(tmp_path: Path, kind: str) -> None:
    """Null, broken UTF-8 (which no writer refuses) and too long text are quarantined; row numbers do not move."""
    raw = pa.array([b"fine", None, b"\xff\xfe", b"x" * 70_000, b"also fine"], pa.binary())
    text = raw.view(pa.string()) if kind == "string" else raw
    found = read(write(tmp_path, {"text": text}), max_document_bytes=60_000)
    assert [(row["text"], row["id"]) for row in found.rows] == [("fine", "a.parquet#0"), ("also fine", "a.parquet#4")]
    assert [(bad["offset"], bad["reason"], bad["bytes"]) for bad in found.quarantined] == [
        (1, "null_text", 0),
        (2, "invalid_utf8", 2),
        (3, "too_large", 70_000),
    ]
    assert [bad["raw"] for bad in found.quarantined] == [b"", b"\xff\xfe", b"x" * 65_536]
    assert all(bad["detail"] and bad["file"] == "a.parquet" for bad in found.quarantined)


def test_broken_utf8_in_another_column(tmp_path: Path) -> None:
    """A row whose URL is not UTF-8 is quarantined too: nothing invalid goes on."""
    urls = pa.array([b"http://x", b"\xff", None], pa.binary()).view(pa.string())
    found = read(write(tmp_path, {"text": ["a", "b", "c"], "url": urls}))
    assert [row["text"] for row in found.rows] == ["a", "c"]
    assert [(bad["reason"], bad["raw"]) for bad in found.quarantined] == [("invalid_utf8", b"b")]
    assert found.quarantined[0]["detail"] == "'url' is not UTF-8"


def test_files_without_rows(tmp_path: Path) -> None:
    """Files of no rows, with and without a row group, give nothing and no error."""
    write(tmp_path, {"text": pa.array([], pa.string())}, "a.parquet")
    with pq.ParquetWriter(tmp_path / "b.parquet", pa.schema([("text", pa.string())])):
        pass
    assert read(tmp_path) == Everything([], [], {})


def test_missing_columns(tmp_path: Path) -> None:
    """A text column that a file lacks is an error before the run that lists the columns there are."""
    write(tmp_path, {"text": ["a"]}, "a.parquet")
    config = ParquetConfig(path=str(tmp_path))
    assert len(SOURCE.split("s", config)) == 1
    write(tmp_path, {"contents": ["a"], "meta": [{"url": "x"}]}, "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet: has no column 'text'\n.*contents, meta\.url"):
        SOURCE.split("s", config)


def test_columns_that_no_file_has(tmp_path: Path) -> None:
    """A column that the recipe names must be in one file at least; one that is only the default need not be."""
    write(tmp_path, {"text": ["a"], "lang": ["en"]}, "a.parquet")
    write(tmp_path, {"text": ["b"]}, "b.parquet")
    found = read(tmp_path, id="id", fields={"language": "lang"})
    assert [row["language"] for row in found.rows] == ["en", None]
    for settings in ({"fields": {"language": "lng"}}, {"url": "lng"}):
        with pytest.raises(SourceError, match="has no column 'lng'\n.*text, lang"):
            read(tmp_path, **settings)


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"text": [1, 2]}, {}, "column 'text' holds int64, which is not text"),
        ({"text": [["a"]]}, {}, "column 'text' holds list"),
        ({"text": ["a"], "tags": [["x"]]}, {"fields": {"tags": "tags"}}, "column 'tags' holds list"),
    ],
)
def test_columns_that_are_no_text(tmp_path: Path, columns: Any, settings: Any, message: str) -> None:
    """Numbers are no text, and lists cannot be a column: errors before the run."""
    with pytest.raises(SourceError, match=message):
        read(write(tmp_path, columns), **settings)


def test_partitions_are_row_groups(tmp_path: Path) -> None:
    """Row groups go together up to ``split_bytes``; rows and numbers are the same however they are grouped."""
    table = pa.table({"text": [f"{i} " + "x" * 1000 for i in range(100)]})
    file = write(tmp_path, table, row_group_size=10, use_dictionary=False, compression="none")
    ranges = [
        [
            (p.pieces[0].start, p.pieces[0].end)
            for p in SOURCE.split("s", ParquetConfig(path=str(file), split_bytes=size))
        ]
        for size in (1, 25_000, 1 << 20)
    ]
    assert ranges == [[(i, i + 1) for i in range(10)], [(i, i + 2) for i in range(0, 10, 2)], [(0, 10)]]
    whole = read(file)
    assert [row["offset"] for row in whole.rows] == list(range(100))
    assert read(file, split_bytes=25_000) == whole


def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give the same rows and quarantine records."""
    file = write(tmp_path, {"text": [None if i % 7 == 0 else HOSTILE[i % 7] for i in range(99)]}, row_group_size=40)
    whole = read(file)
    for rows, size in ((1, 1), (7, 50), (1024, 1)):
        monkeypatch.setattr(parquet, "_STEP_ROWS", rows)
        monkeypatch.setattr(parquet, "_STEP_BYTES", size)
        assert read(file) == whole


def test_no_partition_has_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups are not put together beyond the rows that a partition can hold; one that is too long is refused."""
    file = write(tmp_path, {"text": ["a"] * 100}, row_group_size=30)
    monkeypatch.setattr(parquet, "_MAX_ROWS", 60)
    found = SOURCE.split("s", ParquetConfig(path=str(file)))
    assert [(p.pieces[0].start, p.pieces[0].end) for p in found] == [(0, 2), (2, 4)]
    monkeypatch.setattr(parquet, "_MAX_ROWS", 29)
    with pytest.raises(SourceError, match="row group 0 has 30 rows, more than 29\n.*smaller row groups"):
        SOURCE.split("s", ParquetConfig(path=str(file)))


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "footer"])
def test_files_without_a_readable_footer(tmp_path: Path, damage: str) -> None:
    """Such a file is one quarantine record of its size; the other files are read."""
    write(tmp_path, {"text": ["good"]}, "a.parquet")
    broken = write(tmp_path, {"text": ["lost"] * 100}, "b.parquet")
    content = broken.read_bytes()
    broken.write_bytes(
        {
            "cut": content[:-20],
            "empty": b"",
            "garbage": b"not parquet at all",
            "footer": content[:-60] + bytes(50) + content[-10:],
        }[damage]
    )
    found = read(tmp_path)
    assert [row["text"] for row in found.rows] == ["good"]
    (bad,) = found.quarantined
    assert (bad["file"], bad["offset"], bad["bytes"]) == ("b.parquet", 0, broken.stat().st_size)
    assert bad["reason"] == "unreadable"
    assert bad["detail"]


def test_a_damaged_row_group(tmp_path: Path) -> None:
    """It is one quarantine record that names its rows; row groups before and behind it are read."""
    table = pa.table({"text": [f"text {i} " * 50 for i in range(30)]})
    file = write(
        tmp_path, table, row_group_size=10, use_dictionary=False, compression="snappy", write_page_checksum=True
    )
    column = pq.ParquetFile(file).metadata.row_group(1).column(0)
    content = bytearray(file.read_bytes())
    place = column.data_page_offset + column.total_compressed_size - 50
    content[place : place + 20] = bytes(20)
    file.write_bytes(content)
    found = read(file)
    assert [row["offset"] for row in found.rows] == [*range(10), *range(20, 30)]
    (bad,) = found.quarantined
    assert (bad["reason"], bad["offset"]) == ("unreadable", 10)
    assert "rows 10 to 19" in bad["detail"]
    assert 0 < bad["bytes"] < len(content)


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file of another size than when it was split stops the run."""
    file = write(tmp_path, {"text": ["a"]})
    config = ParquetConfig(path=str(file))
    partitions = SOURCE.split("s", config)
    write(tmp_path, {"text": ["a"] * 1000, "more": range(1000)})
    with pytest.raises(SourceError, match="start the run again"):
        read_partitions(SOURCE, partitions, config)


def test_a_failing_disk_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk or network goes up to the engine, which tries again; nothing is quarantined."""
    config = ParquetConfig(path=str(write(tmp_path, {"text": ["a"]})))
    partitions = SOURCE.split("s", config)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(parquet, "_steps", fail)
    with pytest.raises(OSError, match="Input/output error"):
        read_partitions(SOURCE, partitions, config)


@pytest.mark.slow
def test_memory(tmp_path: Path) -> None:
    """A row group of 400 MB is read in batches of some megabytes."""
    small = write(tmp_path, {"text": ["a"]}, "small.parquet")
    big = tmp_path / "big.parquet"
    words = " ".join(str(i * 7919) for i in range(2000))
    with pq.ParquetWriter(big, pa.schema([("text", pa.string())]), compression="zstd") as writer:
        writer.write_table(
            pa.table({"text": [f"{i} {words[i % 500 :]}" for i in range(24_000)]}), row_group_size=1 << 20
        )
    assert pq.ParquetFile(big).num_row_groups == 1
    total, largest, kilobytes = memory_of_reading("parquet", small, big)
    assert total > 350_000_000
    assert largest < 17 * 2**20
    assert kilobytes < 160 * 1024


@pytest.mark.data
def test_real_files(real_data: Path) -> None:
    """Every row of the real files is read, with the text that pyarrow gives."""
    rows = 0
    for file in sorted((real_data / "parquet_dpk").glob("*.parquet")):
        table = pq.read_table(file)
        text = "text" if "text" in table.column_names else "contents"
        found = read(file, text=text)
        assert len(found.rows) + len(found.quarantined) == table.num_rows
        assert [row["text"] for row in found.rows] == [value for value in table[text].to_pylist() if value is not None]
        rows += table.num_rows
    assert rows > 700
