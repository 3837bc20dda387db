"""Text files: one file, one document; plain or compressed.

Files are grouped into partitions where their names say so (content-defined chunking, as in LBFS, Muthitacharoen et
al. 2001, with names for content): a group ends behind a file whose hash is 0 modulo 512, and a group over the caps is
cut at its file of the smallest hash, again and again. So a new file moves only the group that it falls into.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated

import pyarrow as pa
from pydantic import AfterValidator, Field

from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import BATCH_BYTES, RAW_BYTES, Fault, no_rows, quarantine, row_schema
from pipeline.sources.streams import DamagedStream, open_stream

GROUP_FILES = 512
MAX_GROUP_FILES = 4096
MAX_GROUP_BYTES = 64 * 2**20

_READ_BYTES = 2**20
_BYTE_ORDER_MARK = "\ufeff"


def known_encoding(name: str) -> str:
    """The encoding's own name. Raises ValueError for one that Python does not know."""
    try:
        b"a".decode(name, "replace")
    except LookupError as error:
        raise ValueError(f"{error}; Python knows utf-8, utf-16, gb18030, big5, shift_jis, cp1252 and others") from error
    return codecs.lookup(name).name


class TextConfig(SourceConfig):
    """Files of text; each is one document."""

    encoding: Annotated[str, AfterValidator(known_encoding)] = "utf-8"
    """Encoding of the files. A file that is not in it is quarantined; a byte order mark is left out."""
    body_after: str | None = Field(default=None, min_length=1)
    """The text begins behind the first occurrence of this, as in ``"\\n\\n"`` for mail-like headers; a file without
    it is taken whole."""


def split(source: str, config: TextConfig) -> Sequence[Partition]:
    """Groups of files, in the order of their names. Raises SourceError if there are none."""
    pieces = [whole_file(file) for file in list_files(config.path, config.exclude)]
    return [Partition(source, tuple(group)) for group in group_pieces(pieces)]


def whole_file(file: FoundFile) -> Piece:
    """The piece that is the whole file."""
    return Piece(file.uri, file.relative, 0, file.size, file.size, file.stamp)


def group_pieces(pieces: Sequence[Piece]) -> list[Sequence[Piece]]:
    """Cut a list of files, in order, into groups of at most 4,096 files and 64 MiB (or one file)."""
    hashes = [int.from_bytes(hashlib.sha1(piece.relative.encode()).digest()) for piece in pieces]
    groups: list[Sequence[Piece]] = []
    start = 0
    for position, value in enumerate(hashes, 1):
        if value % GROUP_FILES == 0 or position == len(pieces):
            groups += _within_caps(pieces, hashes, start, position)
            start = position
    return groups


def _within_caps(pieces: Sequence[Piece], hashes: Sequence[int], start: int, stop: int) -> Iterator[Sequence[Piece]]:
    pending = [(start, stop)]
    while pending:
        start, stop = pending.pop()
        size = sum(piece.size for piece in pieces[start:stop])
        if stop - start == 1 or (stop - start <= MAX_GROUP_FILES and size <= MAX_GROUP_BYTES):
            yield pieces[start:stop]
            continue
        cut = 1 + min(range(start, stop - 1), key=hashes.__getitem__)
        pending += [(cut, stop), (start, cut)]


def read(partition: Partition, config: TextConfig) -> Iterator[SourceBatch]:
    """The partition's documents, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    files: list[str] = []
    texts: list[bytes] = []
    held = 0
    for piece in partition.pieces:
        found = _document(piece, config)
        if isinstance(found, Fault):
            yield SourceBatch(no_rows({}), quarantine(partition.source, piece.relative, [found]))
            continue
        if files and held + len(found) > BATCH_BYTES:
            yield SourceBatch(_batch(files, texts))
            files, texts, held = [], [], 0
        files.append(piece.relative)
        texts.append(found)
        held += len(found)
    if files:
        yield SourceBatch(_batch(files, texts))


def _document(piece: Piece, config: TextConfig) -> bytes | Fault:
    """The document's text as UTF-8, or what is wrong with it."""
    found = file_text(piece, config.encoding, config.max_document_bytes)
    if isinstance(found, Fault):
        return found
    body = _body(found, config.body_after)
    return body if len(body) <= config.max_document_bytes else too_large(piece, body, config.max_document_bytes)


def _body(text: bytes, marker: str | None) -> bytes:
    place = -1 if marker is None else text.find(marker.encode())
    return text if marker is None or place < 0 else text[place + len(marker.encode()) :]


def file_text(piece: Piece, encoding: str, limit: int) -> bytes | Fault:
    """A file's text as UTF-8 without its byte order mark, or what is wrong with it.

    ``limit``: bytes of the (decompressed) file; as UTF-8 it may be longer.
    """
    try:
        content = file_content(piece, limit)
    except DamagedStream as damage:
        return Fault(0, piece.size, damage.reason, damage.detail, b"")
    if len(content) > limit:
        return too_large(piece, content, limit)
    try:
        return content.decode(encoding).removeprefix(_BYTE_ORDER_MARK).encode()
    except UnicodeError as error:
        reason = "invalid_utf8" if encoding == "utf-8" else "invalid_encoding"
        return Fault(0, len(content), reason, str(error), content[:RAW_BYTES])


def too_large(piece: Piece, content: bytes, limit: int) -> Fault:
    """The fault of a file with more text than ``limit`` bytes."""
    return Fault(0, piece.size, "too_large", f"a text of more than {limit:,} bytes", content[:RAW_BYTES])


def file_content(piece: Piece, limit: int) -> bytes:
    """The file's decompressed bytes, no more than one beyond the limit. Raises DamagedStream and SourceError."""
    stream = open_stream(piece.uri, piece.size)
    scratch = memoryview(bytearray(min(piece.size + 1, _READ_BYTES)))
    content = bytearray()
    try:
        while len(content) <= limit and (got := stream.readinto(scratch[: limit + 1 - len(content)])):
            content += scratch[:got]
    finally:
        stream.close()
    return bytes(content)


def _batch(files: Sequence[str], texts: Sequence[bytes]) -> pa.RecordBatch:
    schema = row_schema({})
    names = pa.array(files, pa.string())
    missing = pa.nulls(len(files), pa.string())
    values = {
        "id": names,
        "text": pa.array(texts, pa.large_binary()).view(pa.large_string()),
        "url": missing,
        "date": missing,
        "license": missing,
        "file": names,
        "offset": pa.array([0] * len(files), pa.int64()),
    }
    return pa.record_batch([values[name] for name in schema.names], schema=schema)


SOURCE = SourceKind(kind="text", version=1, config=TextConfig, split=split, read=read)
