"""Probabilities of chosen labels, and what text is read by: words of all lengths, pieces, cache, sums."""

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
from stages.kernels import fasttext_network
from stages.kernels.arrow_text import text_view
from stages.kernels.fasttext import probabilities as probabilities_of
from stages.kernels.fasttext_network import EIGHT, add_rows, eight, word_key
from tests.reference.fasttext import (
    HIERARCHICAL,
    ONE_VERSUS_ALL,
    TinyModel,
    probabilities,
    tiny_model,
    write_model,
)
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
    "characters": tiny_model(labels=2, word_ngrams=2),
    "pruned characters": tiny_model(labels=2, ngrams=(1, 6), word_ngrams=3, pruned=True),
    "all n-grams": tiny_model(labels=5, ngrams=(1, 6), word_ngrams=3),
    "tree": tiny_model(labels=40, loss=HIERARCHICAL),
    "small tree": tiny_model(labels=3, loss=HIERARCHICAL),
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
    *("theofthe", "theofthetheofthe", "theofthetheofthea", "theofthetheofthe,", "theofthe中文theofthe中文"),
]
TOKENS = st.lists(st.sampled_from(["the", "the,", "naïve", "中文", "a", "</s>", "__label__a", *LONG_WORDS]), max_size=9)


MORE_WORDS = ["theofthea", "theofthe,", "theofthe", "theofthetheofthe", "theofthetheofthea", "theofthe中文theofthe中文"]


def with_more_words(model: TinyModel) -> TinyModel:
    """The same values, and words of other lengths: 8, 9, 16, 17 bytes and more."""
    words = [*model.words[:4], *MORE_WORDS][: len(model.words)]
    return replace(model, words=words + model.words[len(words) :])


@cache
def word_model(name: str) -> FastText:
    with TemporaryDirectory() as folder:
        write_model(with_more_words(WORD_MODELS[name]), Path(folder) / "model.bin")
        return load_fasttext(str(Path(folder) / "model.bin"))


@pytest.mark.parametrize("piece", [2048, 3])
@given(name=st.sampled_from(list(WORD_MODELS)), array=arrays(TEXT | TOKENS.map(" ".join)))
def test_words_of_all_lengths(piece: int, name: str, array: pa.Array) -> None:
    """Equal the twin, wherever a row is cut into pieces."""
    model, network = with_more_words(WORD_MODELS[name]), word_model(name).network
    wanted = np.arange(len(model.labels))[::-1].copy()
    found = probabilities_of(text_view(array).data, spans(array), network, wanted, piece)
    for text, row in zip(array.to_pylist(), found, strict=True):
        assert row == pytest.approx(np.clip(probabilities(model, text)[::-1], 0, 1), abs=2e-5)


def test_a_long_row() -> None:
    """A row of 50 MB without a space, or full of them, is a row, and its neighbours are what they are alone."""
    size = long_bytes() // 10
    texts = ["a the", "中" * (size // 3), "the a " * (size // 5), "a the"]
    for name in ("two labels", "characters"):
        found = asked(word_model(name), pa.array(texts, pa.large_string()))
        alone = asked(word_model(name), pa.array(texts[:1]))
        assert found[0].tolist() == found[3].tolist() == alone[0].tolist()
        twin = probabilities(with_more_words(WORD_MODELS[name]), "the a " * 3000)[::-1]
        assert found[2] == pytest.approx(twin, abs=1e-3)


@pytest.mark.parametrize("name", ["characters", "pruned characters", "all n-grams"])
def test_batches_do_not_matter(name: str) -> None:
    """Words that are not the model's have the same sum, to the last bit, however often and whenever they come."""
    draw = np.random.default_rng(3)
    words = ["".join(draw.choice(list("abcé中"), draw.integers(1, 24))) for _ in range(40)]
    rows = [" ".join(draw.choice([*words, "the", "of"], 30)) for _ in range(20)]
    whole = asked(word_model(name), pa.array(rows))
    for row, expected in zip(rows, whole, strict=True):
        assert asked(word_model(name), pa.array([row]))[0].tolist() == expected.tolist()


def test_words_without_a_sum(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where only some words have one, the others are spelled, and everything is as it was, to the last bit."""
    write_model(tiny_model(labels=5, word_ngrams=2), tmp_path / "model.bin")
    array = pa.array(["the naïve 中文 of a </s>, the of the, x", "a a of"])
    whole = load_fasttext(str(tmp_path / "model.bin"))
    monkeypatch.setattr(fasttext_network, "_MOST_SUM_BYTES", 3 * 4 * 4)
    few = load_fasttext(str(tmp_path / "model.bin"))
    assert (len(whole.network.sums), len(few.network.sums)) == (7, 3)
    assert asked(few, array) == pytest.approx(asked(whole, array), abs=1e-7)


@pytest.mark.parametrize("columns", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_rows_are_added_up(columns: int, count: int) -> None:
    """In tiles and column by column: the sum of the first rows, on top of what was there."""
    draw = np.random.default_rng(columns)
    values, rows = draw.normal(size=(50, columns)).astype(np.float32), draw.integers(0, 50, 30).astype(np.uint64)
    values.flags.writeable = False
    total = np.arange(columns, dtype=np.float64)
    expected = total + values[rows[:count].astype(np.int64)].astype(np.float64).sum(axis=0)
    add_rows(values, rows, count, total)
    assert total == pytest.approx(expected, abs=1e-5)


@given(name=st.sampled_from(list(MODELS)), array=arrays(TEXT | WORDS.map(" ".join)))
def test_probabilities_are_those_of_the_twin(name: str, array: pa.Array) -> None:
    """Of all labels, in the order asked for."""
    model = loaded(name)
    found = asked(model, array)
    for text, row in zip(array.to_pylist(), found, strict=True):
        assert row == pytest.approx(np.clip(probabilities(MODELS[name], text)[::-1], 0, 1), abs=2e-5)


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


@pytest.mark.compiled
def test_words_that_look_alike_have_keys_of_their_own() -> None:
    """Lines of signs with one other sign in them, of all lengths: what tables of text are full of."""
    signs = "-.=_*0 1ae\x01\xff".encode("latin-1").replace(b" ", b"")
    words = {
        bytes([mark]) * place + bytes([other]) + bytes([mark]) * (size - place - 1)
        for mark in signs
        for other in signs
        for size in range(1, 41)
        for place in range(size)
    }
    keys = set()
    for word in words:
        data = np.frombuffer(word + bytes(EIGHT), np.uint8)
        keys.add(int(word_key(data, 0, len(word), np.uint64(eight(data, 0, len(word))))))
    assert len(keys) == len(words) > 50_000
