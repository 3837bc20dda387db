"""AUC, thresholds and calibration, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.evaluation import at_threshold, auc, calibration, evaluate, keep_threshold

SCORED = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=40)


def arrays(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in rows]), np.array([kind for _, kind in rows])


@given(SCORED)
def test_auc_is_the_chance_to_be_above(rows: list[tuple[float, bool]]) -> None:
    """Of all pairs of a positive and a negative, ties counting half; None where there are no pairs."""
    scores, positive = arrays(rows)
    pairs = [(high > low) + (high == low) / 2 for high in scores[positive] for low in scores[~positive]]
    assert auc(scores, positive) == (pytest.approx(np.mean(pairs)) if pairs else None)


@given(SCORED, st.floats(0, 1))
def test_no_more_than_the_share_is_kept(rows: list[tuple[float, bool]], share: float) -> None:
    """And one more value would be too many."""
    scores, _ = arrays(rows)
    threshold = keep_threshold(scores, share)
    assert (scores >= threshold).mean() <= share + 1e-9
    lower = scores[scores < threshold]
    assert not len(lower) or (scores >= lower.max()).mean() > share


@given(SCORED, st.integers(0, 20).map(lambda n: n / 20))
def test_precision_and_recall(rows: list[tuple[float, bool]], threshold: float) -> None:
    """By counting; None for a share of nothing."""
    scores, positive = arrays(rows)
    found = at_threshold(scores, positive, threshold)
    right = sum(kind for score, kind in rows if score >= threshold)
    kept = sum(score >= threshold for score, _ in rows)
    assert found["precision"] == (pytest.approx(right / kept, abs=1e-4) if kept else None)
    assert found["recall"] == (pytest.approx(right / positive.sum(), abs=1e-4) if positive.any() else None)
    assert found["kept"] == pytest.approx(kept / len(rows), abs=1e-4)


def test_calibration() -> None:
    """Scores that are the share of positives are right; sure and wrong ones are as wrong as can be."""
    scores = np.repeat([0.25, 0.75], 4)
    exact = calibration(scores, np.array([1, 0, 0, 0, 1, 1, 1, 0], np.bool_))
    assert exact["error"] == 0
    assert exact["bins"][0] == {"from": 0.2, "to": 0.3, "documents": 4, "score": 0.25, "positive": 0.25}
    assert calibration(np.array([1.0, 0.0]), np.array([False, True]))["error"] == 1


def test_everything_of_one_kind() -> None:
    """There is no AUC, and nothing fails."""
    found = evaluate(np.array([0.1, 0.9]), np.array([True, True]), 0.2)
    assert found["auc"] is None and found["negative"] == 0
    assert [row["threshold"] for row in found["at"]] == [0.5, 0.2]
