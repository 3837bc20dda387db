"""The fit step that trains an n-gram model."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.arpa import parse_arpa
from classifiers.language_model import Facts, LanguageModel, Preparation, cut_lines, read_facts, totals
from classifiers.ngram_lm import arpa_bytes, estimate
from stages.bpe_vocabulary import STAGE as BPE
from stages.kernels.arrow_text import text_array, text_view
from stages.quality.ngram_lm import STAGE, NgramLm
from tests.batches import documents
from tests.reference.ngram_scores import grams
from tests.stages.hostile import ROWS

TEXTS = [
    *(
        f"the ferry {number % 7} left at noon\nnobody could say when ferry {number} would be back"
        for number in range(60)
    ),
    *ROWS,
    "the ferry 3 left at noon",
]
ROW_BATCH = documents(TEXTS)


def settings_of(**changes: Any) -> NgramLm:
    return NgramLm.model_validate({"tokens": "words", "order": 3, "held_out": 0.0, **changes})


def summary(batches: list[pa.RecordBatch], config: NgramLm) -> pa.Table:
    return STAGE.merge([STAGE.summarize(batch, config) for batch in batches], config)


def artifact(texts: list[str], **changes: Any) -> bytes:
    config = settings_of(**changes)
    return STAGE.finish(summary([documents(texts)], config), config)


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, len(TEXTS)), max_size=5), cap=st.integers(1, 40_000), data=st.data())
def test_summaries_merge_in_any_order(cuts: list[int], cap: int, data: st.DataObject) -> None:
    """Any cutting into batches, any order and nesting of merges gives the same table, bounded or not."""
    config = settings_of(max_bytes=cap)
    bounds = [0, *sorted(cuts), len(TEXTS)]
    pieces = [ROW_BATCH.slice(a, b - a) for a, b in pairwise(bounds)]
    shuffled = data.draw(st.permutations(pieces))
    half = len(shuffled) // 2
    nested = STAGE.merge([summary(shuffled[:half], config), summary(shuffled[half:], config)], config)
    assert nested.equals(STAGE.summarize(ROW_BATCH, config))


def test_the_same_documents_give_the_same_bytes() -> None:
    """Two trainings agree to the byte, whatever the order of the documents, held-out ones among them."""
    config = settings_of(held_out=0.2, tokens="characters")
    one = STAGE.finish(summary([ROW_BATCH], config), config)
    backwards = ROW_BATCH.take(pa.array(range(len(TEXTS))[::-1]))
    assert STAGE.finish(summary([backwards.slice(0, 9), backwards.slice(9)], config), config) == one


@pytest.mark.parametrize("tokens", ["words", "characters"])
@pytest.mark.parametrize("sentences", ["lines", "documents"])
@pytest.mark.parametrize("prepare", ["ccnet", "plain"])
def test_the_model_is_that_of_the_prepared_text(tokens: Any, sentences: Any, prepare: Any) -> None:
    """What is learnt is what the estimator makes of the prepared text, and the file says how it was prepared."""
    said = {"tokens": tokens, "sentences": sentences, "prepare": prepare}
    made = artifact(TEXTS, **said, prune=[0, 0, 1])
    view = Preparation(prepare, tokens, sentences).text(text_view(pa.array(TEXTS)))
    assert grams(made) == grams(arpa_bytes(estimate(view, 3, tokens=tokens, prune=[0, 0, 1])))
    assert read_facts(made) == Facts(Preparation(prepare, tokens, sentences))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer.json of the texts."""
    config = BPE.config.model_validate({"vocab_size": 300})
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(BPE.finish(BPE.merge([BPE.summarize(ROW_BATCH, config)], config), config))
    return str(path)


