"""CSV and TSV: one row, one document; plain or compressed. The source ``csv``.

Where a quote may hold line breaks, no place in the middle of a file is known to be the beginning of a row, so a large
file is read once, from its beginning, as a stream. Without quotes (``quote: null``, as in most corpora of TSV) a line
is a row, and plain files are cut into byte ranges. What a row is, and what is given up where quotes are torn, is said
in ``stages.kernels.delimited``. Every row that is not blank becomes a document or a quarantine record.

A file begins with a row of names, unless the recipe gives them. Offsets count bytes of the text in UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, model_validator

from pipeline.errors import SourceError
from pipeline.sources.columns import ColumnsConfig, Faults, as_text, check_columns, fields, wanted_columns
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceKind
from pipeline.sources.delimited_header import Dialect, Header, read_header
from pipeline.sources.lines import BLOCK_BYTES, Block, Lost, Window, line_blocks
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import RAW_BYTES, Fault, constant, no_rows, prefixed_ids, quarantine, row_schema
from pipeline.sources.streams import ByteStream, compression_of, open_raw, open_stream, read_head
from pipeline.sources.text import known_encoding
from pipeline.sources.transcoding import Utf8Stream, marked_encoding
from stages.kernels import delimited as kernel

_TABBED = (".tsv", ".tab")
_NAMES = (".csv", *_TABBED)
SUFFIXES = tuple(name + packed for name in _NAMES for packed in ("", ".gz", ".zst", ".zstd", ".bz2", ".xz", ".lz4"))

ROW_SLACK_BYTES = 64 * 2**20
"""How much longer than ``max_document_bytes`` a row may be (other fields, quotes): it bounds a reader's memory."""

_BATCH_ROWS = 2**17
_SMALL_BYTES = 64 * 2**10
_THREADS = 16


def _one_byte(value: str) -> str:
    if len(value) != 1 or not value.isascii() or value in "\r\n\0":
        raise ValueError(f"expected one ASCII character that is no line break, got {value!r}")
    return value


OneByte = Annotated[str, AfterValidator(_one_byte)]


class CsvConfig(ColumnsConfig):
    """CSV and TSV files, plain or compressed, with a row of names first."""

    delimiter: OneByte | None = None
    """What stands between fields: a tab in files called ``.tsv`` or ``.tab``, a comma in others, if left out."""
    quote: OneByte | None = '"'
    """What fields with delimiters and line breaks stand in; doubled inside. ``null``: nothing, every line is a row, and
    large plain files are read in parts."""
    names: list[str] | None = None
    """Names of the columns, for files that do not begin with them."""
    encoding: Annotated[str, AfterValidator(known_encoding)] = "utf-8"
    """Encoding of the files; a byte order mark goes before it. A row that is not in it is quarantined."""
    split_bytes: int = Field(default=32 * 2**20, gt=0, le=32 * 2**20)
    """Bytes of a plain file without quotes that one task reads. At most 32 MiB, so that a partition has less than 2^24
    rows."""
    ingest_above_bytes: int = Field(default=16 * 2**20, ge=0)
    """A file that cannot be cut (quotes, compression, another encoding) and is larger than this is read once into
    partitions of its own before anything else."""

    @model_validator(mode="after")
    def _distinct(self) -> CsvConfig:
        if self.quote is not None and self.quote == self.delimiter:
            raise ValueError(f"delimiter and quote are both {self.quote!r}")
        return self


def split(source: str, config: CsvConfig) -> Sequence[Partition]:
    """One partition for each file, or for each byte range of a plain file without quotes. Raises SourceError."""
    files = list_files(config.path, config.exclude, SUFFIXES)
    with ThreadPoolExecutor(min(_THREADS, len(files))) as pool:
        headers = list(pool.map(lambda file: read_header(file.uri, file.size, _dialect(file.relative, config)), files))
    for file, header in zip(files, headers, strict=True):
        _check_twins(file, header, config)
    types = [dict.fromkeys(header.names, pa.string()) if header.names else None for header in headers]
    check_columns(files, types, config)
    return [partition for file in files for partition in _split_file(source, file, config)]


def _split_file(source: str, file: FoundFile, config: CsvConfig) -> Iterator[Partition]:
    whole, stream = True, False
    if file.size > min(config.split_bytes, config.ingest_above_bytes):
        head = read_head(file.uri)
        whole = (
            config.quote is not None
            or config.encoding != "utf-8"
            or compression_of(head, file.uri) is not None
            or marked_encoding(head) is not None
        )
        stream = whole and file.size > config.ingest_above_bytes
    step = max(file.size, 1) if whole else config.split_bytes
    for start in range(0, max(file.size, 1), step):
        piece = Piece(file.uri, file.relative, start, min(start + step, file.size), file.size, file.stamp)
        yield Partition(source, (piece,), stream)


