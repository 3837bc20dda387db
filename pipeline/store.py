"""The store: blocks by fingerprint, data files by attempt, commits by unit of work.

::

    store/<fingerprint>/block.json                      what the block is
    store/<fingerprint>/data/<unit>.<attempt>.<role>    data files; the attempt's name keeps doubled tasks apart
    store/<fingerprint>/commits/<unit>.json             written last: files, counts, checksums, books

A unit exists once its commit does. Data files that no commit names are left-overs of killed attempts; ``gc``
frees them. The same unit computed twice gives the same bytes, so whichever commit wins is right.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import pyarrow as pa
import xxhash

from pipeline.errors import StoreError
from pipeline.machine import peak_bytes
from pipeline.storage import Folder
from pipeline.writeback import begin_writeback

FORMAT_VERSION = 1
"""Of commit records and Arrow schemas; another version is refused, never guessed at."""

_WRITEBACK_BYTES = 8 * 2**20
"""So much is handed to the disk at a time."""


class ChecksumSink:
    """A file being written: counts bytes and hashes them (xxh3, 128 bits) on the way.

    ``descriptor``: of a file on a disk, that will be flushed at its end.
    """

    def __init__(self, stream: IO[bytes], descriptor: int | None = None) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._hash = xxhash.xxh3_128()
        self._on_its_way = 0
        self.bytes = 0

    def write(self, chunk: Any) -> int:
        view = memoryview(chunk).cast("B")
        self._hash.update(view)
        self.bytes += len(view)
        rest = view
        while rest:
            # an unbuffered write may take a part only: of 2 GiB and more, and on a disk that is nearly full
            rest = rest[self._stream.write(rest) :]
        if self._descriptor is not None and self.bytes - self._on_its_way >= _WRITEBACK_BYTES:
            begin_writeback(self._descriptor, self._on_its_way, self.bytes - self._on_its_way)
            self._on_its_way = self.bytes
        return len(view)

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        """Arrow flushes after a footer; durability is one fsync at the end."""

    @property
    def closed(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def checksum(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class DataFile:
    """One file of a unit. ``name`` is relative to the block's ``data`` folder; ``checksum`` is xxh3-128."""

    name: str
    bytes: int
    rows: int
    checksum: str


