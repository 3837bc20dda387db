"""Cut a stream of rows into groups that do not depend on how the stream was cut before.

Files have to be the same bytes whatever batches a reader, a crash or a smaller sample produced, so a sink
closes a group by looking at rows only: after ``max_rows`` rows, or with the row that brings it to ``max_bytes``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from stages.kernels.arrow_text import byte_lengths


class Rechunker:
    """Feed batches with :meth:`add`, take finished groups; :meth:`finish` gives the last one."""

    def __init__(self, max_rows: int = 8192, max_bytes: int = 16 * 2**20, measure: str | None = "text") -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._measure = measure
        self._parts: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take in a batch; yields every group that it completes."""
        sizes = byte_lengths(batch.column(self._measure)) if self._measure else np.zeros(batch.num_rows, np.int64)
        ends = np.cumsum(sizes)
        start = 0
        while start < batch.num_rows:
            before = int(ends[start - 1]) if start else 0
            by_bytes = int(np.searchsorted(ends, before + self._max_bytes - self._bytes)) + 1
            by_rows = start + self._max_rows - self._rows
            end = min(batch.num_rows, by_bytes, by_rows)
            self._parts.append(batch.slice(start, end - start))
            self._rows += end - start
            self._bytes += int(ends[end - 1]) - before
            if self._rows >= self._max_rows or self._bytes >= self._max_bytes:
                yield self._take()
            start = end

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The rows that are left, if any."""
        if self._parts:
            yield self._take()

    def _take(self) -> pa.RecordBatch:
        parts, self._parts, self._rows, self._bytes = self._parts, [], 0, 0
        return parts[0] if len(parts) == 1 else pa.concat_batches(parts)
