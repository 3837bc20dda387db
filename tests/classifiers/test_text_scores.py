"""Texts made ready for a model: each preparation gives what its program would have given the library."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.fasttext_model import load_fasttext
from classifiers.text_scores import Preparation, Scorer, prepared_array
from tests.reference.fasttext import HIERARCHICAL, SPACES, TinyModel, probabilities, tiny_model, write_model
from tests.reference.one_line import python_lines, unicode_spaces
from tests.stages.hostile import TEXT, arrays

MODELS = {
    "words": tiny_model(labels=2, ngrams=(0, 0), word_ngrams=2),
    "characters": tiny_model(labels=2, word_ngrams=2),
    "tree": tiny_model(labels=9, loss=HIERARCHICAL),
}
LINES = st.lists(st.sampled_from(["the", "naïve", "中文", "a", "\n", "\n", " ", "\u2028", "\u3000"]), max_size=12)


@cache
def scorer(name: str) -> Scorer:
    with TemporaryDirectory() as folder:
        write_model(MODELS[name], Path(folder) / "model.bin")
        return Scorer(load_fasttext(str(Path(folder) / "model.bin")))


def by_lines(model: TinyModel, text: str) -> float:
    """The mean over lines by their bytes that are not white space."""
    lines = [(line, len(line.encode().translate(None, b" \t\n\v\f\r\0"))) for line in text.split("\n")]
    total = sum(size for _, size in lines)
    return sum(probabilities(model, line)[1] * size for line, size in lines if size) / total if total else 0.0


@pytest.mark.parametrize("name", MODELS)
@given(array=arrays(TEXT | LINES.map("".join)))
def test_scores_are_of_what_the_programs_prepare(name: str, array: pa.Array) -> None:
    """Whole texts in three ways, and lines."""
    model = MODELS[name]
    twins: dict[Preparation, Callable[[str], float]] = {
        "plain": lambda text: probabilities(model, text)[1],
        "glotlid": lambda text: probabilities(model, text)[1],
        "dclm": lambda text: probabilities(model, " ".join(python_lines(text)))[1],
        "dolma": lambda text: probabilities(model, " ".join(unicode_spaces(text)))[1],
        "fasttext_lines": lambda text: by_lines(model, text),
    }
    for preparation, twin in twins.items():
        found = scorer(name).scores(array, ["l1"], preparation)[:, 0]
        assert found == pytest.approx([min(twin(text), 1) for text in array.to_pylist()], abs=2e-5), preparation


@given(array=arrays(TEXT))
def test_training_sees_the_same(array: pa.Array) -> None:
    """The prepared texts as an array, also of a slice."""
    words = [[word for word in SPACES.split(text) if word] for text in prepared_array(array, "dolma").to_pylist()]
    assert words == [unicode_spaces(text) for text in array.to_pylist()]
    assert prepared_array(array, "plain").to_pylist() == array.to_pylist()
