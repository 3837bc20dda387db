"""Web archives: WARC, ARC and WET files; plain, gzip, zstd, lz4 (and bzip2 and xz).

Every record is a row, a quarantine record, or counted as left out (``read:redirect``, ``read:not_html``). The text of a
row is the page's HTML, or plain text; the stage ``extract``, which the source brings along, makes text of HTML.

Large files whose records can be found are cut into byte ranges: plain ones, and those that hold each record in a gzip
member or frame of its own. A record belongs to the range in which it begins. Where the first one begins is found by
walking there from the first header that stands up to 4 MiB before the range. A header may also stand in an archive
inside a record; a walk that begins there leaves it at its end, but not if it is longer than that. So each range's
reader also looks whether the next range's reader would come to the place where it left off itself, and stops the run
if not. That makes all ranges one walk from the file's beginning, by induction. Other large files are streams.

Limits: documents that a crawler has cut into segments (WARC-Segment-Number) stay in pieces: the first is a row,
continuations are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.errors import SourceError
from pipeline.sources.charsets import Buffer
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.decompression import MAGIC_BYTES
from pipeline.sources.http_messages import BadMessage
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import BATCH_BYTES, RAW_BYTES, Fault, constant, quarantine, row_schema
from pipeline.sources.streams import ByteStream, compression_of, open_raw, open_units
from pipeline.sources.warc_documents import PAGES, Document, Skipped, document
from pipeline.sources.warc_records import LOOK_BYTES, NEXT_HEAD, Record, RecordReader, begins_record
from stages.contract import StageConfig
from stages.extract import ExtractConfig

FOLDER_SUFFIXES = tuple(
    f".{kind}{packed}"
    for kind in ("warc", "arc", "wet")
    for packed in ("", ".gz", ".zst", ".zstd", ".lz4", ".bz2", ".xz")
)
LOOK_BACK_BYTES = 4 * 2**20
"""How far before a range the walk to its first record begins, at the latest."""
SLACK_BYTES = 16 * 2**20
"""How much longer than a document its record may be: headers, and chunks' sizes."""

_THREADS = 16
_SPLITTABLE = (None, "gzip", "zstd", "lz4")
_STEP_BYTES = 4 * 2**20
_COLUMNS = ("id", "url", "date", "offset", "media_type")
_MAX_ROWS = 2**16
_MAX_FAULTS = 256


class WarcConfig(SourceConfig):
    """Web archives: WARC, ARC and WET files, in any usual compression."""

    extract: ExtractConfig | None = ExtractConfig()
    """How HTML becomes text: settings of the stage ``extract``, which runs first. ``null``: rows are HTML. Plain text
    passes by."""
    split_bytes: int = Field(default=256 * 2**20, gt=0)
    """Bytes of a file that one task reads, where the file can be cut between records."""


def fields(config: WarcConfig) -> Mapping[str, pa.DataType]:
    """``media_type`` of the text: ``text/html`` (or that of XHTML) or ``text/plain``."""
    return {"media_type": pa.string()}


def stages(config: WarcConfig) -> Sequence[tuple[str, StageConfig]]:
    """Extraction of text, from what is HTML."""
    if config.extract is None:
        return ()
    when = config.extract.when or {"media_type": list(PAGES)}
    return (("extract", config.extract.model_copy(update={"when": when})),)


def split(source: str, config: WarcConfig) -> Sequence[Partition]:
    """Byte ranges of large files whose records can be found, other files whole. Raises SourceError."""
    files = list_files(config.path, config.exclude, FOLDER_SUFFIXES)
    # Small files are not opened here: a request for each of 10,000 objects would take minutes.
    large = [file for file in files if file.size > config.split_bytes]
    with ThreadPoolExecutor(_THREADS) as threads:
        can_be_cut = dict(zip(large, threads.map(_can_be_cut, large), strict=True))
    return [part for file in files for part in split_file(source, file, config, can_be_cut=can_be_cut.get(file, True))]


def split_file(source: str, file: FoundFile, config: WarcConfig, *, can_be_cut: bool) -> Iterator[Partition]:
    """The file's partitions; a large one that cannot be cut is a stream."""
    stream = file.size > config.split_bytes and not can_be_cut
    step = max(file.size, 1) if stream else config.split_bytes
    for start in range(0, max(file.size, 1), step):
        piece = Piece(file.uri, file.relative, start, min(start + step, file.size), file.size, file.stamp)
        yield Partition(source, (piece,), stream)


