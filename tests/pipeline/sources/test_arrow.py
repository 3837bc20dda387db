"""The source ``arrow``."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from pipeline.errors import SourceError
from pipeline.sources import arrow
from pipeline.sources.arrow import SOURCE, ArrowConfig
from pipeline.sources.arrow_messages import RECORD_BATCH, walk
from tests.pipeline.sources.reading import Everything, memory_of_reading, read_all, read_partitions

HOSTILE = ["", "plain", "中文 🙂", "שלום", "e\u0301\u0300", "a\x00b", "x" * 10_000]
FORMATS = ["file", "stream"]


def write(
    folder: Path, columns: Any, name: str = "a.arrow", form: str = "file", rows: int = 1 << 20, **how: Any
) -> Path:
    """A file or stream of these columns, in record batches of some rows."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    file = folder / name
    new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with new(file, table.schema, options=pa.ipc.IpcWriteOptions(**how)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return file


def read(file: Path, **settings: Any) -> Everything:
    """Everything in a file."""
    return read_all(SOURCE, ArrowConfig(path=str(file), **settings))


def messages_of(file: Path) -> Any:
    """The record batches' messages."""
    with pa.OSFile(str(file)) as stream:
        return [message for message in walk(stream) if message.kind == RECORD_BATCH]


@pytest.mark.parametrize("form", FORMATS)
def test_columns(tmp_path: Path, form: str) -> None:
    """Known columns are taken where the file has them; numbers and times become text; ids are prefixed."""
    meta = pa.array([{"lang": "en", "deep": {"n": 1.5}}, None, {"lang": None, "deep": None}])
    columns = {
        "id": [10, None, 30],
        "text": ["a", "b", "c"],
        "date": [datetime(2024, 1, 2), None, None],
        "meta": meta,
        "unwanted": [[1, 2], None, []],
    }
    fields = {"language": "meta.lang", "n": "meta.deep.n"}
    found = read(write(tmp_path, columns, form=form, rows=2), fields=fields)
    assert found.quarantined == []
    assert [row["id"] for row in found.rows] == ["a.arrow#10", "a.arrow#1", "a.arrow#30"]
    assert [row["text"] for row in found.rows] == ["a", "b", "c"]
    assert [row["date"] for row in found.rows] == ["2024-01-02 00:00:00.000000", None, None]
    assert [row["language"] for row in found.rows] == ["en", None, None]
    assert [row["n"] for row in found.rows] == ["1.5", None, None]
    assert [(row["file"], row["offset"], row["url"]) for row in found.rows] == [("a.arrow", i, None) for i in range(3)]


TYPES: dict[str, Callable[[list[str]], pa.Array]] = {
    "string": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "binary_view": lambda texts: pa.array([text.encode() for text in texts], pa.binary_view()),
    "binary": lambda texts: pa.array([text.encode() for text in texts], pa.binary()),
    "dictionary": lambda texts: pa.array(texts).dictionary_encode(),
    "dictionary of views": lambda texts: pa.DictionaryArray.from_arrays(
        pa.array(range(len(texts)), pa.int8()), pa.array(texts, pa.large_string())
    ),
}


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", list(TYPES))
def test_types_of_text(tmp_path: Path, kind: str, form: str, compression: str | None) -> None:
    """Text may be any kind of strings, or bytes of UTF-8, compressed or not; hostile text comes back as it is."""
    file = write(tmp_path, {"n": range(7), "text": TYPES[kind](HOSTILE)}, form=form, rows=3, compression=compression)
    found = read(file)
    assert [row["text"] for row in found.rows] == HOSTILE
    assert found.quarantined == []


@pytest.mark.parametrize("version", [2, "default"])
def test_feather(tmp_path: Path, version: Any) -> None:
    """Feather is the file format under another name."""
    file = tmp_path / "a.feather"
    how = {"version": version} if version != "default" else {}
    feather.write_feather(pa.table({"text": HOSTILE}), file, **how)
    assert [row["text"] for row in read(tmp_path).rows] == HOSTILE


def test_dictionaries_that_change(tmp_path: Path) -> None:
    """Later dictionaries replace or extend earlier ones, in a partition that begins behind them too."""
    kind = pa.dictionary(pa.int8(), pa.string())
    batches = [
        pa.record_batch({"text": pa.array(texts).dictionary_encode().cast(kind)})
        for texts in (["a", "b"], ["a", "b", "c"], ["x", "y"], ["z"])
    ]
    for deltas in (False, True):
        file = tmp_path / f"{deltas}.arrows"
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(file, batches[0].schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        for split_bytes in (1, 1 << 20):
            found = read(file, split_bytes=split_bytes)
            assert [row["text"] for row in found.rows] == ["a", "b", "a", "b", "c", "x", "y", "z"]


@pytest.mark.parametrize("kind", ["string", "binary"])
def test_rows_that_cannot_be_taken(tmp_path: Path, kind: str) -> None:
    """Null, broken UTF-8 (which no writer refuses) and too long text are quarantined; row numbers do not move."""
    raw = pa.array([b"fine", None, b"\xff\xfe", b"x" * 70_000, b"also fine"], pa.binary())
    text = raw.view(pa.string()) if kind == "string" else raw
    found = read(write(tmp_path, {"text": text}, rows=2), max_document_bytes=60_000)
    assert [(row["text"], row["id"]) for row in found.rows] == [("fine", "a.arrow#0"), ("also fine", "a.arrow#4")]
    assert [(bad["offset"], bad["reason"], bad["bytes"]) for bad in found.quarantined] == [
        (1, "null_text", 0),
        (2, "invalid_utf8", 2),
        (3, "too_large", 70_000),
    ]
    assert [bad["raw"] for bad in found.quarantined] == [b"", b"\xff\xfe", b"x" * 65_536]


@pytest.mark.parametrize("form", FORMATS)
def test_files_without_rows(tmp_path: Path, form: str) -> None:
    """Files of no rows, with and without a record batch, give nothing and no error."""
    write(tmp_path, {"text": pa.array([], pa.string())}, "a.arrow", form)
    new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    schema = pa.schema([("text", pa.string())])
    with new(tmp_path / "b.arrow", schema) as writer:
        writer.write_batch(pa.record_batch([pa.array([], pa.string())], schema=schema))
    assert read(tmp_path) == Everything([], [], {})


def test_missing_columns(tmp_path: Path) -> None:
    """A text column that a file lacks is an error before the run that lists the columns there are."""
    write(tmp_path, {"text": ["a"]}, "a.arrow")
    write(tmp_path, {"contents": ["a"], "meta": [{"url": "x"}]}, "b.arrow")
    with pytest.raises(SourceError, match=r"b\.arrow: has no column 'text'\n.*contents, meta\.url"):
        SOURCE.split("s", ArrowConfig(path=str(tmp_path)))


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"text": [1, 2]}, {}, "column 'text' holds int64, which is not text"),
        ({"text": ["a"], "tags": [["x"]]}, {"fields": {"tags": "tags"}}, "column 'tags' holds list"),
        ({"text": ["a"]}, {"url": "link"}, "has no column 'link'"),
    ],
)
def test_columns_that_cannot_be_taken(tmp_path: Path, columns: Any, settings: Any, message: str) -> None:
    """Numbers are no text, lists no column, and what the recipe names has to be there: errors before the run."""
    with pytest.raises(SourceError, match=message):
        read(write(tmp_path, columns), **settings)


