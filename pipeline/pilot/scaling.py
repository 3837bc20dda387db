"""Amounts with a range, and how a pilot's measurements become those of the whole input.

A partition of the pilot stands for a known part of its source, so whatever was measured on it is multiplied by (text
that it stands for / text that was read of it). The range is two standard errors of that sum, from how much the
partitions of a source differ (Cochran 1977, stratified sampling with the finite population correction). Partitions
that happen to be alike make a range that is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.blocks.ingest import PART_BYTES
from pipeline.pilot.bounded import Reading
from pipeline.pilot.choose import Chosen, expected_text
from pipeline.pilot.engine import Pilot
from pipeline.plan import Plan

ONE_PARTITION_ERROR = 0.2
"""Relative standard error where one partition of many was read and nothing is known of the others."""


@dataclass(frozen=True)
class Amount:
    """An estimate: ``value``, and the range in which it should lie."""

    value: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @staticmethod
    def of(value: float, variance: float) -> Amount:
        error = 2 * math.sqrt(max(0.0, variance))
        return Amount(value, max(0.0, value - error), value + error)

    @property
    def variance(self) -> float:
        """The square of the standard error."""
        return ((self.high - self.value) / 2) ** 2

    def times(self, factor: float, error: float = 0.0) -> Amount:
        """Multiplied by a number with a relative standard error of its own."""
        value = self.value * factor
        if not error:
            return Amount(value, self.low * factor, self.high * factor)
        return Amount.of(value, self.variance * factor**2 + (value * error) ** 2)


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of estimates. Their errors are taken to go together, which gives the wider range."""
    found = list(amounts)
    return Amount(*(sum(getattr(amount, name) for amount in found) for name in ("value", "low", "high")))


class Scale:
    """What the pilot's partitions stand for.

    ``factor``: partition's key → how many times the text that was read of it is there in the input.
    """

    def __init__(self, plan: Plan, pilot: Pilot) -> None:
        self.chosen = {one.key: one for some in pilot.chosen.values() for one in some}
        self.readings = {key: pilot.readings.get(key, Reading(share=1.0)) for key in self.chosen}
        self.factor: dict[str, float] = {}
        self.text: dict[str, float] = {}
        for key, one in self.chosen.items():
            reading = self.readings[key]
            self.text[key] = one.stands_for / one.expected_bytes * text_of(one, reading)
            self.factor[key] = self.text[key] / reading.kept_bytes if reading.kept_bytes else 0.0
        self.by_source = {name: [one.key for one in some] for name, some in pilot.chosen.items()}
        self.streams = {name: self._unit_texts(plan, name, True) for name in self.by_source}
        self.parts = {name: self._parts(plan, name) for name in self.by_source}
        documents = self.sum_of({key: float(self.readings[key].kept_rows) for key in self.chosen})
        kept = sum(reading.kept_rows for reading in self.readings.values())
        self.documents = documents
        self.overall = documents.times(1 / kept) if kept else Amount()

    def sum_of(self, measured: Mapping[str, float], sources: Iterable[str] | None = None) -> Amount:
        """The input's amount of what was measured on partitions (key → amount)."""
        return total(self._source_sum(measured, name) for name in (self.by_source if sources is None else sources))

    def _source_sum(self, measured: Mapping[str, float], source: str) -> Amount:
        groups = {self.chosen[key].group for key in self.by_source[source]}
        keys = [key for key in self.by_source[source] if key in measured]
        found = [self._group_sum(measured, [k for k in keys if self.chosen[k].group == group]) for group in groups]
        return Amount.of(sum(each.value for each in found), sum(each.variance for each in found))

    def _group_sum(self, measured: Mapping[str, float], keys: Sequence[str]) -> Amount:
        values = [measured[key] * self.factor[key] for key in keys]
        value = sum(values)
        text = sum(self.text[key] for key in keys)
        left = 1 - sum(self.readings[key].kept_bytes for key in keys) / text if text else 0.0
        if left <= 1e-9 or not value:
            return Amount.of(value, 0.0)
        if len(keys) == 1:
            return Amount.of(value, (value * ONE_PARTITION_ERROR) ** 2 * left)
        weights = [self.chosen[key].stands_for for key in keys]
        mean = value / sum(weights)
        squares = sum((part - mean * weight) ** 2 for part, weight in zip(values, weights, strict=True))
        degrees = len(keys) - 1
        few = (1 + 1.2 / degrees) ** 2  # Student's t for few partitions, about
        return Amount.of(value, squares * len(keys) / degrees * left * few)

    def _unit_texts(self, plan: Plan, source: str, streams: bool) -> list[float]:
        """Bytes of text of the source's partitions that are streams, or of the others."""
        units = [unit for unit in plan.units if unit.source == source]
        whole = sum(self.chosen[key].stands_for for key in self.by_source[source])
        ratio = sum(self.text[key] for key in self.by_source[source]) / whole if whole else 1.0
        texts = zip(units, expected_text(units), strict=True)
        return [expected * ratio for unit, expected in texts if unit.partition.stream == streams]

    def _parts(self, plan: Plan, source: str) -> list[float]:
        """Bytes of text of the partitions that row blocks will have: streams become parts of :data:`PART_BYTES`."""
        parts = self._unit_texts(plan, source, False)
        for text in self.streams[source]:
            whole, rest = divmod(text, PART_BYTES)
            parts += [float(PART_BYTES)] * int(whole) + [rest]
        return parts


def text_of(one: Chosen, reading: Reading) -> float:
    """Bytes of text of a pilot's partition, had it been read to its end."""
    if reading.share:
        return reading.text_bytes / reading.share
    return max(float(reading.text_bytes), one.expected_bytes)
