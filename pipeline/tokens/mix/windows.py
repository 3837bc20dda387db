"""Windows: 1,024 documents that are packed together, found by number.

Training permutes blocks of consecutive documents anew for every epoch and cuts the result into windows; window
numbers go on from epoch to epoch. Blocks hold one document up to 131,071 documents and grow to 64 for large streams,
so that reading a window touches few places of a corpus that does not fit into memory. Validation keeps the order of the
index.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.tokens.mix.membership import TRAIN, VALIDATION, Members
from pipeline.tokens.mix.packing import Packed, pack
from pipeline.tokens.mix.permutation import hashed, permuted, seed_of
from pipeline.tokens.shards import TokenShards

WINDOW = 1024
MAX_BLOCK = 64
_ONE_BY_ONE = 2**16

Int64s = npt.NDArray[np.int64]


class Windows:
    """Windows of one stream. ``seed``: of the mix; None for the validation split."""

    def __init__(self, shards: TokenShards, members: Members, stream: int, *, seed: int | None) -> None:
        self._shards = shards
        self._members = members
        self._stream = stream
        self._seed = seed
        self._split = VALIDATION if seed is None else TRAIN
        self.documents = int(members.documents[self._split, stream])
        self._block = min(MAX_BLOCK, 1 << max(self.documents // _ONE_BY_ONE, 1).bit_length() - 1)
        self._blocks = -(-self.documents // self._block)
        self.per_epoch = -(-self._blocks * self._block // WINDOW)

    def members(self, number: int) -> Int64s:
        """Document numbers of the window, in the order in which they are packed. int64[1024 or fewer]."""
        epoch, window = divmod(number, self.per_epoch)
        blocks_a_window = WINDOW // self._block
        first = window * blocks_a_window
        blocks = np.arange(first, min(first + blocks_a_window, self._blocks))
        if self._seed is not None:
            blocks = permuted(blocks, self._blocks, seed_of("epoch", self._seed, self._stream, epoch))
        ordinals = (blocks[:, None] * self._block + np.arange(self._block)).ravel()
        return self._members.find(self._split, self._stream, ordinals[ordinals < self.documents])

    def packed(self, number: int, capacity: int) -> tuple[Int64s, Packed]:
        """The window's documents, and how they are packed into sequences of at most ``capacity`` tokens."""
        documents = self.members(number)
        return documents, pack(self._shards.length[documents], capacity)

    def order(self, number: int, sequences: int) -> Int64s:
        """Which packed sequence comes when, int64[sequences]: packing puts the fullest first, training shuffles."""
        if self._seed is None:
            return np.arange(sequences)
        seed = seed_of("window", self._seed, self._stream, number)
        return np.argsort(hashed(np.arange(sequences, dtype=np.uint64), seed), kind="stable")
