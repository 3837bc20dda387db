"""Arrow IPC files, uncompressed unless asked otherwise, so that ``pyarrow`` and ``datasets`` can memory-map them."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pipeline.sinks.contract import Output, SinkKind, Writer, with_facts
from pipeline.store import ArrowSink


class _ArrowWriter:
    def __init__(self, writer: pa.RecordBatchFileWriter) -> None:
        self._writer = writer
        self._sink = ArrowSink(writer)

    def write(self, group: pa.RecordBatch) -> None:
        self._sink.write(group)

    def close(self) -> None:
        self._writer.close()


def open_file(output: Output, schema: pa.Schema, compression: str, facts: Mapping[str, str]) -> Writer:
    """A record batch for each group."""
    options = pa.ipc.IpcWriteOptions(compression=None if compression == "none" else compression, use_threads=False)
    stream = pa.PythonFile(output, mode="w")
    return _ArrowWriter(pa.ipc.new_file(stream, with_facts(schema, facts), options=options))


SINK = SinkKind(
    kind="arrow",
    version=1,
    compressions={"none": ".arrow", "lz4": ".arrow", "zstd": ".arrow"},
    open=open_file,
    group_rows=8192,
    group_bytes=16 * 2**20,
)
