"""The gopher_quality stage."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied
from stages.kernels.document_signals import GOPHER
from stages.quality.gopher_quality import STAGE, GopherQualityConfig, apply, rules
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

OFF: dict[str, Any] = {name: None for name in GopherQualityConfig.model_fields if name.startswith(("min_", "max_"))}
"""All rules switched off."""


def measured(rows: pa.RecordBatch, **settings: Any) -> dict[str, list[Any]]:
    found = apply(rows, GopherQualityConfig(**settings), None).signals
    return {name: pa.array(column).to_pylist() for name, column in found.items()}


def reasons(texts: list[str], **settings: Any) -> list[str | None]:
    """The rule that each row breaks, as the engine finds it."""
    config = GopherQualityConfig(**settings)
    signals, types = apply(batch(texts), config, None).signals, STAGE.signals(config)
    stored = {name: stored_signal(values, types[name], "") for name, values in signals.items()}
    found = first_broken(rules(config), stored, {}, len(texts))
    return [rules(config)[place].name if place >= 0 else None for place in found.tolist()]


PROSE = "The people of the town have to be with that and walk.\n"
"""Twelve words, all of Gopher's eight stop words among them."""


@pytest.mark.parametrize(
    ("setting", "threshold", "text", "broken", "fine"),
    [
        ("min_words", 12, PROSE, 13, 12),
        ("max_words", 12, PROSE, 11, 12),
        ("min_mean_word_length", 3, "ab abcd", 3.0001, 3),
        ("max_mean_word_length", 3, "ab abcd", 2.9999, 3),
        ("max_hash_ratio", 0.5, "# a b", 0.4999, 0.5),
        ("max_ellipsis_ratio", 1, "a... b…", 0.9999, 1),
        ("max_bullet_lines", 0.5, "- a\n\nb", 0.4999, 0.5),
        ("max_ellipsis_lines", 0.5, "a... \nb", 0.4999, 0.5),
        ("min_alphabetic_words", 0.5, "a 1", 0.5001, 0.5),
        ("min_stop_words", 2, "The cat of the", 3, 2),
    ],
)
def test_each_rule_at_its_threshold(setting: str, threshold: float, text: str, broken: float, fine: float) -> None:
    """A document at the threshold stays, one just beyond it goes, for its own reason; None switches the rule off."""
    names = {
        rule.name
        for rule in rules(GopherQualityConfig(**{**OFF, setting: threshold}))
        if (rule.min, rule.max) != (None, None)
    }
    assert len(names) == 1
    assert reasons([text], **{**OFF, setting: broken}) == list(names)
    assert reasons([text], **{**OFF, setting: fine}) == [None]
    assert reasons([text], **OFF) == [None]


def test_the_published_thresholds() -> None:
    """The defaults are Gopher's, and each drops what it is for, by the name of what is wrong."""
    fine = PROSE * 5
    cases = {
        fine: None,
        PROSE * 4: "too_few_words",
        "word " * 100_001: "too_many_words",
        "of a " * 50: "words_too_short",
        "institutionalised " * 60: "words_too_long",
        fine + "# " * 7: "too_many_hashes",
        fine + "… " * 7: "too_many_ellipses",
        "".join(f"* {line}\n" for line in [PROSE.strip()] * 10): "too_many_bullet_lines",
        "".join(f"{line}...\n" for line in [PROSE.strip()] * 5 + [PROSE * 3]): "too_many_ellipsis_lines",
        fine + "1234 " * 20: "too_few_alphabetic_words",
        "Deutsche Sprache, schwere Sprache. " * 20: "too_few_stop_words",
    }
    assert reasons(list(cases)) == list(cases.values())


def test_zero_is_a_threshold() -> None:
    """A threshold of 0 drops what has more than nothing."""
    assert reasons(["a #", "a"], **{**OFF, "max_hash_ratio": 0}) == ["too_many_hashes", None]


