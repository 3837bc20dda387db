"""Members of zip files, by their directory."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

from pipeline.sources.code_archives import Member, Skipped, Stop, member_of
from pipeline.sources.contract import Piece
from pipeline.sources.records import Fault
from pipeline.sources.streams import is_transport_error, open_raw

_DIRECTORY_LIMIT = 32 * 2**20
"""Bytes of a zip's directory; in memory it takes ten times as much."""


class Zip:
    """A zip file, read by its directory."""

    def __init__(self, piece: Piece, max_bytes: int) -> None:
        self._raw = open_raw(piece.uri, piece.size)
        self._size = piece.size
        self._max_bytes = max_bytes
        self._done = 0
        self._zip: zipfile.ZipFile | None = None
        self._last: zipfile.ZipInfo | None = None

    def close(self) -> None:
        self._raw.close()

    def members(self) -> Iterator[Member | Skipped | Fault]:
        """Files, links and what is wrong, in the directory's order."""
        try:
            _check_directory(self._raw, self._size)
            self._zip = zipfile.ZipFile(cast(IO[bytes], self._raw))
            infos = self._zip.infolist()
        except (*_ZIP_ERRORS, Stop) as error:
            if is_transport_error(error):
                raise
            yield Fault(0, self._size, "damaged_archive", str(error), b"")
            return
        for info in infos:
            if self._done > self._max_bytes:
                detail = f"more than {self._max_bytes:,} bytes once decompressed"
                yield Fault(info.header_offset, self._size - info.header_offset, "too_large", detail, b"")
                return
            if info.is_dir():
                continue
            self._last = info
            yield self._found(info)

    def _found(self, info: zipfile.ZipInfo) -> Member | Skipped | Fault:
        mode = info.external_attr >> 16
        if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            return Skipped("link" if stat.S_ISLNK(mode) else "special_file", info.file_size)
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            what = "is encrypted" if info.flag_bits & 1 else f"is compressed by method {info.compress_type}"
            detail = f"{info.orig_filename[:200]!r} {what}"
            return Fault(info.header_offset, info.compress_size, "unsupported_member", detail, b"")
        return member_of(info.orig_filename.encode("utf-8", "replace"), info.file_size, info.header_offset)

    def read(self, limit: int) -> bytes | Fault:
        """Content of the last member, at most ``limit`` bytes of it."""
        assert self._zip is not None and self._last is not None
        try:
            with self._zip.open(self._last) as stream:
                content = stream.read(limit)
        except _ZIP_ERRORS as error:
            if is_transport_error(error):
                raise
            return Fault(self._last.header_offset, self._last.compress_size, "damaged_archive", str(error), b"")
        self._done += len(content)
        return content


_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
)
"""What ``zipfile`` raises for damage."""


def _check_directory(raw: IO[bytes], size: int) -> None:
    """Refuse a directory that would not fit into memory, before it is read. Raises Stop."""
    raw.seek(max(size - 2**16 - 100, 0))
    tail = raw.read()
    end = tail.rfind(b"PK\x05\x06")
    length = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if length == 0xFFFFFFFF:
        long_end = tail.rfind(b"PK\x06\x06", 0, end)
        length = int.from_bytes(tail[long_end + 40 : long_end + 48], "little") if long_end >= 0 else length
    raw.seek(0)
    if length > _DIRECTORY_LIMIT:
        raise Stop("damaged_archive", f"a directory of {length:,} bytes; {_DIRECTORY_LIMIT:,} are read")
