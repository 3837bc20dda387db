"""The word_count stage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied
from stages.quality.word_count import STAGE, WordCountConfig, apply, rules
from tests.reference.words import words
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values


def counted(rows: object) -> Applied:
    return apply(rows, WordCountConfig(), None)


def reasons(texts: list[str], settings: WordCountConfig) -> list[str | None]:
    """The rule that each row breaks, as the engine finds it."""
    signal = stored_signal(apply(batch(texts), settings, None).signals["words"], STAGE.signals(settings)["words"], "")
    found = first_broken(rules(settings), {"words": signal}, {}, len(texts))
    return [rules(settings)[place].name if place >= 0 else None for place in found.tolist()]


def test_drop_reasons_at_the_edges() -> None:
    """Gopher's 50 and 100,000 words are the ends of what stays, both inclusive."""
    texts = [" ".join(["word"] * count) for count in (0, 49, 50, 100_000, 100_001)]
    assert reasons(texts, WordCountConfig()) == ["too_short", "too_short", None, None, "too_long"]


def test_thresholds_can_be_switched_off() -> None:
    """None is no threshold, 0 is one."""
    texts = ["", "one", "one two three"]
    assert reasons(texts, WordCountConfig(min_words=None, max_words=None)) == [None] * 3
    assert reasons(texts, WordCountConfig(min_words=None, max_words=0)) == [None, "too_long", "too_long"]
    assert reasons(texts, WordCountConfig(min_words=2)) == ["too_short", "too_short", None]


def test_hostile_text() -> None:
    """Hostile rows, one of 50 MB among them, count as the twin does."""
    size = long_bytes() // 5
    found = counted(batch([*ROWS, "word " * size])).signals["words"].tolist()
    assert found == [*map(words, ROWS), size]


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same counts."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, counted)) == values(counted(rows))


def test_thresholds_that_drop_everything_are_refused() -> None:
    """A minimum above the maximum is an error of the recipe."""
    with pytest.raises(ValidationError, match="min_words 10 is above max_words 5: no document could stay"):
        WordCountConfig(min_words=10, max_words=5)
