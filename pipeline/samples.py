"""Samples: for each rule the few dropped documents with the smallest content hash, masked, and some kept ones.

The smallest hashes are the same ones however the rows were split, so merging the samples of partitions gives
the samples of the run. Personal data is masked before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import ADDRESS
from stages.kernels.arrow_text import byte_lengths
from stages.kernels.hashing import binary_to_u64

SAMPLES_PER_RULE = 8
SAMPLE_CHARACTERS = 1000
KEPT = "kept"

SCHEMA = pa.schema(
    [
        ("rule", pa.string()),
        (ADDRESS, pa.uint64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("language", pa.string()),
        ("bytes", pa.int64()),
        ("content_hash", pa.binary(16)),
        ("text", pa.string()),
    ]
)

_MASKS = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<email>"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"), "<private key>"),
    (re.compile(r"\b(?:[A-Za-z]+://)[^\s/@:]+:[^\s/@]+@"), "<credentials>@"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"), "<account>"),
    (re.compile(r"\b(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{1,4}\b"), "<ip>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "<ip>"),
    (re.compile(r"(?:\+|\(|\b)\d(?:[ ().\-/]{0,2}\d){6,}[\dXx]?"), "<number>"),
    (re.compile(r"\b(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[\w+/-]{24,}\b"), "<token>"),
)


def mask(text: str) -> str:
    """Replace what looks like personal data or a secret: addresses, long numbers, IPs, keys, tokens.

    Deliberately broad: a sample is for looking at, and a masked harmless number costs nothing.
    """
    for pattern, label in _MASKS:
        text = pattern.sub(label, text)
    return text


class Samples:
    """Keeps the :data:`SAMPLES_PER_RULE` rows with the smallest content hash for each rule."""

    def __init__(self, per_rule: int = SAMPLES_PER_RULE) -> None:
        self._per_rule = per_rule
        self._parts: dict[str, list[pa.RecordBatch]] = {}
        self._waiting: dict[str, int] = {}
        self._bound: dict[str, int] = {}

    def add(self, rule: str, batch: pa.RecordBatch) -> None:
        """Take in rows with the base columns that the rule dropped (or that were kept)."""
        high, _ = binary_to_u64(batch.column("content_hash"))
        bound = self._bound.get(rule)
        candidates = np.flatnonzero(high <= np.uint64(bound)) if bound is not None else np.arange(len(high))
        if not len(candidates):
            return
        if len(candidates) > self._per_rule:
            order = np.argpartition(high[candidates], self._per_rule - 1)[: self._per_rule]
            candidates = np.sort(candidates[order])
        self._parts.setdefault(rule, []).append(_sample_rows(rule, batch.take(pa.array(candidates))))
        self._waiting[rule] = self._waiting.get(rule, 0) + len(candidates)
        if self._waiting[rule] >= 4 * self._per_rule:
            self._shrink(rule)

    def _shrink(self, rule: str) -> None:
        best = smallest(self._parts[rule], self._per_rule)
        self._parts[rule], self._waiting[rule] = [best], best.num_rows
        if best.num_rows == self._per_rule:
            high, _ = binary_to_u64(best.column("content_hash"))
            self._bound[rule] = int(high.max())

    def finish(self) -> pa.RecordBatch:
        """All samples, by rule and hash, their texts cut to :data:`SAMPLE_CHARACTERS` and masked."""
        best = [smallest(self._parts[rule], self._per_rule) for rule in sorted(self._parts)]
        if not best:
            return pa.RecordBatch.from_pylist([], schema=SCHEMA)
        batch = pa.concat_batches(best)
        texts = [mask(text) for text in batch.column("text").to_pylist()]
        return batch.set_column(SCHEMA.get_field_index("text"), "text", pa.array(texts, pa.string()))


def smallest(parts: Iterable[pa.RecordBatch], count: int) -> pa.RecordBatch:
    """The ``count`` rows with the smallest (content hash, address), sorted by it."""
    batch = pa.concat_batches(list(parts))
    high, low = binary_to_u64(batch.column("content_hash"))
    order = np.lexsort((batch.column(ADDRESS).to_numpy(), low, high))[:count]
    return batch.take(pa.array(order))


def _sample_rows(rule: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    texts = pc.utf8_slice_codeunits(batch.column("text"), 0, SAMPLE_CHARACTERS).cast(pa.string())
    names = ("id", "source", "language")
    arrays = [pa.repeat(pa.scalar(rule, pa.string()), batch.num_rows), batch.column(ADDRESS)]
    arrays += [batch.column(name) for name in names]
    arrays += [pa.array(byte_lengths(batch.column("text"))), batch.column("content_hash"), texts]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
