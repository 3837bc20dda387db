"""Batches of a mix: sequences → ids, targets, documents and positions. The only state: how many samples were consumed.

A token's target is the next token of its document. Where a document (or the piece of one that the mix put here) ends
there is none: the first token of the next document is not predicted, because attention stays within a document and
positions start anew in each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.tokens.mix import MixReader, Sequence
from trainer.loss import IGNORED

PADDING = -1
"""Document number of the places behind the last token of a sequence that is not full; their id is 0."""


class Batch(NamedTuple):
    """int64[B, T] each; ``documents`` are numbered from 0 in every sequence, or :data:`PADDING`."""

    ids: Tensor
    targets: Tensor
    documents: Tensor
    positions: Tensor

    @property
    def tokens(self) -> int:
        """How many targets count."""
        return int((self.targets != IGNORED).sum())


@dataclass
class Loader:
    """Batches in the order of the mix. ``consumed``: samples that were given out; set, it goes on from there."""

    reader: MixReader
    batch_size: int
    consumed: int = 0

    @property
    def state(self) -> dict[str, int]:
        """What a checkpoint keeps. ``seed`` is the mix's."""
        return {"seed": self.reader.plan.seed, "consumed": self.consumed}

    def next(self) -> Batch:
        """The next batch. Raises IndexError at the end of the mix."""
        first, self.consumed = self.consumed, self.consumed + self.batch_size
        return collate(self.reader.read(first, self.consumed), self.reader.plan.sequence_length)


def collate(sequences: Iterable[Sequence], length: int) -> Batch:
    """Sequences of at most ``length`` + 1 tokens → a batch of ``length`` positions."""
    columns = zip(*(_aligned(sequence, length) for sequence in sequences), strict=True)
    return Batch(*(torch.from_numpy(np.stack(column)) for column in columns))


def _aligned(sequence: Sequence, length: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    """Ids, targets, documents and positions of a sequence, int64[length] each."""
    size, sizes = len(sequence.tokens), np.diff(sequence.bounds)
    ids = np.zeros(length + 1, np.int64)
    ids[:size] = sequence.tokens
    documents = np.full(length + 1, PADDING, np.int64)
    documents[:size] = np.repeat(np.arange(len(sizes)), sizes)
    positions = np.arange(length + 1)
    positions[:size] -= np.repeat(sequence.bounds[:-1], sizes)
    follows = (documents[1:] == documents[:-1]) & (documents[1:] != PADDING)
    return ids[:-1], np.where(follows, ids[1:], IGNORED), documents[:-1], positions[:-1]
