"""Web archives made for tests: records, their mistakes, and the ways in which archives are packed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lz4.frame
import zstandard

from pipeline.sources.contract import SourceKind
from pipeline.sources.records import row_schema
from pipeline.sources.warc import SOURCE, WarcConfig

DATE = "2024-04-25T16:24:44Z"
PAGE = b"<!DOCTYPE html><html><body><p>Hello</p></body></html>"


class Found(NamedTuple):
    """``skipped`` and ``repaired``: reason → records."""

    rows: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]
    skipped: dict[str, int]
    repaired: dict[str, int]

    @property
    def records(self) -> int:
        """Everything that is in the books."""
        return len(self.rows) + len(self.quarantined) + sum(self.skipped.values())

    @property
    def reasons(self) -> list[str]:
        return [bad["reason"] for bad in self.quarantined]


def read(path: Path | str, kind: SourceKind = SOURCE, **settings: Any) -> Found:
    """All that the source makes of a file or folder; each batch is checked."""
    config = kind.config(path=str(path), **settings)
    rows: list[dict[str, Any]] = []
    quarantined: list[dict[str, Any]] = []
    skipped: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    partitions = kind.split("s", config)
    assert len({partition.number for partition in partitions}) == len(partitions)
    for partition in partitions:
        for batch in kind.read(partition, config):
            batch.rows.validate(full=True)
            assert batch.rows.schema == row_schema(kind.fields(config))
            rows += batch.rows.to_pylist()
            quarantined += batch.quarantined.to_pylist() if batch.quarantined is not None else []
            skipped.update({reason: records for reason, (records, _) in batch.skipped.items()})
            repaired.update(batch.repaired)
    return Found(rows, quarantined, dict(skipped), dict(repaired))


def read_bytes(folder: Path, content: bytes, name: str = "a.warc", **settings: Any) -> Found:
    """All that the source makes of a file with that content."""
    file = folder / name
    file.write_bytes(content)
    return read(file, **settings)


def warc(
    content: bytes,
    kind: str = "response",
    *,
    number: int = 1,
    media: str | None = "application/http; msgtype=response",
    version: str = "WARC/1.0",
    end: str = "\r\n",
    length: str | None = "right",
    fields: Sequence[str] = (),
    own_id: bool = True,
) -> bytes:
    """One record. ``length``: what Content-Length says; None leaves it out."""
    lines = [version, f"WARC-Type: {kind}", f"WARC-Date: {DATE}", f"WARC-Target-URI: http://example.org/{number}"]
    if own_id:
        lines.append(f"WARC-Record-ID: <urn:uuid:{number:08d}>")
    if media:
        lines.append(f"Content-Type: {media}")
    if length is not None:
        lines.append(f"Content-Length: {len(content) if length == 'right' else length}")
    header = "".join(line + end for line in [*lines, *fields]) + end
    return header.encode("latin-1") + content + b"\r\n\r\n"


def answer(
    body: bytes = PAGE,
    status: str = "200 OK",
    media: str | None = "text/html; charset=utf-8",
    fields: Sequence[str] = (),
    end: str = "\r\n",
) -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {media}"] if media else []), *fields]
    return ("".join(line + end for line in lines) + end).encode("latin-1") + body


def page(number: int, size: int = 50) -> bytes:
    """A page of about so many bytes that hardly compress, different for every number."""
    words = b" ".join(b"%x" % (number * 7919 + i * i * 104729) for i in range(size // 8))
    return b"<html><body><p>Page %d</p><p>%s</p></body></html>" % (number, words)


def pages(count: int, size: int = 50, first: int = 1) -> list[bytes]:
    """Records with pages."""
    return [warc(answer(page(number, size)), number=number) for number in range(first, first + count)]


def arc(url: str, content: bytes, media: str = "text/html", *, version: int = 1) -> bytes:
    """One record of an ARC file."""
    more = f" 200 - - 0 a.arc {len(content)}" if version == 2 else f" {len(content)}"
    return f"{url} 192.0.2.1 20080430204825 {media}{more}\n".encode() + content + b"\n"


def arc_file(records: Sequence[bytes], *, version: int = 1) -> list[bytes]:
    """The records of an ARC file, its own description first."""
    names = "URL IP-address Archive-date Content-type Archive-length"
    if version == 2:
        names = "URL IP-address Archive-date Content-type Result-code Checksum Location Offset Filename Archive-length"
    content = f"{version} 0 Somebody\n{names}\n".encode()
    return [arc("filedesc://a.arc", content, "text/plain", version=version), *records]


def skippable(content: bytes, number: int = 0) -> bytes:
    """A frame that decoders of zstd and lz4 pass over."""
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


def with_dictionary(records: Sequence[bytes], *, compressed: bool = False) -> bytes:
    """Frames of zstd behind one that holds their dictionary."""
    dictionary = zstandard.train_dictionary(4096, [page(number, 400) for number in range(300)])
    content = dictionary.as_bytes()
    content = zstandard.compress(content) if compressed else content
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    return skippable(content, 13) + b"".join(compressor.compress(record) for record in records)


def each(compress: Callable[[bytes], bytes]) -> Callable[[Sequence[bytes]], bytes]:
    return lambda records: b"".join(map(compress, records))


def whole(compress: Callable[[bytes], bytes]) -> Callable[[Sequence[bytes]], bytes]:
    return lambda records: compress(b"".join(records))


def blocks(compress: Callable[[bytes], bytes], size: int) -> Callable[[Sequence[bytes]], bytes]:
    """Units that are cut without regard to records, as bgzip does."""
    return lambda records: b"".join(compress(data) for data in cut(b"".join(records), size))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Pieces of a size."""
    return (data[start : start + size] for start in range(0, len(data), size))


def zstd(content: bytes) -> bytes:
    """A frame with a checksum."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def lz4_frame(content: bytes) -> bytes:
    """A frame with a checksum."""
    return bytes(lz4.frame.compress(content, content_checksum=True))


PACKED: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "plain": b"".join,
    "gzip by record": each(gzip.compress),
    "gzip": whole(gzip.compress),
    "gzip of blocks": blocks(gzip.compress, 701),
    "zstd by record": each(zstd),
    "zstd": whole(zstd),
    "zstd with a dictionary": with_dictionary,
    "zstd with a compressed dictionary": lambda records: with_dictionary(records, compressed=True),
    "lz4 by record": each(lz4_frame),
    "lz4": whole(lz4_frame),
    "lz4 behind a skippable frame": lambda records: skippable(b"x") + each(lz4_frame)(records),
    "bzip2": whole(bz2.compress),
    "bzip2 by record": each(bz2.compress),
    "xz": whole(lzma.compress),
}
"""How an archive is packed → from its records to its bytes."""
BY_RECORD = ("gzip by record", "zstd by record", "lz4 by record")


def offsets(records: Sequence[bytes], form: str) -> list[int]:
    """Where records begin: in the file, or, where they share a unit, in the decompressed stream."""
    pack = PACKED[form] if form in BY_RECORD else b"".join
    return [len(pack(records[:count])) for count in range(len(records))]


def config(**settings: Any) -> WarcConfig:
    """Settings for a file that is not there."""
    return WarcConfig(path="a.warc", **settings)
