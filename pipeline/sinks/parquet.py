"""Parquet files.

Row groups hold about 64 MB of text: readers that take one whole need little memory, and our own source reads each as
a partition. Statistics are kept for numbers only: of text they would be the first bytes of some document. Only
columns whose values come again and again (source, language) have a dictionary; for text one is built in vain.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sinks.contract import Output, SinkKind, Writer, with_facts

_REPEATED = ("source", "domain", "language", "license", "date", "file")


class _ParquetWriter:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, group: pa.RecordBatch) -> None:
        self._writer.write_table(pa.Table.from_batches([group]), row_group_size=max(group.num_rows, 1))

    def close(self) -> None:
        self._writer.close()


def open_file(output: Output, schema: pa.Schema, compression: str, facts: Mapping[str, str]) -> Writer:
    """A row group for each group. Facts become the file's key-value metadata."""
    writer = pq.ParquetWriter(
        pa.PythonFile(output, mode="w"),
        with_facts(schema, facts),
        compression=compression,
        compression_level=3 if compression == "zstd" else None,
        use_dictionary=[name for name in schema.names if name in _REPEATED],
        write_statistics=[field.name for field in schema if pa.types.is_primitive(field.type)],
    )
    return _ParquetWriter(writer)


SINK = SinkKind(
    kind="parquet",
    version=1,
    compressions={name: ".parquet" for name in ("zstd", "snappy", "lz4", "gzip", "none")},
    open=open_file,
    group_rows=2**18,
    group_bytes=64 * 2**20,
)