def _can_be_cut(file: FoundFile) -> bool:
    """Whether the second record begins a unit of its own, or the file is plain."""
    walk = _open(file.uri, file.size, SLACK_BYTES)
    try:
        if walk.codec not in _SPLITTABLE:
            return False
        if not walk.reader.advance():
            return False
        walk.reader.read()
        return walk.codec is None or (walk.reader.advance() and walk.reader.place[1] == 0)
    finally:
        walk.stream.close()


class _Walk(NamedTuple):
    """An open file, and the reader that walks through it."""

    stream: ByteStream
    codec: str | None
    reader: RecordReader


def _open(uri: str, size: int, max_bytes: int, before: int = 0) -> _Walk:
    """A walk from the file's beginning, or from the first header up to 4 MiB before a place."""
    start = max(0, before - LOOK_BACK_BYTES)
    raw = open_raw(uri, size)
    codec = compression_of(raw.read_at(MAGIC_BYTES, 0), uri)
    if codec is None:
        start = _next_header(raw, start, size)
        raw.seek(start)
        return _Walk(raw, None, RecordReader(raw, max_bytes, start))
    raw.close()
    stream = open_units(uri, size, codec)
    if start:
        found = stream.find_unit(start, begins_record)
        stream.go_to(size if found is None else found)
    return _Walk(stream, codec, RecordReader(stream, max_bytes))


def _next_header(raw: pa.NativeFile, start: int, size: int) -> int:
    """Where the first line at or behind ``start`` stands that begins a record; the file's size if there is none."""
    if start == 0:
        return 0
    while start < size:
        data = raw.read_at(_STEP_BYTES + LOOK_BYTES, start - 1)
        found = NEXT_HEAD.search(data)
        if found and found.end() <= _STEP_BYTES:
            return int(start - 1 + found.end())
        start += _STEP_BYTES
    return size


def read(partition: Partition, config: WarcConfig) -> Iterator[SourceBatch]:
    """The partition's rows and quarantine records. Raises SourceError if a file is gone or changed, or cut wrongly."""
    for piece in partition.pieces:
        yield from _PieceReader(partition.source, piece, config).read()


class _PieceReader:
    def __init__(self, source: str, piece: Piece, config: WarcConfig) -> None:
        self.piece = piece
        self.max_bytes = config.max_document_bytes
        self.batch = _Batch(source, piece.relative)

    def read(self) -> Iterator[SourceBatch]:
        piece = self.piece
        walk = self._walk(piece.start)
        met: set[int] = set()
        try:
            while walk.reader.advance() and walk.reader.place[0] < piece.end:
                offset, within = walk.reader.place
                item = walk.reader.read()
                if within == 0 and isinstance(item, Record):
                    met.add(offset)
                if offset >= piece.start and (full := self._take(item, offset, within)) is not None:
                    yield full
            left_at = walk.reader.place[0] if walk.reader.at_item else piece.size
        finally:
            walk.stream.close()
        if piece.end < piece.size:
            self._check_next(met, left_at)
        if not self.batch.is_empty():
            yield self.batch.finish()

    def _walk(self, before: int) -> _Walk:
        return _open(self.piece.uri, self.piece.size, self.max_bytes + SLACK_BYTES, before)

    def _take(self, item: Record | Fault, offset: int, within: int) -> SourceBatch | None:
        """Put a record into the batch. Returns the batch that is full: that before the record, or with it."""
        found = self._understood(item, offset + within)
        if isinstance(found, Document):
            full = None if self.batch.has_room(found.text) else self.batch.finish()
            self.batch.add(found, offset, within)
            if full is not None:
                return full
        elif isinstance(found, Fault):
            self.batch.faults.append(found)
        else:
            assert isinstance(item, Record)
            self.batch.skip(found.reason, item.size)
        return self.batch.finish() if self.batch.is_full() else None

    def _understood(self, item: Record | Fault, offset: int) -> Document | Skipped | Fault:
        if isinstance(item, Fault):
            return item
        try:
            return document(item, self.max_bytes)
        except BadMessage as bad:
            return Fault(offset, item.size, bad.reason, bad.detail, bytes(item.content[:RAW_BYTES]))

    def _check_next(self, met: set[int], left_at: int) -> None:
        """Whether the next range's reader comes to where this one left off: at once if their walks have met."""
        walk = self._walk(self.piece.end)
        try:
            begun = False
            while walk.reader.advance() and walk.reader.place[0] < self.piece.end:
                if not begun and walk.reader.place[0] in met:
                    return
                begun = True
                walk.reader.read()
            found = walk.reader.place[0] if walk.reader.at_item else self.piece.size
        finally:
            walk.stream.close()
        if found != left_at:
            raise SourceError(
                f"the cut at byte {self.piece.end:,} falls into an archive that is stored inside a record: "
                f"the next record begins at {left_at:,} and not at {found:,}",
                where=self.piece.uri,
                remedy=f"set `split_bytes` to {self.piece.size} or more, so that the file is not cut",
            )