@pytest.mark.parametrize("form", FORMATS)
def test_partitions_are_record_batches(tmp_path: Path, form: str) -> None:
    """Record batches go together up to ``split_bytes``; rows and numbers are the same however they are grouped."""
    file = write(tmp_path, {"text": [f"{i} " + "x" * 1000 for i in range(100)]}, form=form, rows=10)
    ranges = [
        [(p.pieces[0].start, p.pieces[0].end) for p in SOURCE.split("s", ArrowConfig(path=str(file), split_bytes=size))]
        for size in (1, 25_000, 1 << 20)
    ]
    singles = [(i, i + 1) for i in range(9)]
    assert ranges == [[*singles, (9, 0)], [*((i, i + 2) for i in range(0, 8, 2)), (8, 0)], [(0, 0)]]
    whole = read(file)
    assert [row["offset"] for row in whole.rows] == list(range(100))
    assert read(file, split_bytes=25_000) == read(file, split_bytes=1) == whole


def test_rows_do_not_depend_on_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of any size give the same rows and quarantine records, however the file is cut into record batches."""
    texts = [None if i % 7 == 0 else HOSTILE[i % 7] for i in range(99)]
    whole = read(write(tmp_path, {"text": texts}))
    for rows, step_rows, size in ((1, 1, 1), (7, 3, 50), (40, 1024, 20_000)):
        monkeypatch.setattr(arrow, "_STEP_ROWS", step_rows)
        monkeypatch.setattr(arrow, "_STEP_BYTES", size)
        assert read(write(tmp_path, {"text": texts}, rows=rows)) == whole


def test_large_record_batches_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with more rows or bytes than a reader holds is an error before the run where files are looked at."""
    file = write(tmp_path, {"text": ["a" * 100] * 30})
    monkeypatch.setattr(arrow, "_MAX_ROWS", 29)
    with pytest.raises(SourceError, match="record batch 0 has 30 rows and .*\n.*smaller record batches"):
        SOURCE.split("s", ArrowConfig(path=str(file), split_bytes=1))
    monkeypatch.setattr(arrow, "MAX_BATCH_BYTES", 1000)
    with pytest.raises(SourceError, match="record batch 0 has 30 rows and .*\n.*smaller record batches"):
        SOURCE.split("s", ArrowConfig(path=str(file)))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    """The length that a buffer will have is looked at before it is decompressed."""
    file = write(tmp_path, {"text": ["small", "x" * 5_000_000, "small"]}, rows=1, compression=codec)
    assert file.stat().st_size < 100_000
    monkeypatch.setattr(arrow, "MAX_BATCH_BYTES", 1_000_000)
    found = read(file)
    assert [(row["offset"], row["text"]) for row in found.rows] == [(0, "small"), (2, "small")]
    (bad,) = found.quarantined
    assert (bad["reason"], bad["offset"]) == ("unreadable", 1)
    assert "would have 5,0" in bad["detail"]


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0", b"FEA1 is the old Feather", b"not arrow at all", bytes(100)])
def test_files_without_a_schema(tmp_path: Path, content: bytes) -> None:
    """Such a file is one quarantine record of its size (none if it is empty); the other files are read."""
    write(tmp_path, {"text": ["good"]}, "a.arrow")
    (tmp_path / "b.arrow").write_bytes(content)
    found = read(tmp_path)
    assert [row["text"] for row in found.rows] == ["good"]
    assert [(bad["file"], bad["offset"], bad["reason"]) for bad in found.quarantined] == [
        ("b.arrow", 0, "unreadable")
    ] * bool(content)


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_cut(tmp_path: Path, form: str) -> None:
    """What is whole before the cut is read; the rest is one quarantine record, however the file is split."""
    file = write(tmp_path, {"text": [f"{i} " + "x" * 1000 for i in range(50)]}, form=form, rows=10)
    content = file.read_bytes()
    batches = messages_of(file)
    for cut in (batches[3].offset + 100, batches[3].offset + batches[3].size - 1, batches[3].offset + 6):
        file.write_bytes(content[:cut])
        for split_bytes in (1, 1 << 20):
            found = read(file, split_bytes=split_bytes)
            assert [row["offset"] for row in found.rows] == list(range(30))
            (bad,) = found.quarantined
            assert (bad["reason"], bad["offset"], bad["bytes"]) == ("unreadable", 30, cut - batches[3].offset)


