"""How a threshold is read off the distribution of a signal.

A rule drops what lies below its lowest or above its highest good value, so a threshold has a *side*. Two methods look
at one distribution alone:

* ``quantile``: a set share of documents lies beyond. With a tenth it is the ``10Tail`` of FineWeb-2 (Penedo et al.
  2025, arXiv 2506.20920), which tried five ways to carry English thresholds over to other languages.
* ``deviation``: so many robust standard deviations from the median (1.4826 times the median absolute deviation; Leys
  et al. 2013, doi 10.1016/j.jesp.2013.03.013), which a heap of extreme values does not move.

Three carry the thresholds of a language that somebody chose well over to the others, and are FineWeb-2's as well:

* ``same_quantile`` (``Quantile``): the same share of documents lies beyond.
* ``mean_std`` (``MeanStd``): as many standard deviations from the mean.
* ``median_ratio`` (``MedianRatio``): the same multiple of the median.

Everything is exact: a distribution is kept as distinct values with their counts. Signals are stored with four decimals,
so there are far fewer values than documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.blocks.rules import DECIMALS

Side = Literal["min", "max"]
ROBUST = 1.4826
"""Median absolute deviations of a normal distribution in one standard deviation."""


class NotDerived(Exception):
    """The distribution gives no threshold by this method; says why."""


@dataclass(frozen=True)
class Distribution:
    """``values``: float64, ascending, distinct; ``counts``: int64, documents of each, at least one document in all."""

    values: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    @staticmethod
    def of(values: npt.NDArray[np.float64]) -> Distribution:
        """Of one value per document."""
        return Distribution(*np.unique(values, return_counts=True))

    @staticmethod
    def merged(parts: Iterable[Distribution]) -> Distribution:
        """Of all documents of the parts together."""
        listed = list(parts)
        values, places = np.unique(np.concatenate([part.values for part in listed]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, places, np.concatenate([part.counts for part in listed]))
        return Distribution(values, counts)

    @property
    def documents(self) -> int:
        return int(self.counts.sum())

    def beyond(self, threshold: float, side: Side) -> int:
        """Documents below a lowest, or above a highest good value."""
        outside = self.values < threshold if side == "min" else self.values > threshold
        return int(self.counts[outside].sum())

    def tail(self, documents: int, side: Side) -> float:
        """The strictest value that occurs and has no more than so many documents beyond it."""
        counts = self.counts if side == "min" else self.counts[::-1]
        before = np.cumsum(counts) - counts
        place = int(np.searchsorted(before, documents, side="right")) - 1
        return float(self.values[place] if side == "min" else self.values[::-1][place])

    def mean_std(self) -> tuple[float, float]:
        mean = float(np.average(self.values, weights=self.counts))
        return mean, math.sqrt(float(np.average((self.values - mean) ** 2, weights=self.counts)))

    def median(self) -> float:
        """The middle value, or the mean of the two in the middle."""
        ends = np.cumsum(self.counts)
        low, high = (np.searchsorted(ends, place, side="right") for place in ((ends[-1] - 1) // 2, ends[-1] // 2))
        return float(self.values[low] + self.values[high]) / 2

    def deviation(self) -> float:
        """Median absolute deviation from the median."""
        distances, places = np.unique(np.abs(self.values - self.median()), return_inverse=True)
        counts = np.zeros(len(distances), np.int64)
        np.add.at(counts, places, self.counts)
        return Distribution(distances, counts).median()


@dataclass(frozen=True)
class Model:
    """A language whose threshold is taken as right: its distribution, and the threshold."""

    distribution: Distribution
    threshold: float


@dataclass(frozen=True)
class Method:
    """``name`` and its parameters. ``share``: of ``quantile``; ``deviations``: of ``deviation``."""

    name: str
    share: float = 0.05
    deviations: float = 3.0

    @property
    def needs_model(self) -> bool:
        return self.name in _CARRIED

    def threshold(self, documents: Distribution, side: Side, model: Model | None) -> float:
        """The threshold, with four decimals and inside what occurs. Raises NotDerived."""
        if self.name == "quantile":
            found = documents.tail(_whole(self.share * documents.documents), side)
        elif self.name == "deviation":
            found = _deviation(documents, side, self.deviations)
        elif model is None:
            raise NotDerived("there is no threshold to carry over")
        else:
            found = _CARRIED[self.name](documents, side, model)
        low, high = float(documents.values[0]), float(documents.values[-1])
        return min(max(round(found, DECIMALS), low), high)


def _whole(documents: float) -> int:
    """Documents as a whole number, rounded down but for what floats lose."""
    return math.floor(documents + 1e-6)


def _deviation(documents: Distribution, side: Side, deviations: float) -> float:
    spread = ROBUST * documents.deviation()
    if not spread:
        raise NotDerived("half of the documents or more have the same value")
    return documents.median() + (deviations if side == "max" else -deviations) * spread


def _same_quantile(documents: Distribution, side: Side, model: Model) -> float:
    share = model.distribution.beyond(model.threshold, side) / model.distribution.documents
    return documents.tail(_whole(share * documents.documents), side)


def _mean_std(documents: Distribution, side: Side, model: Model) -> float:
    mean, std = model.distribution.mean_std()
    if not std:
        raise NotDerived("all documents of the model have the same value")
    own_mean, own_std = documents.mean_std()
    return own_mean + (model.threshold - mean) / std * own_std


def _median_ratio(documents: Distribution, side: Side, model: Model) -> float:
    median = model.distribution.median()
    if not median:
        raise NotDerived("the median of the model is 0")
    return model.threshold / median * documents.median()


_CARRIED: Mapping[str, Callable[[Distribution, Side, Model], float]] = {
    "same_quantile": _same_quantile,
    "mean_std": _mean_std,
    "median_ratio": _median_ratio,
}
METHODS = ("quantile", "deviation", *_CARRIED)
