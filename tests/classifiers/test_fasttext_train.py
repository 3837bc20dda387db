"""Training: the same bytes, whatever stands in the text; notes behind a model."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from classifiers.errors import ModelError
from classifiers.fasttext_model import load_fasttext
from classifiers.fasttext_notes import MARK, notes_in, read_notes, with_notes
from classifiers.fasttext_train import Training, train_fasttext
from classifiers.text_scores import Scorer

SMALL = Training(dimensions=4, buckets=1000, min_count=1)
TEXTS = [f"{'calm harbour lights' if n % 2 else 'cheap pills online'} {n} {n % 7}" for n in range(80)]
LABELS = ["sea" if n % 2 else "spam" for n in range(80)]


def loaded(content: bytes, folder: Path) -> Scorer:
    (folder / "model.bin").write_bytes(content)
    return Scorer(load_fasttext(str(folder / "model.bin")))


def test_two_trainings_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes with different environments, memory and so garbage; another seed gives others."""
    first = train_fasttext(pa.array(TEXTS), LABELS, SMALL)
    monkeypatch.setenv("SOME_VARIABLE", "x" * 50_000)
    assert train_fasttext(pa.array(TEXTS), LABELS, SMALL) == first
    assert train_fasttext(pa.array(TEXTS), LABELS, Training(dimensions=4, buckets=1000, seed=1)) != first


def test_a_trained_model_knows_what_it_was_shown(tmp_path: Path) -> None:
    """Labels come by their names, and texts like the examples get the right one; quantized, too."""
    for cutoff in (None, 300):
        scorer = loaded(train_fasttext(pa.array(TEXTS), LABELS, SMALL, cutoff), tmp_path)
        assert sorted(scorer.labels) == ["sea", "spam"]
        found = scorer.scores(pa.array(["lights of the harbour", "online pills"]), ["sea"])
        assert found[0, 0] > 0.5 > found[1, 0]


def test_text_cannot_pass_for_labels_or_line_ends(tmp_path: Path) -> None:
    """``__label__`` and ``</s>`` in a text, and any line end, are text: no label appears and no example is lost."""
    hostile = [f"__label__evil {text}\n__label__worse\v</s> more\u2028of it\0" for text in TEXTS]
    scorer = loaded(train_fasttext(pa.array(hostile), LABELS, SMALL), tmp_path)
    assert sorted(scorer.labels) == ["sea", "spam"]
    found = scorer.scores(pa.array(hostile), ["sea"])[:, 0]
    assert [score > 0.5 for score in found] == [label == "sea" for label in LABELS]


def test_one_label_is_refused() -> None:
    """With the labels that there are."""
    with pytest.raises(ModelError, match=r"two labels or more, got \['sea'\]"):
        train_fasttext(pa.array(["a"]), ["sea"], SMALL)


def test_what_the_library_refuses_is_said() -> None:
    """Its own words, not a traceback."""
    with pytest.raises(ModelError, match="could not train: .*NaN"):
        train_fasttext(pa.array(TEXTS), LABELS, Training(dimensions=4, buckets=1000, learning_rate=1e30))


def test_a_model_with_notes_is_a_model(tmp_path: Path) -> None:
    """To our reader and to the library; the notes come back, and a model without has none."""
    content = train_fasttext(pa.array(TEXTS), LABELS, SMALL)
    noted = with_notes(content, {"label": "sea", "ü": [1, None]})
    assert notes_in(noted) == {"label": "sea", "ü": [1, None]} and notes_in(content) == {}
    path = tmp_path / "noted.bin"
    path.write_bytes(noted)
    assert read_notes(str(path)) == notes_in(noted)
    package = pytest.importorskip("fasttext_pybind").fasttext()
    package.loadModel(str(path))
    [[label]], _ = package.multilinePredict(["harbour lights\n"], 1, 0.0, "strict")
    assert label == "__label__sea"
    assert loaded(noted, tmp_path).scores(pa.array(["harbour lights"]), ["sea"])[0, 0] > 0.5


@pytest.mark.parametrize("tail", [b"", MARK, b"\xff" * 8 + MARK, (10**6).to_bytes(8, "little") + MARK])
def test_a_torn_tail_is_no_note(tail: bytes, tmp_path: Path) -> None:
    """Bytes that only end like notes."""
    (tmp_path / "model").write_bytes(b"model" + tail)
    assert read_notes(str(tmp_path / "model")) == notes_in(b"model" + tail) == {}