def _dialect(relative: str, config: CsvConfig) -> Dialect:
    tabbed = any(name in relative.lower() for name in _TABBED)
    return Dialect(
        delimiter=ord(config.delimiter or ("\t" if tabbed else ",")),
        quote=kernel.NO_QUOTE if config.quote is None else ord(config.quote),
        encoding=config.encoding,
        names=None if config.names is None else tuple(config.names),
    )


def _check_twins(file: FoundFile, header: Header, config: CsvConfig) -> None:
    for column in wanted_columns(config).values():
        if header.names.count(column) > 1:
            raise SourceError(
                f"has {header.names.count(column)} columns called {column!r}",
                where=file.uri,
                remedy="give the columns other names with `names:`, or in the file",
            )


def read(partition: Partition, config: CsvConfig) -> Iterator[SourceBatch]:
    """The partition's rows and quarantine records, block by block. Raises SourceError if a file is gone or changed."""
    for piece in partition.pieces:
        dialect = _dialect(piece.relative, config)
        header = read_header(piece.uri, piece.size, dialect)
        if header.fault is not None:
            fault = header.fault._replace(offset=piece.start, size=piece.end - piece.start)
            yield SourceBatch(no_rows(fields(config)), quarantine(partition.source, piece.relative, [fault]))
        elif header.names:
            yield from _Reader(partition.source, piece, dialect, header, config).batches()


