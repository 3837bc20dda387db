"""Columns of Arrow batches as text, for sources whose files have columns.

Strings may be of any Arrow kind, or bytes; structs are entered by dotted names. What a row lacks is a fault of that
row, and never of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from pipeline.errors import SourceError
from pipeline.sources.contract import SourceBatch, SourceConfig
from pipeline.sources.listing import FoundFile
from pipeline.sources.records import RAW_BYTES, Fault, check_fields, constant, prefixed_ids, quarantine, row_schema


class ColumnsConfig(SourceConfig):
    """Files that have columns, and which of them are wanted."""

    text: str = "text"
    """Column of the text: strings, or bytes of UTF-8. A row without text is quarantined."""
    id: str | None = "id"
    """Column of the record's own id, if there is one; the row's place in the file where there is none."""
    url: str | None = "url"
    """Column of the URL that the document comes from, if there is one."""
    date: str | None = "date"
    """Column of the date, if there is one."""
    license: str | None = "license"
    """Column of the licence, if there is one."""
    fields: Annotated[dict[str, str], AfterValidator(check_fields)] = {}
    """Further columns: name → column. Values become strings; a field called ``language`` or ``domain`` says it row
    by row."""


def fields(config: ColumnsConfig) -> Mapping[str, pa.DataType]:
    """Columns beyond the common ones."""
    return {name: pa.string() for name in config.fields}


def wanted_columns(config: ColumnsConfig) -> dict[str, str]:
    """Column of the rows → column of the file."""
    own = {
        "id": config.id,
        "text": config.text,
        "url": config.url,
        "date": config.date,
        "license": config.license,
        **config.fields,
    }
    return {name: column for name, column in own.items() if column is not None}


def check_columns(
    files: Sequence[FoundFile], found: Sequence[Mapping[str, pa.DataType] | None], config: ColumnsConfig
) -> None:
    """Every file needs the text, and a column that is not just the default has to be in one file at least.

    ``found``: column → type of each file, None for a file that cannot be read. Raises SourceError.
    """
    own = {name: getattr(config, name) for name in ("id", "url", "date", "license")}
    named = {value for name, value in own.items() if value != ColumnsConfig.model_fields[name].default}
    missing = (named | set(config.fields.values())) - {None}
    known: dict[str, None] = {}
    first = None
    for file, types in zip(files, found, strict=True):
        if types is None:
            continue
        check_types(file.uri, types, wanted_columns(config))
        first = first or file
        missing -= set(types)
        known.update(dict.fromkeys(types))
    if missing and first is not None:
        raise no_column(min(missing), known, first.uri if len(files) == 1 else f"{first.uri} and the others")


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


def columnar_batch(
    source: str, relative: str, raw: pa.RecordBatch, types: Mapping[str, pa.DataType], first: int, config: ColumnsConfig
) -> SourceBatch:
    """Rows ``first`` and following of a file, as the engine takes them; what a row lacks is its quarantine record.

    ``types``: column → type of the whole file, as :func:`leaves` gives it.
    """
    schema = row_schema(fields(config))
    places = pa.array(np.arange(first, first + raw.num_rows), pa.int64())
    values: dict[str, pa.Array] = {}
    faults = Faults(raw.num_rows)
    for name, column in wanted_columns(config).items():
        if column in types:
            values[name] = as_text(pick(raw, column), schema.field(name).type, column, faults)
    text = values["text"]
    faults.add(pc.is_null(text), "null_text", f"{config.text!r} is null")
    limit = config.max_document_bytes
    faults.add(pc.greater(pc.binary_length(text), limit), "too_large", f"a text of more than {limit:,} bytes")
    records = faults.records(text, first)
    values["id"] = prefixed_ids(relative, values.get("id"), places)
    values["file"] = constant(relative, raw.num_rows)
    values["offset"] = places
    columns = [values[name] if name in values else constant(None, raw.num_rows) for name in schema.names]
    rows = pa.record_batch(columns, schema=schema)
    if records:
        rows = rows.filter(pa.array(faults.codes < 0))
    return SourceBatch(rows, quarantine(source, relative, records))
