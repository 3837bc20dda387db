"""A batch of documents → rows of a token shard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tokens.engines import Encoded
from pipeline.tokens.shards import SHARD_SCHEMA
from pipeline.tokens.tokenizers import Tokenizer
from stages.kernels.arrow_text import byte_lengths
from stages.kernels.hashing import binary_to_u64, mix64

_SPLIT_SEED = 0x76616C6964617465
"""Keeps the validation split independent of everything else that is chosen by content hash."""

_COPIED = ("_address", "id", "source", "domain", "language", "content_hash", "url", "license")


def encode_documents(
    batch: pa.RecordBatch, tokenizer: Tokenizer, append_eos: bool
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """Rows of ``SHARD_SCHEMA``, and int64[rows] bytes of text. Raises ValueError for 2**31 tokens or more."""
    text = batch.column("text")
    ids, offsets = tokenizer.encode_batch(text)
    if append_eos:
        ids, offsets = with_eos(ids, offsets, tokenizer.eos_id)
    if offsets[-1] >= 2**31:
        raise ValueError(f"{offsets[-1]} tokens in one batch of {batch.num_rows} documents; use smaller batches")
    kind = SHARD_SCHEMA.field("tokens").type
    tokens = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(ids, pa.uint32()), type=kind)
    columns = [batch.column(name).cast(SHARD_SCHEMA.field(name).type) for name in _COPIED]
    rows = pa.record_batch([*columns, _quality(batch), _cluster_size(batch), tokens], schema=SHARD_SCHEMA)
    return rows, byte_lengths(text)


def with_eos(ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64], eos_id: int) -> Encoded:
    """The same rows, each with ``eos_id`` at its end."""
    shifted = offsets + np.arange(len(offsets))
    is_eos = np.zeros(int(shifted[-1]), np.bool_)
    is_eos[shifted[1:] - 1] = True
    out = np.full(len(is_eos), eos_id, np.uint32)
    out[~is_eos] = ids
    return out, shifted


def split_numbers(content_hash: pa.Array) -> npt.NDArray[np.uint16]:
    """uint16[rows], uniform and a function of the content alone: a share p of all documents lies below p · 65536."""
    _, low = binary_to_u64(content_hash)
    return (mix64(low, _SPLIT_SEED) >> np.uint64(48)).astype(np.uint16)


def key_pairs(batch: pa.RecordBatch) -> tuple[list[tuple[str, str]], npt.NDArray[np.int64]]:
    """Distinct (domain, language) in order of appearance, and int64[rows] which of them each row has."""
    domain = batch.column("domain").dictionary_encode()
    language = batch.column("language").dictionary_encode()
    both = domain.indices.to_numpy().astype(np.int64) * len(language.dictionary) + language.indices.to_numpy()
    _, first, inverse = np.unique(both, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    pairs = [(batch.column("domain")[row].as_py(), batch.column("language")[row].as_py()) for row in first[order]]
    return pairs, rank[inverse]


def _quality(batch: pa.RecordBatch) -> pa.Array:
    if "quality" not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.float32())
    return batch.column("quality").cast(pa.float32(), safe=False)


def _cluster_size(batch: pa.RecordBatch) -> pa.Array:
    if "cluster_size" not in batch.schema.names:
        return pa.array(np.ones(batch.num_rows, np.uint32))
    return pc.fill_null(batch.column("cluster_size").cast(pa.uint32()), 1)
