"""Probabilities of chosen labels, from a model as it is and from one that was projected."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.fasttext_model import FastText, load_fasttext
from classifiers.text_scores import Scorer
from stages.kernels.arrow_text import text_view
from stages.kernels.fasttext import projected
from stages.kernels.fasttext_words import WordNetwork, word_probabilities
from tests.reference.fasttext import ONE_VERSUS_ALL, probabilities, tiny_model, write_model
from tests.stages.hostile import TEXT, arrays, long_bytes
from tests.stages.kernels.test_fasttext import MODELS, WORDS, loaded

TEXTS = ["", "the naïve 中文", "The the, of a a of", "__label__l1 x", "Ünïcödé wörds 中文字 😀", "a" * 99, "\0a"]


def spans(array: pa.Array) -> npt.NDArray[np.int64]:
    offsets = text_view(array).offsets
    return np.stack([offsets[:-1], offsets[1:]], axis=1).reshape(-1, 1, 2)


def asked(model: FastText, array: pa.Array) -> npt.NDArray[np.float64]:
    return model.probabilities(text_view(array).data, spans(array), model.labels[::-1])


WORD_MODELS = {
    "two labels": tiny_model(labels=2, ngrams=(0, 0), word_ngrams=2),
    "three labels": tiny_model(labels=3, ngrams=(0, 0), word_ngrams=4),
    "one label": tiny_model(labels=1, ngrams=(0, 0)),
    "words only": tiny_model(labels=2, ngrams=(0, 0)),
    "pruned": tiny_model(labels=2, ngrams=(0, 0), word_ngrams=3, pruned=True),
    "quantized": tiny_model(labels=2, ngrams=(0, 0), word_ngrams=2, quantized=True, pruned=True),
    "one-versus-all": tiny_model(labels=2, loss=ONE_VERSUS_ALL, ngrams=(0, 0), word_ngrams=2),
}
LONG_WORDS = [
    "thethethe",
    "theofthea",
    "theofthe,",
    "中文中文",
    "__label_",
    "__label__x",
    "__label_y",
    "theofth",
    "theofthe",
]
TOKENS = st.lists(st.sampled_from(["the", "the,", "naïve", "中文", "a", "</s>", "__label__a", *LONG_WORDS]), max_size=9)


@cache
def word_scorer(name: str) -> Scorer:
    model = replace(WORD_MODELS[name], words=[*WORD_MODELS[name].words[:4], "theofthea", "theofthe,", "theofthe"])
    with TemporaryDirectory() as folder:
        write_model(model, Path(folder) / "model.bin")
        return Scorer.of(load_fasttext(str(Path(folder) / "model.bin")))


@pytest.mark.parametrize("piece", [4096, 3])
@given(name=st.sampled_from(list(WORD_MODELS)), array=arrays(TEXT | TOKENS.map(" ".join)))
def test_models_of_words_are_those_of_the_twin(piece: int, name: str, array: pa.Array) -> None:
    """In their own form, with words of all lengths, and wherever a row is cut into pieces."""
    scorer = word_scorer(name)
    assert isinstance(scorer.network, WordNetwork)
    model = replace(WORD_MODELS[name], words=[*WORD_MODELS[name].words[:4], "theofthea", "theofthe,", "theofthe"])
    data, offsets = text_view(array)
    wanted = np.arange(len(model.labels))[::-1].copy()
    found = word_probabilities(data, offsets[:-1], offsets[1:], scorer.network, wanted, len(model.labels), piece)
    for text, row in zip(array.to_pylist(), found, strict=True):
        assert row == pytest.approx(np.clip(probabilities(model, text)[::-1], 0, 1), abs=2e-5)


def test_a_long_row() -> None:
    """A row of 50 MB without a space, or full of them, is a row, and its neighbours are what they are alone."""
    size = long_bytes() // 10
    texts = ["a the", "中" * (size // 3), "the a " * (size // 5), "a the"]
    found = word_scorer("two labels").scores(pa.array(texts, pa.large_string()), ["l0", "l1"])
    alone = word_scorer("two labels").scores(pa.array(texts[:1]), ["l0", "l1"])
    assert found[0].tolist() == found[3].tolist() == alone[0].tolist()
    few = WORD_MODELS["two labels"]
    few = replace(few, words=[*few.words[:4], "theofthea", "theofthe,", "theofthe"])
    assert found[2] == pytest.approx(probabilities(few, "the a " * 3000)[:2], abs=1e-3)


@given(name=st.sampled_from(list(MODELS)), array=arrays(TEXT | WORDS.map(" ".join)))
def test_probabilities_are_those_of_the_twin(name: str, array: pa.Array) -> None:
    """Of all labels, in the order asked for, and the same after projection."""
    model = loaded(name)
    found = asked(model, array)
    for text, row in zip(array.to_pylist(), found, strict=True):
        assert row == pytest.approx(np.clip(probabilities(MODELS[name], text)[::-1], 0, 1), abs=2e-5)
    quick = FastText(model.labels, projected(model.network))
    assert asked(quick, array) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("name", sorted({*MODELS} - {"one-versus-all", "negative sampling", "pruned"}))
def test_probabilities_are_those_of_the_library(name: str, tmp_path: Path) -> None:
    """Within 1e-4, quantized models among them; a label that it leaves out is below its own least probability."""
    library = pytest.importorskip("fasttext_pybind")
    write_model(MODELS[name], tmp_path / "model.bin")
    peer = library.fasttext()
    peer.loadModel(str(tmp_path / "model.bin"))
    found = asked(loaded(name), pa.array(TEXTS))
    for text, row in zip(TEXTS, found, strict=True):
        [labels], [scores] = peer.multilinePredict([text + "\n"], -1, 0.0, "strict")
        theirs = dict(zip(labels, scores, strict=True))
        assert row == pytest.approx(
            [min(theirs.get(f"__label__{n}", 0), 1) for n in loaded(name).labels[::-1]], abs=1e-4
        )


def test_an_unknown_label_is_an_error() -> None:
    """Not a probability of 0."""
    array = pa.array(["a"])
    with pytest.raises(KeyError, match="absent"):
        loaded("softmax").probabilities(text_view(array).data, spans(array), ["absent"])
