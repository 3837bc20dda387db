"""Gradient boosting of small decision trees over whole numbers.

After Friedman 2001, with histograms as in LightGBM (Ke et al. 2017): of two new leaves the smaller one is counted, the
larger one is the difference. Two hundred lines instead of a dependency: rows and features of each tree are drawn by a
hash, sums go in a fixed order and leaves are rounded to 1/65,536, so that training again gives the same forest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int32]
Bins = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

SCALE = 65_536
"""Leaves are whole numbers of 1/65,536 of a logit."""


@dataclass(frozen=True)
class Settings:
    """``trees`` of ``leaves`` leaves at most, of ``rows_in_leaf`` rows at least; each sees some rows and features."""

    trees: int = 150
    leaves: int = 15
    rate: float = 0.1
    rows_in_leaf: int = 40
    row_share: float = 0.8
    feature_share: float = 0.5
    ridge: float = 5.0
    seed: int = 1


def bounds_of(features: Ints, most: int = 63) -> list[Ints]:
    """Upper bounds of the bins of each feature: all values if few, else quantiles."""
    bounds = []
    for column in features.T:
        values = np.unique(column)
        if len(values) > most:
            values = np.unique(np.quantile(column, np.linspace(0, 1, most + 1)[1:], method="lower"))
        bounds.append(values[:-1].astype(np.int32))
    return bounds


def binned(features: Ints, bounds: list[Ints]) -> Bins:
    """uint8[features, rows]: number of bounds below each value."""
    columns = [np.searchsorted(bound, column, side="left") for bound, column in zip(bounds, features.T, strict=True)]
    return np.array(columns, np.uint8)


@njit(cache=True, nogil=True)
def _histogram(bins: Bins, columns: Ints, rows: Ints, gradient: Floats, hessian: Floats) -> Floats:
    """float64[columns, 64, 3]: sums of gradient and hessian, and rows, by bin. O(columns · rows)."""
    sums = np.zeros((len(columns), 64, 3))
    gathered = np.empty((len(rows), 2))
    for place in range(len(rows)):
        gathered[place, 0], gathered[place, 1] = gradient[rows[place]], hessian[rows[place]]
    for place in range(len(columns)):
        column, cells = bins[columns[place]], sums[place]
        for at in range(len(rows)):
            cell = cells[column[rows[at]]]
            cell[0] += gathered[at, 0]
            cell[1] += gathered[at, 1]
            cell[2] += 1
    return sums


@njit(cache=True, nogil=True)
def _best_split(sums: Floats, rows_in_leaf: int, ridge: float) -> tuple[float, int, int]:
    """Gain, place among the columns and last bin on the left side of the best split; gain 0 if there is none."""
    best, best_place, best_bin = 0.0, 0, 0
    for place in range(len(sums)):
        gradient, hessian, rows = sums[place, :, 0].sum(), sums[place, :, 1].sum(), sums[place, :, 2].sum()
        whole = gradient * gradient / (hessian + ridge)
        g, h, n = 0.0, 0.0, 0.0
        for cut in range(63):
            g += sums[place, cut, 0]
            h += sums[place, cut, 1]
            n += sums[place, cut, 2]
            if n >= rows_in_leaf and rows - n >= rows_in_leaf:
                gain = g * g / (h + ridge) + (gradient - g) ** 2 / (hessian - h + ridge) - whole
                if gain > best + 1e-9:
                    best, best_place, best_bin = gain, place, cut
    return best, best_place, best_bin


@dataclass(eq=False)
class _Leaf:
    rows: Ints
    sums: Floats
    place: int
    gain: float
    column: int
    cut: int


class _Grower:
    """Grows one tree leaf by leaf, always where the gain is greatest."""

    def __init__(self, bins: Bins, columns: Ints, gradient: Floats, hessian: Floats, settings: Settings) -> None:
        self.bins, self.columns, self.gradient, self.hessian, self.settings = bins, columns, gradient, hessian, settings
        self.nodes: list[list[int]] = []

    def count(self, rows: Ints) -> Floats:
        return _histogram(self.bins, self.columns, rows, self.gradient, self.hessian)

    def leaf(self, rows: Ints, sums: Floats) -> _Leaf:
        gain, place, cut = _best_split(sums, self.settings.rows_in_leaf, self.settings.ridge)
        step = -self.settings.rate * self.gradient[rows].sum() / (self.hessian[rows].sum() + self.settings.ridge)
        self.nodes.append([-1, round(float(step) * SCALE), 0, 0])
        return _Leaf(rows, sums, len(self.nodes) - 1, gain, int(self.columns[place]), cut)

    def split(self, leaf: _Leaf) -> tuple[_Leaf, _Leaf]:
        is_left = self.bins[leaf.column][leaf.rows] <= leaf.cut
        left, right = leaf.rows[is_left], leaf.rows[~is_left]
        if len(left) <= len(right):
            low = self.count(left)
            sums = low, leaf.sums - low
        else:
            high = self.count(right)
            sums = leaf.sums - high, high
        return self.leaf(left, sums[0]), self.leaf(right, sums[1])

    def grow(self, rows: Ints) -> None:
        leaves = [self.leaf(rows, self.count(rows))]
        while len(leaves) < self.settings.leaves:
            best = max(leaves, key=lambda leaf: leaf.gain)
            if best.gain <= 0:
                return
            leaves.remove(best)
            low, high = self.split(best)
            self.nodes[best.place] = [best.column, best.cut, low.place, high.place]
            leaves += [low, high]


def _drawn(seed: int, tree: int, what: int, count: int, share: float) -> Ints:
    """A share of ``range(count)``, drawn by a hash of (seed, tree, what, number)."""
    salt = np.uint64((seed * 1_000_003 + tree * 101 + what) * 0xD1342543DE82EF95 % 2**64)
    value = (np.arange(count, dtype=np.uint64) + salt) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.flatnonzero((value >> np.uint64(40)) < np.uint64(share * 2**24)).astype(np.int32)


@njit(cache=True, nogil=True)
def _add(features: Ints, nodes: Ints, root: int, logits: npt.NDArray[np.int64]) -> None:
    for row in range(len(features)):
        place = root
        while nodes[place, 0] >= 0:
            place = nodes[place, 2] if features[row, nodes[place, 0]] <= nodes[place, 1] else nodes[place, 3]
        logits[row] += nodes[place, 1]


def train(features: Ints, labels: Floats, weights: Floats, settings: Settings) -> tuple[Ints, Ints, int]:
    """Returns nodes int32[n, 4] (feature or -1 for a leaf; bound or value; next if ≤ bound; else), roots, base logit.

    ``features``: int32[rows, features]. ``labels``: 0 to 1. Values and base are in units of 1/65,536.
    """
    bounds = bounds_of(features)
    bins = binned(features, bounds)
    mean = float((labels * weights).sum() / weights.sum())
    base = round(float(np.log(mean / (1 - mean))) * SCALE)
    logits = np.full(len(features), base, np.int64)
    nodes, roots = np.zeros((0, 4), np.int32), []
    for number in range(settings.trees):
        chance = 1 / (1 + np.exp(-logits / SCALE))
        grower = _Grower(
            bins,
            _drawn(settings.seed, number, 1, features.shape[1], settings.feature_share),
            weights * (chance - labels),
            weights * chance * (1 - chance),
            settings,
        )
        grower.grow(_drawn(settings.seed, number, 2, len(features), settings.row_share))
        first = len(nodes)
        roots.append(first)
        grown = [
            [column, int(bounds[column][value]), left + first, right + first] if column >= 0 else [-1, value, 0, 0]
            for column, value, left, right in grower.nodes
        ]
        nodes = np.concatenate([nodes, np.array(grown, np.int32)])
        _add(features, nodes, first, logits)
    return nodes, np.array(roots, np.int32), base


def predict(features: Ints, nodes: Ints, roots: Ints, base: int) -> npt.NDArray[np.int64]:
    """Logits in units of 1/65,536."""
    logits = np.full(len(features), base, np.int64)
    for root in roots:
        _add(features, nodes, int(root), logits)
    return logits
