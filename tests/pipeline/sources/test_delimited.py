"""The source ``csv``."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import SourceError
from pipeline.sources import delimited
from pipeline.sources.delimited import SOURCE, CsvConfig
from tests.pipeline.sources.reading import Everything, memory_of_reading, read_all, read_partitions

HOSTILE = ["plain", "中文 🙂", "שלום", "e\u0301\u0300", 'say "yes", or', "line\nbreaks\r\n\n", "x" * 10_000, '"', ""]


def dump(rows: Sequence[Sequence[str]], end: str = "\n", **how: Any) -> bytes:
    """Rows as Python's ``csv`` writes them."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, **how).writerows(rows)
    return out.getvalue().encode()


def write(folder: Path, content: bytes, name: str = "a.csv") -> Path:
    """A file with that content."""
    file = folder / name
    file.write_bytes(content)
    return file


def read(file: Path, **settings: Any) -> Everything:
    """Everything in a file."""
    return read_all(SOURCE, CsvConfig(path=str(file), **settings))


def texts(found: Everything) -> list[str]:
    """The rows' texts."""
    return [row["text"] for row in found.rows]


def test_columns(tmp_path: Path) -> None:
    """Columns are found by name, offsets say where a row begins; an empty field is null, except for the text."""
    content = b'n,text,id,url,lang\n1,"a,b",x,http://u,en\n2,,,,\n'
    found = read(write(tmp_path, content), fields={"language": "lang", "number": "n"})
    assert found.quarantined == []
    second = content.index(b"2,,")
    common = {"file": "a.csv", "date": None, "license": None}
    assert found.rows == [
        {"id": "a.csv#x", "text": "a,b", "url": "http://u", "offset": 19, "language": "en", "number": "1", **common},
        {"id": f"a.csv#{second}", "text": "", "url": None, "offset": second, "language": None, "number": "2", **common},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_hostile_text(tmp_path: Path, end: str, quoting: int) -> None:
    """Line breaks, delimiters, quotes and any script inside quotes come back as they are."""
    content = dump([["text", "n"], *([text, "1"] for text in HOSTILE)], end, quoting=quoting)
    assert texts(read(write(tmp_path, content))) == HOSTILE


@pytest.mark.parametrize("content", [b"", b"\n\n", b"text\n", b"\xef\xbb\xbf", b"text,id", b'"text"\r\n\r\n'])
def test_files_without_rows(tmp_path: Path, content: bytes) -> None:
    """Empty files, blank lines, and a row of names alone give nothing, and no error."""
    assert read(write(tmp_path, content)) == Everything([], [], {})


def test_form_of_files(tmp_path: Path) -> None:
    """A byte order mark, blank lines, and a last row without line end are no errors; the mark counts in offsets."""
    content = b'\xef\xbb\xbf"text",id\r\n\r\na,1\n\n"b",2\r\nc,3'
    found = read(write(tmp_path, content))
    assert [(row["text"], row["id"]) for row in found.rows] == [("a", "a.csv#1"), ("b", "a.csv#2"), ("c", "a.csv#3")]
    assert [content[row["offset"] :][:1] for row in found.rows] == [b"a", b'"', b"c"]
    assert found.quarantined == []


@pytest.mark.parametrize(
    ("name", "settings", "content"),
    [
        ("a.tsv", {}, b"id\ttext\n1\ta,b\n"),
        ("a.tab.gz", {}, gzip.compress(b"id\ttext\n1\ta,b\n", mtime=0)),
        ("a.csv.zst", {}, zstandard.compress(b'id,text\n1,"a,b"\n')),
        ("a.csv", {"delimiter": ";"}, b"id;text\n1;a,b\n"),
        ("a.csv", {"quote": "'"}, b"id,text\n1,'a,b'\n"),
        ("a.csv", {"names": ["id", "text"]}, b'1,"a,b"\n'),
        ("a.csv", {"encoding": "gb18030"}, 'id,text\n1,"a,b"\n'.encode("gb18030")),
        ("a.csv", {}, 'id,text\n1,"a,b"\n'.encode("utf-16")),
        ("a.csv", {"encoding": "gb18030"}, b"\xef\xbb\xbf" + b'id,text\n1,"a,b"\n'),
        ("a.csv", {"encoding": "utf-16-le"}, 'id,text\n1,"a,b"\n'.encode("utf-16-le")),
    ],
)
def test_dialects(tmp_path: Path, name: str, settings: dict[str, Any], content: bytes) -> None:
    """Delimiter, quote, names, encoding and compression as the recipe or the file says."""
    found = read(write(tmp_path, content, name), **settings)
    assert [(row["id"], row["text"]) for row in found.rows] == [(f"{name}#1", "a,b")]
    assert found.quarantined == []


def test_settings_that_make_no_sense() -> None:
    """Delimiter and quote are one ASCII character each, and not the same one."""
    wrong: list[dict[str, Any]] = [
        {"delimiter": ";;"},
        {"quote": "\n"},
        {"delimiter": "“"},
        {"delimiter": '"'},
        {"encoding": "no"},
    ]
    for settings in wrong:
        with pytest.raises(ValidationError):
            CsvConfig(path="x", **settings)


def test_bad_rows_are_quarantined(tmp_path: Path) -> None:
    """Every row is a document or one quarantine record with its place, size, reason, detail and content."""
    bad = [
        (b"only one", "column_count"),
        (b"1,2,3", "column_count"),
        (b'"a" b,2', "stray_quote"),
        (b"nul\0,2", "nul_byte"),
        (b'"in ""quotes\0",2', "nul_byte"),
        (b"\xff,2", "invalid_utf8"),
        (b'a,"\xe4\xb8"', "invalid_utf8"),
        (b"x" * 100 + b",2", "too_large"),
    ]
    good = b"fine,1\n"
    content = b"text,id\n" + good + b"".join(row + b"\r\n" + good for row, _ in bad)
    found = read(write(tmp_path, content), max_document_bytes=99)
    assert texts(found) == ["fine"] * (len(bad) + 1)
    assert [record["reason"] for record in found.quarantined] == [reason for _, reason in bad]
    for record, (row, _) in zip(found.quarantined, bad, strict=True):
        assert (record["source"], record["file"], record["raw"]) == ("s", "a.csv", row)
        assert content[record["offset"] : record["offset"] + record["bytes"]] == row
        assert record["detail"]


def test_a_quote_that_does_not_end(tmp_path: Path) -> None:
    """It costs its own line, or 1/64 of what is in quotes by it, not the rest of the file."""
    rows = b"".join(b"%d,b\n" % i for i in range(2000))
    content = b'text,id\na,b\n"torn,b\n' + rows
    found = read(write(tmp_path, content))
    (bad,) = found.quarantined
    assert (bad["reason"], bad["offset"]) == ("unclosed_quote", 12)
    assert bad["raw"].startswith(b'"torn,b\n0,b\n1,b\n')
    lost = bad["raw"].count(b"\n")
    assert len(rows) // 64 <= bad["bytes"] <= len(rows) // 64 + 20
    assert texts(found) == ["a", *map(str, range(lost, 2000))]


def test_bad_encoding(tmp_path: Path) -> None:
    """A row that is not in the named encoding is quarantined; a delimiter may be part of a character."""
    content = b"text|id\n" + "好|1\n".encode("gb18030") + b"\x81\xff|2\n" + b"\x81\x7c|3\n"
    found = read(write(tmp_path, content), encoding="gb18030", delimiter="|")
    assert texts(found) == ["好", b"\x81\x7c".decode("gb18030")]
    assert [bad["reason"] for bad in found.quarantined] == ["invalid_encoding"]


def test_missing_columns(tmp_path: Path) -> None:
    """A column that is not there, or there twice, is an error before the run that says which there are."""
    write(tmp_path, b"text,id\na,b\n", "a.csv")
    write(tmp_path, b"content,id,id\na,b,c\n", "b.csv")
    with pytest.raises(SourceError, match=r"b\.csv: has no column 'text'\n.*content, id"):
        SOURCE.split("s", CsvConfig(path=str(tmp_path), id=None))
    with pytest.raises(SourceError, match=r"b\.csv: has 2 columns called 'id'"):
        SOURCE.split("s", CsvConfig(path=str(tmp_path), text="content"))
    with pytest.raises(SourceError, match=r"has no column 'link'\n.*text, id"):
        SOURCE.split("s", CsvConfig(path=str(tmp_path / "a.csv"), url="link"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'"text,id\na,b\n', "unreadable_header"),
        (b'te"xt",i\0d\na,b\n', "unreadable_header"),
        (b"text,\xff\na,b\n", "unreadable_header"),
        (b"x" * (1 << 20), "unreadable_header"),
        (gzip.compress(b"text,id\na,b\n", mtime=0)[:15], "truncated_stream"),
    ],
)
def test_files_without_readable_names(tmp_path: Path, content: bytes, reason: str) -> None:
    """Such a file is one quarantine record of its size; the other files are read."""
    write(tmp_path, b"text\ngood\n", "a.csv")
    write(tmp_path, content, "b.csv")
    found = read(tmp_path)
    assert texts(found) == ["good"]
    assert [(bad["file"], bad["offset"], bad["bytes"], bad["reason"]) for bad in found.quarantined] == [
        ("b.csv", 0, len(content), reason)
    ]


