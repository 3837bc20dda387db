"""Row groups of token shards: cut documents into them, write them, remember what the index needs.

Groups are cut by looking at documents only (rows and tokens), so that the bytes do not depend on how documents
came in batches.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import StoreError
from pipeline.tokens.documents import key_pairs, split_numbers
from pipeline.tokens.shards import INDEX_SCHEMA, MAX_KEYS, SHARD_SCHEMA, metadata

GROUP_ROWS = 8192
GROUP_TOKENS = 2**20
"""A row group is closed before the document that would bring it above either: about 4 MB, CRC-checked in 1 ms."""

_MAGIC = b"ARROW1\0\0"
_DOCUMENT_COLUMNS = {"length": np.uint32, "key": np.uint16, "split": np.uint16, "level": np.uint8}


class Sink(Protocol):
    """Where bytes go; never closed or flushed here."""

    def write(self, chunk: Any, /) -> Any: ...


class GroupWriter:
    """Cuts documents into row groups, writes them as one Arrow file and remembers what the index needs."""

    def __init__(self, sink: Sink, meta: dict[str, Any]) -> None:
        self.meta = meta
        schema = SHARD_SCHEMA.with_metadata(metadata(meta))
        self._sink = _CountingSink(sink, len(_MAGIC) + len(schema.serialize()))
        options = pa.ipc.IpcWriteOptions(compression=None, use_threads=False)
        stream = pa.PythonFile(self._sink, mode="w")
        self._writer = pa.ipc.new_file(stream, schema, options=options)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._tokens = 0
        self._keys: dict[tuple[str, str], int] = {}
        self._messages: list[tuple[int, int, int]] = []
        self._documents: list[dict[str, npt.NDArray[Any]]] = []

    def write(self, documents: pa.RecordBatch) -> None:
        """Take in documents (:data:`SHARD_SCHEMA`); writes the row groups that they complete."""
        ends = np.cumsum(_lengths(documents.column("tokens")), dtype=np.int64)
        start = 0
        while start < documents.num_rows:
            before = int(ends[start - 1]) if start else 0
            fits = int(np.searchsorted(ends, before + GROUP_TOKENS - self._tokens, side="right"))
            end = min(max(fits, start if self._rows else start + 1), start + GROUP_ROWS - self._rows, len(ends))
            if end > start:
                self._waiting.append(documents.slice(start, end - start))
                self._rows += end - start
                self._tokens += int(ends[end - 1]) - before
            if end < len(ends):
                self._flush()
            start = end

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        group = pa.concat_batches(self._waiting)
        self._waiting, self._rows, self._tokens = [], 0, 0
        start = self._sink.begin()
        self._writer.write_batch(group)
        self._messages.append((start, self._sink.bytes - start, self._sink.crc32))
        self._documents.append(_index_columns(group, self._keys))

    @property
    def keys(self) -> list[tuple[str, str]]:
        return list(self._keys)

    @property
    def counts(self) -> dict[str, int]:
        lengths = [columns["length"] for columns in self._documents]
        tokens = sum(int(length.sum(dtype=np.int64)) for length in lengths)
        return {"documents": sum(map(len, lengths)), "tokens": tokens, "bytes": self._sink.bytes}

    def index(self) -> pa.RecordBatch:
        """The rows of :data:`INDEX_SCHEMA` for what was written, as shard 0."""
        messages = np.array(self._messages, np.int64).reshape(-1, 3)
        starts = np.zeros(len(messages) + 1, np.int64)
        np.cumsum([len(columns["length"]) for columns in self._documents], out=starts[1:])
        arrays = [np.zeros(len(messages), np.uint32), messages[:, 0], messages[:, 1], messages[:, 2].astype(np.uint32)]
        lists = [
            _list(self._joined(name, dtype), starts, INDEX_SCHEMA.field(name).type)
            for name, dtype in _DOCUMENT_COLUMNS.items()
        ]
        return pa.record_batch([*(pa.array(array) for array in arrays), *lists], schema=INDEX_SCHEMA)

    def _joined(self, name: str, dtype: type[Any]) -> npt.NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype), *(columns[name] for columns in self._documents)])


class _CountingSink:
    """A file for Arrow that counts bytes and keeps the CRC-32 of the message being written.

    ``head_bytes``: magic and schema, which Arrow writes together with the first message.
    """

    closed = False

    def __init__(self, sink: Sink, head_bytes: int) -> None:
        self._sink = sink
        self._head_bytes = head_bytes
        self.bytes = 0
        self.crc32 = 0

    def begin(self) -> int:
        """Start a message; where it starts."""
        self.crc32 = 0
        return max(self.bytes, self._head_bytes)

    def write(self, chunk: Any) -> int:
        view = memoryview(chunk)
        self._sink.write(view)
        if self.bytes >= self._head_bytes:
            self.crc32 = zlib.crc32(view, self.crc32)
        self.bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        """The owner of the sink flushes."""

    def close(self) -> None:
        """The owner of the sink closes."""


def _lengths(tokens: pa.ListArray) -> npt.NDArray[np.int64]:
    return np.diff(tokens.offsets.to_numpy()).astype(np.int64)


def _index_columns(group: pa.RecordBatch, keys: dict[tuple[str, str], int]) -> dict[str, npt.NDArray[Any]]:
    return {
        "length": _lengths(group.column("tokens")).astype(np.uint32),
        "key": _key_codes(group, keys),
        "split": split_numbers(group.column("content_hash")),
        "level": np.zeros(group.num_rows, np.uint8),
    }


def _key_codes(group: pa.RecordBatch, keys: dict[tuple[str, str], int]) -> npt.NDArray[np.uint16]:
    """Number of each row's (domain, language); new pairs are numbered in the order in which they come."""
    pairs, rows = key_pairs(group)
    codes = [keys.setdefault(pair, len(keys)) for pair in pairs]
    if len(keys) > MAX_KEYS:
        raise StoreError(f"more than {MAX_KEYS} pairs of domain and language", remedy="use fewer domains")
    return np.array(codes, np.uint16)[rows]


def _list(values: npt.NDArray[Any], starts: npt.NDArray[np.int64], kind: pa.DataType) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(pa.array(starts), pa.array(values), type=kind)