def test_pieces_of_a_tokenizer(tokenizer: str) -> None:
    """Text is cut before it is kept: any batches give the same bytes, which are those of a model of the pieces."""
    config = settings_of(tokens="bpe", tokenizer=tokenizer, held_out=0.2, prepare="plain")
    cut = STAGE.load(config, {"tokenizer": tokenizer})
    whole = STAGE.merge([STAGE.summarize(ROW_BATCH, config, cut)], config)
    parts = [STAGE.summarize(ROW_BATCH.slice(at, 7), config, cut) for at in range(0, len(TEXTS), 7)]
    made = STAGE.finish(STAGE.merge(parts[::-1], config), config, cut)
    assert made == STAGE.finish(whole, config, cut)
    facts = read_facts(made)
    assert facts is not None
    assert facts.tokenizer == hashlib.sha256(Path(tokenizer).read_bytes()).hexdigest()
    pieces = cut_lines(text_view(ROW_BATCH.column("text")), cut)
    plain = settings_of(tokens="words", held_out=0.2, prepare="plain")
    batch = ROW_BATCH.set_column(ROW_BATCH.schema.get_field_index("text"), "text", text_array(*pieces))
    same = STAGE.finish(STAGE.merge([STAGE.summarize(batch, plain)], plain), plain)
    assert same.split(b"\n", 1)[1] == made.split(b"\n", 1)[1]
    lines = [line.strip() for text in TEXTS for line in text.split("\n") if line.strip()]
    assert len(grams(made)) > len({piece for line in cut(lines) for piece in line.split()})


def test_percentiles_are_those_of_documents_held_out() -> None:
    """Held-out documents are not learnt from, copies of one text are held out together, and a share as asked for."""
    words = [f"page{number} page{number} is held or learnt" for number in range(200)]
    plain = artifact([*words, *words], held_out=0.25, prepare="plain")
    learnt = {gram[0] for gram in grams(plain) if len(gram) == 1 and gram[0].startswith("page")}
    assert len(learnt) == 150
    lookup, comments = parse_arpa(np.frombuffer(plain, np.uint8), "made")
    facts = read_facts(comments)
    assert facts is not None
    held = pa.array([text for text in words if text.split()[0] not in learnt])
    found = totals(LanguageModel(lookup, facts).score(held), len(held)).perplexities()
    assert facts.percentiles == pytest.approx(np.quantile(found, np.linspace(0, 1, 101)), abs=1e-4)


def test_too_little_text_is_said() -> None:
    """No text, and nothing to hold out, are errors that say what to do."""
    with pytest.raises(ValueError, match="no token"):
        artifact(["", " "])
    with pytest.raises(ValueError, match="no token"):
        STAGE.finish(STAGE.merge([], settings_of()), settings_of())
    with pytest.raises(ValueError, match="copies of one.*set held_out: 0"):
        artifact(["one document", "one document"], held_out=0.1)
    texts = ["one document with text", *(" " * count for count in range(20))]
    config = settings_of(held_out=0.5)
    table = summary([documents(texts)], config)
    with pytest.raises(ValueError, match=r"held out of the model.*set held_out: 0|no token"):
        STAGE.finish(table, config)


def test_too_much_text_is_said() -> None:
    """Beyond the bound the summary stays small and the error says how much is allowed and what to do."""
    config = settings_of(max_bytes=4000)
    table = summary([ROW_BATCH, ROW_BATCH], config)
    assert sum(map(len, table.column("text").to_pylist())) < 1000 + max(map(len, TEXTS))
    with pytest.raises(ValueError, match=r"larger than 1,000 bytes.*smaller sample under from, or raise max_bytes"):
        STAGE.finish(table, config)
    with pytest.raises(ValueError, match="may take"):
        artifact(TEXTS, max_bytes=100_000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prune": [1]}, "prune is"),
        ({"order": 0}, "order"),
        ({"tokens": "syllables"}, "characters"),
        ({"tokens": "bpe"}, "bpe needs a tokenizer"),
        ({"tokenizer": "words.json"}, "words needs no tokenizer"),
        ({"tokens": "sentencepiece", "tokenizer": {"fit": "vocabulary"}}, "no fit makes"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], message: str) -> None:
    """Are errors of the recipe; how text is cut into tokens has to be said."""
    with pytest.raises(ValidationError, match=message):
        settings_of(**wrong)
    with pytest.raises(ValidationError, match="tokens"):
        NgramLm.model_validate({})
