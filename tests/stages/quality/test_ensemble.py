"""The stage ensemble: ranks, buckets, weights, signals that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied, FitRef
from stages.quality.ensemble import STAGE, EnsembleConfig, apply, resources, rules, values
from stages.quality.ranks import RankTable
from tests.stages.hostile import chunked
from tests.stages.hostile import values as plain

TABLE = RankTable(np.linspace(0, 1000, 2001))
"""Of a signal whose values are even between 0 and 1,000."""
SCORES = st.lists(st.tuples(st.none() | st.floats(0, 1000), st.none() | st.floats(0, 1)), min_size=1, max_size=12)


def config(**settings: Any) -> EnsembleConfig:
    voices = [{"signal": "ppl.value", "ranks": "table"}, {"signal": "edu.score"}]
    return EnsembleConfig.model_validate({"signals": voices, **settings})


def batch(*columns: list[float | None]) -> pa.RecordBatch:
    names = ["ppl.value", "edu.score"]
    return pa.record_batch({n: pa.array(c, pa.float64()) for n, c in zip(names, columns, strict=True)})


MODEL: Mapping[str, RankTable] = {"ppl.value": TABLE}


def applied(rows: pa.RecordBatch, settings: EnsembleConfig) -> Applied:
    return apply(rows, settings, MODEL)


def listed(signal: Any) -> list[Any]:
    values: list[Any] = signal.to_pylist()
    return values


def test_buckets_are_the_highest_of_ranks() -> None:
    """As in Nemotron-CC: of 20 buckets of 5 % by each score, the highest; the best score is in the last."""
    found = applied(batch([0.0, 49.9, 50.1, 949, 950.1, 1000], [0.0] * 6), config())
    assert listed(found.signals["bucket"]) == [0, 0, 1, 18, 19, 19]
    found = applied(batch([500.1, 500.1, 500.1], [0.2, 0.7001, 1.0]), config())
    assert listed(found.signals["bucket"]) == [10, 14, 19]


@given(SCORES)
def test_scores_by_their_definition(rows: list[tuple[float | None, float | None]]) -> None:
    """The highest, or the mean by weight, of what was measured; null where nothing was."""
    columns = [[row[place] for row in rows] for place in (0, 1)]
    voices = [
        {"signal": "ppl.value", "ranks": "table", "weight": 3.0, "lower_is_better": True},
        {"signal": "edu.score"},
    ]
    for combine in ("max_of_ranks", "weighted"):
        found = applied(batch(*columns), config(signals=voices, combine=combine)).signals
        for (ppl, edu), score, bucket in zip(rows, *(listed(found[n]) for n in ("score", "bucket")), strict=True):
            parts = ([] if ppl is None else [(3.0, 1 - ppl / 1000)]) + ([] if edu is None else [(1.0, edu)])
            if not parts:
                assert score is None and bucket is None
                continue
            expected = max(value for _, value in parts)
            if combine == "weighted":
                expected = sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)
            assert score == pytest.approx(expected, abs=6e-4)
            assert bucket == min(int(score * 20), 19)


@given(SCORES, st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(rows: list[tuple[float | None, float | None]], sizes: list[int]) -> None:
    """The same rows in other batches give the same."""
    asked = config(column="quality")
    whole = batch(*([row[place] for row in rows] for place in (0, 1)))
    assert plain(chunked(whole, sizes, lambda part: applied(part, asked))) == plain(applied(whole, asked))


def test_the_column_has_levels() -> None:
    """Names of buckets from their lowest on, or the bucket's number as text; null stays null."""
    rows = batch([10.0, 300, 960, None], [None] * 4)
    levels = config(column="quality", levels={"high": 18, "low": 0, "middle": 5})
    assert applied(rows, levels).columns["quality"].to_pylist() == ["low", "middle", "high", None]
    assert applied(rows, config(column="quality")).columns["quality"].to_pylist() == ["0", "6", "19", None]
    assert applied(rows, config()).columns == {}
    assert dict(STAGE.writes(levels)) == {"quality": pa.string()}
    assert values(levels, None) == {"quality": ["low", "middle", "high"]}
    assert values(config(column="q", buckets=3), None) == {"q": ["0", "1", "2"]}


def test_rules_at_their_edges() -> None:
    """A score or bucket at the threshold stays, one below goes; null passes."""
    signals = {
        "score": stored_signal(pa.array([0.2999, 0.3, None, 0.9]), pa.float64(), ""),
        "bucket": stored_signal(pa.array([5, 6, None, 18]), pa.int64(), ""),
    }

    def reasons(**settings: Any) -> list[str | None]:
        all_rules = rules(config(**settings))
        return [all_rules[n].name if n >= 0 else None for n in first_broken(all_rules, signals, {}, 4).tolist()]

    assert reasons(min_score=0.3) == ["low_score", None, None, None]
    assert reasons(min_bucket=7) == ["low_bucket", "low_bucket", None, None]
    assert reasons(min_score=0, min_bucket=0) == reasons() == [None] * 4


def test_what_it_asks_for() -> None:
    """Signals by their names, tables as fits or files."""
    asked = config()
    assert STAGE.asks(asked) == ("ppl.value", "edu.score")
    assert resources(asked) == {"ppl.value": FitRef(fit="table")}
    assert resources(config(signals=[{"signal": "a.b", "ranks": "ranks.json"}])) == {"a.b": "ranks.json"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signals": [{"signal": "a.b"}, {"signal": "a.b"}]}, "a signal is listed twice"),
        ({"signals": [{"signal": "score"}]}, "pattern"),
        ({"signals": []}, "at least 1"),
        ({"levels": {"low": 0}}, "levels name the values of `column`"),
        ({"column": "q", "levels": {"low": 1}}, "expected bucket 0 for the lowest"),
        ({"column": "q", "levels": {"low": 0, "high": 20}}, "bucket 20 is not one of 0 to 19"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], message: str) -> None:
    """With what is wrong with them."""
    with pytest.raises(ValidationError, match=message):
        config(**settings)
