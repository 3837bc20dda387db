"""The wikitext stage: text, signals, bytes cut per reason, and its rule."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import Applied
from stages.wikitext import STAGE, WikitextConfig, apply
from tests.reference.wikitext import plain_text
from tests.stages.hostile import ROWS, batch, chunked, values
from tests.stages.kernels.test_wikitext import WIKITEXT

ARTICLE = """{{Infobox|a=b}}
'''Ferry''' is a [[boat]] &ndash; on [[water|the water]].<ref>{{cite|x}}</ref>

{| class="wikitable"
| a || b
|}
[[File:a.jpg|thumb|b]]
== History ==
Text.
== References ==
{{reflist}}
"""


def done(rows: pa.RecordBatch) -> Applied:
    return apply(rows, WikitextConfig(), None)


@given(texts=st.lists(WIKITEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same text, signals and cuts."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, done)) == values(done(rows))


@given(texts=st.lists(WIKITEXT, max_size=8))
def test_books_balance(texts: list[str]) -> None:
    """What is gone is cut for a reason: no row is shorter than its length less its cuts, which are never negative."""
    outcome = done(batch(texts))
    taken = np.array([*outcome.cut.values()])
    after = [len(text.encode()) for text in outcome.columns["text"].to_pylist()]
    before = [len(text.encode()) for text in texts]
    assert (taken >= 0).all()
    assert (np.array(after, int) >= np.array(before, int) - taken.sum(axis=0)).all()


def test_an_article() -> None:
    """Text, signals and bytes by reason of an article with something of everything."""
    outcome = done(batch([ARTICLE, ""]))
    assert outcome.columns["text"].to_pylist() == ["Ferry is a boat – on the water.\n\nHistory\nText.", ""]
    cut = {reason: taken.tolist() for reason, taken in outcome.cut.items()}
    assert {reason: taken[1] for reason, taken in cut.items()} == dict.fromkeys(cut, 0)
    assert cut["templates"][0] == len("{{Infobox|a=b}}")
    assert cut["references"][0] == len("<ref>{{cite|x}}</ref>")
    assert cut["tables"][0] == len('{| class="wikitable"\n| a || b\n|}')
    assert cut["media"][0] == len("[[File:a.jpg|thumb|b]]")
    assert cut["sections"][0] == len("== References ==\n{{reflist}}\n")
    text = outcome.columns["text"][0].as_py().encode()
    assert sum(taken[0] for taken in cut.values()) == len(ARTICLE.encode()) - len(text)
    signals = {name: np.asarray(found).tolist() for name, found in outcome.signals.items()}
    assert signals["text_bytes"] == [len(text), 0]
    assert signals["links"] == [2, 0]
    assert signals["references"] == [1, 0]
    assert signals["kept"] == [len(text) / len(ARTICLE.encode()), 0.0]


@pytest.mark.parametrize(("tables", "expected"), [("out", "a\nb"), ("text", "a\n\nc | d\n\nb")])
def test_tables_are_a_setting(tables: str, expected: str) -> None:
    """They go, or become lines."""
    config = WikitextConfig.model_validate({"tables": tables})
    assert apply(batch(["a\n{|\n|c||d\n|}\nb"]), config, None).columns["text"].to_pylist() == [expected]


def test_sections_and_prefixes_are_settings() -> None:
    """A list of headings takes the place of the built-in one; prefixes are added to the known ones."""
    rows = batch(["a [[Portal:x|y]]\n== References ==\nb\n== Foo ==\nc"])
    config = WikitextConfig(cut_sections=["foo"], drop_prefixes=["portal"])
    assert apply(rows, config, None).columns["text"].to_pylist() == ["a\n\nReferences\nb"]
    assert apply(rows, WikitextConfig(cut_sections=[]), None).columns["text"][0].as_py().endswith("Foo\nc")


def test_the_rule() -> None:
    """A row with no text left is below the threshold, one byte is on it; null switches it off."""
    signals = done(batch(["{{stub}}", "x"])).signals
    (rule,) = STAGE.rules(WikitextConfig())
    assert (rule.name, rule.min) == ("empty", 1)
    assert signals[rule.signal].tolist() == [0, 1]
    assert STAGE.rules(WikitextConfig(min_bytes=None))[0].min is None


def test_hostile_text() -> None:
    """Hostile rows come out as the twin says, and all signals are numbers."""
    outcome = done(batch(ROWS))
    assert outcome.columns["text"].to_pylist() == [plain_text(row, False, ())[0] for row in ROWS]
    assert np.isfinite(outcome.signals["kept"]).all()
