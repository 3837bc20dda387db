"""The fineweb stage."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied
from stages.quality.fineweb import STAGE, FineWebConfig, apply, rules
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

LONG = "This line has more than thirty characters"
TOO_FEW_ENDS = "too_few_lines_end_in_punctuation"


def measured(rows: pa.RecordBatch) -> Applied:
    return apply(rows, FineWebConfig(), None)


def signal(name: str, text: str, **settings: Any) -> Any:
    return apply(batch([text]), FineWebConfig(**settings), None).signals[name].tolist()[0]


def reason(text: str, **settings: Any) -> str | None:
    """The rule that a document breaks, as the engine finds it."""
    config = FineWebConfig(**settings)
    found, types = apply(batch([text]), config, None).signals, STAGE.signals(config)
    signals = {name: stored_signal(found[name], types[name], name) for name in types}
    broken = first_broken(rules(config), signals, {}, 1)[0]
    return rules(config)[broken].name if broken >= 0 else None


def document(lines: int, ended: int = 0, short: int = 0) -> str:
    """Different lines, some of which end in a full stop, and others of which are short."""
    found = [f"{LONG} {number:03}" for number in range(lines)]
    found[:ended] = [line + "." for line in found[:ended]]
    found[lines - short :] = [f"{number:03} short" for number in range(short)]
    return "\n".join(found)


@pytest.mark.parametrize(
    ("ended", "datatrove", "released"),
    [(11, TOO_FEW_ENDS, TOO_FEW_ENDS), (12, None, TOO_FEW_ENDS), (13, None, None)],
)
def test_line_ends_at_the_edge(ended: int, datatrove: str | None, released: str | None) -> None:
    """A share of 0.12 stays in datatrove today, and goes in the paper and in its earlier version."""
    text = document(100, ended)
    assert reason(text) == datatrove
    assert reason(text, preset="released") == reason(text, preset="paper") == released


@pytest.mark.parametrize(
    ("short", "datatrove", "released"),
    [(66, None, None), (67, None, "too_many_short_lines"), (68, "too_many_short_lines", "too_many_short_lines")],
)
def test_short_lines_at_the_edge(short: int, datatrove: str | None, released: str | None) -> None:
    """The same for a share of 0.67 of short lines."""
    text = document(100, 20, short)
    off = {"max_line_breaks_per_word": None}
    assert reason(text, **off) == datatrove
    assert reason(text, preset="released", **off) == reason(text, preset="paper", **off) == released


def test_how_short_a_short_line_is() -> None:
    """Thirty characters are short, in the paper only fewer are."""
    assert [signal("short_line_share", "é" * size) for size in (30, 31)] == [1, 0]
    assert [signal("short_line_share", "é" * size, preset="paper") for size in (29, 30)] == [1, 0]


def test_duplicate_characters_at_the_edge() -> None:
    """One character in a hundred in repeated lines stays in datatrove today; the paper says one in ten."""
    for share, preset, broken in (
        (1, "datatrove", False),
        (2, "datatrove", True),
        (1, "released", True),
        (9, "paper", False),
        (10, "paper", True),
    ):
        text = "\n".join(["x" * (99 - 2 * share) + ".", "y" * share, "y" * share])
        settings = {"max_short_line_share": None, "max_line_breaks_per_word": None}
        assert signal("duplicate_character_share", text) == share / 100
        assert (reason(text, preset=preset, **settings) == "too_many_duplicate_characters") == broken


def test_line_breaks_at_the_edge() -> None:
    """Three line breaks for ten words stay, one more does not; the paper has no such rule."""
    words = ["word"] * 9
    off = {"max_short_line_share": None, "max_duplicate_character_share": None}
    assert reason(" ".join(words) + "\n\n\nend.", **off) is None
    assert reason(" ".join(words) + "\n\n\n\nend.", **off) == "too_many_line_breaks"
    assert reason(" ".join(words) + "\n\n\n\nend.", preset="paper", **off) is None


def test_empty_documents() -> None:
    """A document without lines is named for that; all shares of nothing are 0."""
    assert reason("") == reason(" \n \n") == "empty"
    assert signal("line_breaks_per_word", "") == signal("duplicate_character_share", "\n\n") == 0
    assert signal("line_breaks_per_word", "...\n...\n") == 2


def test_thresholds_can_be_switched_off() -> None:
    """None is no threshold, 0 is one."""
    off: dict[str, Any] = {name: None for name in FineWebConfig.model_fields if name.startswith(("min_", "max_"))}
    assert reason("x", **off) is None
    assert reason("x\n", **{**off, "max_line_breaks_per_word": 0}) == "too_many_line_breaks"


def test_a_setting_wins_over_the_preset() -> None:
    """The preset decides what is not given, and a configuration read back is the same one."""
    config = FineWebConfig(preset="paper", short_line_characters=30)
    assert (config.short_line_characters, config.max_line_breaks_per_word, config.line_ends) == (30, None, "latin")
    assert FineWebConfig.model_validate(config.model_dump()) == config


def test_what_a_line_ends_with() -> None:
    """A terminal of any script or Latin marks and quotes; white space behind them only if it is looked past."""
    ends = ["a.", 'a."', "中。", "ا؟", "a. "]
    assert [signal("line_end_share", line) for line in ends] == [1, 0, 1, 1, 0]
    assert [signal("line_end_share", line, line_ends="latin") for line in ends] == [1, 1, 0, 0, 0]
    assert signal("line_end_share", "a. ", trimmed=True) == 1


def test_hostile_text() -> None:
    """Hostile rows, one of 50 MB among them, give shares between 0 and 1."""
    found = measured(batch([*ROWS, "same\n" * (long_bytes() // 5)])).signals
    for name in ("line_end_share", "short_line_share", "duplicate_character_share"):
        assert ((found[name] >= 0) & (found[name] <= 1)).all()
    assert found["line_breaks_per_word"][-1] == 1


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same signals."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, measured)) == values(measured(rows))