@pytest.mark.parametrize("quote", ['"', None])
def test_a_truncated_archive(tmp_path: Path, quote: str | None) -> None:
    """Rows before the damage are read, the torn one is quarantined with what is lost."""
    content = b"text,id\n" + b"".join(b"row %d,%d\n" % (i, i * 7919) for i in range(2000))
    packed = gzip.compress(content)
    found = read(write(tmp_path, packed[: len(packed) // 2], "a.csv.gz"), quote=quote)
    assert 100 < len(found.rows) < 1900
    (bad,) = found.quarantined
    assert bad["reason"] == "truncated_stream"
    assert content[: bad["offset"]].count(b"\n") == len(found.rows) + 1
    assert content[bad["offset"] - 1 :][:5] == b"\nrow "


def test_long_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row beyond the limit is one quarantine record, in quotes or not; what follows is read."""
    monkeypatch.setattr(delimited, "ROW_SLACK_BYTES", 1000)
    long = b"x" * 50_000
    for row, reason in (
        (long, "too_large"),
        (b'"' + long + b'"', "too_large"),
        (b'"' + b"torn" * 50 + b"\n" + long, "unclosed_quote"),
    ):
        found = read(write(tmp_path, b"text\na\n" + row + b"\nb\n"), max_document_bytes=1000)
        assert texts(found) == ["a", "b"]
        assert found.quarantined[0]["reason"] == reason
        assert sum(bad["bytes"] + 1 for bad in found.quarantined) == len(row) + 1


QUOTED = dump([["text", "id"], *([HOSTILE[i % 9] + str(i), str(i)] for i in range(99))]) + b'"torn\n\n1,2,3\nlast,1\n'
PLAIN = b"text,id\n\n" + b"".join(b'"%s",%d\r\n' % (b"x" * (i * 37 % 50), i) for i in range(99)) + b"bad\nlast,1"


@pytest.mark.parametrize(("content", "quote"), [(QUOTED, '"'), (PLAIN, None)])
def test_rows_do_not_depend_on_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, quote: str | None
) -> None:
    """Blocks and batches of any size give the same rows and quarantine records, plain or compressed."""
    file = write(tmp_path, content)
    whole = read(file, quote=quote)
    assert len(whole.rows) >= 99
    assert whole.quarantined
    for block_bytes, rows in ((16, 1), (100, 3), (5000, 1000)):
        monkeypatch.setattr(delimited, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(delimited, "_BATCH_ROWS", rows)
        assert read(file, quote=quote) == whole
    packed = read(write(tmp_path, zstandard.compress(content), "a.csv.zst"), quote=quote)
    assert [row["offset"] for row in packed.rows] == [row["offset"] for row in whole.rows]
    assert texts(packed) == texts(whole)


def test_byte_ranges(tmp_path: Path) -> None:
    """Without quotes a plain file is cut anywhere, and every row is read once; the names are known in every part."""
    file = write(tmp_path, PLAIN)
    whole = read(file, quote=None)
    for size in (1, 7, 50, 1000):
        config = CsvConfig(path=str(file), quote=None, split_bytes=size, ingest_above_bytes=0)
        partitions = SOURCE.split("s", config)
        assert len(partitions) == -(-len(PLAIN) // size)
        assert not any(partition.stream for partition in partitions)
        assert read_partitions(SOURCE, partitions, config) == whole


def test_what_cannot_be_cut_is_a_stream(tmp_path: Path) -> None:
    """Large files with quotes, compression or another encoding are one partition that is ingested first."""
    plain = write(tmp_path, PLAIN)
    packed = write(tmp_path, gzip.compress(PLAIN), "b.csv.gz")
    wide = write(tmp_path, PLAIN.decode().encode("utf-16"), "c.csv")
    cases: list[tuple[Path, dict[str, Any]]] = [
        (plain, {}),
        (packed, {"quote": None}),
        (wide, {"quote": None}),
        (plain, {"quote": None, "encoding": "cp1252"}),
    ]
    for file, settings in cases:
        (part,) = SOURCE.split("s", CsvConfig(path=str(file), split_bytes=100, ingest_above_bytes=50, **settings))
        assert part.stream
        (part,) = SOURCE.split("s", CsvConfig(path=str(file), split_bytes=100, **settings))
        assert not part.stream


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)


@given(st.lists(st.tuples(FIELD, FIELD), max_size=20))
def test_what_csv_writes(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    """Whatever Python's ``csv`` writes is read as it was."""
    folder = tmp_path_factory.mktemp("csv")
    found = read(write(folder, dump([["text", "n"], *rows])), fields={"n": "n"})
    assert [(row["text"], row["n"] or "") for row in found.rows] == rows
    assert found.quarantined == []


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file of another size than when it was split stops the run."""
    config = CsvConfig(path=str(write(tmp_path, b"text\na\n")))
    partitions = SOURCE.split("s", config)
    write(tmp_path, b"text\na\nb\n")
    with pytest.raises(SourceError, match="start the run again"):
        read_partitions(SOURCE, partitions, config)


@pytest.mark.slow
def test_memory(tmp_path: Path) -> None:
    """A file of 200 MB is read in batches of some megabytes."""
    small = write(tmp_path, b"text\na\n", "small.csv")
    row = b'"' + b'some words, and ""more""\n' * 100 + b'",1\n'
    big = write(tmp_path, b"text,n\n" + row * (200_000_000 // len(row)), "big.csv")
    total, largest, kilobytes = memory_of_reading("csv", small, big)
    assert total > 180_000_000
    assert largest < 17 * 2**20
    assert kilobytes < 120 * 1024


@pytest.mark.data
def test_real_files(real_data: Path) -> None:
    """Every row of the real files is read, with the text that Python's ``csv`` gives."""
    csv.field_size_limit(2**30)
    for name, column in (("cold_train", "TEXT"), ("cold_dev", "TEXT"), ("davidson_first80", "tweet")):
        file = real_data / "toxicity" / f"{name}.csv.zst"
        content = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes()).decode("utf-8-sig")
        expected = [row[column] for row in csv.DictReader(io.StringIO(content, newline=""))]
        found = read(file, text=column, id=None)
        assert texts(found) == expected
        assert found.quarantined == []
