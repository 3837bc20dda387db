"""The c4 stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied
from stages.quality.c4 import PRESETS, STAGE, C4Config, apply, rules
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

GOOD = "This is a sentence of prose."


def cleaned(rows: pa.RecordBatch) -> Applied:
    return apply(rows, C4Config(), None)


def new_text(text: str, **settings: Any) -> str:
    """What is left of one document."""
    left: str = apply(batch([text]), C4Config(**settings), None).columns["text"][0].as_py()
    return left


def reason(text: str, **settings: Any) -> str | None:
    """The rule that a document breaks, as the engine finds it."""
    config = C4Config(**settings)
    measured, types = apply(batch([text]), config, None).signals, STAGE.signals(config)
    signals = {name: stored_signal(measured[name], types[name], name) for name in types}
    found = first_broken(rules(config), signals, {}, 1)[0]
    return rules(config)[found].name if found >= 0 else None


def sentences(count: int) -> str:
    return "\n".join([GOOD] * count)


def test_sentences_at_the_edge() -> None:
    """The released code wants 3 sentences of what is left, datatrove 5."""
    assert [reason(sentences(count)) for count in (0, 2, 3)] == ["too_few_sentences", "too_few_sentences", None]
    assert [reason(sentences(count), preset="datatrove") for count in (4, 5)] == ["too_few_sentences", None]
    assert reason(sentences(2) + "\nIt is gone. It has no end", preset="released") == "too_few_sentences"


def test_phrases_drop_documents() -> None:
    """One line with lorem ipsum or a curly bracket is one too many; more may be allowed, and None allows any number."""
    filler, code = "We put lorem ipsum text here.", "We wrote {code} just like this."
    assert reason(f"{sentences(3)}\n{filler}") == "lorem_ipsum"
    assert reason(f"{sentences(3)}\n{code}") == "curly_bracket"
    assert reason(f"{sentences(3)}\n{filler}", max_lorem_ipsum_lines=1) is None
    assert reason(f"{sentences(3)}\n{filler}\n{filler}", max_lorem_ipsum_lines=1) == "lorem_ipsum"
    assert reason(f"{sentences(3)}\n{code}", max_curly_bracket_lines=None) is None
    assert reason(f"{sentences(3)}\nlorem ipsum {{") is None


def test_thresholds_can_be_switched_off() -> None:
    """None is no threshold."""
    assert reason("", min_sentences=None) is None
    assert reason("", min_sentences=0) is None


def test_words_of_a_line_at_the_edge() -> None:
    """Five words stay in the released code; three in datatrove."""
    assert new_text("One two three four.\nOne two three four five.") == "One two three four five."
    assert new_text("One two.\nOne two three.", preset="datatrove") == "One two three."
    assert new_text("One.", min_line_words=None) == new_text("One.", min_line_words=0) == "One."


def test_citations_and_words() -> None:
    """A citation mark that stands by itself is a word for datatrove, and is none for the released code."""
    line = "One [1] two."
    assert new_text(line, min_line_words=3) == ""
    assert new_text(line, min_line_words=3, line_words="spaces_and_citations") == "One  two."
    assert new_text(line, citations=False, min_line_words=3) == line


def test_longest_word_at_the_edge() -> None:
    """A thousand characters between spaces stay, one more takes the line away; the paper does not say so."""
    long = "a b c d é" + "é" * 998 + "."
    assert new_text(long) == long
    assert new_text(f"é{long[:8]}é{long[8:]}") == ""
    assert new_text(f"é{long[:8]}é{long[8:]}", preset="paper") != ""


@pytest.mark.parametrize(
    ("line", "presets"),
    [
        ("There it ends.", {"datatrove", "fineweb", "mc4"}),
        ("And there it ends all right?", {"released", "paper", "datatrove", "fineweb", "any_script", "mc4"}),
        ("And there he said 'it ends.'", {"datatrove", "fineweb", "any_script", "mc4"}),
        ("And there it has no end", {"fineweb", "mc4"}),
        ("And there it goes on...", {"paper", "fineweb", "mc4"}),
        ("“And there,” he said, “it ends.”", {"fineweb", "any_script", "mc4"}),
        ("我们在这里写中文。", {"any_script", "mc4"}),
        ("هذه جملة طويلة في العربية؟", {"fineweb", "any_script", "mc4"}),
    ],
)
def test_presets_keep_different_lines(line: str, presets: set[str]) -> None:
    """Ends and words of a line, preset by preset."""
    assert {preset for preset in PRESETS if new_text(line, preset=preset) == line} == presets


@pytest.mark.parametrize(("lines", "characters", "expected"), [(2, 200, False), (3, 199, False), (3, 200, True)])
def test_long_lines_at_the_edge(lines: int, characters: int, expected: bool) -> None:
    """The multilingual C4 keeps all lines, and documents that have three of 200 characters or more."""
    text = "\n".join(["{ é"] + ["é" * characters] * lines)
    assert new_text(text, preset="mc4") == text
    assert reason(text, preset="mc4") == (None if expected else "too_few_long_lines")
    assert reason(text, preset="mc4", min_long_lines=None) is None


def test_a_setting_wins_over_the_preset() -> None:
    """The preset decides what is not given, and a configuration read back is the same one."""
    config = C4Config(preset="datatrove", min_sentences=2)
    assert (config.min_sentences, config.min_line_words, config.line_ends) == (2, 3, "datatrove")
    assert C4Config.model_validate(config.model_dump()) == config
    with pytest.raises(ValidationError, match="preset"):
        C4Config.model_validate({"preset": "c5"})
    with pytest.raises(ValidationError, match="preset"):
        C4Config.model_validate({"preset": ["released"]})


def test_bytes_that_go_are_booked_by_reason() -> None:
    """A line goes with its line end for the first thing that is wrong with it; white space between lines goes too."""
    text = f"  {GOOD}\nNo end\nToo short.\nPlease turn on JavaScript, it said.\nPlease read our terms of use again.\n"
    cut = {name: count.tolist()[0] for name, count in cleaned(batch([text])).cut.items()}
    assert new_text(text) == GOOD
    expected = {
        "no_end": 7,
        "few_words": 11,
        "javascript": 36,
        "policy": 36,
        "white_space": 3,
        "long_word": 0,
        "citations": 0,
    }
    assert cut == expected


def test_hostile_text() -> None:
    """Hostile rows, one of 50 MB among them, lose what is booked and nothing else."""
    texts = [*ROWS, f"{GOOD}\r\n" * (long_bytes() // 30)]
    for preset in PRESETS:
        rows = batch(texts)
        found = apply(rows, C4Config.model_validate({"preset": preset}), None)
        left = [len(text.encode()) for text in found.columns["text"].to_pylist()]
        gone = np.sum(list(found.cut.values()), axis=0)
        assert left == [len(text.encode()) - lost for text, lost in zip(texts, gone.tolist(), strict=True)]


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same text, signals and cuts."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, cleaned)) == values(cleaned(rows))
