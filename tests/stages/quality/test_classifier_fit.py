"""The fit classifier: the same bytes for any partitioning, balanced, tested on what it has not seen."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.fasttext_notes import notes_in
from stages.contract import FitInput
from stages.quality.classifier_fit import ClassifierFit, finish, merge, summarize, value
from tests.batches import CUTS, cut_at, documents
from tests.stages.hostile import ROWS

SEA = ["calm", "harbour", "lights", "tide", "sail", "gull"]
SPAM = ["cheap", "pills", "online", "click", "offer", "win"]
BOTH = ["the", "a", "of", "and", "to", "in"]


def config(**settings: Any) -> ClassifierFit:
    small = {"dimensions": 4, "buckets": 1000, "min_count": 1, "epochs": 20, "passage_bytes": 100}
    sides = {"positive": {"source": "sea"}, "negative": {"source": ["spam", "more spam"]}}
    return ClassifierFit.model_validate(sides | small | settings)


def corpus(count: int, seed: int = 0, sources: tuple[str, ...] = ("sea", "spam"), number: int = 1) -> pa.RecordBatch:
    """Documents of some words of their kind and of every kind."""
    draw = random.Random(seed)
    chosen = [draw.choice(sources) for _ in range(count)]
    texts = [" ".join(draw.choices((SEA if "sea" in kind else SPAM) + BOTH, k=draw.randint(4, 60))) for kind in chosen]
    return documents(texts, source=chosen, number=number)


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


@settings(max_examples=30)
@given(CUTS, st.randoms(use_true_random=False), st.sampled_from([10, 50_000]), st.sampled_from([None, 100]))
def test_merge_in_any_order_and_grouping(
    cuts: list[int], rng: random.Random, examples: int, passage_bytes: int | None
) -> None:
    """Summaries of any cut, merged in any order and grouping, are the same bytes as the summary of everything."""
    asked = config(examples=examples, passage_bytes=passage_bytes)
    hostile = documents([*ROWS, "中" * 500, *ROWS], source="sea", number=3)
    batches = [corpus(30), hostile, corpus(30, number=2)]
    whole = merge([summarize(pa.concat_batches(batches), asked)], asked)
    parts = [summarize(piece, asked) for batch in batches for piece in cut_at(batch, cuts)]
    rng.shuffle(parts)
    at = rng.randint(1, len(parts))
    grouped = [merge(parts[:at], asked), *parts[at:]]
    assert written(merge(grouped, asked)) == written(merge(parts, asked)) == written(whole)
    sizes = np.bincount(whole.column("group").to_numpy(), minlength=2)
    assert sizes.max() <= examples and (examples > 10 or sizes.tolist() == [10, 10])


def test_passages_are_the_documents(tmp_path: object) -> None:
    """Cut into passages, no text is lost and none appears twice; copies of a document count once."""
    batch = corpus(40)
    twice = pa.concat_batches([batch, corpus(40, number=2)])
    asked = config()
    table = summarize(twice, asked)
    found = sorted(" ".join(table.column("text").to_pylist()).split())
    assert found == sorted(" ".join(set(batch.column("text").to_pylist())).split())
    assert max(map(len, table.column("text").to_pylist())) <= 164


def test_the_same_model_for_the_same_documents() -> None:
    """Byte for byte, with its evaluation; another seed gives another."""
    batch = corpus(120)
    asked = config()
    pieces = [summarize(piece, asked) for piece in cut_at(batch, [7, 60, 61])]
    one = finish(merge(pieces[::-1], asked), asked)
    assert finish(summarize(batch, asked), asked) == one
    other = config(seed=1)
    assert finish(summarize(batch, other), other) != one


def test_it_is_tested_on_what_it_has_not_seen() -> None:
    """On documents held out, and on named sources, without the documents that are also among the examples."""
    asked = config(
        held_out=0.3,
        evaluate={"elsewhere": {"positive": {"source": "other sea"}, "negative": {"source": "other spam"}}},
    )
    assert asked.from_ == FitInput(source=["sea", "spam", "more spam", "other sea", "other spam"], sample=1.0)
    batch = corpus(150)
    fresh = corpus(60, seed=9, sources=("other sea", "other spam"), number=2)
    seen = batch.set_column(3, "source", pa.array(["other spam"] * batch.num_rows)).slice(0, 5)
    content = finish(summarize(pa.concat_batches([batch, fresh, seen]), asked), asked)
    notes = notes_in(content)
    trained, held = notes["trained_on"], notes["evaluation"]["held_out"]
    passages = summarize(batch, asked).column("group").to_numpy()
    assert trained["positive"] == trained["negative"]
    assert trained["positive"] + min(held["positive"], held["negative"]) <= min(np.bincount(passages))
    test = notes["evaluation"]["test:elsewhere"]
    assert test["left_out"] == summarize(seen, config()).num_rows or test["left_out"] > 0
    assert held["auc"] > 0.95 and test["auc"] > 0.95
    assert test["positive"] + test["negative"] == summarize(fresh, asked).num_rows


def test_the_threshold_keeps_the_share() -> None:
    """``{fit: name}`` is the score that at most ``keep`` of the negatives held out reach."""
    asked = config(held_out=0.5, keep=0.2)
    content = finish(summarize(corpus(300), asked), asked)
    [half, used] = notes_in(content)["evaluation"]["held_out"]["at"]
    assert (half["threshold"], used["threshold"]) == (0.5, value(content, asked))
    assert used["recall"] == 1 and 0.5 < used["kept"] <= 0.7


def test_columns_choose_documents() -> None:
    """Of labelled files, by their labels; a column that is not there is an error that names those that are."""
    batch = corpus(30)
    labels = pa.array([3 if source == "sea" else 0 for source in batch.column("source").to_pylist()], pa.int64())
    rated = batch.append_column("stars", labels)
    asked = config(positive={"where": {"stars": ["3", "4"]}}, negative={"where": {"stars": ["0"]}})
    assert asked.from_ == FitInput(sample=1.0)
    by_source = summarize(rated, config())
    assert summarize(rated, asked).equals(by_source)
    with pytest.raises(ValueError, match="no column 'stars'; expected one of"):
        summarize(batch, asked)


def test_too_little_is_refused() -> None:
    """With what there was of which kind."""
    asked = config()
    with pytest.raises(ValueError, match="0 negative documents to learn from, expected 10 or more"):
        finish(summarize(corpus(30, sources=("sea",)), asked), asked)
    with pytest.raises(ValueError, match="documents to learn from, expected 10 or more; name further sources"):
        finish(merge([], asked), asked)


def test_settings() -> None:
    """Each side says what it is; `from` may be the run; what is written out reads back the same."""
    with pytest.raises(ValidationError, match="name a `source`, or columns and their values under `where`"):
        config(positive={})
    for asked in (config(), config(**{"from": "run"})):
        assert ClassifierFit.model_validate_json(asked.model_dump_json(by_alias=True), strict=True) == asked
    assert config(**{"from": "run"}).from_ == "run"
