"""Files of every format hold the rows that were written, and nothing that depends on how they came."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline.sinks.catalogue import SINKS, sink
from tests.stages.hostile import ROWS

ROWS_HERE = pa.record_batch(
    {
        "id": pa.array([f"a#{i}" for i in range(len(ROWS))]),
        "text": pa.array(ROWS, pa.large_string()),
        "source": pa.array(["web"] * len(ROWS)),
        "content_hash": pa.array([bytes([i]) * 16 for i in range(len(ROWS))], pa.binary(16)),
        "url": pa.array([None if i % 2 else "https://x/" for i in range(len(ROWS))]),
        "quality": pa.array([i / 7 for i in range(len(ROWS))], pa.float32()),
    }
)


def written(kind: str, groups: list[pa.RecordBatch], compression: str, schema: pa.Schema | None = None) -> bytes:
    out = io.BytesIO()
    writer = sink(kind).open(out, schema or groups[0].schema, compression, {"documents_hash": "abc"})
    for group in groups:
        writer.write(group)
    writer.close()
    return out.getvalue()


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().split("\n")[:-1]]


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.decompress,
    "zstd": lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}


@pytest.mark.parametrize("compression", list(UNPACK))
def test_jsonl(compression: str) -> None:
    """Text as it was, bytes in hexadecimal, nulls as null, keys in the columns' order in every row."""
    found = lines(UNPACK[compression](written("jsonl", [ROWS_HERE.slice(0, 4), ROWS_HERE.slice(4)], compression)))
    assert [row["text"] for row in found] == ROWS
    assert {tuple(row) for row in found} == {tuple(ROWS_HERE.schema.names)}
    assert [row["content_hash"] for row in found] == [(bytes([i]) * 16).hex() for i in range(len(ROWS))]
    assert [row["url"] for row in found] == ROWS_HERE.column("url").to_pylist()
    assert [pa.scalar(row["quality"], pa.float32()) for row in found] == list(ROWS_HERE.column("quality"))


@pytest.mark.parametrize("compression", list(sink("parquet").compressions))
def test_parquet(compression: str) -> None:
    """The same table comes back; facts are in the file; a group is a row group; text has no statistics."""
    content = written("parquet", [ROWS_HERE.slice(0, 4), ROWS_HERE.slice(4)], compression)
    file = pq.ParquetFile(io.BytesIO(content))
    assert file.read().equals(pa.Table.from_batches([ROWS_HERE]))
    assert file.metadata.metadata[b"gristmill.documents_hash"] == b"abc"
    assert file.num_row_groups == 2
    columns = {name: file.metadata.row_group(0).column(i) for i, name in enumerate(ROWS_HERE.schema.names)}
    assert columns["quality"].is_stats_set and not columns["text"].is_stats_set
    packed = {"none": "UNCOMPRESSED", "lz4": "LZ4"}.get(compression, compression.upper())
    assert columns["text"].compression == packed


@pytest.mark.parametrize("compression", list(sink("arrow").compressions))
def test_arrow(tmp_path: Path, compression: str) -> None:
    """The file can be memory-mapped and gives the same rows, a batch for each group."""
    path = tmp_path / "part.arrow"
    path.write_bytes(written("arrow", [ROWS_HERE.slice(0, 4), ROWS_HERE.slice(4)], compression))
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        assert reader.read_all().equals(pa.Table.from_batches([ROWS_HERE]))
        assert reader.num_record_batches == 2
        assert reader.schema.metadata == {b"gristmill.documents_hash": b"abc"}


@pytest.mark.parametrize("kind", list(SINKS))
def test_a_slice_gives_the_bytes_of_its_copy(kind: str) -> None:
    """Where a group's rows lie in memory is not seen in the file."""
    copied = pa.RecordBatch.from_pylist(ROWS_HERE.slice(3, 5).to_pylist(), schema=ROWS_HERE.schema)
    for compression in sink(kind).compressions:
        assert written(kind, [ROWS_HERE.slice(3, 5)], compression) == written(kind, [copied], compression)


@pytest.mark.parametrize("kind", list(SINKS))
def test_no_rows(kind: str) -> None:
    """A file without rows can be opened."""
    content = written(kind, [], "none", ROWS_HERE.schema)
    if kind == "parquet":
        assert pq.read_table(io.BytesIO(content)).num_rows == 0
    elif kind == "arrow":
        assert pa.ipc.open_file(content).read_all().num_rows == 0
    else:
        assert content == b""


KINDS: list[tuple[pa.Array, list[Any]]] = [
    (pa.array([1.5, float("nan"), float("-inf"), 1e300, -0.25, None]), [1.5, None, None, 1e300, -0.25, None]),
    (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
    (pa.array([True, None, False]), [True, None, False]),
    (pa.nulls(2), [None, None]),
    (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    (pa.array(["é", None], pa.string_view()), ["é", None]),
    (pa.array([b"\x00\xff", None], pa.large_binary()), ["00ff", None]),
    (
        pa.array([datetime.datetime(2024, 1, 31, 12, 0, 0, 5000), None], pa.timestamp("ms")),
        ["2024-01-31T12:00:00.005", None],
    ),
    (pa.array([0, None], pa.timestamp("s", "Asia/Tokyo")), ["1970-01-01T00:00:00Z", None]),
    (pa.array([datetime.date(2024, 1, 31)], pa.date32()), ["2024-01-31"]),
    (pa.array([datetime.time(1, 2, 3)], pa.time32("s")), ["01:02:03"]),
    (pa.array([[1, None], None, []], pa.list_(pa.int64())), [[1, None], None, []]),
    (
        pa.array([{"a": b"\x01", "b": float("nan"), "c": datetime.date(2024, 1, 2)}]),
        [{"a": "01", "b": None, "c": "2024-01-02"}],
    ),
    (pa.array([Decimal("1.50")]), ["1.50"]),
]


@pytest.mark.parametrize(("array", "expected"), KINDS, ids=[str(array.type) for array, _ in KINDS])
def test_types_in_jsonl(array: pa.Array, expected: list[Any]) -> None:
    """What each type becomes; a slice of it too."""
    for values, wanted in ((array, expected), (array.slice(1), expected[1:])):
        batch = pa.record_batch([values], names=["v"])
        assert [row["v"] for row in lines(written("jsonl", [batch], "none"))] == wanted
