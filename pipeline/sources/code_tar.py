"""Members of tar files: ustar, GNU and pax, plain, gzip or zstd.

Our own reader, because the standard library's takes all of an extended header into memory, which may claim 8 GB.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.sources.code_archives import Member, Skipped, Stop, member_of
from pipeline.sources.contract import Piece
from pipeline.sources.records import Fault
from pipeline.sources.streams import ByteStream, DamagedStream, open_stream

_BLOCK = 512
_HEADER_LIMIT = 2**20
_STEP_BYTES = 2**20


class Tar:
    """A tar file, read once from its beginning to its end."""

    def __init__(self, piece: Piece, max_bytes: int) -> None:
        self._stream: ByteStream = open_stream(piece.uri, piece.size)
        self._max_bytes = max_bytes
        self._at = 0
        self._left = 0
        self._padding = 0
        self._begin = 0
        self._size = piece.size
        self._failed: Stop | DamagedStream | None = None

    def close(self) -> None:
        self._stream.close()

    def members(self) -> Iterator[Member | Skipped | Fault]:
        """Files, links and what is wrong; damage ends the archive with one fault, at its torn member."""
        try:
            yield from self._members()
        except Stop as stop:
            yield Fault(self._begin, max(self._size - self._begin, 0), stop.reason, stop.detail, b"")
        except DamagedStream as damage:
            detail = f"{damage.detail}, after {self._at:,} decompressed bytes"
            yield Fault(self._begin, damage.unread_bytes, damage.reason, detail, b"")

    def read(self, limit: int) -> bytes | None:
        """Content of the last member, at most ``limit`` bytes of it."""
        try:
            content = self._take(min(limit, self._left))
        except (Stop, DamagedStream) as failed:
            self._failed = failed
            return None
        self._left -= len(content)
        return content

    def _members(self) -> Iterator[Member | Skipped | Fault]:
        extended: dict[str, bytes] = {}
        while True:
            if self._failed is not None:
                raise self._failed
            self._pass(self._left + self._padding)
            self._left = self._padding = 0
            self._begin = self._at
            header = self._take(_BLOCK, at_end=True)
            if not header or not header.strip(b"\0"):
                return
            kind, size = self._check(header)
            offset = self._at
            if kind in b"xgLK":
                found = self._extended(kind, size)
                extended |= found if kind != ord("g") else {}
                continue
            if b"size" in extended.get("keys", b"").split():
                size = int(extended["size"])
            self._left, self._padding = size, -size % _BLOCK
            raw = extended.get("path", self._name(header))
            if kind == ord("S"):
                self._pass_sparse_maps(header)
            sparse = kind == ord("S") or b"GNU.sparse" in extended.get("keys", b"")
            extended = {}
            if kind == ord("5") or (kind in b"\x000" and raw.endswith(b"/")):
                continue
            if kind in b"12":
                self._left = self._padding = 0
                yield Skipped("link", 0)
            elif sparse:
                yield Fault(offset, size, "unsupported_member", f"{raw[:200]!r} is a sparse file", b"")
            elif kind in b"\x0007":
                yield member_of(raw, size, offset)
            else:
                yield Skipped("special_file", size)

    def _pass_sparse_maps(self, header: bytes) -> None:
        """GNU's old sparse files have their map in blocks of its own, which the size does not count."""
        more = header[482]
        while more:
            more = self._take(_BLOCK)[504]

    def _check(self, header: bytes) -> tuple[int, int]:
        """(type, size) of a header. Raises Stop if it is none."""
        summed = header[:148] + b" " * 8 + header[156:]
        total = sum(summed)
        signed = total - 256 * sum(byte > 127 for byte in summed)  # some old writers took bytes for signed
        try:
            if _number(header[148:156]) not in (total, signed):
                raise ValueError
            size = _number(header[124:136])
        except ValueError:
            raise Stop(
                "damaged_archive", f"expected the header of a tar member at byte {self._at - _BLOCK:,}"
            ) from None
        return header[156], size

    def _name(self, header: bytes) -> bytes:
        name, prefix = header[:100].split(b"\0")[0], header[345:500].split(b"\0")[0]
        return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name

    def _extended(self, kind: int, size: int) -> dict[str, bytes]:
        """What a header of its own says of the next member. ``keys``: all keys of a pax header."""
        if size > _HEADER_LIMIT:
            raise Stop("damaged_archive", f"an extended header of {size:,} bytes; {_HEADER_LIMIT:,} are read")
        content = self._take(size)
        self._padding = -size % _BLOCK
        if kind == ord("K"):
            return {}
        if kind == ord("L"):
            return {"path": content.split(b"\0")[0]}
        found = dict(_pax_records(content))
        known = {name: found[key] for name, key in (("path", b"path"), ("size", b"size")) if key in found}
        if b"size" in found and not found[b"size"].isdigit():
            raise Stop("damaged_archive", f"a size of {found[b'size'][:40]!r}")
        return {**known, "keys": b" ".join(found)}

    def _take(self, count: int, at_end: bool = False) -> bytes:
        """``count`` bytes; none at the end, where that may be."""
        if self._at + count > self._max_bytes:
            raise Stop("too_large", f"more than {self._max_bytes:,} bytes once decompressed")
        content = bytearray(count)
        view = memoryview(content)
        have = 0
        while have < count and (got := self._stream.readinto(view[have:])):
            have += got
        self._at += have
        if have < count and not (at_end and have == 0):
            raise Stop("truncated_stream", f"the archive ends inside a member, after {self._at:,} decompressed bytes")
        return bytes(content) if have else b""

    def _pass(self, count: int) -> None:
        while count:
            step = min(count, _STEP_BYTES)
            self._take(step)
            count -= step


def _number(field: bytes) -> int:
    """A number in octal, or in binary where the first bit says so. Raises ValueError."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.split(b"\0")[0].strip()
    return int(text, 8) if text else 0


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        length = content[at : at + 20].partition(b" ")[0]
        end = at + int(length) if length.isdigit() else 0
        key, separator, value = content[at + len(length) + 1 : end].partition(b"=")
        if end <= at + len(length) or not separator or content[end - 1 : end] != b"\n":
            raise Stop("damaged_archive", "a pax header without a valid length")
        yield key, value[:-1]
        at = end
