"""The gopher_repetition stage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied
from stages.kernels.repetition import SIGNALS
from stages.quality.gopher_repetition import RULES, STAGE, GopherRepetitionConfig, apply, rules
from tests.reference.repetition import repetition
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

PAPER = GopherRepetitionConfig()
TABLE_A1 = [0.30, 0.20, 0.30, 0.20, 0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
FILLER = [chr(place) for place in range(0x4E00, 0x4E00 + 400)]
"""Words of one character each, none of which is another."""


def measured(rows: object) -> Applied:
    return apply(rows, PAPER, None)


def reasons(texts: list[str], settings: GopherRepetitionConfig) -> list[str | None]:
    """The rule that each row breaks, as the engine finds it."""
    applied, kinds = apply(batch(texts), settings, None), STAGE.signals(settings)
    signals = {name: stored_signal(applied.signals[name], kinds[name], "") for name in kinds}
    found = first_broken(rules(settings), signals, {}, len(texts))
    return [rules(settings)[place].name if place >= 0 else None for place in found.tolist()]


def only(name: str, **settings: float | None) -> GopherRepetitionConfig:
    """All rules off but the named one."""
    off = {f"max_{other}": None for other in RULES if other != name}
    return GopherRepetitionConfig.model_validate({**off, **settings})


def ngrams(n: int, copies: int, filler: int) -> str:
    """An n-gram so many times, and words of which none repeats: n × copies of all characters are repetition."""
    ngram = " ".join("abcdefghij"[:n])
    pieces = [f"{ngram} {FILLER[place]}" for place in range(copies)]
    return " ".join([*pieces, *FILLER[copies:filler]])


def test_thresholds_are_those_of_the_paper() -> None:
    """The defaults are Table A1, whole."""
    assert [rule.max for rule in rules(PAPER)] == TABLE_A1
    assert [rule.name for rule in rules(PAPER)] == list(RULES)
    assert [rule.signal for rule in rules(PAPER)] == list(STAGE.signals(PAPER)) == list(SIGNALS)


@pytest.mark.parametrize(("name", "kept", "dropped"), [("duplicate_lines", 3, 4), ("duplicate_paragraphs", 3, 4)])
def test_lines_and_paragraphs_at_the_edges(name: str, kept: int, dropped: int) -> None:
    """3 of 10 lines may be the same, 4 may not; paragraphs as well."""
    gap = "\n" if name == "duplicate_lines" else "\n\n"
    texts = [gap.join(["a"] * copies + [str(line) for line in range(10 - copies)]) for copies in (2, kept, dropped)]
    assert reasons(texts, only(name)) == [None, None, name]


@pytest.mark.parametrize("name", ["duplicate_line_characters", "duplicate_paragraph_characters"])
def test_characters_of_lines_and_paragraphs_at_the_edges(name: str) -> None:
    """Two copies may have 20 of 100 characters, not more; just below 20 % is fine as well."""
    gap = "\n" if "line" in name else "\n\n"
    texts = [gap.join(["a" * size, "a" * size, "b" * (100 - 2 * size)]) for size in (9, 10, 11)]
    assert reasons(texts, only(name)) == [None, None, name]


@pytest.mark.parametrize(
    ("name", "n", "copies", "size"),
    [
        ("top_2gram", 2, 10, 100),
        ("top_3gram", 3, 6, 100),
        ("top_4gram", 4, 4, 100),
        ("duplicate_5grams", 5, 3, 100),
        ("duplicate_6grams", 6, 7, 300),
        ("duplicate_7grams", 7, 2, 0),
        ("duplicate_8grams", 8, 3, 200),
        ("duplicate_9grams", 9, 2, 0),
        ("duplicate_10grams", 10, 2, 200),
    ],
)
def test_ngrams_at_the_edges(name: str, n: int, copies: int, size: int) -> None:
    """A share of characters at the threshold stays, one character less of other text drops, one more stays."""
    threshold = TABLE_A1[RULES.index(name)]
    size = size or round(n * copies / threshold)
    texts = [ngrams(n, copies, size - n * copies + more) for more in (1, 0, -1)]
    shares = [n * copies / (size + more) for more in (1, 0, -1)]
    expected = [name if round(share, 4) > threshold else None for share in shares]
    assert expected[0] is None and expected[2] == name
    assert reasons(texts, only(name)) == expected


def test_the_first_broken_rule_is_the_reason() -> None:
    """Rules are tried in the order of Table A1, lines first; a clean text breaks none."""
    texts = ["same line\n" * 9, "ha " * 50, " ".join(FILLER), ""]
    assert reasons(texts, PAPER) == ["duplicate_lines", "top_2gram", None, None]


def test_thresholds_can_be_switched_off() -> None:
    """None is no threshold; 0 is one, and the least repetition breaks it."""
    texts = ["a b a b", "a b c d"]
    assert reasons(texts, only("", max_top_2gram=None)) == [None, None]
    assert reasons(texts, only("top_2gram", max_top_2gram=0)) == ["top_2gram", None]


def test_the_presets_measure_differently() -> None:
    """Half of a text that is said twice is a duplicate for datatrove, all of it for the paper."""
    rows = batch(["a\nb\na\nb"])
    settings = [GopherRepetitionConfig(preset="paper"), GopherRepetitionConfig(preset="datatrove")]
    found = [apply(rows, preset, None).signals["duplicate_line_fraction"].tolist() for preset in settings]
    assert found == [[1.0], [0.5]]


def test_hostile_text() -> None:
    """Hostile rows, one of 50 MB among them, measure as the twin does."""
    size = long_bytes() // 5
    found = measured(batch([*ROWS, "word " * size])).signals
    rows = [[float(found[name][row]) for name in SIGNALS] for row in range(len(ROWS) + 1)]
    assert rows == [*(repetition(text, "paper") for text in ROWS), [0.0] * 4 + [1.0] * 9]


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same signals."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, measured)) == values(measured(rows))
