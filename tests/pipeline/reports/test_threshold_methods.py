"""Thresholds read off distributions, compared with plain lists of numbers."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reports.threshold_methods import METHODS, ROBUST, Distribution, Method, Model, NotDerived, Side

NUMBERS = st.lists(st.integers(-50, 50).map(lambda n: n / 4), min_size=1, max_size=60)
SIDES = st.sampled_from(["min", "max"])


def of(numbers: list[float]) -> Distribution:
    return Distribution.of(np.array(numbers, np.float64))


def beyond(numbers: list[float], threshold: float, side: Side) -> int:
    return sum(n < threshold if side == "min" else n > threshold for n in numbers)


@given(NUMBERS, SIDES, st.floats(0, 0.99))
def test_a_quantile_drops_no_more_than_its_share(numbers: list[float], side: Side, share: float) -> None:
    """It is the strictest of the values that occur with no more than the share of documents beyond."""
    found = Method("quantile", share).threshold(of(numbers), side, None)
    allowed = int(share * len(numbers) + 1e-6)
    fine = [n for n in numbers if beyond(numbers, n, side) <= allowed]
    assert found == (max(fine) if side == "min" else min(fine))


@given(NUMBERS, st.lists(st.integers(0, 60), max_size=4))
def test_parts_merge_to_the_whole(numbers: list[float], cuts: list[int]) -> None:
    """However documents are cut into batches, their distribution is the same."""
    ends = [0, *sorted(min(cut, len(numbers)) for cut in cuts), len(numbers)]
    parts = [of(numbers[a:b]) for a, b in zip(ends, ends[1:], strict=False) if a < b]
    merged, whole = Distribution.merged(parts), of(numbers)
    assert merged.values.tolist() == whole.values.tolist() and merged.counts.tolist() == whole.counts.tolist()


@given(NUMBERS)
def test_moments_and_medians(numbers: list[float]) -> None:
    """Mean, standard deviation, median and median deviation are those of the list of all documents."""
    found = of(numbers)
    mean, std = found.mean_std()
    assert mean == pytest.approx(statistics.fmean(numbers), abs=1e-9)
    assert std == pytest.approx(statistics.pstdev(numbers), abs=1e-9)
    assert found.median() == statistics.median(numbers)
    middle = statistics.median(numbers)
    assert found.deviation() == pytest.approx(statistics.median(abs(n - middle) for n in numbers), abs=1e-9)


def test_robust_deviations() -> None:
    """So many times 1.4826 median deviations from the median, on the side of the rule."""
    numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 100.0, -100.0]
    assert Method("deviation", deviations=2).threshold(of(numbers), "max", None) == round(3 + 2 * ROBUST * 2, 4)
    assert Method("deviation", deviations=1).threshold(of(numbers), "min", None) == round(3 - ROBUST * 2, 4)


def test_thresholds_stay_inside_what_occurs() -> None:
    """A threshold beyond every document is the last document's value."""
    assert Method("deviation", deviations=9).threshold(of([1.0, 2.0, 4.0]), "max", None) == 4
    assert Method("deviation", deviations=9).threshold(of([1.0, 2.0, 4.0]), "min", None) == 1


def test_what_is_carried_over() -> None:
    """The same share beyond, the same standard deviations, the same multiple of the median."""
    english = of([float(n) for n in range(100)])
    other = of([2.0 * n + 10 for n in range(200)])
    model = Model(english, 89.0)
    assert Method("same_quantile").threshold(other, "max", model) == other.tail(20, "max") == 2 * 179 + 10
    mean, std = english.mean_std()
    own_mean, own_std = other.mean_std()
    assert Method("mean_std").threshold(other, "max", model) == round(own_mean + (89 - mean) / std * own_std, 4)
    assert Method("median_ratio").threshold(other, "min", Model(english, 9.9)) == round(0.2 * other.median(), 4)


@pytest.mark.parametrize("method", [name for name in METHODS if Method(name).needs_model])
def test_carried_over_to_itself_a_threshold_stays(method: str) -> None:
    """A language that is the model's twin gets the model's threshold."""
    twin = of([0.25, 0.5, 0.5, 1.0, 2.0, 3.0, 8.0])
    for side in ("min", "max"):
        assert Method(method).threshold(twin, side, Model(twin, 1.0)) == 1.0


@pytest.mark.parametrize(
    ("method", "numbers", "model", "said"),
    [
        ("deviation", [0.0, 0.0, 0.0, 1.0], None, "half of the documents"),
        ("mean_std", [1.0, 2.0], [3.0, 3.0], "the same value"),
        ("median_ratio", [1.0, 2.0], [0.0, 0.0, 3.0], "the median of the model is 0"),
        ("same_quantile", [1.0, 2.0], None, "no threshold to carry over"),
    ],
)
def test_distributions_that_give_no_threshold(
    method: str, numbers: list[float], model: list[float] | None, said: str
) -> None:
    """What cannot be scaled is refused with its reason and not guessed."""
    with pytest.raises(NotDerived, match=said):
        Method(method).threshold(of(numbers), "max", None if model is None else Model(of(model), 2.0))
