"""Batches with the base columns, and ways to cut them, for tests of the engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from stages.contract import ADDRESS, BASE_COLUMNS, ORDINAL_BITS
from stages.kernels.hashing import hash128_binary


def documents(
    texts: Sequence[str],
    *,
    number: int = 1,
    source: str | Sequence[str] = "news",
    language: str | Sequence[str] = "und",
    **more: pa.Array,
) -> pa.RecordBatch:
    """One partition's documents, ordinals from 0; ``more`` replaces or adds columns."""
    n = len(texts)
    text = pa.array(texts, pa.large_string())
    known = {
        ADDRESS: pa.array(np.arange(n, dtype=np.uint64) | np.uint64(number << ORDINAL_BITS)),
        "id": pa.array([f"f{number}.jsonl#{i}" for i in range(n)], pa.string()),
        "text": text,
        "source": pa.array([source] * n if isinstance(source, str) else list(source), pa.string()),
        "domain": pa.array(["web"] * n, pa.string()),
        "language": pa.array([language] * n if isinstance(language, str) else list(language), pa.string()),
        "content_hash": hash128_binary(text),
        "file": pa.array([f"f{number}.jsonl"] * n, pa.string()),
        "offset": pa.array(np.arange(n, dtype=np.int64) * 100),
        **more,
    }
    wanted = {**BASE_COLUMNS, **{name: array.type for name, array in more.items() if name not in BASE_COLUMNS}}
    arrays = [known.get(name, pa.nulls(n, kind)) for name, kind in wanted.items()]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(list(wanted.items())))


def cut_at(batch: pa.RecordBatch, places: Sequence[int]) -> list[pa.RecordBatch]:
    """The batch cut before the rows at those places; repeated places give empty pieces."""
    bounds = [0, *sorted(min(place, batch.num_rows) for place in places), batch.num_rows]
    return [batch.slice(start, end - start) for start, end in zip(bounds, bounds[1:], strict=False)]


CUTS = st.lists(st.integers(0, 40), max_size=6)
"""Places for :func:`cut_at`."""
