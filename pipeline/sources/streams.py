"""Bytes of a file, from a disk or an object store, decompressed if need be, in bounded memory.

Compression is told by the first bytes and not by the name: gzip, zstd, lz4, bzip2 and xz.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.sources.compressed_units import CODECS, is_skippable
from pipeline.sources.decompression import MAGIC_BYTES, Decompressed
from pipeline.sources.decompression import DamagedStream as DamagedStream
from pipeline.storage import filesystem

_BZIP2_HEADS = tuple(bytes([48 + level]) + block for level in range(1, 10) for block in (b"1A", b"\x17r"))
_NOT_READ = {b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar"}


class ByteStream(Protocol):
    """Bytes in order. ``readinto`` fills the view's beginning and tells how far, 0 at the end."""

    def readinto(self, view: memoryview, /) -> int: ...

    def close(self) -> None: ...


Opened = list[tuple[str, "pa.NativeFile | Decompressed"]]
"""(URI, stream) of files that were opened. ``tell()`` of a stream is how far into its file a reader has come."""

_watched: ContextVar[Opened | None] = ContextVar("watched", default=None)


@contextmanager
def watch_opened(opened: Opened) -> Iterator[None]:
    """Append to ``opened`` what this thread opens meanwhile."""
    before = _watched.set(opened)
    try:
        yield
    finally:
        _watched.reset(before)


def _note_opened(uri: str, stream: pa.NativeFile | Decompressed) -> None:
    opened = _watched.get()
    if opened is not None:
        opened.append((uri, stream))


def open_raw(uri: str, size: int | None = None, start: int = 0) -> pa.NativeFile:
    """The file's own bytes from ``start`` on.

    Raises SourceError if it is gone, may not be read, or no longer has ``size`` bytes.
    """
    fs, path = filesystem(uri)
    try:
        stream = fs.open_input_file(path)
    except (FileNotFoundError, PermissionError) as error:
        raise SourceError(f"cannot be read: {error}", where=uri, remedy="put it back, or leave it out") from error
    found = stream.size()
    if size is not None and found != size:
        stream.close()
        raise SourceError(
            f"had {size:,} bytes when the run was planned and has {found:,} now",
            where=uri,
            remedy="start the run again once nothing writes to the file",
        )
    stream.seek(start)
    _note_opened(uri, stream)
    return stream


def read_head(uri: str, count: int = MAGIC_BYTES) -> bytes:
    """The file's first bytes."""
    stream = open_raw(uri)
    try:
        return bytes(stream.read_at(count, 0))
    finally:
        stream.close()


def compression_of(head: bytes, uri: str) -> str | None:
    """A key of ``CODECS``, or None, by a file's first bytes. Raises SourceError for a compression that is not read."""
    for magic, name in _NOT_READ.items():
        if head.startswith(magic):
            remedy = "recompress it with zstd or gzip, or unpack it"
            raise SourceError(f"is compressed with {name}", where=uri, remedy=remedy)
    for name, codec in CODECS.items():
        if head.startswith(codec.magic) and (name != "bzip2" or head[3:6] in _BZIP2_HEADS):
            return name
    return "zstd" if is_skippable(head[:4].ljust(4)) else None


def open_stream(uri: str, size: int | None = None) -> ByteStream:
    """The file's bytes from its beginning, decompressed if they are compressed. Raises SourceError."""
    raw = open_raw(uri, size)
    try:
        codec = compression_of(raw.read_at(MAGIC_BYTES, 0), uri)
    except SourceError:
        raw.close()
        raise
    if codec is None:
        raw.seek(0)
        return raw
    stream = Decompressed(raw, codec)
    _note_opened(uri, stream)
    return stream


def open_units(uri: str, size: int | None, codec: str) -> Decompressed:
    """A compressed file for a reader that goes by units: it has their places and a limit on expansion."""
    stream = Decompressed(open_raw(uri, size), codec, deque(), refuse_bombs=True)
    _note_opened(uri, stream)
    return stream


def is_transport_error(error: BaseException) -> bool:
    """Whether an error while reading is the disk's or the network's, and not damage in the file.

    Arrow reports both as OSError; the system's own have a number, those of object stores name the service.
    """
    if not isinstance(error, OSError):
        return False
    words = ("AWS Error", "google::cloud", "GCS", "curl", "timed out", "Connection")
    return error.errno is not None or any(word in str(error) for word in words)
