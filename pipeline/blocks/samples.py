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
MARGIN_CHARACTERS = 256
"""Read beyond a sample's end and dropped once masked: an address that the cut tears would not be recognized."""
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

_GAP = r"[ ().\-/\u00a0\u2009\u202f\u2010-\u2015]{0,2}"
_MASKS = (
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@"), "<credentials>@"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<email>"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"), "<private key>"),
    (re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])"), "<account>"),
    (
        re.compile(
            r"(?<![0-9A-Za-z])(?=[0-9A-Fa-f:]*\d)"
            r"(?:(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f]{1,4}::[0-9A-Fa-f]{1,4})(?![0-9A-Za-z])"
        ),
        "<ip>",
    ),
    (re.compile(r"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)"), "<ip>"),
    (re.compile(r"(?=[A-Za-z_+/-]*[0-9])(?=[0-9_+/-]*[A-Za-z])[A-Za-z0-9_+/-]{20,}"), "<token>"),
    (re.compile(rf"[+(]?\d(?:{_GAP}\d){{6,}}[Xx]?"), "<number>"),
)
"""What hides what. There is no ``\\b`` here: between a Chinese character and a digit it sees no boundary."""


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
            limit = np.partition(high[candidates], self._per_rule - 1)[self._per_rule - 1]
            candidates = candidates[high[candidates] <= limit]
        # copies of one document have one hash, so ties are common and decided as they are in the end: by address
        rows = smallest([batch.take(pa.array(candidates))], self._per_rule)
        self._parts.setdefault(rule, []).append(_sample_rows(rule, rows))
        self._waiting[rule] = self._waiting.get(rule, 0) + rows.num_rows
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
        texts = [_shown(text) for text in batch.column("text").to_pylist()]
        return batch.set_column(SCHEMA.get_field_index("text"), "text", pa.array(texts, pa.string()))


def _shown(text: str) -> str:
    masked = mask(text)
    if len(text) == SAMPLE_CHARACTERS + MARGIN_CHARACTERS:
        masked = masked[:-MARGIN_CHARACTERS]
    return masked[:SAMPLE_CHARACTERS]


def smallest(parts: Iterable[pa.RecordBatch], count: int) -> pa.RecordBatch:
    """The ``count`` rows with the smallest (content hash, address), sorted by it."""
    batch = pa.concat_batches(list(parts))
    high, low = binary_to_u64(batch.column("content_hash"))
    order = np.lexsort((batch.column(ADDRESS).to_numpy(), low, high))[:count]
    return batch.take(pa.array(order))


def _sample_rows(rule: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    end = SAMPLE_CHARACTERS + MARGIN_CHARACTERS
    texts = pc.utf8_slice_codeunits(batch.column("text"), 0, end).cast(pa.string())
    names = ("id", "source", "language")
    arrays = [pa.repeat(pa.scalar(rule, pa.string()), batch.num_rows), batch.column(ADDRESS)]
    arrays += [batch.column(name) for name in names]
    arrays += [pa.array(byte_lengths(batch.column("text"))), batch.column("content_hash"), texts]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
