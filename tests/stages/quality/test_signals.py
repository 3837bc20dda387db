"""The signals stage."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied
from stages.kernels.arrow_text import text_view
from stages.kernels.repetition import repetition_signals
from stages.quality import gopher_quality
from stages.quality.signals import REPETITION, SIGNALS, STAGE, SignalsConfig, apply, rules
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

TEXTS = [
    "See https://example.org/a for more.\nSee https://example.org/a for more.\nI HAVE 2 {cats}…\n",
    "A cookie policy and JavaScript, lorem ipsum.",
    "人々は読む。\n\n読む。",
    "",
]


def found(texts: list[str], **settings: Any) -> dict[str, list[Any]]:
    signals = apply(batch(texts), SignalsConfig(**settings), None).signals
    return {name: pa.array(column).to_pylist() for name, column in signals.items()}


def reasons(texts: list[str], **settings: Any) -> list[str | None]:
    """The rule that each row breaks, as the engine finds it."""
    config = SignalsConfig(**settings)
    types = STAGE.signals(config)
    signals = apply(batch(texts), config, None).signals
    stored = {name: stored_signal(column, types[name], "") for name, column in signals.items()}
    broken = first_broken(rules(config), stored, {}, len(texts))
    return [rules(config)[place].name if place >= 0 else None for place in broken.tolist()]


def test_signals_by_example() -> None:
    """What a few of them are for a text that has something of everything."""
    first = {name: column[0] for name, column in found(TEXTS).items()}
    characters = len(TEXTS[0])
    assert first["characters"] == characters
    assert first["url_fraction"] == 2 * len("https://example.org/a") / characters
    assert first["curly_bracket_fraction"] == 2 / characters
    assert first["digit_fraction"] == 1 / characters
    assert first["upper_case_letter_fraction"] == 7 / characters
    assert first["upper_case_word_fraction"] == 2 / first["words"]
    assert first["ellipsis_line_fraction"] == pytest.approx(1 / 3)
    assert first["line_end_fraction"] == pytest.approx(2 / 3)
    assert (first["lines"], first["sentences"]) == (3, 3)
    second = {name: column[1] for name, column in found(TEXTS).items()}
    assert (second["javascript_words"], second["lorem_ipsums"], second["policy_lines"]) == (1, 1, 1)


def test_repetition_is_that_of_its_stage() -> None:
    """The signals of gopher_repetition are the same here, on the words found once for all."""
    texts = [text * 9 for text in TEXTS]
    alone = repetition_signals(text_view(batch(texts).column("text")), "paper")
    together = apply(batch(texts), SignalsConfig(), None).signals
    assert {name: together[name].tolist() for name in REPETITION} == {n: v.tolist() for n, v in alone.items()}


def test_gopher_s_signals_are_those_of_its_stage() -> None:
    """With the same stop words."""
    alone = gopher_quality.apply(batch(TEXTS), gopher_quality.GopherQualityConfig(), None).signals
    together = apply(batch(TEXTS), SignalsConfig(stop_words=list(gopher_quality.ENGLISH)), None).signals
    assert {name: together[name].tolist() for name in alone} == {
        name: column.tolist() for name, column in alone.items()
    }


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_has_two_rules(signal: str) -> None:
    """At its value a row stays, just beyond it goes as too low or too high."""
    value = round(found(TEXTS[:1])[signal][0], 4)  # as the engine stores it
    assert reasons(TEXTS[:1], **{f"min_{signal}": value, f"max_{signal}": value}) == [None]
    assert reasons(TEXTS[:1], **{f"min_{signal}": value + 2e-4}) == [f"{signal}_too_low"]
    assert reasons(TEXTS[:1], **{f"max_{signal}": value - 2e-4}) == [f"{signal}_too_high"]


def test_nothing_goes_by_default() -> None:
    """All thresholds are off; 0 is one."""
    assert reasons(TEXTS) == [None] * len(TEXTS)
    assert reasons(TEXTS, max_url_fraction=0) == ["url_fraction_too_high", None, None, None]


def test_unknown_signals_are_refused() -> None:
    """A threshold of a signal that there is not is an error, not a rule that never acts."""
    with pytest.raises(ValidationError, match="max_urls"):
        SignalsConfig.model_validate({"max_urls": 0.2})


def test_thresholds_that_drop_everything_are_refused() -> None:
    """A minimum above the maximum is an error of the recipe, whatever the signal."""
    with pytest.raises(ValidationError, match="min_lines 2 is above max_lines 1: no document could stay"):
        SignalsConfig.model_validate({"min_lines": 2, "max_lines": 1})


def test_without_stop_words() -> None:
    """Then what counts them judges nothing."""
    columns = found(["the cat"], stop_words=None)
    assert (columns["distinct_stop_words"], columns["stop_word_fraction"]) == ([None], [None])


def test_hostile_text() -> None:
    """Hostile rows, one of 50 MB among them, are measured without a NaN."""
    size = long_bytes() // 5
    signals = apply(batch([*ROWS, "word " * size]), SignalsConfig(), None).signals
    assert all(np.isfinite(column).all() for column in signals.values())
    assert signals["words"][-1] == size


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same signals."""

    def measure(rows: pa.RecordBatch) -> Applied:
        return apply(rows, SignalsConfig(), None)

    rows = batch(texts)
    assert values(chunked(rows, sizes, measure)) == values(measure(rows))


def test_signals_are_declared_and_described() -> None:
    """What is stored is what is declared, with its type, and every field says what it is for."""
    stored = apply(batch(["a b"]), SignalsConfig(), None).signals
    assert {name: pa.array(column).type for name, column in stored.items()} == dict(STAGE.signals(SignalsConfig()))
    assert list(stored) == list(SIGNALS)
    assert all(info.description for info in SignalsConfig.model_fields.values())


def test_settings_travel_between_processes() -> None:
    """The generated type is found by its name."""
    config = SignalsConfig.model_validate({"max_url_fraction": 0.2})
    assert pickle.loads(pickle.dumps(config)) == config
