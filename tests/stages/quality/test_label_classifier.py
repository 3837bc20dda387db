"""The fit label_classifier: the same bytes for any partitioning, every label learned, and its agreement."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.errors import ModelError
from classifiers.fasttext_notes import notes_in
from stages.quality.classifier import ClassifierConfig, apply, load
from stages.quality.label_classifier import STAGE, LabelClassifierFit, finish, merge, summarize
from tests.batches import CUTS, cut_at, documents
from tests.stages.hostile import ROWS
from tests.stages.quality.test_classifier_fit import written

WORDS = {
    "sea": ["calm", "harbour", "lights", "tide", "sail", "gull"],
    "law": ["court", "clause", "judge", "statute", "appeal", "plea"],
    "on sale": ["cheap", "pills", "online", "click", "offer", "win"],
    "rare": ["quark", "gluon"],
}
BOTH = ["the", "a", "of", "and", "to", "in"]


def config(**more: Any) -> LabelClassifierFit:
    small = {"dimensions": 4, "buckets": 1000, "min_count": 1, "epochs": 20, "passage_bytes": 100, "held_out": 0.3}
    return LabelClassifierFit.model_validate({"column": "topic", **small, **more})


def corpus(count: int, seed: int = 0, number: int = 1, rare: int = 3) -> pa.RecordBatch:
    """Documents of some words of their label and of all; a third have no label, ``rare`` a rare one."""
    draw = random.Random(seed)
    labels = ["rare"] * rare + [draw.choice(["sea", "law", "on sale"]) for _ in range(count)]
    texts = [" ".join(draw.choices(WORDS[label] + BOTH, k=draw.randint(4, 60))) for label in labels]
    told = [None if draw.random() < 0.3 and place >= rare else label for place, label in enumerate(labels)]
    return documents(texts, number=number).append_column("topic", pa.array(told, pa.string()))


@settings(max_examples=30)
@given(CUTS, st.randoms(use_true_random=False), st.sampled_from([10, 50_000]), st.sampled_from([None, 100]))
def test_merge_in_any_order_and_grouping(
    cuts: list[int], rng: random.Random, examples: int, passage_bytes: int | None
) -> None:
    """Summaries of any cut, merged in any order and grouping, are the same bytes as the summary of everything."""
    asked = config(examples=examples, passage_bytes=passage_bytes)
    rows = [*ROWS, "中" * 500, *ROWS]
    labels = pa.array(["sea", "", "中 文", None] * len(rows), pa.string()).slice(0, len(rows))
    batches = [corpus(30), documents(rows, number=3).append_column("topic", labels), corpus(30, number=2)]
    whole = merge([summarize(pa.concat_batches(batches), asked)], asked)
    parts = [summarize(piece, asked) for batch in batches for piece in cut_at(batch, cuts)]
    rng.shuffle(parts)
    at = rng.randint(1, len(parts))
    grouped = [merge(parts[:at], asked), *parts[at:]]
    assert written(merge(grouped, asked)) == written(merge(parts, asked)) == written(whole)
    groups = whole.column("group").to_pylist()
    assert "" not in groups and None not in groups
    assert max(groups.count(label) for label in set(groups)) <= examples


def test_the_same_model_for_the_same_documents() -> None:
    """Byte for byte, with its evaluation; another seed gives another."""
    batch, asked = corpus(150), config()
    pieces = [summarize(piece, asked) for piece in cut_at(batch, [7, 60, 61])]
    one = finish(merge(pieces[::-1], asked), asked)
    assert finish(summarize(batch, asked), asked) == one
    other = config(seed=1)
    assert finish(summarize(batch, other), other) != one


def test_every_label_is_learned(tmp_path: Any) -> None:
    """The stage finds them again, by the names that they had; a label of too few documents is left out and told."""
    asked = config()
    content = finish(summarize(corpus(300), asked), asked)
    notes = notes_in(content)
    assert notes["labels"] == {"law": "law", "on_sale": "on sale", "sea": "sea"}
    assert notes["left_out"] == {"rare": 3}
    (tmp_path / "model.bin").write_bytes(content)
    stage = ClassifierConfig(model="topics", column="domain")
    fresh = corpus(60, seed=9, rare=0)
    labelled = fresh.filter(fresh.column("topic").is_valid())
    found = apply(labelled, stage, load(stage, {"model": str(tmp_path / "model.bin")})).columns["domain"]
    assert np.mean(np.array(found.to_pylist()) == np.array(labelled.column("topic").to_pylist())) > 0.95


def test_the_agreement_is_that_of_documents_held_out() -> None:
    """As many as were not learned from; a model that is right about them agrees, one of labels by chance does not."""
    batch, asked = corpus(300), config()
    table = summarize(batch, asked)
    found = notes_in(finish(table, asked))["evaluation"]["held_out"]["agreement"]
    assert [each["label"] for each in found["labels"]] == ["law", "on sale", "sea"]
    labelled = sum(label not in (None, "rare") for label in batch.column("topic").to_pylist())
    assert 0.2 * labelled < found["documents"] < 0.4 * labelled
    assert found["documents"] == sum(map(sum, found["confusion"])) == sum(each["given"] for each in found["labels"])
    assert found["kappa"] > 0.9 and "weighted_kappa" not in found
    draw = random.Random(1)
    guessed = batch.set_column(
        batch.schema.get_field_index("topic"), "topic", pa.array([draw.choice("0123") for _ in range(batch.num_rows)])
    )
    by_chance = notes_in(finish(summarize(guessed, asked), asked))["evaluation"]["held_out"]["agreement"]
    assert [each["label"] for each in by_chance["labels"]] == ["0", "1", "2", "3"]
    assert abs(by_chance["kappa"]) < 0.25 and abs(by_chance["weighted_kappa"]) < 0.35


def test_a_frequent_label_is_learned_as_often_as_asked() -> None:
    """``examples`` bounds the passages of each label."""
    asked = config(examples=20, held_out=0.1)
    trained = notes_in(finish(summarize(corpus(300, rare=0), asked), asked))["trained_on"]
    assert all(10 < count <= 20 for count in trained.values())


def test_too_little_is_refused() -> None:
    """With what there was of each label; labels that would become one are an error."""
    asked = config()
    few = corpus(12, rare=3)
    with pytest.raises(ModelError, match=r"two labels of 10 documents or more .* are needed; there are: .*rare 3"):
        finish(summarize(few, asked), asked)
    with pytest.raises(ModelError, match="there are: none"):
        finish(merge([], asked), asked)
    with pytest.raises(ValueError, match="no column 'subject'; expected one of"):
        summarize(few, config(column="subject"))
    twice = pa.array(["a b" if row % 2 else "a_b" for row in range(203)], pa.string())
    alike = corpus(200).set_column(few.schema.get_field_index("topic"), "topic", twice)
    with pytest.raises(ModelError, match="differ in white space only"):
        finish(summarize(alike, asked), asked)


def test_a_threshold_cannot_be_one() -> None:
    """Of several labels there is no score that a share reaches, so ``{fit: name}`` is refused as a threshold."""
    assert STAGE.value is None
