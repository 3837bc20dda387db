"""Exact deduplication: of documents with the same text, one stays.

The key is a 128-bit hash of the text as it stands at this point of the recipe, so normalize first if copies
that differ in line ends or Unicode form are to be found. By chance two of 10 billion different documents share
a key with probability 1.5e-19; the hash is not meant to withstand somebody who constructs collisions.

Which copy stays: that of the source named first in ``prefer``, then the first one in the recipe's order: sources as
they are listed, files by name, documents as they stand there, however files are split. The survivor gets the number of
copies as ``cluster_size``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import ADDRESS, RELATION_COLUMNS, CorpusStage, StageConfig, measure
from stages.dedup.key_groups import key_groups
from stages.dedup.scope import Scope, scope_columns, scope_doubts, scope_line, scope_salts, settle_scope, source_ranks
from stages.kernels.hashing import hash128, salt128


class ExactDedup(StageConfig):
    """Settings of ``exact_dedup``."""

    scope: Scope = measure(None)
    """Copies are looked for among rows that agree in these columns (``[source]``, ``[snapshot]``), or among ``all``.
    Left out: within a snapshot where rows have that column, else among all."""
    prefer: list[str] = measure([])
    """Sources whose copy stays, best first; those not named come last, in the recipe's order."""


def sketch(batch: pa.RecordBatch, config: ExactDedup) -> pa.RecordBatch:
    """One record a row: hash of text and scope, address, rank of the source."""
    high, low = hash128(batch.column("text"))
    for salts in scope_salts(batch, config.scope):
        high, low = salt128(high, low, *salts)
    arrays = [pa.array(high), pa.array(low), batch.column(ADDRESS), pa.array(source_ranks(batch, config.prefer))]
    return pa.RecordBatch.from_arrays(arrays, names=["key_high", "key_low", ADDRESS, "rank"])


def link(records: pa.RecordBatch, config: ExactDedup) -> pa.RecordBatch:
    """Relations of every group of two rows or more. O(n log n) for n records; groups may be of any size."""
    high, low, address, rank = (records.column(name).to_numpy() for name in ("key_high", "key_low", ADDRESS, "rank"))
    order = np.lexsort((address, rank, low, high))
    high, low, address = high[order], low[order], address[order]
    first, size = key_groups(high, low)
    survivor, group_size = np.repeat(address[first], size), np.repeat(size, size)
    repeated = group_size > 1
    similarity = np.ones(int(repeated.sum()), np.float32)
    arrays = [address[repeated], survivor[repeated], similarity, group_size[repeated].astype(np.uint32)]
    schema = pa.schema(list(RELATION_COLUMNS.items()))
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], schema=schema)


def resolve(relations: pa.RecordBatch, config: ExactDedup) -> pa.RecordBatch:
    """Every member goes but the survivor, which gets the size of its cluster."""
    member, survivor = relations.column(ADDRESS), relations.column("survivor")
    drop = pc.not_equal(member, survivor)
    arrays = [member, drop, survivor, relations.column("similarity"), relations.column("cluster_size")]
    return pa.RecordBatch.from_arrays(arrays, names=[ADDRESS, "drop", "survivor", "similarity", "cluster_size"])


def _reads(config: ExactDedup) -> tuple[str, ...]:
    return tuple(dict.fromkeys(["text", "source", *scope_columns(config.scope)]))


def _columns(config: ExactDedup) -> Mapping[str, pa.DataType]:
    return {"cluster_size": pa.uint32()}


STAGE = CorpusStage(
    kind="exact_dedup",
    version=1,
    config=ExactDedup,
    sketch=sketch,
    link=link,
    resolve=resolve,
    rule="duplicate",
    columns=_columns,
    reads=_reads,
    settle=settle_scope,
    doubts=scope_doubts,
    forecast=lambda config: [scope_line(config.scope)],
)
