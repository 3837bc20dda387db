"""The stage classifier: the library's probabilities, labels, preparation, rules."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.errors import ModelError
from classifiers.fasttext_notes import with_notes
from classifiers.fasttext_train import Training, train_fasttext
from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import FitRef
from stages.quality import classifier
from stages.quality.classifier import STAGE, Classifier, ClassifierConfig, apply, check, load, resources, rules
from tests.batches import documents
from tests.reference.fasttext import features, probabilities, tiny_model, write_model
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

TINY = tiny_model(labels=3, ngrams=(0, 0), word_ngrams=2)
SILENT = replace(tiny_model(labels=3, ngrams=(0, 0)), words=["zzz", *TINY.words[1:]])
"""Without a vector for the end of a line it knows nothing of text without a word of its own."""


def config(**settings: Any) -> ClassifierConfig:
    return ClassifierConfig.model_validate({"model": "tiny.bin", "label": "l1", **settings})


@cache
def tiny(known: bool = True, **settings: Any) -> Classifier:
    with TemporaryDirectory() as folder:
        write_model(TINY if known else SILENT, Path(folder) / "tiny.bin")
        return load(config(**settings), {"model": f"{folder}/tiny.bin"})


def test_hostile_text() -> None:
    """Every row has the twin's probability of the label, and of further ones, whatever is in it."""
    asked = config(labels=["l2", "l0"])
    texts = [*ROWS, "the a " * (long_bytes() // 60)]
    found = apply(batch(texts), asked, tiny()).signals
    assert list(found) == ["score", "score_l2", "score_l0"] == list(STAGE.signals(asked))
    for place, text in enumerate(ROWS):
        twin = probabilities(TINY, text)
        assert [found[name][place] for name in found] == pytest.approx([twin[1], twin[2], twin[0]], abs=2e-5)


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same scores, to the last bit."""
    rows = batch(texts)
    assert values(chunked(rows, sizes, lambda part: apply(part, config(), tiny()))) == values(
        apply(rows, config(), tiny())
    )


def test_rules_at_their_edges() -> None:
    """Both ends are inclusive, 0 is a threshold, and None is none."""
    scores = stored_signal(np.array([0.1, 0.3499, 0.35, 0.9, 0.90004, 0.9001]), pa.float64(), "")

    def reasons(**settings: Any) -> list[str | None]:
        all_rules = rules(config(**settings))
        found = first_broken(all_rules, {"score": scores}, {}, len(scores))
        return [all_rules[place].name if place >= 0 else None for place in found.tolist()]

    assert reasons(min_score=0.35, max_score=0.9) == ["low_score", "low_score", None, None, None, "high_score"]
    assert reasons() == [None] * 6
    assert reasons(max_score=0) == ["high_score"] * 6


def test_settings_that_cannot_be_meant_are_refused() -> None:
    """Scores are probabilities, and a document has to be able to stay."""
    with pytest.raises(ValidationError, match=r"min_score 35 is not a probability"):
        config(min_score=35)
    with pytest.raises(ValidationError, match=r"min_score 0\.9 is above max_score 0\.1: no document could stay"):
        config(min_score=0.9, max_score=0.1)


def test_models_are_paths_or_fits() -> None:
    """What has a slash or an ending is a path."""
    assert resources(config(model="curated")) == {"model": FitRef(fit="curated")}
    assert resources(config(model={"fit": "x.bin"})) == {"model": FitRef(fit="x.bin")}
    for path in ("model.bin", "model.ftz", "./curated", "s3://bucket/model"):
        assert resources(config(model=path)) == {"model": path}


def test_labels_that_the_model_lacks_are_found() -> None:
    """Before a run where the model is a file, with the labels that it has; otherwise at the first document."""
    assert check(config(), tiny()) == []
    assert check(config(labels=["l9"]), tiny()) == ["the model has no label 'l9'; it has l0, l1, l2"]
    missing = config(label=None)
    assert check(missing, tiny(label=None)) == [
        "label is missing: say which of the model's labels is the score, or a column to write the likeliest one to; "
        "it has l0, l1, l2"
    ]
    written = {"label": None, "column": "topic"}
    assert check(config(**written), tiny(**written)) == []
    assert check(config(**written, keep=["l0", "l7"]), tiny(**written)) == [
        "the model has no label 'l7'; it has l0, l1, l2"
    ]
    with pytest.raises(ModelError, match="label is missing"):
        apply(batch(["a"]), missing, tiny(label=None))


def test_a_model_of_ours_says_its_label_and_preparation(tmp_path: Path) -> None:
    """Settings win over what it says."""
    write_model(TINY, tmp_path / "tiny.bin")
    content = (tmp_path / "tiny.bin").read_bytes()
    (tmp_path / "tiny.bin").write_bytes(with_notes(content, {"label": "l2", "prepare": "dolma"}))
    files = {"model": str(tmp_path / "tiny.bin")}
    found = load(config(label=None), files)
    assert (found.asked, found.preparation) == (("l2",), "dolma")
    found = load(config(label="l0", prepare="plain"), files)
    assert (found.asked, found.preparation) == (("l0",), "plain")


TWINS = [probabilities(TINY, text) for text in ROWS]


def test_the_likeliest_label_goes_to_a_column() -> None:
    """The twin's, with its probability as the score; text of which the model knows nothing keeps what is there."""
    asked, model = config(label=None, column="domain"), tiny(known=False, label=None, column="domain")
    texts = [*ROWS, "a", "of", "the naïve of 中文", "the, of", "the a " * 50]
    twins = [probabilities(SILENT, text) if features(SILENT, text) else [0.0] * 3 for text in texts]
    rows = documents(texts)
    found = apply(rows, asked, model)
    expected = [f"l{int(np.argmax(np.round(twin, 4)))}" if max(twin) > 0 else None for twin in twins]
    labels = pa.array(found.signals["label"]).to_pylist()
    assert labels == expected and set(labels) == {None, "l0", "l1", "l2"}
    assert found.columns["domain"].to_pylist() == [label or "web" for label in labels]
    assert found.signals["score"] == pytest.approx([max(twin) for twin in twins], abs=2e-5)
    assert STAGE.values(asked, model) == {"domain": ("l0", "l1", "l2")}
    fresh = apply(rows, config(label=None, column="topic"), model)
    assert fresh.columns["topic"].equals(found.signals["label"])
    assert STAGE.writes(asked) == {"domain": pa.string()} and STAGE.writes(config()) == {}


@given(texts=st.lists(TEXT, min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1))
def test_batches_do_not_matter_for_labels(texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same labels and sums, to the last bit, also a few rows at a time."""
    asked = config(label=["l0", "l2"], column="topic", labels=["l1"])
    model = tiny(label=("l0", "l2"), column="topic")
    rows = batch(texts)
    whole = values(apply(rows, asked, model))
    assert values(chunked(rows, sizes, lambda part: apply(part, asked, model))) == whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_MOST_VALUES", 7)
        assert values(apply(rows, asked, model)) == whole
    without = values(apply(rows, config(label=["l0", "l2"], labels=["l1"]), model))
    assert without["signal score"] == pytest.approx(whole["signal score"], abs=1e-12)
    assert without["signal score_l1"] == pytest.approx(whole["signal score_l1"], abs=1e-12)


def test_the_score_of_several_labels_is_their_sum() -> None:
    """As of the scores that are good enough; with a column it is the same."""
    model = tiny(label=("l0", "l2"))
    found = apply(batch(list(ROWS)), config(label=["l0", "l2"]), model).signals["score"]
    assert found == pytest.approx([twin[0] + twin[2] for twin in TWINS], abs=4e-5)
    both = config(label=["l0", "l2"], column="topic")
    assert apply(batch(list(ROWS)), both, model).signals["score"] == pytest.approx(found, abs=1e-12)


def test_labels_that_are_not_sure_are_not_written() -> None:
    """From ``min_probability`` on, inclusive and rounded as it is stored."""
    least = round(sorted(max(twin) for twin in TWINS)[len(TWINS) // 2], 4)
    asked = config(label=None, column="domain", min_probability=least)
    found = apply(documents(list(ROWS)), asked, tiny(label=None, column="domain"))
    sure = np.round(found.signals["score"], 4) >= least
    assert [label is not None for label in pa.array(found.signals["label"]).to_pylist()] == sure.tolist()
    assert 0 < sure.sum() < len(sure)
    assert [name == "web" for name in found.columns["domain"].to_pylist()] == (~sure).tolist()


def test_labels_that_are_not_wanted_go() -> None:
    """``keep`` lists those that stay, and a document without a label stays; the planner knows what is left."""
    asked = config(label=None, column="topic", keep=["l0"])
    all_rules = rules(asked)
    stored = {"score": stored_signal(np.zeros(3), pa.float64(), ""), "label": pa.array(["l0", "l1", None])}
    found = first_broken(all_rules, stored, {}, 3)
    assert [all_rules[place].name if place >= 0 else None for place in found.tolist()] == [None, "not_wanted", None]
    assert STAGE.values(asked, tiny(label=None, column="topic")) == {"topic": ["l0"]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"column": "text"}, "column text is not to be replaced"),
        ({"keep": ["l0"]}, "go with column"),
        ({"min_probability": 0.5}, "go with column"),
    ],
    ids=str,
)
def test_columns_that_cannot_be_meant_are_refused(wrong: dict[str, Any], message: str) -> None:
    """An error of the recipe says what was expected."""
    with pytest.raises(ValidationError, match=message):
        config(**wrong)


def test_labels_have_the_names_that_they_had(tmp_path: Path) -> None:
    """A model's labels hold no white space; its notes say how they were called, and everybody uses that."""
    write_model(TINY, tmp_path / "tiny.bin")
    content = (tmp_path / "tiny.bin").read_bytes()
    (tmp_path / "tiny.bin").write_bytes(with_notes(content, {"labels": {"l0": "a b", "l1": "c", "l2": "d"}}))
    asked = config(label=["a b"], column="topic", labels=["d"])
    model = load(asked, {"model": str(tmp_path / "tiny.bin")})
    found = apply(batch(["the a"]), asked, model)
    twin = probabilities(TINY, "the a")
    assert [found.signals[name][0] for name in ("score", "score_d")] == pytest.approx([twin[0], twin[2]], abs=2e-5)
    assert found.columns["topic"].to_pylist() == [["a b", "c", "d"][int(np.argmax(twin))]]
    assert check(config(label="l0"), load(config(label="l0"), {"model": str(tmp_path / "tiny.bin")})) == [
        "the model has no label 'l0'; it has a b, c, d"
    ]


KINDS = ("prose_en/lctt_sources_history", "prose_en/100_english_novels", "prose_zh/lctt_published")


def texts_of(kind: str) -> list[str]:
    """60 texts of up to 2,000 characters."""
    with zstandard.open(Path(os.environ["GRISTMILL_DATA"]) / f"{kind}.jsonl.zst", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"][:2000] for line, _ in zip(lines, range(60), strict=False)]


@pytest.mark.data
@pytest.mark.parametrize("shape", ["words", "bigrams", "characters", "three labels", "quantized"])
def test_probabilities_are_those_of_the_library_on_real_text(shape: str, tmp_path: Path) -> None:
    """Models that the library has trained, on texts that they have not seen: within 1e-4, and the same label."""
    package = pytest.importorskip("fasttext_pybind").fasttext()
    kinds = KINDS[: 3 if shape == "three labels" else 2]
    rows = [(text, f"l{number}") for number, kind in enumerate(kinds) for text in texts_of(kind)]
    (texts, labels), (others, _) = zip(*rows[::2], strict=True), zip(*rows[1::2], strict=True)
    shapes: dict[str, dict[str, Any]] = {"words": {"word_ngrams": 1}, "characters": {"character_ngrams": (2, 3)}}
    training = Training(**{"dimensions": 20, "buckets": 20_000, **shapes.get(shape, {})})
    model = train_fasttext(pa.array(texts), labels, training, 2000 if shape == "quantized" else None)
    path = tmp_path / "model.bin"
    path.write_bytes(model)
    package.loadModel(str(path))
    names = sorted(set(labels))
    asked = ClassifierConfig(model=str(path), label=names[0], labels=names[1:])
    found = np.stack(list(apply(batch(others), asked, load(asked, {"model": str(path)})).signals.values()), axis=1)
    lines = [text.replace("\n", " ") + "\n" for text in others]
    theirs = package.multilinePredict(lines, -1, 0.0, "strict")
    for row, their_labels, their_scores in zip(found, *theirs, strict=True):
        expected = dict(zip(their_labels, their_scores, strict=True))
        assert row == pytest.approx([min(expected[f"__label__{name}"], 1) for name in names], abs=1e-4)
        assert their_labels[0] == f"__label__{names[int(np.argmax(row))]}"
    assert found[:, 0].std() > 0.01
