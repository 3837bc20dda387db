"""JSON Lines: one object a line; plain or compressed.

Plain files are cut into byte ranges; a compressed one cannot be, so a large one is marked as a stream and ingested
first. Every line that is not blank becomes a row or a quarantine record. Which lines are JSON is said in
``stages.kernels.jsonl``. A file whose name says nothing is taken for what its first bytes say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import AfterValidator, Field

from pipeline.errors import SourceError
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.lines import BLOCK_BYTES, Block, Lost, line_blocks
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import (
    RAW_BYTES,
    Fault,
    check_fields,
    constant,
    no_rows,
    prefixed_ids,
    quarantine,
    row_schema,
)
from pipeline.sources.streams import DamagedStream, compression_of, open_raw, open_stream, read_head
from stages.kernels import jsonl as kernel
from stages.kernels.byte_runs import PAD
from stages.kernels.json_paths import Paths, compile_paths, split_path

SUFFIXES = (".jsonl", ".ndjson", ".jsonlines")
COMPRESSED = (".gz", ".zst", ".zstd", ".lz4", ".bz2", ".xz")
_FOLDER_SUFFIXES = (
    *SUFFIXES,
    *(name + packed for name in (*SUFFIXES, ".json") for packed in COMPRESSED),
)

LINE_SLACK_BYTES = 64 * 2**20
"""How much longer than ``max_document_bytes`` a line may be (other fields, escapes): it bounds a reader's memory."""

_BATCH_ROWS = 2**17
_SMALL_BYTES = 64 * 2**10
_HEAD_BYTES = 256 * 2**10
_HEAD_RECORDS = 10

_DAMAGE = {
    kernel.BAD_VALUE: "expected a value",
    kernel.BAD_CONTROL: "a string that does not end, or a control character in it",
    kernel.BAD_ESCAPE: "an escape that JSON does not have",
    kernel.BAD_UTF8: "not UTF-8",
    kernel.BAD_NUMBER: "not a number",
    kernel.BAD_KEY: "expected a key in quotation marks",
    kernel.BAD_COLON: "expected a colon",
    kernel.BAD_COMMA: "expected a comma or a closing bracket",
    kernel.TRAILING: "something behind the record",
    kernel.TOO_DEEP: f"more than {kernel.MAX_DEPTH:,} open brackets",
    kernel.NOT_FINITE: "NaN and Infinity are not JSON",
}


class JsonlConfig(SourceConfig):
    """JSON Lines files, plain or compressed (gzip, zstd, lz4, bzip2, xz).

    Dotted paths (``meta.url``) lead into nested objects.
    """

    text: str = "text"
    """Path of the text; a record without a string there is quarantined."""
    id: str | None = "id"
    """Path of the record's own id, a string or number; its byte offset in the file where there is none."""
    url: str | None = "url"
    """Path of the URL that the document comes from, if the record has it."""
    date: str | None = "date"
    """Path of the date, if the record has it."""
    license: str | None = "license"
    """Path of the licence, if the record has it."""
    fields: Annotated[dict[str, str], AfterValidator(check_fields)] = {}
    """Further columns: name → path. Values become strings, numbers and nested values as their JSON text; a field
    called ``language`` or ``domain`` says it row by row."""
    split_bytes: int = Field(default=64 * 2**20, gt=0, le=128 * 2**20)
    """Bytes of a plain file that one task reads. At most 128 MiB, so that a partition has less than 2^24 rows."""
    ingest_above_bytes: int = Field(default=16 * 2**20, ge=0)
    """A compressed file larger than this is read once into partitions of its own before anything else."""


def fields(config: JsonlConfig) -> Mapping[str, pa.DataType]:
    """Columns beyond the common ones."""
    return {name: pa.string() for name in config.fields}


def split(source: str, config: JsonlConfig) -> Sequence[Partition]:
    """One partition for each byte range of a plain file, one for each compressed file. Raises SourceError."""
    files = list_files(config.path, config.exclude, _FOLDER_SUFFIXES)
    _check_text(files[0], config)
    return [partition for file in files for partition in _split_file(source, file, config)]


def _check_text(file: FoundFile, config: JsonlConfig) -> None:
    """A text path that no record has is an error before the run. Looks at the first file's first lines only."""
    stream = open_stream(file.uri, file.size)
    head = bytearray(_HEAD_BYTES + PAD)
    try:
        have = 0
        while have < _HEAD_BYTES and (got := stream.readinto(memoryview(head)[have:_HEAD_BYTES])):
            have += got
    except DamagedStream:
        pass  # reading the partition quarantines it
    finally:
        stream.close()
    if _begins_with_text(bytes(head[:have]), config.text):
        return
    paths = compile_paths([config.text])
    room = kernel.make_room(paths, _HEAD_BYTES)
    lines = kernel.scan(np.frombuffer(head, np.uint8), 0, head.rfind(b"\n", 0, have) + 1, paths, 0, 2**62, room)
    faults = lines.bad[kernel.BAD_CODE]
    if not len(lines.row_starts) and len(faults) >= _HEAD_RECORDS and (faults == kernel.NO_TEXT).all():
        keys = json.loads(head[int(lines.bad[kernel.BAD_START, 0]) : int(lines.bad[kernel.BAD_STOP, 0])])
        raise SourceError(
            f"none of the first {len(faults):,} records has {config.text!r}",
            where=file.uri,
            remedy=f"set `text` to the path of the text; the first record's keys are {', '.join(keys)}",
        )


def _begins_with_text(head: bytes, path: str) -> bool:
    """Whether the first record has a text, told without the kernel: starting Numba takes longer than all of a plan."""
    try:
        value = json.loads(head.partition(b"\n")[0])
        for key in split_path(path):
            value = value[key]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(value, str)