class _Reader:
    def __init__(self, source: str, piece: Piece, dialect: Dialect, header: Header, config: CsvConfig) -> None:
        self.source = source
        self.piece = piece
        self.header = header
        self.config = config
        self.schema = row_schema(fields(config))
        self.dialect = dialect
        places = {column: place for place, column in reversed(list(enumerate(header.names)))}
        self.wanted = {name: column for name, column in wanted_columns(config).items() if column in places}
        self.slot_of = {column: slot for slot, column in enumerate(dict.fromkeys(self.wanted.values()))}
        self.slots = np.full(len(header.names), -1, np.int64)
        for column, slot in self.slot_of.items():
            self.slots[places[column]] = slot
        self.room = kernel.make_room(_BATCH_ROWS, len(self.slot_of))

    def batches(self) -> Iterator[SourceBatch]:
        piece, config = self.piece, self.config
        whole = piece.start == 0 and piece.end == piece.size
        if whole:
            stream: ByteStream = Utf8Stream(open_stream(piece.uri, piece.size), config.encoding)
        else:
            stream = open_raw(piece.uri, piece.size, max(piece.start - 1, 0))
        # A small file needs no large buffer, and may be 16 times as long once decompressed.
        block_bytes = min(BLOCK_BYTES, 16 * (piece.end - piece.start) + _SMALL_BYTES)
        longest = config.max_document_bytes + ROW_SLACK_BYTES
        try:
            if config.quote is None:
                end = None if whole else piece.end
                for part in line_blocks(stream, piece.start, end, max_line_bytes=longest, block_bytes=block_bytes):
                    yield from self._lost(part) if isinstance(part, Lost) else self._lines(part)
            else:
                yield from self._quoted_rows(Window(stream, 0, min(block_bytes, longest + 1), longest))
        finally:
            stream.close()

    def _lines(self, block: Block) -> Iterator[SourceBatch]:
        at = max(block.begin, self.header.stop - block.offset)
        while at < block.stop:
            rows = self._scan(block.data, at, block.stop, kernel.ENDS)
            yield from self._batch(block.data, block.offset, rows)
            at = rows.next

    def _quoted_rows(self, window: Window) -> Iterator[SourceBatch]:
        window.pass_mark()
        while window.offset < self.header.stop:
            window.fill(None)
            window.drop(min(window.have, self.header.stop - window.offset))
        while True:
            window.fill(None)
            behind = kernel.ENDS if window.ended and window.damage is None else kernel.MORE
            at, next_ = -1, 0
            while next_ > at:
                at = next_
                rows = self._scan(window.data, at, window.have, behind)
                yield from self._batch(window.data, window.offset, rows)
                next_ = rows.next
            if next_:
                window.drop(next_)
            elif window.ended:
                for part in window.last():
                    assert isinstance(part, Lost), "a scan to the end leaves nothing"
                    yield from self._lost(part)
                return
            elif window.have > window.max_line_bytes:
                yield from self._long_row(window)
            else:
                window.searched = window.have

    def _long_row(self, window: Window) -> Iterator[SourceBatch]:
        """Give up a row that no end is in sight of."""
        rows = self._scan(window.data, 0, window.have, kernel.FULL)
        if rows.next:
            yield from self._batch(window.data, window.offset, rows)
            window.drop(rows.next)
        else:
            yield from self._lost(window.pass_long_line())

    def _scan(self, data: npt.NDArray[np.uint8], begin: int, stop: int, behind: int) -> kernel.Rows:
        return kernel.scan(data, begin, stop, behind, self.dialect.delimiter, self.dialect.quote, self.slots, self.room)

    def _lost(self, part: Lost) -> Iterator[SourceBatch]:
        fault = Fault(part.offset, part.size, part.reason, part.detail, part.raw)
        yield SourceBatch(no_rows(fields(self.config)), quarantine(self.source, self.piece.relative, [fault]))

    def _batch(self, data: npt.NDArray[np.uint8], offset: int, rows: kernel.Rows) -> Iterator[SourceBatch]:
        if not len(rows.starts) and not len(rows.bad):
            return
        count = len(rows.starts)
        faults = Faults(count)
        values = {name: self._column(data, rows, name, faults) for name in self.wanted}
        limit = self.config.max_document_bytes
        too_large = pc.greater(pc.binary_length(values["text"]), limit)
        faults.add(too_large, "too_large", f"a text of more than {limit:,} bytes")
        offsets = pa.array(rows.starts + offset, pa.int64())
        values["id"] = prefixed_ids(self.piece.relative, values.get("id"), offsets)
        values["file"] = constant(self.piece.relative, count)
        values["offset"] = offsets
        columns = [values[name] if name in values else constant(None, count) for name in self.schema.names]
        found = pa.record_batch(columns, schema=self.schema)
        if (faults.codes >= 0).any():
            found = found.filter(pa.array(faults.codes < 0))
        records = sorted([*self._bad_rows(data, offset, rows), *self._faulty_rows(data, offset, rows, faults)])
        yield SourceBatch(found, quarantine(self.source, self.piece.relative, records))

    def _column(self, data: npt.NDArray[np.uint8], rows: kernel.Rows, name: str, faults: Faults) -> pa.Array:
        """A column as text. CSV has no nulls: what is empty stays so for the text and is null elsewhere."""
        column = self.wanted[name]
        content, offsets = kernel.gather(data, rows.cells, self.slot_of[column], self.dialect.quote)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
        values = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
        if name != "text":
            values = pc.if_else(pc.equal(pc.binary_length(values), 0), None, values)
        return as_text(values, self.schema.field(name).type, column, faults)

    def _bad_rows(self, data: npt.NDArray[np.uint8], offset: int, rows: kernel.Rows) -> Iterator[Fault]:
        for start, stop, code, value in rows.bad.tolist():
            yield _fault(data, offset, start, stop, kernel.REASONS[code], self._detail(code, value))

    def _faulty_rows(
        self, data: npt.NDArray[np.uint8], offset: int, rows: kernel.Rows, faults: Faults
    ) -> Iterator[Fault]:
        for row in np.flatnonzero(faults.codes >= 0).tolist():
            reason, detail = faults.reasons[faults.codes[row]]
            if reason == "invalid_utf8" and self.config.encoding != "utf-8":
                reason, detail = "invalid_encoding", f"not {self.config.encoding}"
            yield _fault(data, offset, int(rows.starts[row]), int(rows.stops[row]), reason, detail)

    def _detail(self, code: int, value: int) -> str:
        if code == kernel.COLUMN_COUNT:
            return f"{value:,} columns, expected {len(self.header.names):,}"
        return {
            kernel.STRAY_QUOTE: "a quote ends before byte {0:,} of the row, where no field can end",
            kernel.UNCLOSED_QUOTE: "a quote that does not end within {0:,} bytes",
            kernel.NUL_BYTE: "a NUL at byte {0:,} of the row",
        }[code].format(value)


def _fault(data: npt.NDArray[np.uint8], offset: int, start: int, stop: int, reason: str, detail: str) -> Fault:
    """The record of a row, without its line end."""
    size = stop - start
    for end in (b"\n", b"\r"):
        size -= size > 0 and data[start + size - 1] == end[0]
    raw = data[start : start + min(size, RAW_BYTES)].tobytes()
    return Fault(offset + start, int(size), reason, detail, raw)


SOURCE = SourceKind(kind="csv", version=1, config=CsvConfig, split=split, read=read, fields=fields)
