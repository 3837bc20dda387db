"""A tokenizer's pieces depend on the line alone, whatever else its file asks for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from classifiers import language_model
from classifiers.errors import ModelError
from classifiers.language_model import Facts, Preparation, cut_lines, load_language_model, load_tokenizer
from classifiers.ngram_lm import arpa_bytes, estimate
from stages.bpe_vocabulary import STAGE as BPE
from stages.kernels.arrow_text import TextView, text_array, text_view
from tests.batches import documents
from tests.stages.hostile import ROWS

TEXTS = ["the ferry left at noon\nnobody could say when", "it would come back", *ROWS] * 3


def write_tokenizer(path: Path, **changes: Any) -> str:
    """A tokenizer.json of the texts, some of its keys changed; those of ``model`` under ``model``."""
    config = BPE.config.model_validate({"vocab_size": 290})
    made = json.loads(BPE.finish(BPE.merge([BPE.summarize(documents(TEXTS), config)], config), config))
    made["model"] |= changes.pop("model", {})
    path.write_text(json.dumps(made | changes))
    return str(path)


def cut(path: str, array: pa.Array) -> list[str]:
    tokenizer = load_tokenizer("bpe", path)
    assert tokenizer is not None
    return list(text_array(*cut_lines(text_view(array), tokenizer)).to_pylist())


@pytest.mark.parametrize(
    "changes",
    [
        {"truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}},
        {
            "padding": {
                "strategy": "BatchLongest",
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            }
        },
        {"model": {"dropout": 0.5}},
    ],
    ids=["truncation", "padding", "dropout"],
)
def test_what_is_meant_for_training_is_left_out(changes: dict[str, Any], tmp_path: Path) -> None:
    """Lines are neither cut short nor filled up, and no merge is left to chance."""
    plain = cut(write_tokenizer(tmp_path / "plain.json"), pa.array(TEXTS))
    assert cut(write_tokenizer(tmp_path / "other.json", **changes), pa.array(TEXTS)) == plain


def test_rows_are_cut_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any slice and any number of lines at a time give the same pieces; line feeds stay where they are."""
    path = write_tokenizer(tmp_path / "tokenizer.json")
    whole = cut(path, pa.array(TEXTS))
    assert [text.count("\n") for text in whole] == [text.count("\n") for text in TEXTS]
    monkeypatch.setattr(language_model, "_LINES", 2)
    assert cut(path, pa.array(["left out", *TEXTS])[1:]) == whole
    assert cut(path, pa.array([], pa.large_string())) == []


def test_a_model_knows_its_tokenizer(tmp_path: Path) -> None:
    """The tokenizer of a model is told by its file's bytes; one that does not say takes any."""
    own, other = (write_tokenizer(tmp_path / name) for name in ("own.json", "other.json"))
    Path(other).write_text(Path(other).read_text() + "\n")
    tokenizer = load_tokenizer("bpe", own)
    assert tokenizer is not None
    assert tokenizer.sha256 == hashlib.sha256(Path(own).read_bytes()).hexdigest()
    pieces: TextView = cut_lines(text_view(pa.array(TEXTS)), tokenizer)
    content = arpa_bytes(estimate(pieces, 2))
    for says in (None, tokenizer.sha256):
        (tmp_path / "m.arpa").write_bytes(Facts(Preparation("plain", "bpe"), tokenizer=says).comment() + content)
        assert load_language_model(str(tmp_path / "m.arpa"), tokenizer=own).facts.tokenizer == says
    with pytest.raises(ModelError, match="m.arpa was made with another tokenizer than .*other.json"):
        load_language_model(str(tmp_path / "m.arpa"), tokenizer=other)
    with pytest.raises(ModelError, match="needs the tokenizer's file"):
        load_language_model(str(tmp_path / "m.arpa"))
