"""Applying what a corpus stage decided: columns for rows, which rows go, and spans that are cut out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StageBug
from stages.contract import ADDRESS
from stages.kernels.arrow_text import byte_lengths, text_array, text_view
from stages.kernels.cut_spans import cut_spans, tears_characters


@dataclass(frozen=True)
class CorpusUse:
    """The corpus stage whose patches a block applies while it reads. ``columns``: name → type it gives to rows.

    ``cut``: the reason under which bytes that it cuts are booked.
    """

    name: str
    rule: str
    columns: Mapping[str, pa.DataType] = field(default_factory=dict)
    cut: str | None = None


class Patched(NamedTuple):
    """A batch of n rows with patches applied. ``drop``: bool[n], rows that go; ``cut``: int64[n], bytes cut out."""

    batch: pa.RecordBatch
    drop: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.int64]

    @property
    def kept(self) -> pa.RecordBatch:
        return self.batch.filter(pa.array(~self.drop)) if self.drop.any() else self.batch


def patched(batch: pa.RecordBatch, patches: pa.RecordBatch | None, use: CorpusUse) -> Patched:
    """Apply the patches of these rows, sorted by address as the rows are; None where there are none."""
    cut = np.zeros(batch.num_rows, np.int64)
    drop = np.zeros(batch.num_rows, np.bool_)
    places = np.full(batch.num_rows, -1, np.int64)
    if patches is not None and patches.num_rows:
        addresses, decided = batch.column(ADDRESS).to_numpy(), patches.column(ADDRESS).to_numpy()
        here = np.flatnonzero(
            np.isin(decided, addresses)
        )  # a row that crashes a stage was taken out, its patch was not
        found = np.searchsorted(addresses, decided[here])
        places[found] = here
        drop[found] = patches.column("drop").to_numpy(zero_copy_only=False)[here]
        if use.cut is not None:
            batch, cut = _without_spans(batch, found, patches.take(pa.array(here)), use)
            drop |= (cut > 0) & _is_blank(batch.column("text"))
    for name, kind in use.columns.items():
        values = pa.nulls(batch.num_rows, kind)
        if patches is not None and patches.num_rows:
            values = patches.column(name).take(pa.array(places, mask=places < 0)).cast(kind)
        batch = _with_column(batch, pa.field(name, kind), values)
    return Patched(batch, drop, cut)


def _without_spans(
    batch: pa.RecordBatch, rows: npt.NDArray[np.int64], spans: pa.RecordBatch, use: CorpusUse
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """The batch without the spans of its rows, and int64[n] bytes that were cut."""
    place = batch.schema.get_field_index("text")
    view, before = text_view(batch.column(place)), byte_lengths(batch.column(place))
    starts, ends = (spans.column(name).to_numpy() for name in ("start", "end"))
    try:
        data, offsets = cut_spans(view.data, view.offsets, rows, starts, ends)
    except ValueError as error:
        raise StageBug(str(error), where=use.name) from error
    if any(tears_characters(view.data, view.offsets, rows, places) for places in (starts, ends)):
        raise StageBug("a span begins or ends inside of a character", where=use.name)
    text = text_array(data, offsets)
    return batch.set_column(place, batch.schema.field(place), text), before - np.diff(offsets)


def _is_blank(text: pa.Array) -> npt.NDArray[np.bool_]:
    blank: npt.NDArray[np.bool_] = pc.equal(pc.utf8_trim_whitespace(text), "").to_numpy(zero_copy_only=False)
    return blank


def _with_column(batch: pa.RecordBatch, field: pa.Field, values: pa.Array) -> pa.RecordBatch:
    """The batch with the column appended, or filled in over an earlier one where there are values."""
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return batch.append_column(field, values)
    return batch.set_column(index, field, pc.coalesce(values, batch.column(index)))
