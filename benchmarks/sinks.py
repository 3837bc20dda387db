"""How fast documents become files: each format and compression, against the usual ways in Python, in one run.

    python benchmarks/sinks.py FILE.jsonl… --megabytes 128

Reads documents of JSONL files with the base columns of a run, then writes them to nowhere with one thread: rates are MB
of text per second of CPU, the best of ``--repeat`` times, with groups cut as exports cut them. Peers: a Python object
and ``json.dumps`` for each row with the same zstd, and ``pyarrow.parquet`` with its defaults but zstd.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from pipeline.blocks.reading import SourceReader, with_base_columns
from pipeline.blocks.rechunk import Rechunker
from pipeline.sinks.catalogue import SINKS, sink
from pipeline.sinks.contract import SinkKind
from pipeline.sources.jsonl import SOURCE, JsonlConfig
from stages.contract import ADDRESS
from stages.kernels.arrow_text import byte_lengths


class Nowhere:
    """Counts bytes."""

    closed = False

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, chunk: Any) -> int:
        self.bytes += len(memoryview(chunk).cast("B"))
        return len(chunk)

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None: ...

    def close(self) -> None: ...


def documents(paths: list[str], megabytes: float) -> list[pa.RecordBatch]:
    """Batches as a row block stores them, up to so much text."""
    config = JsonlConfig(path=paths)
    reader = SourceReader("corpus", "jsonl", config)
    found: list[pa.RecordBatch] = []
    left = megabytes * 1e6
    for partition in SOURCE.split("corpus", config):
        for read in SOURCE.read(partition, config):
            if left <= 0:
                return found
            found.append(with_base_columns(reader, partition.number, 0, read.rows).drop_columns([ADDRESS]))
            left -= int(byte_lengths(found[-1].column("text")).sum())
    return found


def groups(batches: list[pa.RecordBatch], kind: SinkKind) -> Iterator[pa.RecordBatch]:
    """The rows as an export cuts them."""
    cut = Rechunker(kind.group_rows, kind.group_bytes)
    for batch in batches:
        yield from cut.add(batch)
    yield from cut.finish()


def ours(kind: SinkKind, compression: str, batches: list[pa.RecordBatch]) -> int:
    """Bytes of the file."""
    out = Nowhere()
    writer = kind.open(out, batches[0].schema, compression, {})
    for group in groups(batches, kind):
        writer.write(group)
    writer.close()
    return out.bytes


def row_by_row(batches: list[pa.RecordBatch]) -> int:
    """What a script would do: an object for each row."""
    out = Nowhere()
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    for batch in batches:
        for row in batch.to_pylist():
            row["content_hash"] = row["content_hash"].hex()
            out.write(packer.compress((json.dumps(row, ensure_ascii=False) + "\n").encode()))
    out.write(packer.flush())
    return out.bytes


def plain_parquet(batches: list[pa.RecordBatch]) -> int:
    """pyarrow as it comes: zstd of level 1, dictionaries and statistics for all columns."""
    out = Nowhere()
    with pq.ParquetWriter(pa.PythonFile(out, mode="w"), batches[0].schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
    return out.bytes


def measure(name: str, megabytes: float, repeat: int, write: Callable[[], int]) -> None:
    """Print one line."""
    best, n_bytes = float("inf"), 0
    for _ in range(repeat):
        started = time.process_time()
        n_bytes = write()
        best = min(best, time.process_time() - started)
    print(f"{name:24} {megabytes / best:8.0f} MB/s {n_bytes / 1e6 / megabytes:6.2f} of the text's size", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="FILE")
    parser.add_argument("--megabytes", type=float, default=128)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    batches = documents(options.paths, options.megabytes)
    megabytes = sum(int(byte_lengths(batch.column("text")).sum()) for batch in batches) / 1e6
    print(f"{sum(batch.num_rows for batch in batches):,} documents, {megabytes:.0f} MB of text")
    ours(sink("jsonl"), "none", [batches[0].slice(0, 8)])  # compiles
    for kind in map(sink, SINKS):
        for compression in kind.compressions:
            write = lambda kind=kind, compression=compression: ours(kind, compression, batches)  # noqa: E731
            measure(f"{kind.kind}, {compression}", megabytes, options.repeat, write)
    measure("json.dumps, zstd", megabytes, 1, lambda: row_by_row(batches))
    measure("pyarrow defaults, zstd", megabytes, options.repeat, lambda: plain_parquet(batches))


if __name__ == "__main__":
    main()
