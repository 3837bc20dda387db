"""How well scores tell positive from negative: AUC, precision and recall, calibration, thresholds to keep a share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10


def auc(scores: Floats, positive: Bools) -> float | None:
    """The chance that a positive scores above a negative, ties counting half; None without both kinds."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def keep_threshold(scores: Floats, share: float) -> float:
    """The score from which on at most that share of documents lies; above all scores for a share of 0.

    Ties are not broken: where a score at the edge is that of many documents, all of them stay below the threshold.
    """
    values = np.sort(np.round(scores, 4))[::-1]
    kept = int(np.floor(share * len(values) + 1e-9))
    if kept >= len(values):
        return float(values[-1])
    above = values[:kept][values[:kept] > values[kept]]
    return float(above[-1]) if len(above) else float(np.round(values[0] + 1e-4, 4))


def at_threshold(scores: Floats, positive: Bools, threshold: float) -> dict[str, float | None]:
    """Precision, recall, F1 and the share kept if scores from ``threshold`` on count as positive."""
    kept = np.round(scores, 4) >= threshold
    right = int((kept & positive).sum())
    precision = right / int(kept.sum()) if kept.any() else None
    recall = right / int(positive.sum()) if positive.any() else None
    both = precision is not None and recall is not None and precision + recall > 0
    f1 = 2 * precision * recall / (precision + recall) if both and precision and recall else 0.0 if both else None
    return _rounded(
        {"threshold": threshold, "precision": precision, "recall": recall, "f1": f1, "kept": float(kept.mean())}
    )


def calibration(scores: Floats, positive: Bools) -> dict[str, Any]:
    """By tenths of the score: documents, mean score and share of positives; their mean distance (ECE, Naeini 2015)."""
    place = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    rows, error = [], 0.0
    for tenth in range(BINS):
        here = place == tenth
        if here.any():
            mean, share = float(scores[here].mean()), float(positive[here].mean())
            error += abs(mean - share) * float(here.mean())
            bounds = {"from": tenth / BINS, "to": (tenth + 1) / BINS}
            rows.append(_rounded({**bounds, "documents": int(here.sum()), "score": mean, "positive": share}))
    return {"bins": rows, "error": round(error, 4)}


def evaluate(scores: Floats, positive: Bools, threshold: float | None = None) -> dict[str, Any]:
    """Everything about one set of scored documents, as JSON. ``threshold``: the one that is meant to be used."""
    thresholds = [0.5] if threshold is None else [0.5, threshold]
    found = auc(scores, positive)
    return {
        "positive": int(positive.sum()),
        "negative": int((~positive).sum()),
        "auc": None if found is None else round(found, 4),
        "at": [at_threshold(scores, positive, value) for value in thresholds],
        "calibration": calibration(scores, positive),
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
