"""Which partitions a pilot reads: some of each source, evenly spread over its text, the same ones every time.

A source is cut into strata of equal expected text, and a hash of seed, source and stratum says which place of it is
looked at; its partition stands for the stratum. So a large partition stands for more than a small one, and files that
differ along a listing (years, languages) are all seen. Of a partition of many files some are read, spread alike.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from pipeline.blocks.reading import SourceUnit
from pipeline.fingerprint import digest
from pipeline.pilot.assumed import expansion
from pipeline.sources.contract import Piece

PARTITIONS = 4
"""Partitions of a source, if they are large enough to be cut; up to :data:`MOST` where they are small."""
MOST = 32
BATCH_BYTES = 16 * 2**20
"""Text read of one partition of the largest source: a whole batch, which sets the memory that a worker needs."""
SOURCE_BYTES = 8 * 2**20
"""Text read of a source, its chosen partitions together; less where there are many sources."""
PILOT_BYTES = 32 * 2**20
"""Text read of all sources, about."""
LEAST_BYTES = 2**20
"""Text read of each partition, however little it stands for."""


@dataclass(frozen=True)
class Chosen:
    """A partition of the pilot. ``unit``: it, with some of its files where it has many.

    ``expected_bytes``: text that ``unit`` should hold, by sizes and endings of its files; ``stands_for``: the same of
    all partitions that it stands for. ``text_bytes``: how much text of it is to be read at most. ``group``: packed and
    plain files of a source are looked at apart.
    """

    unit: SourceUnit
    expected_bytes: float
    stands_for: float
    text_bytes: int
    group: float

    @property
    def key(self) -> str:
        return self.unit.partition.key


def expected_text(units: Sequence[SourceUnit]) -> list[float]:
    """Bytes of text that each unit should hold; of a file that several read, each has its share."""
    spans: dict[str, int] = defaultdict(int)
    for unit in units:
        for piece in unit.partition.pieces:
            spans[piece.uri] += max(1, piece.end - piece.start)
    return [max(1.0, sum(_expected(piece, spans) for piece in unit.partition.pieces)) for unit in units]


def _expected(piece: Piece, spans: Mapping[str, int]) -> float:
    return piece.size * expansion(piece.uri) * max(1, piece.end - piece.start) / spans[piece.uri]


def choose(units: Sequence[SourceUnit], seed: int, text_bytes: int, is_largest: bool) -> list[Chosen]:
    """The pilot's partitions of one source.

    ``text_bytes``: how much to read of them together. ``is_largest``: have the one that stands for most give a whole
    batch.
    """
    groups: dict[float, list[SourceUnit]] = defaultdict(list)
    for unit in units:
        groups[expansion(unit.partition.pieces[0].uri)].append(unit)
    expected = {group: sum(expected_text(mine)) for group, mine in groups.items()}
    chosen = [
        one
        for group, mine in groups.items()
        for one in _choose(mine, seed, int(text_bytes * expected[group] / sum(expected.values())), group)
    ]
    if not is_largest:
        return chosen
    heaviest = max(chosen, key=lambda one: one.stands_for)
    return [replace(one, text_bytes=max(one.text_bytes, BATCH_BYTES)) if one is heaviest else one for one in chosen]


def _choose(units: Sequence[SourceUnit], seed: int, text_bytes: int, group: float) -> list[Chosen]:
    weights = expected_text(units)
    picked = _picked(units, weights, text_bytes, seed)
    chosen = []
    for index, stands_for in sorted(picked.items()):
        most = max(LEAST_BYTES, int(text_bytes * stands_for / sum(picked.values())))
        unit = _some_files(units[index], weights[index], most, seed)
        expected = weights[index] if unit is units[index] else expected_text([unit])[0]
        chosen.append(Chosen(unit, expected, stands_for, most, group))
    return chosen


def _picked(units: Sequence[SourceUnit], weights: Sequence[float], text_bytes: int, seed: int) -> dict[int, float]:
    """Number of a partition → text that it stands for. More partitions while theirs is little."""
    strata = PARTITIONS
    while True:
        if len(units) <= strata:
            return dict(enumerate(weights))
        picked = _stratified(units[0].source, weights, strata, seed)
        expected = sum(min(weights[index], text_bytes / strata) for index in picked)
        if strata >= MOST or expected >= text_bytes / 2:
            return picked
        strata *= 2


def _stratified(source: str, weights: Sequence[float], strata: int, seed: int) -> dict[int, float]:
    ends = list(accumulate(weights))
    picked: dict[int, float] = defaultdict(float)
    for stratum in range(strata):
        place = (stratum + _chance([seed, source, strata, stratum])) / strata * ends[-1]
        picked[min(bisect_right(ends, place), len(ends) - 1)] += ends[-1] / strata
    return picked


def _some_files(unit: SourceUnit, expected: float, wanted: int, seed: int) -> SourceUnit:
    """The unit with fewer of its files, about ``wanted`` bytes of text, spread evenly; itself if it has no more."""
    pieces = unit.partition.pieces
    if len(pieces) == 1 or expected <= wanted:
        return unit
    count = max(1, round(len(pieces) * wanted / expected))
    first = _chance([seed, unit.key])
    places = {int((position + first) / count * len(pieces)) for position in range(count)}
    partition = replace(unit.partition, pieces=tuple(pieces[place] for place in sorted(places)))
    return replace(unit, partition=partition, number=partition.number)


def _chance(what: Sequence[object]) -> float:
    """A number in [0, 1) that the arguments decide."""
    return int(digest(list(what))[:13], 16) / 16**13