def test_a_stream_need_not_have_an_end_mark(tmp_path: Path) -> None:
    """A stream that ends between messages is whole; a file in that state has lost its footer, and says so."""
    for form in FORMATS:
        file = write(tmp_path, {"text": ["a", "b"]}, form=form, rows=1)
        last = messages_of(file)[-1]
        file.write_bytes(file.read_bytes()[: last.offset + last.size])
        found = read(file)
        assert [row["text"] for row in found.rows] == ["a", "b"]
        assert [bad["detail"].partition(",")[0] for bad in found.quarantined] == ["the file ends without a footer"] * (
            form == "file"
        )


def test_bytes_behind_a_stream(tmp_path: Path) -> None:
    """What follows the end mark of a stream, as in streams put one behind the other, is not lost silently."""
    file = write(tmp_path, {"text": ["a"]}, form="stream")
    content = file.read_bytes()
    file.write_bytes(content + content)
    found = read(file)
    assert [row["text"] for row in found.rows] == ["a"]
    assert [(bad["offset"], bad["bytes"]) for bad in found.quarantined] == [(1, len(content))]


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_record_batch(tmp_path: Path, form: str) -> None:
    """It is one quarantine record that names its rows; record batches before and behind it are read."""
    file = write(tmp_path, {"text": [f"text {i} " * 50 for i in range(30)]}, form=form, rows=10, compression="zstd")
    message = messages_of(file)[1]
    content = bytearray(file.read_bytes())
    middle = message.offset + message.size - message.body // 2
    content[middle : middle + 20] = bytes(20)
    file.write_bytes(content)
    found = read(file)
    assert [row["offset"] for row in found.rows] == [*range(10), *range(20, 30)]
    (bad,) = found.quarantined
    assert (bad["reason"], bad["offset"], bad["bytes"]) == ("unreadable", 10, message.size)
    assert "rows 10 to 19" in bad["detail"]


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "string_view", "binary"])
def test_places_that_lead_outside(tmp_path: Path, kind: str) -> None:
    """Offsets, indices and views that a hostile writer sets are found out before a value is looked at."""
    column = TYPES[kind]([f"{i} " * 20 for i in range(8)])
    file = write(tmp_path, {"text": column})
    content = file.read_bytes()
    number = column.buffers()[1] if kind != "dictionary" else column.indices.buffers()[1]
    wanted = number.to_pybytes()[: 8 * 4]
    place = content.index(wanted)
    evil = {"large_string": struct.pack("<q", 1 << 40), "string_view": struct.pack("<iiii", 60, 0, 99, 1 << 30)}
    bad_value = evil.get(kind, struct.pack("<i", 1 << 30))
    at = place + (16 if kind in ("large_string", "string_view") else 8)
    file.write_bytes(content[:at] + bad_value + content[at + len(bad_value) :])
    found = read(file)
    assert found.rows == []
    assert [(bad["reason"], bad["offset"]) for bad in found.quarantined] == [("unreadable", 0)]


