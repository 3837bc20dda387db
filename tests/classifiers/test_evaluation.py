"""AUC, thresholds and calibration, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.evaluation import (
    agreement,
    are_scores,
    at_threshold,
    auc,
    by_document,
    calibration,
    evaluate,
    keep_threshold,
    label_order,
)

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


LABELLED = st.integers(2, 5).flatmap(
    lambda size: st.tuples(
        st.just(size), st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), min_size=0, max_size=40)
    )
)


@given(LABELLED)
def test_agreement_by_counting(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    """Every figure is the one of its definition, by loops over the documents."""
    size, pairs = drawn
    labels = [str(number) for number in range(size)]
    found = agreement(labels, *(np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1)))
    n = len(pairs)
    assert found["documents"] == n
    assert found["confusion"] == [[pairs.count((i, j)) for j in range(size)] for i in range(size)]
    for number, each in enumerate(found["labels"]):
        given, judged = ([pair for pair in pairs if pair[side] == number] for side in (0, 1))
        right = pairs.count((number, number))
        assert (each["label"], each["given"], each["found"]) == (labels[number], len(given), len(judged))
        assert each["precision"] == (pytest.approx(right / len(judged), abs=1e-4) if judged else None)
        assert each["recall"] == (pytest.approx(right / len(given), abs=1e-4) if given else None)
    crossed = [(one, other) for one, _ in pairs for _, other in pairs]
    same, chance = (sum(a == b for a, b in some) / max(len(some), 1) for some in (pairs, crossed))
    assert found["accuracy"] == (pytest.approx(same, abs=1e-4) if n else None)
    assert found["kappa"] == (pytest.approx((same - chance) / (1 - chance), abs=1e-4) if n and chance < 1 else None)
    errors, by_chance = (sum((a - b) ** 2 for a, b in some) / max(len(some), 1) for some in (pairs, crossed))
    assert found["weighted_kappa"] == (pytest.approx(1 - errors / by_chance, abs=1e-4) if by_chance else None)


def test_kappa_of_the_literature() -> None:
    """The example of Cohen (1960, table 1) has a kappa of 0.49; a standard error of nothing that is sure is 0."""
    counts = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(counts[i][j])]
    given, found = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    told = agreement(["a", "b", "c"], given, found)
    assert told["accuracy"] == 0.7 and told["kappa"] == pytest.approx(0.492, abs=0.001)
    assert told["kappa_error"] == pytest.approx((0.7 * 0.3 / (200 * 0.59**2)) ** 0.5, abs=2e-3)
    assert "weighted_kappa" not in told
    sure = agreement(["a", "b"], np.array([0, 1]), np.array([0, 1]))
    assert (sure["kappa"], sure["kappa_error"]) == (1, 0)


def test_documents_are_judged_by_the_mean_of_their_texts() -> None:
    """One long document counts once; what the model knows nothing of does not count; at a tie the first label wins."""
    texts = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.5, 0.5], [0.0, 0.0]])
    documents = np.array([7, 7, 8, 9, 10], np.uint64)
    given, found = by_document(texts, np.array([1, 1, 1, 0, 0]), documents)
    assert list(zip(given.tolist(), found.tolist(), strict=True)) == [(1, 0), (1, 1), (0, 0)]


def test_the_order_of_labels() -> None:
    """Scores by their number, names by the alphabet."""
    assert label_order(["10", "9", "9"]) == ["9", "10"]
    assert label_order(["b", "10", "9"]) == ["10", "9", "b"]
    assert are_scores(["0", "5"]) and not are_scores(["0", "five"]) and not are_scores(["²"])
