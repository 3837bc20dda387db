"""The mathematics of MinHash LSH: what bands of rows find, and what is left of it after verification.

A signature of b · r lanes is cut into b bands of r. Two documents of Jaccard similarity s agree in a lane with
probability s, so they share at least one band with probability 1 − (1 − s^r)^b, the S-curve (Leskovec, Rajaraman and
Ullman, *Mining of Massive Datasets*, chapter 3). Verification then keeps a pair if the share of equal lanes reaches the
threshold. Both are counted on the same lanes, so the second probability is not a product; it is computed exactly here.
That verified recall is not the S-curve surprises people: at the threshold itself it is about a half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from stages.kernels.shingle_tables import Units

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Preset:
    """Published settings. ``ngram``: units in a shingle. ``source``: who published them."""

    bands: int
    rows: int
    ngram: int
    shingles: Units
    source: str


PRESETS: Mapping[str, Preset] = {
    "fineweb": Preset(14, 8, 5, "auto", "FineWeb (Penedo et al. 2024)"),
    "nemo": Preset(20, 13, 24, "characters", "NeMo Curator, fuzzy deduplication"),
    "duplodocus": Preset(26, 11, 5, "auto", "duplodocus (Ai2), whose units are tokens"),
    "refinedweb": Preset(450, 20, 5, "auto", "RefinedWeb (Penedo et al. 2023)"),
}
"""Name → settings. RefinedWeb's text says "20 buckets of 450", which would find nothing below .99; what works, and what
its 9,000 hashes were for, is 450 bands of 20."""

DRAWN = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Similarities at which curves are printed."""


def match_probability(similarity: npt.ArrayLike, bands: int, rows: int) -> Floats:
    """Probability that a pair of that Jaccard similarity shares a band: 1 − (1 − s^r)^b, elementwise."""
    s = np.asarray(similarity, np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(bands * np.log1p(-(s**rows))))


def lanes_needed(threshold: float, lanes: int) -> int:
    """Fewest equal lanes whose share, as a float32, reaches the threshold."""
    shares = (np.arange(lanes + 1) / lanes).astype(np.float32)
    return int(np.searchsorted(shares, np.float32(threshold)))


def verified_probability(similarity: float, bands: int, rows: int, threshold: float) -> float:
    """Probability that a pair shares a band and its share of equal lanes is at least the threshold. Exact.

    The equal lanes of a band are binomial(r, s). That of pairs without a full band are a b-fold convolution of the
    binomial without its last term; what they hold above the threshold is taken from the tail of all pairs.
    O(bands² · rows²).
    """
    partial = np.array([math.comb(rows, k) * similarity**k * (1 - similarity) ** (rows - k) for k in range(rows + 1)])
    needed = lanes_needed(threshold, bands * rows)
    everything = _power(partial, bands)
    partial[rows] = 0
    return float(np.clip(everything[needed:].sum() - _power(partial, bands)[needed:].sum(), 0, 1))


def _power(distribution: Floats, times: int) -> Floats:
    """Distribution of the sum of that many draws; ``distribution`` need not add up to 1."""
    total = np.ones(1)
    for bit in f"{times:b}":
        total = np.convolve(total, total)
        if bit == "1":
            total = np.convolve(total, distribution)
    return total


def estimate_error(similarity: float, lanes: int) -> float:
    """Standard error of the estimated similarity."""
    return math.sqrt(similarity * (1 - similarity) / lanes)


@lru_cache(maxsize=64)
def optimal_bands(threshold: float, lanes: int, false_positive_weight: float = 0.5) -> tuple[int, int]:
    """(bands, rows) for a wanted threshold, by datasketch's criterion (``MinHashLSH(threshold, num_perm, weights)``).

    Of all b · r ≤ lanes, those with the least w · (area under the S-curve below the threshold) + (1 − w) · (area above
    the curve, above the threshold). Ties go to fewer bands, then fewer rows. Raises ValueError out of range.
    """
    if not 0 < threshold < 1 or not 0 <= false_positive_weight <= 1 or lanes < 1:
        raise ValueError(f"threshold {threshold} and weight {false_positive_weight} have to be between 0 and 1")
    nodes, weights = np.polynomial.legendre.leggauss(min(lanes // 2 + 1, 200))
    below, above = threshold * (nodes + 1) / 2, threshold + (1 - threshold) * (nodes + 1) / 2

    def error(choice: tuple[int, int]) -> float:
        positive = threshold / 2 * weights @ match_probability(below, *choice)
        negative = (1 - threshold) / 2 * weights @ (1 - match_probability(above, *choice))
        return float(false_positive_weight * positive + (1 - false_positive_weight) * negative)

    return min(((b, r) for b in range(1, lanes + 1) for r in range(1, lanes // b + 1)), key=error)


def threshold_of(bands: int, rows: int) -> float:
    """Similarity at which the S-curve is steepest, about (1 / b)^(1 / r)."""
    return float((1 / bands) ** (1 / rows))


def curve_lines(bands: int, rows: int, threshold: float | None, at: Sequence[float] = DRAWN) -> list[str]:
    """The S-curve as lines of text: similarity, P(candidate), P(verified) if there is a threshold, and a bar.

    In the bar ``█`` is what stays found and ``░`` what is a candidate and not verified.
    """
    lines = [f"{bands} bands × {rows} rows = {bands * rows} lanes, steepest at {threshold_of(bands, rows):.2f}"]
    lines.append("similarity  candidate" + ("" if threshold is None else f"  verified ≥ {threshold:g}"))
    for s in at:
        candidate = float(match_probability(s, bands, rows))
        verified = candidate if threshold is None else verified_probability(s, bands, rows, threshold)
        kept, lost = round(30 * verified), round(30 * candidate) - round(30 * verified)
        column = "" if threshold is None else f"  {verified:>{11 + len(f'{threshold:g}')}.4f}"
        lines.append(f"{s:>10.2f}  {candidate:>9.4f}{column}  {'█' * kept}{'░' * lost}".rstrip())
    return lines
