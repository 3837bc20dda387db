"""Sources on an S3 server."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.sources import arrow, code_trees, delimited, jsonl, markdown, parquet, text
from pipeline.sources.code_config import CodeConfig
from pipeline.sources.listing import list_files
from pipeline.sources.streams import open_raw
from pipeline.storage import filesystem
from tests.pipeline.sources.reading import read_all

pytestmark = pytest.mark.s3

LINES = "".join(json.dumps({"text": f"中文 {i}"}) + "\n" for i in range(200)).encode()
HARD_NAMES = ["plain.txt", "a b+c.txt", "50%20off?.txt", "ü#&=.txt"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """URI of a bucket with a query behind it, and files in it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    query = f"?endpoint_override={quote(f'{host}:{port}', safe='')}&scheme=http&allow_bucket_creation=true"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        fs, _ = filesystem(f"s3://corpus{query}")
        fs.create_dir("corpus")
        _fill(fs)
        yield f"s3://corpus/PATH{query}"
    server.stop()


def _fill(fs: pafs.FileSystem) -> None:
    contents = {"lines/a.jsonl": LINES, "lines/sub/b.jsonl.gz": gzip.compress(LINES), "lines/.hidden.jsonl": LINES}
    contents |= {f"texts/{name}": name.encode() for name in HARD_NAMES}
    for name, content in contents.items():
        with fs.open_output_stream(f"corpus/{name}", compression=None) as stream:
            stream.write(content)
    pq.write_table(pa.table({"text": ["a", "b"]}), "corpus/tables/t.parquet", filesystem=fs)


def at(bucket: str, path: str) -> str:
    """A pattern in the bucket."""
    return bucket.replace("PATH", path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("lines", ["a.jsonl", "sub/b.jsonl.gz"]),
        ("lines/*.jsonl", ["a.jsonl"]),
        ("*/**/*.{jsonl,jsonl.gz}", ["lines/a.jsonl", "lines/sub/b.jsonl.gz"]),
        ("lines/a.jsonl", ["a.jsonl"]),
        ("texts/?0*", ["50%20off?.txt"]),
    ],
)
def test_patterns(bucket: str, pattern: str, expected: list[str]) -> None:
    """Patterns mean the same as on a disk; what the URI says about the server is kept."""
    assert [file.relative for file in list_files(at(bucket, pattern))] == expected


def test_hard_names(bucket: str) -> None:
    """The URIs that are found open the files, whatever characters are in their names."""
    found = list_files(at(bucket, "texts/*"))
    assert sorted(file.relative for file in found) == sorted(HARD_NAMES)
    for file in found:
        with open_raw(file.uri, file.size) as stream:
            assert stream.read() == file.relative.encode()


def test_nothing_found(bucket: str) -> None:
    """The error says what there is, without the server's settings."""
    with pytest.raises(SourceError, match=r"no file matches\n.*s3://corpus/lines has a\.jsonl, sub/$"):
        list_files(at(bucket, "lines/*.parquet"))


def test_sources(bucket: str) -> None:
    """All kinds read from an object store, in ranges too."""
    config = jsonl.JsonlConfig(path=at(bucket, "lines"), split_bytes=1000)
    assert len(jsonl.SOURCE.split("s", config)) > 4
    found = read_all(jsonl.SOURCE, config)
    assert [row["text"] for row in found.rows] == [f"中文 {i}" for i in range(200)] * 2
    found = read_all(text.SOURCE, text.TextConfig(path=at(bucket, "texts")))
    assert {row["text"] for row in found.rows} == set(HARD_NAMES)
    found = read_all(parquet.SOURCE, parquet.ParquetConfig(path=at(bucket, "tables")))
    assert [row["text"] for row in found.rows] == ["a", "b"]


def test_trees_and_tables(bucket: str) -> None:
    """Source trees, archives, Markdown, CSV and Arrow too; repositories are found by what is beside their files."""
    fs, _ = filesystem(at(bucket, "trees"))
    packed, table = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("r/z.py", "z = 1\n")
    with pa.ipc.new_stream(table, pa.schema([("text", pa.string())])) as writer:
        writer.write_batch(pa.record_batch({"text": ["a", "b"]}))
    contents = {
        "trees/a b/x?/LICENSE": b"This is free and unencumbered software released into the public domain.",
        "trees/a b/x?/.git/HEAD": b"ref",
        "trees/a b/x?/s/x.py": b"x = 1\n",
        "trees/p.zip": packed.getvalue(),
        "trees/top.py": b"t = 1\n",
        "notes/a.md": b"---\ntitle: T\n---\ntext",
        "sheets/a.csv": b'text,id\n"a,b",1\n',
        "sheets/a.arrow": table.getvalue(),
    }
    for name, content in contents.items():
        with fs.open_output_stream(f"corpus/{name}", compression=None) as stream:
            stream.write(content)
    found = read_all(code_trees.SOURCE, CodeConfig(path=at(bucket, "trees"), repository="git"))
    assert [(row["repository"], row["path"], row["license"], row["text"]) for row in found.rows] == [
        ("a b/x?", "s/x.py", "Unlicense", "x = 1\n"),
        ("trees", "top.py", None, "t = 1\n"),
        ("p", "r/z.py", None, "z = 1\n"),
    ]
    assert [
        row["title"] for row in read_all(markdown.SOURCE, markdown.MarkdownConfig(path=at(bucket, "notes"))).rows
    ] == ["T"]
    sheets = at(bucket, "sheets")
    assert [row["id"] for row in read_all(delimited.SOURCE, delimited.CsvConfig(path=sheets)).rows] == ["a.csv#1"]
    assert [row["text"] for row in read_all(arrow.SOURCE, arrow.ArrowConfig(path=sheets)).rows] == ["a", "b"]
