"""What all readers make: batches of rows, and quarantine records of what could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.contract import QUARANTINE_SCHEMA
from stages.contract import BASE_COLUMNS

RAW_BYTES = 64 * 2**10
"""How much of a quarantined record is kept."""
BATCH_BYTES = 16 * 2**20
"""Text in a batch, about."""

_COMMON = ("id", "text", "url", "date", "license", "file", "offset")
_OVERRIDABLE = ("language", "domain")


class Fault(NamedTuple):
    """One record that could not be read; the columns of ``QUARANTINE_SCHEMA`` behind ``file``."""

    offset: int
    size: int
    reason: str
    detail: str
    raw: bytes


def row_schema(fields: Mapping[str, pa.DataType]) -> pa.Schema:
    """Columns of a reader's rows: the common ones, then the source's own fields."""
    common = [pa.field(name, BASE_COLUMNS[name]) for name in _COMMON]
    return pa.schema([*common, *(pa.field(name, kind) for name, kind in fields.items())])


def check_fields(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse names that belong to the engine or have a setting of their own. Raises ValueError."""
    for name in fields:
        if name.startswith("_") or not name:
            raise ValueError(f"a field cannot be called {name!r}: names that begin with _ belong to the engine")
        if name in BASE_COLUMNS and name not in _OVERRIDABLE:
            own = (
                f"it is set by `{name}:`" if name in ("id", "text", "url", "date", "license") else "the engine sets it"
            )
            raise ValueError(f"a field cannot be called {name!r}: {own}")
    return fields


def prefixed_ids(relative: str, own: pa.Array | None, places: pa.Array) -> pa.Array:
    """``relative#own``, or ``relative#place`` where a record has no id of its own."""
    numbers = pc.cast(places, pa.string())
    names = numbers if own is None else pc.coalesce(own, numbers)
    return pc.binary_join_element_wise(pa.scalar(relative), names, "#")


def constant(value: str | None, rows: int) -> pa.Array:
    """A string column with one value throughout."""
    return pa.repeat(pa.scalar(value, pa.string()), rows)


def no_rows(fields: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """A batch of no rows, to hand over quarantine records with."""
    schema = row_schema(fields)
    return pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)


def quarantine(source: str, file: str, faults: Sequence[Fault]) -> pa.RecordBatch | None:
    """Quarantine records of one file; None if there are none."""
    if not faults:
        return None
    columns = [
        [source] * len(faults),
        [file] * len(faults),
        [fault.offset for fault in faults],
        [fault.size for fault in faults],
        [fault.reason for fault in faults],
        [fault.detail for fault in faults],
        [fault.raw for fault in faults],
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, QUARANTINE_SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=QUARANTINE_SCHEMA)
