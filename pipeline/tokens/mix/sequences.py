"""Sample number → sequence: what a trainer reads. A function of plan and shards alone, so any reader finds any sample.

The state of a reader is the number of samples that were consumed, nothing else. Readers that share the work take every
k-th sample; the order does not depend on how many they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.tokens.mix.membership import Members, stream_of_key
from pipeline.tokens.mix.packing import Packed
from pipeline.tokens.mix.permutation import seed_of
from pipeline.tokens.mix.plan import MixPlan
from pipeline.tokens.mix.schedule import Schedule
from pipeline.tokens.mix.windows import Windows
from pipeline.tokens.shards import TokenShards

Int64s = npt.NDArray[np.int64]

_CACHED_WINDOWS = 64
_LOOK_AHEAD = 1024


class Sequence(NamedTuple):
    """One sequence: pieces of documents of one stream, one after the other.

    ``tokens``: uint32[at most sequence_length + 1]. ``bounds``: int64[pieces + 1], where pieces begin in ``tokens``.
    ``documents``: int64[pieces], their numbers in the shards. ``positions``: int64[pieces], where in its document each
    piece begins. ``stream``: position in the plan's ``streams``.
    """

    tokens: npt.NDArray[np.uint32]
    bounds: Int64s
    documents: Int64s
    positions: Int64s
    stream: int


class _Window(NamedTuple):
    documents: Int64s
    packed: Packed
    order: Int64s


class MixReader:
    """Sequences of a plan by number. Raises StoreError if the plan was made for other shards.

    ``split``: ``train`` (in the order of the mix) or ``validation`` (every document that is held out, once, stream
    after stream). ``sequences``: how many there are. ``ends``: for validation, where each stream ends.
    """

    def __init__(self, shards: TokenShards, plan: MixPlan, split: Literal["train", "validation"] = "train") -> None:
        plan.check(shards)
        self.plan = plan
        self._shards = shards
        codes = stream_of_key(shards.keys, plan.streams)
        members = Members(shards, codes, plan.validation, plan.members)
        training = split == "train"
        seed = plan.seed if training else None
        self._windows = [Windows(shards, members, stream, seed=seed) for stream in range(len(plan.streams))]
        self._before = plan.train if training else plan.held_out
        counts = plan.counts if training else [int(before[-1]) for before in plan.held_out]
        self._schedule = Schedule(counts, seed_of("schedule", plan.seed)) if training else None
        self.ends: Int64s = np.cumsum(counts, dtype=np.int64)
        self.sequences = int(self.ends[-1]) if counts else 0
        self._packed: OrderedDict[tuple[int, int], _Window] = OrderedDict()

    def sequence(self, number: int) -> Sequence:
        """The sequence of a sample. Raises IndexError."""
        return next(self.read(number, number + 1))

    def read(self, first: int, last: int, step: int = 1) -> Iterator[Sequence]:
        """Sequences first, first + step, … before ``last``; ``step`` is the number of readers that share the work."""
        for start in range(first, last, _LOOK_AHEAD * step):
            stop = min(start + _LOOK_AHEAD * step, last)
            streams, ranks = self._look_up(start, stop)
            for stream, rank in zip(streams[::step].tolist(), ranks[::step].tolist(), strict=True):
                yield self._sequence(stream, rank)

    def _look_up(self, first: int, last: int) -> tuple[Int64s, Int64s]:
        """(stream, number within the stream) of samples first … last − 1."""
        if self._schedule is not None:
            return self._schedule.look_up(first, last)
        if not 0 <= first <= last <= self.sequences:
            raise IndexError(f"sequences {first} to {last} of {self.sequences}")
        numbers = np.arange(first, last)
        streams = np.searchsorted(self.ends, numbers, side="right")
        return streams, numbers - np.concatenate([np.zeros(1, np.int64), self.ends])[streams]

    def _sequence(self, stream: int, rank: int) -> Sequence:
        number = int(np.searchsorted(self._before[stream], rank, side="right")) - 1
        window = self._window(stream, number)
        packed = window.packed
        index = int(window.order[rank - int(self._before[stream][number])])
        pieces = slice(int(packed.bounds[index]), int(packed.bounds[index + 1]))
        start, stop = packed.start[pieces], packed.stop[pieces]
        documents = window.documents[packed.document[pieces]]
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(stop - start)])
        tokens = np.empty(int(bounds[-1]), np.uint32)
        groups, rows = self._shards.locate(documents)
        places = zip(groups.tolist(), rows.tolist(), start.tolist(), stop.tolist(), bounds.tolist(), strict=False)
        for group, row, begin, end, at in places:
            tokens[at : at + end - begin] = self._shards.read_at(group, row)[begin:end]
        return Sequence(tokens, bounds, documents, start, stream)

    def _window(self, stream: int, number: int) -> _Window:
        key = (stream, number)
        if key not in self._packed:
            windows = self._windows[stream]
            documents, packed = windows.packed(number, self.plan.capacity)
            self._packed[key] = _Window(documents, packed, windows.order(number, packed.sequences))
            if len(self._packed) > _CACHED_WINDOWS:
                self._packed.popitem(last=False)
        self._packed.move_to_end(key)
        return self._packed[key]
