"""``gristmill lm train`` and ``gristmill lm score``: what they print and refuse."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import kenlm
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from classifiers.language_model import Preparation
from pipeline.cli import app
from pipeline.errors import GristmillError
from pipeline.language_models import line_perplexities, open_model, score_file, train_model
from tests.pipeline.corpora import run

PROSE = "The ferry left at noon.\nNobody could say when it would come back.\n\nAt nine the ferry left.\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(PROSE)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(PROSE.replace("noon", "night").encode()))
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["lm", *arguments])


def train(*more: str) -> Result:
    return call("train", "a.txt", "b.txt.gz", "--out", "model.arpa", "--order", "3", *more)


def test_train_and_score(here: Path) -> None:
    """A model of files, gzipped ones among them, scores files as kenlm does."""
    result = train("--tokens", "words")
    assert result.exit_code == 0, result.output
    assert "3-grams: " in result.output and "wrote model.arpa" in result.output
    assert "too little text to estimate the discounts of 1-grams" in result.output
    (here / "test.txt").write_text("The ferry left, unseen")
    result = call("score", "model.arpa", "test.txt", "a.txt")
    assert result.exit_code == 0, result.output
    value = kenlm.Model("model.arpa").perplexity("the ferry left, unseen")
    assert f"test.txt: perplexity {value:,.2f}, 1 lines, 4 tokens, 50.00% of them unknown" in result.output
    assert "a.txt: perplexity" in result.output


def test_lines_and_json(here: Path) -> None:
    """On request every line with its perplexity, or a JSON object for each file."""
    train("--tokens", "characters")
    lines = call("score", "model.arpa", "a.txt", "--lines").output.splitlines()
    assert [line.split("\t")[1] for line in lines] == [line for line in PROSE.splitlines() if line]
    assert all(float(line.split("\t")[0]) > 1 for line in lines)
    [found] = [json.loads(line) for line in call("score", "model.arpa", "b.txt.gz", "--json").output.splitlines()]
    assert found["file"] == "b.txt.gz" and found["lines"] == 3 and found["unknown"] == 0
    model = open_model("model.arpa", None, None, None, None)
    assert score_file(model, "b.txt.gz").perplexity == found["perplexity"]
    assert [text for _, text in line_perplexities(model, "a.txt")] == [line for line in PROSE.splitlines() if line]


def test_two_trainings_give_the_same_bytes(here: Path) -> None:
    """Files in another order make the same model."""
    train("--tokens", "words", "--prune", "0,0,1")
    first = (here / "model.arpa").read_bytes()
    call("train", "b.txt.gz", "a.txt", "--out", "again.arpa", "--order", "3", "--tokens", "words", "--prune", "0,0,1")
    assert (here / "again.arpa").read_bytes() == first


RECIPE = """
name: earlier
store: ./store
sources: {all: {kind: jsonl, path: documents.jsonl, text: body}}
execution: {executor: local}
"""


def test_documents_and_runs(here: Path) -> None:
    """Give the model and the figures that text files with their lines give."""
    train("--tokens", "words")
    texts = PROSE, PROSE.replace("noon", "night")
    (here / "documents.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    pq.write_table(pa.table({"body": [*texts]}), here / "documents.parquet")
    (here / "recipe.yaml").write_text(RECIPE)
    run("recipe.yaml")
    (here / "both.txt").write_text("\n".join(texts))
    expected = json.loads(call("score", "model.arpa", "both.txt", "--json").output)
    lines = call("score", "model.arpa", "both.txt", "--lines").output
    for path in ("documents.jsonl", "documents.parquet", "earlier"):
        options = ["--text-key", "body"]
        made = call("train", path, "--out", "again.arpa", "--order", "3", "--tokens", "words", *options)
        assert made.exit_code == 0, made.output
        assert (here / "again.arpa").read_bytes() == (here / "model.arpa").read_bytes()
        found = json.loads(call("score", "model.arpa", path, "--json", *options).output)
        assert found.pop("log_probability") == pytest.approx(expected["log_probability"])
        assert found.pop("perplexity") == pytest.approx(expected["perplexity"])
        assert found == {"file": path, **{key: expected[key] for key in ("lines", "tokens", "unknown")}}
        assert call("score", "model.arpa", path, "--lines", *options).output == lines
    with pytest.raises(GristmillError, match="more text than the 10 bytes"):
        train_model(["earlier"], "m.arpa", Preparation("plain", "words", "lines"), order=2, max_bytes=10)


def test_empty_files(here: Path) -> None:
    """Have no perplexity, and nothing can be learnt from them."""
    train("--tokens", "words")
    (here / "empty.txt").write_text("\n \n")
    assert "empty.txt: no perplexity, 0 lines" in call("score", "model.arpa", "empty.txt").output
    result = call("train", "empty.txt", "--out", "m.arpa", "--tokens", "words")
    assert result.exit_code == 1 and "empty.txt: there is no token" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "a.txt", "--out", "m.arpa", "--tokens", "syllables"], 2, "known are words, characters"),
        (["train", "a.txt", "--out", "m.arpa", "--tokens", "words", "--prune", "x"], 2, "0,0,1"),
        (["train", "a.txt", "--out", "m.arpa", "--tokens", "words", "--prune", "1"], 1, "a.txt: prune is [1]"),
        (["train", "none.txt", "--out", "m.arpa", "--tokens", "words"], 1, "none.txt: no such file"),
        (["train", "bad.txt", "--out", "m.arpa", "--tokens", "words"], 1, "bad.txt: is no UTF-8 at byte 3"),
        (["train", "a.txt", "--out", "m.arpa", "--tokens", "bpe"], 1, "set tokenizer"),
        (["train", "a.txt", "--out", "folder/", "--tokens", "words"], 1, "no name"),
        (["train", "bad.gz", "--out", "m.arpa", "--tokens", "words"], 1, "bad.gz: cannot be read"),
        (["score", "none.arpa", "a.txt"], 1, "none.arpa"),
        (["score", "a.txt", "a.txt"], 1, "a.txt is no ARPA file"),
        (["score", "silent.arpa", "a.txt"], 1, "silent.arpa does not say how its text was prepared"),
    ],
)
def test_what_is_refused(here: Path, arguments: list[str], code: int, message: str) -> None:
    """The message names the file or option and what to do; nothing is written."""
    (here / "bad.txt").write_bytes(b"abc\xff")
    (here / "bad.gz").write_bytes(b"not gzip")
    train("--tokens", "words")
    (here / "silent.arpa").write_bytes((here / "model.arpa").read_bytes().split(b"\n", 1)[1])
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.replace("│", " ").split())
    assert not (here / "m.arpa").exists()