def _split_file(source: str, file: FoundFile, config: JsonlConfig) -> Iterator[Partition]:
    whole, stream = True, False
    # Small files are not opened here: a request for each of 10,000 objects would take minutes.
    if file.size > min(config.split_bytes, config.ingest_above_bytes):
        whole = compression_of(read_head(file.uri), file.uri) is not None
        stream = whole and file.size > config.ingest_above_bytes
    step = max(file.size, 1) if whole else config.split_bytes
    for start in range(0, max(file.size, 1), step):
        end = min(start + step, file.size)
        piece = Piece(file.uri, file.relative, start, end, file.size, file.stamp)
        yield Partition(source, (piece,), stream)


def read(partition: Partition, config: JsonlConfig) -> Iterator[SourceBatch]:
    """The partition's rows and quarantine records, block by block. Raises SourceError if a file is gone or changed."""
    reader = _Reader(partition.source, config)
    for piece in partition.pieces:
        for part in _blocks(piece, config):
            yield from reader.lost(piece, part) if isinstance(part, Lost) else reader.rows(piece, part)


def _blocks(piece: Piece, config: JsonlConfig) -> Iterator[Block | Lost]:
    whole = piece.start == 0 and piece.end == piece.size
    if whole:
        stream, end = open_stream(piece.uri, piece.size), None
    else:
        stream, end = open_raw(piece.uri, piece.size, max(piece.start - 1, 0)), piece.end
    # A small file needs no large buffer, and may be 16 times as long once decompressed.
    block_bytes = min(BLOCK_BYTES, 16 * (piece.end - piece.start) + _SMALL_BYTES)
    max_line_bytes = config.max_document_bytes + LINE_SLACK_BYTES
    try:
        yield from line_blocks(stream, piece.start, end, max_line_bytes=max_line_bytes, block_bytes=block_bytes)
    finally:
        stream.close()


class _Reader:
    def __init__(self, source: str, config: JsonlConfig) -> None:
        self.source = source
        self.config = config
        self.schema = row_schema(fields(config))
        self.wanted = {
            "id": config.id,
            "text": config.text,
            "url": config.url,
            "date": config.date,
            "license": config.license,
            **config.fields,
        }
        self.paths: Paths = compile_paths([path for path in self.wanted.values() if path is not None])
        self.room = kernel.make_room(self.paths, _BATCH_ROWS)

    def rows(self, piece: Piece, block: Block) -> Iterator[SourceBatch]:
        position = block.begin
        while position < block.stop:
            lines = kernel.scan(
                block.data,
                position,
                block.stop,
                self.paths,
                self.paths.columns[self.config.text],
                self.config.max_document_bytes,
                self.room,
            )
            position = lines.next
            faults = [_fault(block, bad, self.config) for bad in lines.bad.T.tolist()]
            if len(lines.row_starts) or faults:
                rows = self._batch(piece, block, lines)
                repaired = int((lines.cells[:, :, kernel.KIND] == kernel.REPAIRED).any(axis=1).sum())
                records = quarantine(self.source, piece.relative, faults)
                yield SourceBatch(rows, records, {"lone_surrogate": repaired} if repaired else {})

    def lost(self, piece: Piece, part: Lost) -> Iterator[SourceBatch]:
        fault = Fault(part.offset, part.size, part.reason, part.detail, part.raw)
        yield SourceBatch(no_rows(fields(self.config)), quarantine(self.source, piece.relative, [fault]))

    def _batch(self, piece: Piece, block: Block, lines: kernel.Lines) -> pa.RecordBatch:
        offsets = pa.array(lines.row_starts + block.offset, pa.int64())
        values = {
            name: _column(block.data, lines.cells, self.paths.columns[path], self.schema.field(name).type)
            for name, path in self.wanted.items()
            if path is not None
        }
        values["id"] = prefixed_ids(piece.relative, values.get("id"), offsets)
        values["file"] = constant(piece.relative, len(offsets))
        values["offset"] = offsets
        columns = [values[name] if name in values else constant(None, len(offsets)) for name in self.schema.names]
        return pa.record_batch(columns, schema=self.schema)


def _column(data: npt.NDArray[np.uint8], cells: npt.NDArray[np.int64], column: int, kind: pa.DataType) -> pa.Array:
    content, offsets = kernel.gather(data, cells, column)
    valid = cells[:, column, kernel.KIND] > kernel.NULL
    bits = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    values = pa.LargeStringArray.from_buffers(len(valid), pa.py_buffer(offsets), pa.py_buffer(content), bits)
    return values if kind == pa.large_string() else values.cast(kind)


def _fault(block: Block, bad: Sequence[int], config: JsonlConfig) -> Fault:
    start, stop, code, position = bad
    raw = block.data[start : min(stop, start + RAW_BYTES)].tobytes()
    return Fault(block.offset + start, stop - start, kernel.REASONS[code], _detail(code, position, config), raw)


def _detail(code: int, position: int, config: JsonlConfig) -> str:
    if code in _DAMAGE:
        return f"{_DAMAGE[code]} at byte {position:,} of the line"
    return {
        kernel.NOT_OBJECT: "the line holds a value that is not an object",
        kernel.NO_TEXT: f"the record has no {config.text!r}",
        kernel.NULL_TEXT: f"{config.text!r} is null",
        kernel.TEXT_NOT_STRING: f"{config.text!r} is not a string",
        kernel.TOO_LARGE: f"a text of more than {config.max_document_bytes:,} bytes",
    }[code]


SOURCE = SourceKind(kind="jsonl", version=1, config=JsonlConfig, split=split, read=read, fields=fields)
