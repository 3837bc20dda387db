"""Columns of Arrow batches as text, for sources whose files have columns.

Strings may be of any Arrow kind, or bytes; structs are entered by dotted names. What a row lacks is a fault of that
row, and never of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SourceError
from pipeline.sources.records import RAW_BYTES, Fault


def leaves(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Column → type of everything that is no struct; names inside structs are joined with dots."""
    found: dict[str, pa.DataType] = {}
    pending = [(field.name, field.type) for field in reversed(schema)]
    while pending:
        name, kind = pending.pop()
        if pa.types.is_struct(kind):
            pending += [(f"{name}.{field.name}", field.type) for field in reversed(list(kind))]
        else:
            found[name] = kind
    return found


def check_types(where: str, types: Mapping[str, pa.DataType], wanted: Mapping[str, str]) -> None:
    """The text must be there and be text, other columns must have a text form. Raises SourceError."""
    if wanted["text"] not in types:
        raise no_column(wanted["text"], types, where)
    for name, column in wanted.items():
        kind = types.get(column, pa.null())
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not _is_text(kind) and (name == "text" or pa.types.is_nested(kind)):
            raise SourceError(
                f"column {column!r} holds {kind}, which is not text",
                where=where,
                remedy=f"take another column for {name!r}, or none; there are {', '.join(types)}",
            )


def no_column(column: str, known: Mapping[str, object], where: str) -> SourceError:
    """The error for a column that is not there."""
    return SourceError(f"has no column {column!r}", where=where, remedy=f"its columns are {', '.join(known)}")


def _is_text(kind: pa.DataType) -> bool:
    kinds = pa.types
    binary = kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind)
    text = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    return binary or text or kinds.is_null(kind)


def pick(batch: pa.RecordBatch, column: str) -> pa.Array:
    """A column, perhaps one inside structs. A name with a dot in it goes before a path."""
    if column in batch.schema.names:
        return batch.column(column)
    names = column.split(".")
    for count in range(len(names) - 1, 0, -1):
        head = ".".join(names[:count])
        if head in batch.schema.names:
            return pc.struct_field(batch.column(head), names[count:])
    raise KeyError(column)


class Faults:
    """Which rows of a batch cannot be taken, and why: the first reason found."""

    def __init__(self, rows: int) -> None:
        self.codes: npt.NDArray[np.int64] = np.full(rows, -1)
        self.reasons: list[tuple[str, str]] = []

    def add(self, mask: pa.Array, reason: str, detail: str) -> None:
        flags = np.asarray(pc.fill_null(mask, False))
        self.codes[flags & (self.codes < 0)] = len(self.reasons)
        self.reasons.append((reason, detail))

    def records(self, text: pa.Array, first: int) -> list[Fault]:
        """Quarantine records, row by row: there are few."""
        found = []
        for row in np.flatnonzero(self.codes >= 0).tolist():
            raw = text[row : row + 1].cast(pa.large_binary())[0].as_py() or b""
            reason, detail = self.reasons[self.codes[row]]
            found.append(Fault(first + row, len(raw), reason, detail, raw[:RAW_BYTES]))
        return found


def as_text(column: pa.Array, kind: pa.DataType, name: str, faults: Faults) -> pa.Array:
    """The column as strings. Parquet's writers and Arrow's reader do not look whether strings are UTF-8."""
    column = column.storage if isinstance(column, pa.ExtensionArray) else column
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if not _is_text(column.type):
        return column.cast(kind)
    text = column.cast(pa.large_binary()).view(pa.large_string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        broken = pa.array([not _is_utf8(value) for value in text.view(pa.large_binary()).to_pylist()])
        faults.add(broken, "invalid_utf8", f"{name!r} is not UTF-8")
    return text.cast(kind) if kind != text.type else text


def _is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False
