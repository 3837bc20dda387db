"""Applying what a corpus stage decided: columns for rows, and which rows go."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import ADDRESS


def patched(
    batch: pa.RecordBatch, patches: pa.RecordBatch | None, columns: Mapping[str, pa.DataType]
) -> tuple[pa.RecordBatch, npt.NDArray[np.bool_]]:
    """The batch with the stage's columns, and bool[rows]: which rows it drops.

    ``patches``: of these rows, sorted by address as they are, or None. ``columns``: name → type that the stage gives.
    """
    places = np.full(batch.num_rows, -1, np.int64)
    drop = np.zeros(batch.num_rows, np.bool_)
    if patches is not None and patches.num_rows:
        addresses, decided = batch.column(ADDRESS).to_numpy(), patches.column(ADDRESS).to_numpy()
        here = np.isin(decided, addresses)  # a row that crashes a stage was taken out, its patch was not
        found = np.searchsorted(addresses, decided[here])
        places[found] = np.flatnonzero(here)
        drop[found] = patches.column("drop").to_numpy(zero_copy_only=False)[here]
    for name, kind in columns.items():
        values = pa.nulls(batch.num_rows, kind)
        if patches is not None and patches.num_rows:
            values = patches.column(name).take(pa.array(places, mask=places < 0)).cast(kind)
        batch = _with_column(batch, pa.field(name, kind), values)
    return batch, drop


def _with_column(batch: pa.RecordBatch, field: pa.Field, values: pa.Array) -> pa.RecordBatch:
    """The batch with the column appended, or filled in over an earlier one where there are values."""
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return batch.append_column(field, values)
    return batch.set_column(index, field, pc.coalesce(values, batch.column(index)))
