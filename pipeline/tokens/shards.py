"""Token shards: what they are, and their reader. ``docs/shard-format.md`` draws the files.

A shard is an uncompressed Arrow IPC file of record batches ("row groups") with one row per document; ``index.arrow``
says where every group lies and, in about 9 bytes a document, its length, key (domain and language), split number
and weight level. Opening reads the index only, memory-mapped; a group is mapped when it is first touched, and its CRC
is checked then. numpy and pyarrow only: a trainer needs nothing of the engine.
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.errors import StoreError

__all__ = [
    "INDEX_NAME",
    "INDEX_SCHEMA",
    "MAX_KEYS",
    "SHARD_SCHEMA",
    "StoreError",
    "TokenShards",
    "metadata",
    "read_metadata",
]

FORMAT_VERSION = 1
"""Of shards and index; another version is refused, never guessed at."""

INDEX_NAME = "index.arrow"
META = b"gristmill"
"""Key of the schema metadata that holds our JSON, in shards and index."""

SHARD_SCHEMA = pa.schema(
    [
        ("_address", pa.uint64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("domain", pa.string()),
        ("language", pa.string()),
        ("content_hash", pa.binary(16)),
        ("url", pa.string()),
        ("license", pa.string()),
        ("quality", pa.float32()),
        ("cluster_size", pa.uint32()),
        ("tokens", pa.list_(pa.field("item", pa.uint32(), nullable=False))),
    ]
)
"""One row per document. ``tokens`` ends with the end-of-document id where the index says ``append_eos``.

``quality`` is null where nothing measured it; ``cluster_size`` is 1 for a document without duplicates.
"""


def _per_document(kind: pa.DataType) -> pa.DataType:
    return pa.large_list(pa.field("item", kind, nullable=False))


INDEX_SCHEMA = pa.schema(
    [
        ("shard", pa.uint32()),
        ("offset", pa.int64()),
        ("bytes", pa.int64()),
        ("crc32", pa.uint32()),
        ("length", _per_document(pa.uint32())),
        ("key", _per_document(pa.uint16())),
        ("split", _per_document(pa.uint16())),
        ("level", _per_document(pa.uint8())),
    ]
)
"""One row per row group, all in one record batch, so that the lists' values are one array over all documents.