class _Batch:
    """Rows, quarantine records and counts that are handed over together."""

    def __init__(self, source: str, file: str) -> None:
        self.source = source
        self.file = file
        self._clear()

    def _clear(self) -> None:
        self.text = _Text(0)
        self.rows: dict[str, list[str | int | None]] = {name: [] for name in _COLUMNS}
        self.faults: list[Fault] = []
        self.repaired: Counter[str] = Counter()
        self.skipped: dict[str, tuple[int, int]] = {}

    def is_full(self) -> bool:
        return len(self.text.ends) > _MAX_ROWS or len(self.faults) >= _MAX_FAULTS

    def is_empty(self) -> bool:
        return len(self.text.ends) == 1 and not self.faults and not self.skipped

    def has_room(self, text: Buffer) -> bool:
        return len(self.text.ends) == 1 or self.text.has_room(text)

    def skip(self, reason: str, size: int) -> None:
        records, total = self.skipped.get(reason, (0, 0))
        self.skipped[reason] = records + 1, total + size

    def add(self, found: Document, offset: int, within: int) -> None:
        if not self.text.has_room(found.text):
            self.text = _Text(max(BATCH_BYTES, len(found.text)))
        self.text.add(found.text)
        place = f"{offset}+{within}" if within else str(offset)
        self.rows["id"].append(f"{self.file}#{found.own_id or place}")
        self.rows["url"].append(found.url)
        self.rows["date"].append(found.date)
        self.rows["offset"].append(offset + within)
        self.rows["media_type"].append(found.media_type)
        for reason in found.repaired:
            self.repaired[reason] += 1

    def finish(self) -> SourceBatch:
        """The batch; this object is empty then."""
        rows = len(self.text.ends) - 1
        schema = row_schema({"media_type": pa.string()})
        values = {name: pa.array(column, schema.field(name).type) for name, column in self.rows.items()}
        values["text"] = self.text.array()
        values["file"] = constant(self.file, rows)
        values["license"] = constant(None, rows)
        batch = pa.record_batch([values[name] for name in schema.names], schema=schema)
        made = SourceBatch(batch, quarantine(self.source, self.file, self.faults), dict(self.repaired), self.skipped)
        self._clear()
        return made


class _Text:
    """Texts one behind the other, in memory of Arrow's pool, which is used again when a batch is done with."""

    def __init__(self, size: int) -> None:
        self.ends = [0]
        self._buffer = pa.allocate_buffer(size)
        self._bytes = np.frombuffer(self._buffer, np.uint8)

    def has_room(self, text: Buffer) -> bool:
        return self.ends[-1] + len(text) <= len(self._bytes)

    def add(self, text: Buffer) -> None:
        start, stop = self.ends[-1], self.ends[-1] + len(text)
        self._bytes[start:stop] = np.frombuffer(text, np.uint8)
        self.ends.append(stop)

    def array(self) -> pa.LargeStringArray:
        offsets = pa.py_buffer(np.array(self.ends, np.int64))
        return pa.LargeStringArray.from_buffers(len(self.ends) - 1, offsets, self._buffer.slice(0, self.ends[-1]))


SOURCE = SourceKind(
    kind="warc",
    version=1,
    config=WarcConfig,
    split=split,
    read=read,
    fields=fields,
    stages=stages,
)
