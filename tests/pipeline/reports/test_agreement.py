"""The agreement of a classifier with its labels, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from classifiers.evaluation import agreement
from pipeline.reports.agreement import agreement_words, agreements, left_out_words
from pipeline.reports.model import FitResult


def fit(facts: dict[str, Any] | None) -> FitResult:
    return FitResult(name="topics", kind="label_classifier", sha256="0", facts=facts)


def test_words() -> None:
    """Share, documents, kappa with its error and the word for it; for scores the weighted one, too."""
    given, found = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2, 1])
    words = agreement_words(agreement(["a", "b", "c"], given, found), ["judge", "other"])
    assert words == "agrees with judge and other on 83.3 % of 6 documents, kappa 0.75 ± 0.23 (substantial)"
    words = agreement_words(agreement(["0", "1", "2"], given, found), [])
    assert words.startswith("agrees with its labels on") and words.endswith("weighted kappa 0.86 (almost perfect)")


@pytest.mark.parametrize(
    ("kappa", "word"),
    [(-0.3, "poor"), (0.0, "poor"), (0.1, "slight"), (0.2, "slight"), (0.21, "fair"), (0.6, "moderate"),
     (0.8, "substantial"), (0.81, "almost perfect"), (1.0, "almost perfect")],
)  # fmt: skip
def test_words_of_kappa(kappa: float, word: str) -> None:
    """As Landis and Koch have them, at the edges."""
    found = {"documents": 9, "accuracy": 0.5, "kappa": kappa, "kappa_error": 0.1}
    assert f"({word})" in agreement_words(found, [])


def test_nothing_to_say() -> None:
    """Without documents nothing is known; one label alone has no kappa; other fits have no agreement."""
    empty = np.zeros(0, np.int64)
    none_held = agreement_words(agreement(["a", "b"], empty, empty), ["judge"])
    assert none_held == "agreement with judge is not known: no document was held out"
    one = np.zeros(4, np.int64)
    assert agreement_words(agreement(["a", "b"], one, one), []) == "agrees with its labels on 100.0 % of 4 documents"
    assert list(agreements(fit(None))) == list(agreements(fit({"evaluation": {"held_out": {"auc": 1}}}))) == []


def test_labels_that_were_left_out_are_named() -> None:
    """With the number of their documents."""
    assert left_out_words(fit({"left_out": {"law": 3, "shop": 1}})) == (
        "labels of too few documents, left out: law 3, shop 1"
    )
    assert left_out_words(fit({"left_out": {}})) is left_out_words(fit(None)) is None
