"""Which documents belong to which stream of a mix, without a list of them.

A stream's documents are those whose (domain, language) has its weight, split by the hash of their content into
training and validation. Counts for every 16,384 documents of the index are enough to find the n-th document of a
stream: the chunk by its count, the document by a look at the chunk.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.tokens.shards import TokenShards

CHUNK = 16_384
TRAIN, VALIDATION = 0, 1

Int64s = npt.NDArray[np.int64]

_CACHED_CHUNKS = 512


def stream_of_key(keys: Sequence[tuple[str, str]], streams: Sequence[str]) -> npt.NDArray[np.int16]:
    """int16[keys]: the stream of each (domain, language); −1 where none has a weight.

    ``domain.language`` goes before ``domain.other``, and that before ``domain``.
    """
    number = {stream: index for index, stream in enumerate(streams)}
    found = [
        next((number[name] for name in (f"{domain}.{language}", f"{domain}.other", domain) if name in number), -1)
        for domain, language in keys
    ]
    return np.array(found, np.int16)


class Members:
    """Documents by stream. ``counts``: int32[2, streams, chunks], training and validation."""

    def __init__(
        self, shards: TokenShards, codes: npt.NDArray[np.int16], validation: float, counts: npt.NDArray[np.int32]
    ) -> None:
        self._shards = shards
        self._codes = codes
        self._threshold = round(validation * 65536)
        self.counts = counts
        self.documents: Int64s = counts.sum(axis=2, dtype=np.int64)
        self._ends = np.cumsum(counts, axis=2, dtype=np.int64)
        self._chunks: OrderedDict[tuple[int, int, int], Int64s] = OrderedDict()

    @staticmethod
    def count(
        shards: TokenShards, codes: npt.NDArray[np.int16], streams: int, validation: float
    ) -> tuple[Members, Int64s]:
        """Look through the index: members, and int64[2, streams] their tokens. O(documents)."""
        chunks = -(-shards.documents // CHUNK)
        members = Members(shards, codes, validation, np.zeros((2, streams, chunks), np.int32))
        tokens = np.zeros((2, streams), np.int64)
        for chunk in range(chunks):
            stream, split = members._classes(chunk)
            known = stream >= 0
            cell = (split.astype(np.int64) * streams + stream)[known]
            lengths = shards.length[chunk * CHUNK : (chunk + 1) * CHUNK][known]
            members.counts[:, :, chunk] = np.bincount(cell, minlength=2 * streams).reshape(2, streams)
            tokens += np.bincount(cell, lengths, 2 * streams).astype(np.int64).reshape(2, streams)
        return Members(shards, codes, validation, members.counts), tokens

    def find(self, split: int, stream: int, ordinals: Int64s) -> Int64s:
        """Document numbers of the stream's members by their position among them, int64[n]."""
        ends = self._ends[split, stream]
        chunk = np.searchsorted(ends, ordinals, side="right")
        within = ordinals - (ends - self.counts[split, stream])[chunk]
        out = np.empty(len(ordinals), np.int64)
        for number in np.unique(chunk).tolist():
            rows = np.flatnonzero(chunk == number)
            out[rows] = self._members(split, stream, number)[within[rows]] + number * CHUNK
        return out

    def _members(self, split: int, stream: int, chunk: int) -> Int64s:
        """Positions in the chunk of the stream's members."""
        key = (split, stream, chunk)
        if key not in self._chunks:
            of, half = self._classes(chunk)
            self._chunks[key] = np.flatnonzero((of == stream) & (half == split))
            if len(self._chunks) > _CACHED_CHUNKS:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(key)
        return self._chunks[key]

    def _classes(self, chunk: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
        """Stream, and whether it is held out, of every document of a chunk."""
        here = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        return self._codes[self._shards.key[here]], self._shards.split[here] < self._threshold