FUZZ = """
import sys
from pathlib import Path
from pipeline.errors import SourceError
from pipeline.sources.arrow import SOURCE, ArrowConfig
for file in sorted(Path(sys.argv[1]).iterdir()):
    config = ArrowConfig(path=str(file))
    try:
        partitions = SOURCE.split("s", config)
    except SourceError:
        continue
    for partition in partitions:
        for batch in SOURCE.read(partition, config):
            batch.rows.validate(full=True)
print("done")
"""


def test_random_damage(tmp_path: Path) -> None:
    """Random bytes changed give sound rows, quarantine records or an error before the run, never a crash."""
    draw = random.Random(5)
    columns = {name.replace(" ", "_"): make(HOSTILE) for name, make in TYPES.items()}
    originals = [
        write(tmp_path, {**columns, "text": HOSTILE}, f"{form}.arrow", form, 3, compression=codec).read_bytes()
        for form in FORMATS
        for codec in (None, "zstd")
    ]
    folder = tmp_path / "fuzzed"
    folder.mkdir()
    for number in range(200):
        content = bytearray(originals[number % 4])
        for _ in range(draw.randrange(1, 6)):
            content[draw.randrange(len(content))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        (folder / f"{number:03}.arrow").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(folder)], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file of another size than when it was split stops the run."""
    file = write(tmp_path, {"text": ["a"]})
    config = ArrowConfig(path=str(file))
    partitions = SOURCE.split("s", config)
    write(tmp_path, {"text": ["a"] * 1000, "more": range(1000)})
    with pytest.raises(SourceError, match="start the run again"):
        read_partitions(SOURCE, partitions, config)


def test_a_failing_disk_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk or network goes up to the engine, which tries again; nothing is quarantined."""
    config = ArrowConfig(path=str(write(tmp_path, {"text": ["a"]})))
    partitions = SOURCE.split("s", config)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(arrow, "_content", fail)
    with pytest.raises(OSError, match="Input/output error"):
        read_partitions(SOURCE, partitions, config)


@pytest.mark.slow
def test_memory(tmp_path: Path) -> None:
    """A file of 400 MB, in record batches of 4 MB, is read in batches of some megabytes."""
    small = write(tmp_path, {"text": ["a"]}, "small.arrow")
    words = " ".join(str(i * 7919) for i in range(2000))
    big = tmp_path / "big.arrow"
    with pa.ipc.new_stream(big, pa.schema([("text", pa.string())])) as writer:
        for start in range(0, 24_000, 240):
            writer.write_batch(
                pa.record_batch({"text": [f"{i} {words[i % 500 :]}" for i in range(start, start + 240)]})
            )
    total, largest, kilobytes = memory_of_reading("arrow", small, big)
    assert total > 350_000_000
    assert largest < 17 * 2**20
    assert kilobytes < 120 * 1024


@pytest.mark.data
def test_real_files(real_data: Path, tmp_path: Path) -> None:
    """Real Parquet tables written as Arrow give the same rows by both sources."""
    import pyarrow.parquet as pq

    from pipeline.sources.parquet import SOURCE as PARQUET
    from pipeline.sources.parquet import ParquetConfig

    for number, file in enumerate(sorted((real_data / "parquet_dpk").glob("*.parquet"))):
        table = pq.read_table(file)
        text = "text" if "text" in table.column_names else "contents"
        if text not in table.column_names:
            continue
        copy = write(tmp_path, table, f"{number}.arrow", FORMATS[number % 2], rows=37)
        theirs = read_all(PARQUET, ParquetConfig(path=str(file), text=text, id=None))
        ours = read(copy, text=text, id=None)
        assert [row["text"] for row in ours.rows] == [row["text"] for row in theirs.rows]
        assert len(ours.quarantined) == len(theirs.quarantined)
