"""JSON Lines: one object a row, UTF-8, every key in every row, in the order of the columns.

Text, numbers and bools are what they are in JSON; bytes (``content_hash``) are hexadecimal digits, dates and times ISO
8601, numbers that JSON does not have (NaN, infinity) null. Lists and structs take a slow way through Python. zstd
files are one frame of level 3 with a checksum.

Limit: whole numbers beyond 2^53 are written in full; readers that take every number for a double round them.
"""

from __future__ import annotations

import datetime
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from pipeline.sinks.contract import Output, SinkKind, Writer
from stages.kernels.arrow_text import text_view
from stages.kernels.json_text import HEX, JSON, TEXT, Column, json_lines

_ZSTD_LEVEL = 3
_GZIP_LEVEL = 6
_GZIP_WBITS = 31


class _JsonlWriter:
    def __init__(self, output: Output, compressor: Any) -> None:
        self._output = output
        self._compressor = compressor

    def write(self, group: pa.RecordBatch) -> None:
        columns = [json_column(name, group.column(name)) for name in group.schema.names]
        self._put(json_lines(columns, group.num_rows))

    def _put(self, lines: Any) -> None:
        packed = lines if self._compressor is None else self._compressor.compress(lines)
        if len(packed):
            self._output.write(packed)

    def close(self) -> None:
        if self._compressor is not None:
            self._output.write(self._compressor.flush())


def open_file(output: Output, schema: pa.Schema, compression: str, facts: Mapping[str, str]) -> Writer:
    """A piece of text for each group; JSON Lines have no place for facts."""
    compressor: Any = None
    if compression == "zstd":
        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()
    elif compression == "gzip":
        compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WBITS)  # writes no name and no time
    return _JsonlWriter(output, compressor)


def json_column(key: str, column: pa.Array) -> Column:
    """A column as bytes of JSON values, of text, or to be shown in hexadecimal."""
    values, form = _as_text(column)
    view = text_view(values.fill_null(b"" if pa.types.is_large_binary(values.type) else ""))
    valid = np.asarray(values.is_valid())
    valid.flags.writeable = False
    return Column(key, view.data, view.offsets, valid, form)


def _as_text(column: pa.Array) -> tuple[pa.Array, int]:
    """The column as ``large_string`` or ``large_binary`` with nulls, and the form of what is in it."""
    kind, types = column.type, pa.types
    if types.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return column.cast(pa.large_string()), TEXT
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return column.cast(pa.large_binary()), HEX
    if types.is_floating(kind):
        return pc.if_else(pc.is_finite(column), column, None).cast(pa.large_string()), JSON
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_null(kind):
        return column.cast(pa.large_string()), JSON
    if types.is_timestamp(kind):
        return _iso(column), TEXT
    if types.is_date(kind) or types.is_time(kind):
        return column.cast(pa.large_string()), TEXT
    return pa.array([_dumped(value) for value in column.to_pylist()], pa.large_string()), JSON


def _iso(column: pa.Array) -> pa.Array:
    """``2024-01-31T12:00:00.000``, with ``Z`` where there is a time zone: Arrow keeps such times in UTC."""
    ending = "Z" if column.type.tz else ""
    plain = column.cast(pa.timestamp(column.type.unit))
    return pc.strftime(plain, format=f"%Y-%m-%dT%H:%M:%S{ending}").cast(pa.large_string())


def _dumped(value: Any) -> str | None:
    return None if value is None else json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """A nested value in terms of JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


SINK = SinkKind(
    kind="jsonl",
    version=1,
    compressions={"zstd": ".jsonl.zst", "gzip": ".jsonl.gz", "none": ".jsonl"},
    open=open_file,
    group_rows=8192,
    group_bytes=16 * 2**20,
    libraries=("zstandard",),
)
