"""How well scores tell positive from negative, and how far labels agree with those that were given.

For scores: AUC, precision and recall, calibration, thresholds to keep a share. For labels that people or a larger model
gave: the confusion, Cohen's kappa, precision and recall of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

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


def label_order(labels: Sequence[str]) -> list[str]:
    """Each label once: scores by their number, others by their name."""
    distinct = set(labels)
    return sorted(distinct, key=int) if are_scores(distinct) else sorted(distinct)


def are_scores(labels: Iterable[str]) -> bool:
    """Whether all of them are numbers such as ``3``."""
    return all(label.isascii() and label.isdecimal() for label in labels)


def by_document(probabilities: Floats, given: Int64s, documents: npt.NDArray[np.uint64]) -> tuple[Int64s, Int64s]:
    """(given, found) label of each document: the likeliest one by the mean of its texts.

    ``probabilities``: float64[n, labels] of n texts; ``given``: int64[n], number of the label. Documents of which the
    model knows nothing are left out.
    """
    pairs = np.stack([documents, given.astype(np.uint64)], axis=1)
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    place = place.ravel()
    sums = [np.bincount(place, column, len(distinct)) for column in probabilities.T]
    means = np.stack(sums, axis=1) / np.bincount(place, minlength=len(distinct))[:, None]
    known = means.any(axis=1)
    return distinct[known, 1].astype(np.int64), np.argmax(np.round(means[known], 4), axis=1)


def agreement(labels: Sequence[str], given: Int64s, found: Int64s) -> dict[str, Any]:
    """How far the labels that were found for n documents agree with those that were given, as JSON.

    ``labels``: names; ``given``, ``found``: int64[n], their numbers. ``confusion[i][j]``: documents of label i for
    which j was found. ``kappa``: what is more than chance, 0 for none and 1 for all of it, and its standard error
    (Cohen 1960). Labels that are scores also have ``weighted_kappa``, in which an error counts by the square of its
    size (Cohen 1968). Figures of nothing are None.
    """
    size = len(labels)
    counts = np.bincount(given * size + found, minlength=size**2).reshape(size, size)
    known = {
        "documents": len(given),
        "accuracy": _divided(np.trace(counts), len(given)),
        **dict(zip(("kappa", "kappa_error"), _kappa(counts), strict=True)),
    }
    if are_scores(labels):
        known["weighted_kappa"] = _weighted_kappa(counts, np.array([int(label) for label in labels], np.float64))
    each = [_of_label(name, counts, place) for place, name in enumerate(labels)]
    return _rounded(known) | {"labels": each, "confusion": counts.tolist()}


def _of_label(name: str, counts: Int64s, place: int) -> dict[str, Any]:
    given, found, right = counts[place].sum(), counts[:, place].sum(), counts[place, place]
    shares = {"precision": _divided(right, found), "recall": _divided(right, given)}
    return _rounded({"label": name, "given": int(given), "found": int(found), **shares})


def _kappa(counts: Int64s) -> tuple[float | None, float | None]:
    n = int(counts.sum())
    chance = float(counts.sum(axis=1) @ counts.sum(axis=0)) / max(n, 1) ** 2
    if not n or chance == 1:
        return None, None
    same = float(np.trace(counts)) / n
    return (same - chance) / (1 - chance), float(np.sqrt(same * (1 - same) / n)) / (1 - chance)


def _weighted_kappa(counts: Int64s, values: Floats) -> float | None:
    weights = (values[:, None] - values[None, :]) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(int(counts.sum()), 1)
    whole = float((weights * expected).sum())
    return 1 - float((weights * counts).sum()) / whole if whole else None


def _divided(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
