"""Lines and paragraphs that stand in a corpus more than once: what ``line_dedup`` and ``paragraph_dedup`` share.

Every segment of every document has a record: the hash of what it says and of its scope, and where it stands. Of a
segment that occurs as often as ``copies`` says, the first occurrence stays (or none): by ``prefer``, then in the order
of the recipe's sources, of files by name, and of text. All others are cut, the documents stay. After CCNet (Wenzek et
al. 2020, arXiv 1911.00359, section 3.1), which finds its repeated paragraphs, lines in fact, within a share of a
snapshot; here within whatever the scope says.

Limits: two different segments have one hash with probability 1.5e-19 among ten billion.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stages.contract import ADDRESS, SPAN_COLUMNS, CorpusStage, StageConfig, measure
from stages.dedup.key_groups import key_groups
from stages.dedup.scope import Scope, scope_columns, scope_doubts, scope_line, scope_salts, settle_scope, source_ranks
from stages.kernels.arrow_text import TextView, text_array, text_view
from stages.kernels.hashing import hash128, salt128
from stages.kernels.segments import Segments, folded, segments, stripped


class RepeatedSpans(StageConfig):
    """Settings that both stages have."""

    scope: Scope = measure(None)
    """Where a segment counts as the same one: among rows that agree in these columns (``[source]``,
    ``[snapshot, language]``), or ``all``. Left out: within a snapshot where rows have that column, else among all."""
    compare: Literal["folded", "exact"] = measure("folded")
    """``folded``: without case, accents, punctuation and white space, digits as 0, as CCNet does; ``exact``: byte for
    byte, but for white space around it."""
    min_characters: int = measure(1, ge=1)
    """Shorter segments, counted as they are compared, are left where they are. CCNet looks at all."""
    copies: int = measure(2, ge=2, le=100_000)
    """A segment that occurs so often is repeated."""
    keep: Literal["first", "none"] = measure("first")
    """Which occurrence stays: the first one, as in CCNet, or none, which is for boilerplate."""
    prefer: list[str] = measure([])
    """Sources whose occurrence counts as first, best first; those not named come last, in the recipe's order."""


def sketch(batch: pa.RecordBatch, config: RepeatedSpans, *, paragraphs: bool) -> pa.RecordBatch:
    """One record a segment: key_high, key_low, ``_address``, start and end (bytes of the row), rank of the source."""
    view = text_view(batch.column("text"))
    found = segments(view, paragraphs=paragraphs)
    said, characters = _said(view, found, config)
    wanted = characters >= config.min_characters
    rows, starts, ends = (column[wanted] for column in found)
    high, low = hash128(text_array(said.data, said.offsets))
    high, low = high[wanted], low[wanted]
    for salts in scope_salts(batch, config.scope):
        high, low = salt128(high, low, *(salt[rows] for salt in salts))
    begin = view.offsets[rows]
    arrays = [
        high,
        low,
        batch.column(ADDRESS).to_numpy()[rows],
        (starts - begin).astype(np.uint32),
        (ends - begin).astype(np.uint32),
        source_ranks(batch, config.prefer)[rows],
    ]
    names = ["key_high", "key_low", ADDRESS, "start", "end", "rank"]
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], names=names)


def _said(view: TextView, found: Segments, config: RepeatedSpans) -> tuple[TextView, npt.NDArray[np.int64]]:
    """What is compared of each segment, and its characters."""
    return folded(view.data, found) if config.compare == "folded" else stripped(view.data, found)


def link(records: pa.RecordBatch, config: RepeatedSpans) -> pa.RecordBatch:
    """The spans to cut. O(n log n) for n records; groups may be of any size."""
    names = ("key_high", "key_low", ADDRESS, "rank", "start", "end")
    high, low, address, rank, start, end = (records.column(name).to_numpy() for name in names)
    order = np.lexsort((start, address, rank, low, high))
    high, low, address, start, end = (column[order] for column in (high, low, address, start, end))
    first, size = key_groups(high, low)
    goes = np.repeat(size, size) >= config.copies
    survivor = np.repeat(address[first], size)
    if config.keep == "first":
        goes[first] = False
    arrays = [address[goes], start[goes].astype(np.int64), end[goes].astype(np.int64), survivor[goes]]
    schema = pa.schema(list(SPAN_COLUMNS.items()))
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], schema=schema)


def resolve(relations: pa.RecordBatch, config: RepeatedSpans) -> pa.RecordBatch:
    """Spans become patches as they are: the row stays, similarity is 1."""
    rows = relations.num_rows
    arrays = [
        relations.column(ADDRESS),
        pa.array(np.zeros(rows, np.bool_)),
        relations.column("survivor"),
        pa.array(np.ones(rows, np.float32)),
        relations.column("start"),
        relations.column("end"),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=[ADDRESS, "drop", "survivor", "similarity", "start", "end"])


def repeated_spans_stage(kind: str, config: type[RepeatedSpans], cut: str, *, paragraphs: bool) -> CorpusStage:
    """The stage that cuts repeated lines or paragraphs."""
    return CorpusStage(
        kind=kind,
        version=1,
        config=config,
        sketch=partial(sketch, paragraphs=paragraphs),
        link=link,
        resolve=resolve,
        rule="nothing_left",
        reads=lambda settings: tuple(dict.fromkeys(["text", "source", *scope_columns(settings.scope)])),
        cut=cut,
        settle=settle_scope,
        doubts=scope_doubts,
        forecast=lambda settings: [scope_line(settings.scope)],
    )
