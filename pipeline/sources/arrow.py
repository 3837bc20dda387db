"""Arrow IPC files and streams (``.arrow``, ``.ipc``, ``.feather``), record batches as the smallest part.

That is what ``datasets`` of Hugging Face caches, what Polars and pandas write as Feather, and what exports of
Gristmill are. Buffers may be compressed (lz4, zstd), columns dictionary-encoded, views, or nested. A large file is cut
between record batches, also where it has no footer.

A record batch is held in memory as a whole, so one over 1 GiB is refused. Nothing that a file says is believed
(``arrow_batches``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
from pydantic import Field

from pipeline.errors import SourceError
from pipeline.sources.arrow_batches import Decoder, schema_of, steps, text_bytes
from pipeline.sources.arrow_messages import DICTIONARY, RECORD_BATCH, SCHEMA, DamagedMessages, Message, walk
from pipeline.sources.columns import (
    ColumnsConfig,
    check_columns,
    columnar_batch,
    fields,
    leaves,
    pick,
    wanted_columns,
)
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceKind
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import BATCH_BYTES, Fault, no_rows, quarantine
from pipeline.sources.streams import is_transport_error, open_raw
from stages.contract import ORDINAL_BITS

SUFFIXES = (".arrow", ".arrows", ".ipc", ".feather")
MAX_BATCH_BYTES = 2**30

_MAX_ROWS = 2**ORDINAL_BITS
_STEP_BYTES = BATCH_BYTES // 2
_STEP_ROWS = 2**17
_THREADS = 16


class ArrowConfig(ColumnsConfig):
    """Arrow IPC files and streams, Feather among them. Columns may be nested (``meta.url``), but not in lists."""

    split_bytes: int = Field(default=64 * 2**20, gt=0)
    """Bytes of a file that one task reads; at least one record batch."""


def split(source: str, config: ArrowConfig) -> Sequence[Partition]:
    """Consecutive record batches of a file, up to ``split_bytes``. Raises SourceError.

    A file without a readable schema becomes one partition, which quarantines it.
    """
    files = list_files(config.path, config.exclude, SUFFIXES)
    with ThreadPoolExecutor(min(_THREADS, len(files))) as pool:
        outlines = list(pool.map(lambda file: _outline(file, config), files))
    check_columns(files, [outline.types for outline in outlines], config)
    return [
        Partition(source, (Piece(file.uri, file.relative, start, end, file.size, file.stamp),))
        for file, outline in zip(files, outlines, strict=True)
        for start, end in outline.ranges
    ]


@dataclass(frozen=True)
class _Outline:
    """``types``: column → type of what is no struct, None without a schema. ``ranges`` of record batches."""

    types: Mapping[str, pa.DataType] | None
    ranges: Sequence[tuple[int, int]]


_WHOLE = ((0, 0),)


def _outline(file: FoundFile, config: ArrowConfig) -> _Outline:
    batches: list[Message] = []
    types = None
    with open_raw(file.uri, file.size) as stream:
        try:
            for message in walk(stream):
                if message.kind == SCHEMA:
                    types = leaves(schema_of(_content(stream, message)))
                    if file.size <= min(config.split_bytes, MAX_BATCH_BYTES):
                        return _Outline(types, _WHOLE)
                elif message.kind == RECORD_BATCH:
                    _check_size(message, file, len(batches))
                    batches.append(message)
        except DamagedMessages:
            pass  # the last partition quarantines what cannot be read
        except (pa.ArrowException, OSError, ValueError) as error:  # a name that is not UTF-8 is a ValueError
            if is_transport_error(error):
                raise
    return _Outline(types, _WHOLE if types is None else list(_ranges(batches, config.split_bytes)))


def _check_size(message: Message, file: FoundFile, number: int) -> None:
    if message.rows > _MAX_ROWS or message.size > MAX_BATCH_BYTES:
        raise SourceError(
            f"record batch {number} has {message.rows:,} rows and {message.size:,} bytes; "
            f"{_MAX_ROWS:,} rows and {MAX_BATCH_BYTES:,} bytes are read",
            where=file.uri,
            remedy="write the file again with smaller record batches",
        )


def _ranges(batches: Sequence[Message], split_bytes: int) -> Iterator[tuple[int, int]]:
    start = rows = size = 0
    for number, message in enumerate(batches):
        if number > start and (size + message.size > split_bytes or rows + message.rows > _MAX_ROWS):
            yield start, number
            start, rows, size = number, 0, 0
        rows += message.rows
        size += message.size
    yield start, 0  # 0: to the end, whatever stands there


def _content(stream: pa.NativeFile, message: Message) -> bytes:
    stream.seek(message.offset)
    content: bytes = stream.read(message.size)
    return content


def read(partition: Partition, config: ArrowConfig) -> Iterator[SourceBatch]:
    """The partition's rows, about 8 MB a batch; what cannot be read is one quarantine record a record batch or file.

    Raises SourceError if a file is gone or has changed.
    """
    for piece in partition.pieces:
        with open_raw(piece.uri, piece.size) as stream:
            yield from _merged(_Reader(partition.source, piece, config).batches(stream))


class _Reader:
    def __init__(self, source: str, piece: Piece, config: ArrowConfig) -> None:
        self.source = source
        self.piece = piece
        self.config = config

    def batches(self, stream: pa.NativeFile) -> Iterator[SourceBatch]:
        piece = self.piece
        wanted = set(wanted_columns(self.config).values())
        decoder: Decoder | None = None
        number = first = 0
        try:
            for message in walk(stream):
                if piece.end and number == piece.end:
                    return
                if message.kind == SCHEMA:
                    decoder = Decoder(_content(stream, message), wanted, MAX_BATCH_BYTES)
                elif decoder is None:
                    raise DamagedMessages(message.offset, "expected a schema first")
                elif message.kind == DICTIONARY:
                    decoder.add_dictionary(message, _content(stream, message))
                elif message.kind == RECORD_BATCH:
                    if number >= piece.start:
                        yield from self._record_batch(stream, message, decoder, first)
                    number += 1
                    first += message.rows
            if decoder is None and piece.size:
                raise DamagedMessages(0, "the file has no schema")
        except DamagedMessages as damage:
            yield self._unreadable(first, piece.size - damage.offset, f"{damage.detail}, at byte {damage.offset:,}")
        except (pa.ArrowException, OSError, ValueError) as error:
            yield self._failed(error, first, piece.size)

    def _record_batch(
        self, stream: pa.NativeFile, message: Message, decoder: Decoder, first: int
    ) -> Iterator[SourceBatch]:
        done = first
        try:
            if message.size > MAX_BATCH_BYTES or message.rows > _MAX_ROWS:
                raise ValueError("is larger than what is read")
            raw = decoder.decode(message, _content(stream, message))
            for start, stop in steps(text_bytes(pick(raw, self.config.text)), _STEP_BYTES, _STEP_ROWS):
                step = raw.slice(start, stop - start)
                yield columnar_batch(self.source, self.piece.relative, step, decoder.types, first + start, self.config)
                done = first + stop
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            yield self._failed(error, done, message.size, f" (rows {done:,} to {first + message.rows - 1:,})")

    def _failed(self, error: Exception, offset: int, size: int, rows: str = "") -> SourceBatch:
        if is_transport_error(error):
            raise error
        return self._unreadable(offset, size, f"{error}{rows}")

    def _unreadable(self, offset: int, size: int, detail: str) -> SourceBatch:
        fault = Fault(offset, size, "unreadable", detail, b"")
        return SourceBatch(no_rows(fields(self.config)), quarantine(self.source, self.piece.relative, [fault]))


def _merged(batches: Iterator[SourceBatch]) -> Iterator[SourceBatch]:
    """Small batches put together: ``datasets`` writes a thousand rows a record batch."""
    held: list[SourceBatch] = []
    size = 0
    for batch in batches:
        nbytes = batch.rows.nbytes
        if held and size + nbytes > _STEP_BYTES:
            yield _joined(held)
            held, size = [], 0
        held.append(batch)
        size += nbytes
    if held:
        yield _joined(held)


def _joined(batches: Sequence[SourceBatch]) -> SourceBatch:
    quarantined = [batch.quarantined for batch in batches if batch.quarantined is not None]
    rows = pa.concat_batches([batch.rows for batch in batches])
    return SourceBatch(rows, pa.concat_batches(quarantined) if quarantined else None)


SOURCE = SourceKind(
    kind="arrow", version=1, config=ArrowConfig, split=split, read=read, fields=fields, libraries=("pyarrow",)
)
