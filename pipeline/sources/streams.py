"""Bytes of a file, from a disk or an object store, decompressed if need be, in bounded memory.

Compression is told by the first bytes and not by the name. gzip may have many members and zeros behind them
(tapes), zstd many frames, skippable ones, and windows up to 2 GiB (``zstd --long=31``). What comes before damage is
delivered before :class:`DamagedStream` is raised. Both codecs are fed in small steps, because a step's output is
lost when it fails and because 4 bytes of zstd may stand for 128 kB.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import pyarrow as pa
import zstandard

from pipeline.errors import SourceError
from pipeline.storage import filesystem

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = 6

_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_NOT_READ = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4", b"PK\x03\x04": "zip"}
_READ_BYTES = 4 * 2**20
_OUTPUT_BYTES = 4 * 2**20
_MAX_WINDOW_BYTES = 2**31
# A failed zstd step's output is lost, and 4 kB of it may stand for 128 MB (8 kB read 4 % faster, 2 kB 9 % slower).
_STEP_BYTES = {"gzip": 64 * 2**10, "zstd": 4 * 2**10}


class DamagedStream(Exception):
    """A compressed stream ends early or is not what it should be. All bytes before it have been delivered.

    ``reason``: ``truncated_stream`` or ``damaged_stream``. ``unread_bytes``: compressed bytes behind that place.
    """

    def __init__(self, reason: str, detail: str, unread_bytes: int) -> None:
        super().__init__(reason, detail, unread_bytes)
        self.reason = reason
        self.detail = detail
        self.unread_bytes = unread_bytes


class ByteStream(Protocol):
    """Bytes in order. ``readinto`` fills the view's beginning and tells how far, 0 at the end."""

    def readinto(self, view: memoryview, /) -> int: ...

    def close(self) -> None: ...


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
    return stream


def read_head(uri: str, count: int = MAGIC_BYTES) -> bytes:
    """The file's first bytes."""
    stream = open_raw(uri)
    try:
        return _read(stream, count)
    finally:
        stream.close()


def compression_of(head: bytes, uri: str) -> str | None:
    """``gzip``, ``zstd`` or None, by a file's first bytes. Raises SourceError for a compression that is not read."""
    for magic, name in _NOT_READ.items():
        if head.startswith(magic):
            raise SourceError(
                f"is compressed with {name}", where=uri, remedy="recompress it with zstd or gzip, or unpack it"
            )
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    if head.startswith(ZSTD_MAGIC) or (head[1:4] == _ZSTD_SKIPPABLE and 0x50 <= head[0] <= 0x5F):
        return "zstd"
    return None


def open_stream(uri: str, size: int | None = None) -> ByteStream:
    """The file's bytes from its beginning, decompressed if they are compressed. Raises SourceError."""
    raw = open_raw(uri, size)
    try:
        codec = compression_of(_read(raw, MAGIC_BYTES), uri)
    except SourceError:
        raw.close()
        raise
    raw.seek(0)
    return raw if codec is None else Decompressed(raw, codec)


def is_transport_error(error: BaseException) -> bool:
    """Whether an error while reading is the disk's or the network's, and not damage in the file.

    Arrow reports both as OSError; the system's own have a number, those of object stores name the service.
    """
    if not isinstance(error, OSError):
        return False
    words = ("AWS Error", "google::cloud", "GCS", "curl", "timed out", "Connection")
    return error.errno is not None or any(word in str(error) for word in words)


def _read(stream: pa.NativeFile, count: int) -> bytes:
    """``count`` bytes, fewer only at the end: a short read would shift the steps of a decoder."""
    buffer = bytearray(count)
    view = memoryview(buffer)
    have = 0
    while have < count:
        got = stream.readinto(view[have:])
        if not got:
            break
        have += got
    return bytes(view[:have])


class _Gzip:
    """One member. A failed step is repeated byte by byte, so that nothing that can be read is lost."""

    def __init__(self) -> None:
        self.decoder = zlib.decompressobj(wbits=31)

    def step(self, data: bytes) -> bytes:
        before = self.decoder.copy()
        try:
            return self.decoder.decompress(data, _OUTPUT_BYTES)
        except zlib.error as error:
            raise _StepFailed(_salvage(before, data), str(error)) from error

    @property
    def left(self) -> bytes:
        return self.decoder.unused_data if self.decoder.eof else self.decoder.unconsumed_tail

    @property
    def ended(self) -> bool:
        return self.decoder.eof


def _salvage(decoder: Any, data: bytes) -> bytes:
    saved = bytearray()
    try:
        for position in range(len(data)):
            saved += decoder.decompress(data[position : position + 1])
    except zlib.error:
        pass
    return bytes(saved)


class _Zstd:
    """One frame."""

    def __init__(self) -> None:
        self.decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()

    def step(self, data: bytes) -> bytes:
        try:
            return self.decoder.decompress(data)
        except zstandard.ZstdError as error:
            raise _StepFailed(b"", str(error)) from error

    @property
    def left(self) -> bytes:
        return self.decoder.unused_data if self.decoder.eof else b""

    @property
    def ended(self) -> bool:
        return self.decoder.eof


class _StepFailed(Exception):
    def __init__(self, saved: bytes, detail: str) -> None:
        super().__init__(detail)
        self.saved = saved
        self.detail = detail


class Decompressed:
    """A gzip or zstd file as a :class:`ByteStream`; owns and closes the stream below."""

    def __init__(self, raw: pa.NativeFile, codec: str) -> None:
        self._raw = raw
        self._codec = codec
        self._unit = "gzip member" if codec == "gzip" else "zstd frame"
        self._decoder: _Gzip | _Zstd | None = None
        self._read = b""
        self._position = 0
        self._ready = memoryview(b"")
        self._damage: DamagedStream | None = None

    def readinto(self, view: memoryview, /) -> int:
        """Fill the view's beginning; 0 at the end. Raises DamagedStream once all before it has been read."""
        while not self._ready:
            if self._damage is not None:
                raise self._damage
            made = self._advance()
            if made is None:
                return 0
            self._ready = memoryview(made)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._raw.close()

    def _advance(self) -> bytes | None:
        """Some more decompressed bytes, perhaps none; None at the end."""
        data = self._take(_STEP_BYTES[self._codec])
        if self._decoder is None:
            if self._codec == "gzip":
                data = data.lstrip(b"\0")
            if not data:
                return None if self._exhausted() else b""
            self._decoder = _Gzip() if self._codec == "gzip" else _Zstd()
        at_end = not data
        try:
            made = self._decoder.step(data)
        except _StepFailed as failure:
            self._damage = self._damaged("damaged_stream", failure.detail, len(data))
            return failure.saved
        if self._decoder.ended:
            self._give_back(self._decoder.left)
            self._decoder = None
        elif at_end and not made:
            self._damage = self._damaged("truncated_stream", f"the file ends inside a {self._unit}", 0)
        else:
            self._give_back(self._decoder.left)
        return made

    def _take(self, count: int) -> bytes:
        if self._position == len(self._read):
            self._read, self._position = _read(self._raw, _READ_BYTES), 0
        data = self._read[self._position : self._position + count]
        self._position += len(data)
        return data

    def _give_back(self, data: bytes) -> None:
        self._position -= len(data)

    def _exhausted(self) -> bool:
        if self._position == len(self._read):
            self._read, self._position = _read(self._raw, _READ_BYTES), 0
        return not self._read

    def _damaged(self, reason: str, detail: str, step_bytes: int) -> DamagedStream:
        unread = len(self._read) - self._position + step_bytes
        return DamagedStream(reason, detail, unread + self._raw.size() - self._raw.tell())
