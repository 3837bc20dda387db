"""Labels and scores against a slow twin and the fastText library."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.fasttext_model import FastText, load_fasttext
from stages.kernels.arrow_text import text_view
from stages.kernels.fasttext import Parts
from tests.reference.fasttext import (
    HIERARCHICAL,
    NEGATIVE_SAMPLING,
    ONE_VERSUS_ALL,
    TinyModel,
    other_bytes,
    probabilities,
    tiny_model,
    write_model,
)
from tests.stages.hostile import TEXT, arrays, long_bytes

MODELS: dict[str, TinyModel] = {
    "softmax": tiny_model(),
    "one label": tiny_model(labels=1),
    "tree": tiny_model(loss=HIERARCHICAL, labels=40),
    "one-versus-all": tiny_model(loss=ONE_VERSUS_ALL),
    "negative sampling": tiny_model(loss=NEGATIVE_SAMPLING),
    "word n-grams": tiny_model(word_ngrams=3, ngrams=(0, 0)),
    "all n-grams": tiny_model(word_ngrams=5, ngrams=(1, 6)),
    "words only": tiny_model(ngrams=(0, 0)),
    "pruned": tiny_model(pruned=True, word_ngrams=2),
    "quantized": tiny_model(quantized=True, pruned=True, loss=HIERARCHICAL, labels=7),
}
WORDS = st.lists(st.sampled_from(["the", "the,", "naïve", "中文", "a", "</s>", "__label__a", "b"]), max_size=9)


@cache
def loaded(name: str) -> FastText:
    with TemporaryDirectory() as folder:
        write_model(MODELS[name], Path(folder) / "model.bin")
        return load_fasttext(str(Path(folder) / "model.bin"))


@given(name=st.sampled_from(list(MODELS)), array=arrays(TEXT | WORDS.map(" ".join)))
def test_labels_are_those_of_the_twin(name: str, array: pa.Array) -> None:
    """The label is the likeliest one and the score its probability, for all losses and kinds of n-grams."""
    labels, scores = loaded(name).predict(array)
    for text, label, score in zip(array.to_pylist(), labels.tolist(), scores.tolist(), strict=True):
        expected = probabilities(MODELS[name], text)
        assert score == pytest.approx(min(max(expected), 1.0), abs=2e-5)
        assert expected[label] == pytest.approx(max(expected), abs=2e-5)


# The library rounds logistic functions to a table, and does not read what it would not write: pruned but not quantized.
@pytest.mark.parametrize("name", sorted({*MODELS} - {"one-versus-all", "negative sampling", "pruned"}))
def test_labels_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    """The library reads the same file and says the same, so that the format and the twin are right."""
    library = pytest.importorskip("fasttext_pybind")
    write_model(MODELS[name], tmp_path / "model.bin")
    model = library.fasttext()
    model.loadModel(str(tmp_path / "model.bin"))
    texts = [
        "",
        "the naïve 中文",
        "The the, of a a of",
        "__label__l1 x",
        "Ünïcödé wörds 中文字 😀",
        "a" * 99,
        "\0a",
    ]
    labels, scores = loaded(name).predict(pa.array(texts))
    for text, label, score in zip(texts, labels.tolist(), scores.tolist(), strict=True):
        [[expected]], [[probability]] = model.multilinePredict([text + "\n"], 1, 0.0, "strict")
        assert expected == f"__label__{MODELS[name].labels[label]}"
        assert score == pytest.approx(min(float(probability), 1.0), abs=3e-5)


def test_spans_are_read_as_one_row() -> None:
    """Spans of a row count as if they stood one after the other with a space between."""
    data = text_view(pa.array(["the naïve--中文 a"])).data
    spans = np.array([[[0, 10], [12, 20], [4, 4]]], np.int64)
    found = loaded("softmax").predict_spans(data, spans)
    whole = loaded("softmax").predict(pa.array(["the naïve 中文 a"]))
    assert [part.tolist() for part in found] == [part.tolist() for part in whole]


PARTS = [name for name, model in MODELS.items() if model.word_ngrams == 1]
LINES = st.lists(WORDS.map(" ".join), max_size=6).map("\n".join)


@given(name=st.sampled_from(PARTS), array=arrays(TEXT | LINES), shortest=st.sampled_from([1, 5, 20]))
def test_parts_are_those_of_the_twin(name: str, array: pa.Array, shortest: int) -> None:
    """The bytes of parts with another label than their row's, by groups of labels, equal the twin's."""
    model = MODELS[name]
    groups = [label // 2 for label in range(len(model.labels))]
    view = text_view(array)
    spans = np.stack([view.offsets[:-1], view.offsets[1:]], axis=1).reshape(-1, 1, 2)
    found = loaded(name).predict_parts(view.data, spans, Parts(shortest, 0.501, np.array(groups, np.int32)))
    assert found[1] == pytest.approx(loaded(name).predict(array)[1], abs=2e-5)
    expected = [other_bytes(model, text, shortest, 0.501, groups) for text in array.to_pylist()]
    assert found[2].tolist() == expected


def test_each_span_has_its_own_parts() -> None:
    """A part does not reach from one span of a row into the next."""
    data = text_view(pa.array(["the the the|中文 中文 中文"])).data
    spans = np.array([[[0, 11], [12, 32]], [[0, 11], [0, 11]]], np.int64)
    parts = Parts(9, 0.0, np.arange(5, dtype=np.int32))
    labels, _, others = loaded("softmax").predict_parts(data, spans, parts)
    first, second = (loaded("softmax").predict(pa.array([text]))[0][0] for text in ("the the the", "中文 中文 中文"))
    assert first != second
    assert others.tolist() == [11 if labels[0] == second else 20, 0]


def test_a_long_row() -> None:
    """A row of 50 MB without a space, or full of them, is a row, and its neighbours are what they are alone."""
    model = loaded("all n-grams")
    size = long_bytes() // 10
    labels, scores = model.predict(
        pa.array(["a the", "中" * (size // 3), "of a " * (size // 5), "a the"], pa.large_string())
    )
    assert labels[0] == labels[3]
    assert scores[0] == scores[3] == model.predict(pa.array(["a the"]))[1][0]
    assert scores[1] == pytest.approx(max(probabilities(MODELS["all n-grams"], "中" * 300)), abs=0.02)