def test_what_the_presets_read_differently() -> None:
    """datatrove's filter counts marks as tokens, minds the case of stop words and counts blank lines."""
    text = "* The end, of it.\n\n"
    paper, theirs = measured(batch([text])), measured(batch([text]), preset="datatrove")
    assert (paper["words"], theirs["words"]) == ([4], [4])
    assert (paper["alphabetic_word_fraction"], theirs["alphabetic_word_fraction"]) == ([1.0], [4 / 7])
    assert (paper["distinct_stop_words"], theirs["distinct_stop_words"]) == ([2], [1])
    assert (paper["bullet_line_fraction"], theirs["bullet_line_fraction"]) == ([1.0], [0.0])
    assert measured(batch(["- a\n\n"]), preset="datatrove")["bullet_line_fraction"] == [0.5]


def test_stop_words_can_be_chosen() -> None:
    """A list, a language's list, or none: then the rule does not judge."""
    texts = ["der Hund und die Katze"]
    assert measured(batch(texts), stop_words=["Hund", "die"])["distinct_stop_words"] == [2]
    assert measured(batch(texts), stop_words="de")["distinct_stop_words"] == [3]
    assert measured(batch(texts), stop_words=None)["distinct_stop_words"] == [None]
    assert reasons(texts, **{**OFF, "min_stop_words": 2, "stop_words": None}) == [None]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["two words"], "stop word 'two words' is 2 words; expected one"),
        (["—"], "stop word '—' is 0 words; expected one"),
        ([" of"], "stop word ' of' is 1 words; expected one, without white space around it"),
        ("xx", "no list of stop words for 'xx'"),
    ],
)
def test_stop_words_that_cannot_be_found_are_refused(given: object, message: str) -> None:
    """What is not exactly one word would never be found, and an unknown language has no list."""
    with pytest.raises(ValidationError, match=message):
        GopherQualityConfig.model_validate({"stop_words": given})


def test_thresholds_that_drop_everything_are_refused() -> None:
    """A minimum above the maximum is an error of the recipe."""
    with pytest.raises(ValidationError, match="min_words 10 is above max_words 5: no document could stay"):
        GopherQualityConfig(min_words=10, max_words=5)


@pytest.mark.parametrize("preset", ["paper", "datatrove"])
def test_hostile_text(preset: str) -> None:
    """Hostile rows, one of 50 MB among them, are measured without a NaN."""
    size = long_bytes() // 5
    found = measured(batch([*ROWS, "word " * size]), preset=preset)
    assert found["words"][-1] == size
    assert all(value == value for column in found.values() for value in column)


@given(
    texts=st.lists(TEXT, min_size=1, max_size=9),
    sizes=st.lists(st.integers(1, 4), min_size=1),
    preset=st.sampled_from(["paper", "datatrove"]),
)
def test_batches_do_not_matter(texts: list[str], sizes: list[int], preset: str) -> None:
    """The same rows in other batches give the same signals."""
    config = GopherQualityConfig.model_validate({"preset": preset})

    def measure(rows: pa.RecordBatch) -> Applied:
        return apply(rows, config, None)

    rows = batch(texts)
    assert values(chunked(rows, sizes, measure)) == values(measure(rows))


def test_signals_are_declared() -> None:
    """What is stored is what is declared, with its type, also where there is no list of stop words."""
    for stop_words in (["the"], None):
        config = GopherQualityConfig(stop_words=stop_words)
        found = apply(batch(["a b"]), config, None).signals
        assert list(found) == list(GOPHER) == list(STAGE.signals(config))
        assert {name: pa.array(column).type for name, column in found.items()} == STAGE.signals(config)


def test_a_language_s_list_is_part_of_the_fingerprint() -> None:
    """The version of the distribution that the list comes from counts only where it is used."""
    assert STAGE.chosen_libraries(GopherQualityConfig(stop_words="de")) == ("stopwordsiso",)
    assert STAGE.chosen_libraries(GopherQualityConfig()) == ()
