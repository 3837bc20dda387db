"""A byte-level BPE vocabulary trained on the run, as a Hugging Face ``tokenizer.json``.

Pre-tokens are cut like Qwen2's, so that a small vocabulary behaves like the large one; merges are those of
:mod:`stages.kernels.byte_pairs`, exactly the same for any workers and order.

The summary is the count of every distinct pre-token, by the level of its document: half of the documents (by a
hash of their content) have level 0, a quarter level 1, and so on. While there are more than ``max_pretokens`` rows
the lowest level is dropped, that is, half of the documents. What is left in the end is always the pre-tokens of the
same documents, whatever was merged with what, with exact counts (adaptive sampling, Wegman; Flajolet 1990). A first
row with an empty pre-token carries the lowest level that was kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from stages.contract import FitConfig, FitStep
from stages.kernels.arrow_text import TextView, text_view
from stages.kernels.byte_pairs import Merges, train_merges
from stages.kernels.distinct import count_distinct
from stages.kernels.hashing import binary_to_u64, mix64
from stages.kernels.pretokens import pretokens

END_OF_DOCUMENT = "<|endoftext|>"

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's."""

_LEVEL_SEED = 0x766F636162
_SCHEMA = pa.schema([("level", pa.uint8()), ("pretoken", pa.large_binary()), ("count", pa.int64())])


class BpeTokenizer(FitConfig):
    """Settings of ``bpe_tokenizer``."""

    vocab_size: int = Field(8192, ge=257, le=2**18)
    """Ids: 256 bytes, merges, and ``<|endoftext|>`` as the last. Fewer if the text has fewer pairs that occur twice."""
    max_pretokens: int = Field(250_000, gt=0)
    """Distinct pre-tokens counted; where there are more, half of the documents are left out until they fit."""


def _characters() -> tuple[list[str], npt.NDArray[np.int32]]:
    """GPT-2's printable character for every byte, and the byte's id: its rank among these characters."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    characters = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    ids = np.empty(256, np.int32)
    ids[printable + others] = np.arange(256)
    return [characters[byte] for byte in range(256)], ids


CHARACTERS, BYTE_IDS = _characters()


def summarize(batch: pa.RecordBatch, config: BpeTokenizer, model: None = None) -> pa.Table:
    """Counts of the batch's pre-tokens by level of their document."""
    view = text_view(batch.column("text"))
    ends, rows = pretokens(view)
    pieces = TextView(view.data, np.concatenate([view.offsets[:1], ends]))
    return _compact(pieces, _levels(batch)[rows], np.ones(len(ends), np.int64), config)


def merge(tables: Sequence[pa.Table], config: BpeTokenizer) -> pa.Table:
    """Counts added up."""
    table = pa.concat_tables([_SCHEMA.empty_table(), *tables])
    level, pretoken, count = (_whole(table.column(name)) for name in _SCHEMA.names)
    return _compact(text_view(pretoken), level.to_numpy(), count.to_numpy(), config)


def finish(table: pa.Table, config: BpeTokenizer, model: None = None) -> bytes:
    """The ``tokenizer.json``. ValueError if there is no text to learn from."""
    words = table.slice(1).group_by("pretoken").aggregate([("count", "sum")]).sort_by("pretoken")
    if not words.num_rows:
        raise ValueError("no text to train a vocabulary on")
    view = text_view(_whole(words.column("pretoken")))
    counts = words.column("count_sum").to_numpy()
    merges = train_merges(view, counts, BYTE_IDS, config.vocab_size - 1)
    return json.dumps(_document(merges), ensure_ascii=False, separators=(",", ":")).encode()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One array that begins at the start of its buffers."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _levels(batch: pa.RecordBatch) -> npt.NDArray[np.uint8]:
    """uint8[rows]: leading zeros of a hash of the content."""
    _, low = binary_to_u64(batch.column("content_hash"))
    mixed = mix64(low, _LEVEL_SEED)
    return (63 - np.log2(np.maximum(mixed >> np.uint64(11), 1).astype(np.float64)).astype(np.int64) - 11).astype(
        np.uint8
    )


def _compact(
    words: TextView, levels: npt.NDArray[np.uint8], weights: npt.NDArray[np.int64], config: BpeTokenizer
) -> pa.Table:
    """Counts added up, without the lowest levels while there are too many rows; sorted, the floor's row first."""
    first, count = count_distinct(words, levels, weights)
    level = levels[first]
    real = words.offsets[first + 1] > words.offsets[first]
    floor = max(_fitting(level[real], config.max_pretokens), int(level[~real].max(initial=0)))
    kept = real & (level >= floor)
    buffers = [None, pa.py_buffer(words.offsets), pa.py_buffer(words.data)]
    pretoken = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(levels), buffers).take(pa.array(first[kept]))
    table = pa.table([pa.array(level[kept]), pretoken, pa.array(count[kept])], schema=_SCHEMA)
    mark = pa.table([pa.array([floor], pa.uint8()), pa.array([b""], pa.large_binary()), pa.array([0])], schema=_SCHEMA)
    return pa.concat_tables([mark, table.sort_by([("level", "ascending"), ("pretoken", "ascending")])])


def _fitting(level: npt.NDArray[np.uint8], max_rows: int) -> int:
    """The lowest level from which on there are at most ``max_rows`` rows; at most the highest that has any."""
    above = np.cumsum(np.bincount(level, minlength=1)[::-1])[::-1]
    fitting = np.flatnonzero(above <= max_rows)
    return min(int(fitting[0]) if len(fitting) else len(above), len(above) - 1)


def _document(merges: Merges) -> dict[str, Any]:
    spelt = {int(BYTE_IDS[byte]): CHARACTERS[byte] for byte in range(256)}
    pairs: list[list[str]] = []
    for left, right, made in zip(*(column.tolist() for column in merges), strict=True):
        pairs.append([spelt[left], spelt[right]])
        spelt[made] = spelt[left] + spelt[right]
    end = {"id": len(spelt), "content": END_OF_DOCUMENT, "special": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [end | flags],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": byte_level | {"trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {text: number for number, text in sorted(spelt.items())},
            "merges": pairs,
        },
    }


STAGE = FitStep(
    kind="bpe_tokenizer",
    version=1,
    config=BpeTokenizer,
    summarize=summarize,
    merge=merge,
    finish=finish,
    reads=("text", "content_hash"),
)