@dataclass(frozen=True)
class Commit:
    """What a unit of work wrote.

    ``files``: role → file; ``books``: rows of :class:`pipeline.books.Books`; ``facts``: what later blocks need (key
    samples, patch digests). ``seconds`` by stage and ``peak_bytes``, the most memory that the process had until
    then, are outside the promise of equal bytes.
    """

    unit: str
    files: Mapping[str, DataFile]
    books: list[list[Any]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0

    def to_json(self) -> bytes:
        return json.dumps({"format": FORMAT_VERSION, **asdict(self)}, ensure_ascii=False).encode()

    @staticmethod
    def from_json(content: bytes, where: str) -> Commit:
        """Raises StoreError for a damaged record or another format version."""
        try:
            record = json.loads(content)
            found = record.pop("format")
            if found != FORMAT_VERSION:
                remedy = "use the Gristmill that wrote it, or another store"
                raise StoreError(f"store format {found}, this is {FORMAT_VERSION}", where=where, remedy=remedy)
            record["files"] = {role: DataFile(**file) for role, file in record["files"].items()}
            return Commit(**record)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise StoreError("damaged commit record", where=where, remedy="delete it; the run recomputes it") from error


@dataclass(frozen=True)
class BlockStore:
    """The folder of one block."""

    folder: Folder

    @property
    def commits(self) -> Folder:
        return self.folder.child("commits")

    @property
    def data(self) -> Folder:
        return self.folder.child("data")

    def describe(self, what: Mapping[str, Any]) -> None:
        """Write what the block is, once."""
        if not self.folder.exists("block.json"):
            text = json.dumps({"format": FORMAT_VERSION, **what}, indent=1, sort_keys=True, ensure_ascii=False)
            self.folder.write("block.json", text.encode())

    def committed(self) -> set[str]:
        """Keys of all units that are done."""
        return {name.removesuffix(".json") for name in self.commits.names() if name.endswith(".json")}

    def read(self, key: str) -> Commit:
        """The unit's commit. Raises StoreError if it is not there or damaged."""
        where = self.commits.file(f"{key}.json")
        try:
            return Commit.from_json(self.commits.read(f"{key}.json"), where)
        except FileNotFoundError as error:
            raise StoreError("no such commit", where=where, remedy="run the recipe again") from error

    def read_many(self, keys: Iterable[str]) -> Iterator[Commit]:
        """Commits of the keys, in their order; read by several threads."""
        with ThreadPoolExecutor(8) as pool:
            yield from pool.map(self.read, keys)

    def open(self, file: DataFile) -> pa.ipc.RecordBatchFileReader:
        """Open an Arrow file of a commit. Raises StoreError if it is gone, damaged or of another length."""
        return self._reader(file, None)

    def batches(self, file: DataFile, columns: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The file's record batches, or only some columns, in the file's order (others are not decompressed)."""
        reader = self._reader(file, None)
        if columns is not None:
            wanted = [reader.schema.get_field_index(name) for name in columns]
            reader = self._reader(file, pa.ipc.IpcReadOptions(included_fields=wanted, use_threads=False))
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)

    def _reader(self, file: DataFile, options: pa.ipc.IpcReadOptions | None) -> pa.ipc.RecordBatchFileReader:
        path = self.data.file(file.name)
        try:
            source = pa.memory_map(path) if self.data.is_local else self.data.fs.open_input_file(path)
        except FileNotFoundError as error:
            raise StoreError("a committed file is gone", where=path, remedy=_RECOMPUTE) from error
        if source.size() != file.bytes:
            raise StoreError(f"{source.size()} bytes, the commit says {file.bytes}", where=path, remedy=_RECOMPUTE)
        try:
            return pa.ipc.open_file(source, options=options)
        except pa.ArrowInvalid as error:
            raise StoreError(f"damaged: {error}", where=path, remedy=_RECOMPUTE) from error

    def read_bytes(self, file: DataFile) -> bytes:
        """A whole file, its checksum verified. Raises StoreError if it is gone or damaged."""
        try:
            content = self.data.read(file.name)
        except FileNotFoundError as error:
            where = self.data.file(file.name)
            raise StoreError("a committed file is gone", where=where, remedy=_RECOMPUTE) from error
        if xxhash.xxh3_128_hexdigest(content) != file.checksum:
            raise StoreError("bytes are damaged (checksum)", where=self.data.file(file.name), remedy=_RECOMPUTE)
        return content


_RECOMPUTE = "delete the block's folder; the next run recomputes it"


class Attempt:
    """One try at a unit: opens data files under its own name and commits them all at the end.

    A try that fails leaves its files behind, without a commit; ``gc`` frees them.
    """

    def __init__(self, store: BlockStore, unit: str) -> None:
        self.store = store
        self.unit = unit
        self.files: dict[str, DataFile] = {}
        self._name = uuid.uuid4().hex[:12]
        self._written: list[IO[bytes]] = []
        store.data.make()

    @contextmanager
    def create(self, role: str) -> Iterator[ChecksumSink]:
        """Open the file of that role for writing; on success it is listed."""
        name = f"{self.unit}.{self._name}.{role}"
        path = self.store.data.file(name)
        if self.store.data.is_local:
            handle = open(path, "wb", buffering=0)  # noqa: SIM115 - commit() flushes and closes it
            self._written.append(handle)
            sink = ChecksumSink(handle, handle.fileno())
            yield sink
        else:
            with self.store.data.fs.open_output_stream(path, compression=None) as stream:
                sink = ChecksumSink(stream)
                yield sink
        self.files[role] = DataFile(name, sink.bytes, 0, sink.checksum())

    @contextmanager
    def arrow(self, role: str, schema: pa.Schema, compression: str | None = "lz4") -> Iterator[ArrowSink]:
        """Open an Arrow IPC file of that role."""
        with self.create(role) as sink:
            options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
            with pa.ipc.new_file(pa.PythonFile(sink, mode="w"), schema, options=options) as writer:
                table = ArrowSink(writer)
                yield table
        listed = self.files[role]
        self.files[role] = DataFile(listed.name, listed.bytes, table.rows, listed.checksum)

    def commit(self, books: list[list[Any]], facts: Mapping[str, Any], seconds: Mapping[str, float]) -> Commit:
        """Flush the files to disk, then write the commit record: from now on the unit exists."""
        self._flush()
        record = Commit(self.unit, self.files, books, facts, seconds, peak_bytes())
        self.store.commits.write(f"{self.unit}.json", record.to_json())
        return record

    def _flush(self) -> None:
        """Flush all files together: four at once take 2 ms here, one after the other 15."""
        with ThreadPoolExecutor(max(1, len(self._written))) as pool:
            list(pool.map(lambda handle: os.fsync(handle.fileno()), self._written))
        for handle in self._written:
            handle.close()


class ArrowSink:
    """Writes record batches and counts their rows."""

    def __init__(self, writer: pa.ipc.RecordBatchFileWriter) -> None:
        self._writer = writer
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        # A copy: Arrow pads the buffers of a slice with the rows that follow it, so its bytes would depend on them.
        self._writer.write_batch(pa.concat_batches([batch]))
        self.rows += batch.num_rows
