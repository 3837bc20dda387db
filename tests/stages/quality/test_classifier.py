"""The stage classifier: the library's probabilities, labels, preparation, rules."""

from __future__ import annotations

import json
import os
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
from stages.quality.classifier import STAGE, Classifier, ClassifierConfig, apply, check, load, resources, rules
from tests.reference.fasttext import probabilities, tiny_model, write_model
from tests.stages.hostile import ROWS, TEXT, batch, chunked, long_bytes, values

TINY = tiny_model(labels=3, ngrams=(0, 0), word_ngrams=2)


def config(**settings: Any) -> ClassifierConfig:
    return ClassifierConfig.model_validate({"model": "tiny.bin", "label": "l1", **settings})


@cache
def tiny(**settings: Any) -> Classifier:
    with TemporaryDirectory() as folder:
        write_model(TINY, Path(folder) / "tiny.bin")
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
        "label is missing: say which of the model's labels is the score, of l0, l1, l2"
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
    assert (found.label, found.preparation) == ("l2", "dolma")
    found = load(config(label="l0", prepare="plain"), files)
    assert (found.label, found.preparation) == ("l0", "plain")


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
