"""The probabilities of LSH against published figures, simulation, and datasketch's choice of bands."""

from __future__ import annotations

import numpy as np
import pytest

from stages.dedup.lsh import (
    PRESETS,
    curve_lines,
    estimate_error,
    lanes_needed,
    match_probability,
    optimal_bands,
    verified_probability,
)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("fineweb", (0.0533, 0.5645, 0.9235, 0.9996)),
        ("nemo", (0.0024, 0.1769, 0.6773, 0.9972)),
        ("duplodocus", (0.0126, 0.4050, 0.9032, 0.9999)),
        ("refinedweb", (0.0004, 0.3018, 0.9946, 1.0)),
    ],
)
def test_presets_match_as_published(preset: str, expected: tuple[float, ...]) -> None:
    """At similarities .5, .7, .8 and .9."""
    form = PRESETS[preset]
    found = match_probability([0.5, 0.7, 0.8, 0.9], form.bands, form.rows)
    assert found == pytest.approx(expected, abs=6e-5)


def test_the_ends_of_the_curve() -> None:
    """Nothing in common is never a candidate, the same text always is."""
    assert match_probability([0, 1], 14, 8).tolist() == [0, 1]
    assert [verified_probability(s, 14, 8, 0.8) for s in (0.0, 1.0)] == [0, 1]


@pytest.mark.parametrize(("similarity", "verified"), [(0.7, 0.01), (0.75, 0.11), (0.8, 0.51), (0.85, 0.93)])
def test_verified_curve(similarity: float, verified: float) -> None:
    """Figures of an independent simulation, for 14 × 8 and a threshold of .8."""
    assert verified_probability(similarity, 14, 8, 0.8) == pytest.approx(verified, abs=0.01)


def test_verified_curve_against_simulation() -> None:
    """Lanes drawn for 40,000 pairs: the exact probability lies within four standard errors, for odd shapes too."""
    rng = np.random.default_rng(2)
    for bands, rows, s, threshold in ((14, 8, 0.78, 0.8), (5, 3, 0.5, 0.6), (3, 1, 0.4, 0.5), (1, 7, 0.9, 1.0)):
        equal = rng.random((40_000, bands, rows)) < s
        shares = equal.mean(axis=(1, 2)).astype(np.float32)
        shared = np.any(np.all(equal, axis=2), axis=1)
        found = np.mean(shared & (shares >= np.float32(threshold)))
        exact = verified_probability(s, bands, rows, threshold)
        assert abs(found - exact) <= 4 * np.sqrt(exact * (1 - exact) / 40_000)


def test_without_a_threshold_verified_is_candidate() -> None:
    """Threshold 0 lets every candidate through."""
    for s in (0.3, 0.7, 0.95):
        assert verified_probability(s, 14, 8, 0.0) == pytest.approx(float(match_probability(s, 14, 8)))


def test_lanes_at_the_threshold_count() -> None:
    """Exactly the threshold passes, as float32: 80 of 100 lanes for .8, and 90 of 112."""
    for threshold, lanes, needed in ((0.8, 100, 80), (0.8, 112, 90), (0.1, 10, 1), (0.3, 10, 3), (1, 7, 7), (0, 7, 0)):
        assert lanes_needed(threshold, lanes) == needed


def test_bands_are_those_of_datasketch() -> None:
    """The same (bands, rows) for thresholds, numbers of lanes and weights."""
    lsh = pytest.importorskip("datasketch.lsh")
    for threshold in (0.5, 0.7, 0.8, 0.9, 0.95):
        for lanes in (16, 112, 128):
            assert optimal_bands(threshold, lanes) == tuple(lsh._optimal_param(threshold, lanes, 0.5, 0.5))
    assert optimal_bands(0.8, 112, 0.2) == tuple(lsh._optimal_param(0.8, 112, 0.2, 0.8))


@pytest.mark.parametrize(("threshold", "weight"), [(0, 0.5), (1, 0.5), (0.5, 1.5)])
def test_impossible_wishes_are_refused(threshold: float, weight: float) -> None:
    """Thresholds and weights lie between 0 and 1."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        optimal_bands(threshold, 112, weight)


def test_the_drawing() -> None:
    """A line for each similarity: figures, and a bar of what stays found and what is lost to verification."""
    assert curve_lines(14, 8, 0.8, [0.7, 0.8]) == [
        "14 bands × 8 rows = 112 lanes, steepest at 0.72",
        "similarity  candidate  verified ≥ 0.8",
        "      0.70     0.5645          0.0088  ░░░░░░░░░░░░░░░░░",
        "      0.80     0.9235          0.5109  ███████████████░░░░░░░░░░░░░",
    ]
    assert curve_lines(14, 8, None, [0.7])[1:] == ["similarity  candidate", "      0.70     0.5645  █████████████████"]


def test_the_error_of_an_estimate() -> None:
    """Binomial: .038 for 112 lanes at .8."""
    assert estimate_error(0.8, 112) == pytest.approx(0.0378, abs=1e-4)