``offset`` and ``bytes``: the group's encapsulated Arrow message in its shard, which ``crc32`` covers. Per document:
``length`` in tokens, ``key`` (a position in the metadata's ``keys``), ``split`` (uniform, from the content hash: a
validation share p takes the documents below p · 65536), ``level`` (weight level; 0).
"""

MAX_KEYS = 2**16
_REBUILD = "delete the token block's folder in the store and run the recipe again; other blocks are kept"


class TokenShards:
    """Documents by number, in the order of the shards. Use :meth:`open`.

    ``keys``: (domain, language) pairs. ``tokenizer``: name, vocab_size, eos_id, fingerprint. Not thread-safe: one
    per reader; pickling reopens.
    """

    def __init__(self, path: str, max_groups: int = 256) -> None:
        self.path = path
        self._max_groups = max_groups
        self._groups: OrderedDict[int, tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]] = OrderedDict()
        self._checked: set[int] = set()
        self._files: dict[int, pa.NativeFile] = {}
        self._fs, location = _filesystem(path)
        self._folder = str(PurePosixPath(location).parent)
        meta, index = _read_index(self._open_file(location), path)
        self.tokenizer: dict[str, Any] = meta["tokenizer"]
        self.append_eos: bool = meta["append_eos"]
        self.keys: list[tuple[str, str]] = [(domain, language) for domain, language in meta["keys"]]
        self.shards: list[dict[str, Any]] = meta["shards"]
        self.length, self._starts = _flat(index.column("length"), np.uint32)
        self.key, _ = _flat(index.column("key"), np.uint16)
        self.split, _ = _flat(index.column("split"), np.uint16)
        self.level, _ = _flat(index.column("level"), np.uint8)
        self._index = {name: index.column(name).to_numpy() for name in ("shard", "offset", "bytes", "crc32")}

    @classmethod
    def open(cls, path: str) -> TokenShards:
        """Open a folder with ``index.arrow``, or that file: a local path or a URI. Raises StoreError."""
        return cls(path if path.endswith(".arrow") else f"{path.rstrip('/')}/{INDEX_NAME}")

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenShards, (self.path, self._max_groups)

    @property
    def documents(self) -> int:
        return len(self.length)

    @property
    def groups(self) -> int:
        """Row groups in all shards."""
        return len(self._starts) - 1

    @property
    def tokens(self) -> int:
        """Tokens of all documents, end-of-document ids included."""
        return sum(shard["tokens"] for shard in self.shards)

    @property
    def checksum(self) -> str:
        """8 hex digits over the checksums of all row groups: other text of the same lengths has another."""
        return f"{zlib.crc32(self._index['crc32'].tobytes()):08x}"

    def locate(self, documents: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(row group, row in it) of each document number, int64[n] each."""
        numbers = np.asarray(documents, np.int64)
        group = np.searchsorted(self._starts, numbers, side="right") - 1
        return group, numbers - self._starts[group]

    def read(self, document: int) -> npt.NDArray[np.uint32]:
        """The document's tokens, a view of the mapped file. Raises StoreError for damage, IndexError."""
        if not 0 <= document < self.documents:
            raise IndexError(f"document {document} of {self.documents}")
        group, row = self.locate(document)
        return self.read_at(int(group), int(row))

    def read_at(self, group: int, row: int) -> npt.NDArray[np.uint32]:
        """The tokens of one row of a row group, a view."""
        values, offsets = self._tokens(group)
        return values[offsets[row] : offsets[row + 1]]

    def group(self, number: int) -> pa.RecordBatch:
        """A row group (:data:`SHARD_SCHEMA`), its CRC checked when it is first touched. Raises StoreError."""
        message = self._message(number)
        if number not in self._checked:
            self._check(number, message)
        return pa.ipc.read_record_batch(message, SHARD_SCHEMA)

    def verify(self) -> Iterator[str]:
        """Check every row group against its CRC; yields a sentence for each that is damaged."""
        for number in range(self.groups):
            try:
                self._check(number, self._message(number))
            except StoreError as error:
                yield str(error)

    def _tokens(self, number: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
        found = self._groups.get(number)
        if found is not None:
            self._groups.move_to_end(number)
            return found
        column = self.group(number).column("tokens")
        found = column.values.to_numpy(), column.offsets.to_numpy()
        self._groups[number] = found
        if len(self._groups) > self._max_groups:
            self._groups.popitem(last=False)
        return found

    def _where(self, number: int) -> str:
        shard = self.shards[int(self._index["shard"][number])]["file"]
        first = int(np.searchsorted(self._index["shard"], self._index["shard"][number]))
        return f"{shard}, row group {number - first} (documents {self._starts[number]}–{self._starts[number + 1] - 1})"

    def _message(self, number: int) -> pa.Buffer:
        shard = int(self._index["shard"][number])
        if shard not in self._files:
            self._files[shard] = self._open_shard(shard)
        size = int(self._index["bytes"][number])
        message = self._files[shard].read_at(size, int(self._index["offset"][number]))
        if len(message) != size:
            raise StoreError("the shard ends early", where=self._where(number), remedy=_REBUILD)
        return pa.py_buffer(message)

    def _check(self, number: int, message: pa.Buffer) -> None:
        found, expected = zlib.crc32(message), int(self._index["crc32"][number])
        if found != expected:
            text = f"bytes are damaged: CRC-32 {found:08x}, the index says {expected:08x}"
            raise StoreError(text, where=self._where(number), remedy=_REBUILD)
        self._checked.add(number)

    def _open_shard(self, shard: int) -> pa.NativeFile:
        return self._open_file(f"{self._folder}/{self.shards[shard]['file']}")

    def _open_file(self, location: str) -> pa.NativeFile:
        try:
            if isinstance(self._fs, pafs.LocalFileSystem):
                return pa.memory_map(location)
            return self._fs.open_input_file(location)
        except FileNotFoundError as error:
            raise StoreError("no such file", where=location, remedy=_REBUILD) from error


def metadata(meta: dict[str, Any]) -> dict[bytes, bytes]:
    """Our JSON as schema metadata, with the format version."""
    return {META: json.dumps({"format": FORMAT_VERSION, **meta}, ensure_ascii=False, sort_keys=True).encode()}


def read_metadata(schema: pa.Schema, where: str) -> dict[str, Any]:
    """The JSON that :func:`metadata` wrote. Raises StoreError for another file or format version."""
    raw = (schema.metadata or {}).get(META)
    meta: dict[str, Any] = json.loads(raw) if raw else {}
    if meta.get("format") != FORMAT_VERSION:
        remedy = "open it with the Gristmill that wrote it, or run the recipe again"
        raise StoreError(f"token format {meta.get('format')}, this is {FORMAT_VERSION}", where=where, remedy=remedy)
    return meta


def _filesystem(path: str) -> tuple[pafs.FileSystem, str]:
    if "://" not in path:
        return pafs.LocalFileSystem(), path
    fs, location = pafs.FileSystem.from_uri(path)
    return fs, location


def _read_index(source: pa.NativeFile, where: str) -> tuple[dict[str, Any], pa.RecordBatch]:
    try:
        reader = pa.ipc.open_file(source)
    except pa.ArrowInvalid as error:
        raise StoreError(f"not an Arrow file: {error}", where=where, remedy=_REBUILD) from error
    return read_metadata(reader.schema, where), reader.get_batch(0)


def _flat(column: pa.Array, dtype: type[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """A list column as one array over all documents and where each group begins in it."""
    return column.values.to_numpy().astype(dtype, copy=False), column.offsets.to_numpy()
