"""Models come with the preparation that they were made with, and every way to look tokens up gives the same scores."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import kenlm
import pyarrow as pa
import pytest

from classifiers.errors import ModelError
from classifiers.language_model import (
    Facts,
    LanguageModel,
    Preparation,
    Prepare,
    SentencesOf,
    Tokens,
    load_language_model,
    load_tokenizer,
    read_facts,
    totals,
)
from classifiers.ngram_lm import arpa_bytes, estimate
from stages.bpe_vocabulary import STAGE as BPE
from stages.kernels.arrow_text import text_view
from stages.kernels.hashing import hash128_binary
from tests.stages.hostile import ROWS

LMPLZ = os.environ.get("GRISTMILL_LMPLZ", "")

TEXTS = ["The ferry left at noon.\nNobody could say, when it would come back!", "At nine the ferry left.\n"] * 3
CHINESE = ["渡轮在中午离开。", "没有人能说它什么时候回来。"]


def write_model(
    path: Path, texts: list[str], prepare: Prepare, tokens: Tokens, sentences: SentencesOf = "lines", says: bool = True
) -> str:
    preparation = Preparation(prepare, tokens, sentences)
    view = preparation.text(text_view(pa.array(texts)))
    content = arpa_bytes(estimate(view, 3, tokens="characters" if tokens == "characters" else "words"))
    path.write_bytes((Facts(preparation).comment() if says else b"") + content)
    return str(path)


def test_facts_are_read_back() -> None:
    """What is written at a model's head is what is read, among other comments; without it there are none."""
    facts = Facts(Preparation("ccnet", "characters", "documents"), (1.5, 2.0))
    assert read_facts(b"# other\n" + facts.comment()) == facts
    assert read_facts(b"# other\n") is None
    for damaged in (b"# gristmill {\n", b"# gristmill []\n", b'# gristmill {"percentiles": []}\n'):
        with pytest.raises(ModelError, match="damaged"):
            read_facts(damaged)


def test_kenlm_passes_over_the_facts(tmp_path: Path) -> None:
    """The package reads a file with the comment at its head."""
    assert kenlm.Model(write_model(tmp_path / "m.arpa", TEXTS, "ccnet", "words")).order == 3


@pytest.mark.parametrize("tokens", ["words", "characters"])
@pytest.mark.parametrize("prepare", ["plain", "ccnet"])
@pytest.mark.parametrize("sentences", ["lines", "documents"])
def test_the_package_gives_the_same_scores(
    tokens: Tokens, prepare: Prepare, sentences: SentencesOf, tmp_path: Path
) -> None:
    """Rows, tokens, unknown tokens and scores do not depend on whether kenlm or our table looks them up."""
    path = write_model(tmp_path / "m.arpa", [*TEXTS, *CHINESE], prepare, tokens, sentences, says=False)
    text = pa.array([*TEXTS, *CHINESE, "", "the unseen 轮 ferry\n\nleft", *(row.replace("\0", "") for row in ROWS)])
    model = load_language_model(path, prepare=prepare, tokens=tokens, sentences_of=sentences)
    ours = model.score(text)
    found = replace(model, lookup=kenlm.Model(path)).score(text)
    assert found.scores.tolist() == pytest.approx(ours.scores.tolist(), rel=1e-5, abs=1e-4)
    for name in ("rows", "tokens", "unknown"):
        assert getattr(found, name).tolist() == getattr(ours, name).tolist()


def test_a_document_can_be_one_line(tmp_path: Path) -> None:
    """``documents``: white space for line feeds in plain text, nothing in CCNet's; ``lines``: each line by itself."""
    text = pa.array(["the ferry\nleft", "noon\n"])
    for prepare, sentences, tokens in (
        ("plain", "documents", [3, 1]),
        ("ccnet", "documents", [2, 1]),
        ("plain", "lines", [2, 1, 1]),
    ):
        path = write_model(tmp_path / "m.arpa", TEXTS, prepare, "words", sentences)  # type: ignore[arg-type]
        assert load_language_model(path).score(text).tokens.tolist() == tokens


def test_perplexity_is_that_of_ccnet(tmp_path: Path) -> None:
    """10 ** (−sum of scores / (words + 1 for each line)), as kenlm computes it for one line; none without a token."""
    path = write_model(tmp_path / "m.arpa", TEXTS, "plain", "words")
    model = load_language_model(path)
    found = totals(model.score(pa.array(["ferry left\nat nine", "", "the ferry left"])), 3)
    theirs = kenlm.Model(path)
    lines = ["ferry left", "at nine"]
    assert found.lines.tolist() == [2, 0, 1] and found.tokens.tolist() == [4, 0, 3]
    values = found.perplexities().tolist()
    assert values[0] == pytest.approx(10 ** (-sum(theirs.score(line) for line in lines) / 6), rel=1e-5)
    assert values[1] != values[1]
    assert values[2] == pytest.approx(theirs.perplexity("the ferry left"), rel=1e-5)


def tokenizer_json(path: Path) -> str:
    text = pa.array(TEXTS, pa.large_string())
    config = BPE.config.model_validate({"vocab_size": 290})
    summary = BPE.summarize(pa.record_batch({"text": text, "content_hash": hash128_binary(text)}), config)
    path.write_bytes(BPE.finish(BPE.merge([summary], config), config))
    return str(path)


def test_bpe_pieces(tmp_path: Path) -> None:
    """Lines are cut by the tokenizer, rows and blank lines stay apart, and hostile text passes."""
    from tokenizers import Tokenizer

    path = tokenizer_json(tmp_path / "tokenizer.json")
    cut = load_tokenizer("bpe", path)
    assert cut is not None
    lines = ["The ferry left", "", "at noon."]
    assert cut(lines) == [" ".join(Tokenizer.from_file(path).encode(line).tokens) for line in lines]
    assert cut(["The ferry left"])[0].replace(" ", "").replace("Ġ", " ") == "The ferry left"
    model = load_language_model(
        write_model(tmp_path / "m.arpa", cut(TEXTS), "plain", "bpe", says=False), prepare="plain", tokens="bpe",
        tokenizer=path,
    )  # fmt: skip
    found = model.score(pa.array(["skipped", "The ferry\n\nThe ferry left", "", *ROWS])[1:])
    assert found.rows.tolist()[:2] == [0, 0]
    assert found.tokens.tolist()[:2] == [len(line.split()) for line in cut(["The ferry", "The ferry left"])]
    assert found.unknown.tolist()[:2] == [0, 0]


def test_sentencepiece_pieces(tmp_path: Path) -> None:
    """Lines are cut by the sentencepiece model, as CCNet's published models need it."""
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "text.txt").write_text("\n".join(TEXTS * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text.txt"),
        model_prefix=str(tmp_path / "sp"),
        vocab_size=34,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path = str(tmp_path / "sp.model")
    cut = load_tokenizer("sentencepiece", path)
    assert cut is not None
    [pieces] = cut(["The ferry left"])
    assert pieces.replace(" ", "").replace("▁", " ") == " The ferry left"
    model = load_language_model(
        write_model(tmp_path / "m.arpa", cut(TEXTS), "plain", "words", says=False), prepare="plain",
        tokens="sentencepiece", tokenizer=path,
    )  # fmt: skip
    found = model.score(pa.array([" The ferry left ", "\n\nThe ferry left\n", *ROWS]))
    assert found.tokens.tolist()[:2] == [len(pieces.split())] * 2
    assert found.scores[0] == found.scores[1]


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not say its preparation, one that says another, missing and wrong tokenizers and packages."""
    silent = write_model(tmp_path / "silent.arpa", TEXTS, "plain", "words", says=False)
    with pytest.raises(ModelError, match="silent.arpa does not say.*set prepare"):
        load_language_model(silent, tokens="words")
    says = write_model(tmp_path / "says.arpa", TEXTS, "plain", "words")
    assert isinstance(load_language_model(says, tokens="words"), LanguageModel)
    with pytest.raises(ModelError, match="was made with prepare: plain"):
        load_language_model(says, tokens="characters")
    with pytest.raises(ModelError, match="needs the tokenizer's file.*tokenizer.json"):
        load_tokenizer("bpe", None)
    with pytest.raises(ModelError, match="no such tokenizer"):
        load_tokenizer("bpe", str(tmp_path / "none.json"))
    with pytest.raises(ModelError, match="cannot be read as a tokenizer.json"):
        load_tokenizer("bpe", silent)
    with pytest.raises(ModelError, match="needs no tokenizer"):
        load_tokenizer("words", silent)
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ModelError, match="pip install"):
        load_tokenizer("sentencepiece", silent)


@pytest.mark.skipif(not LMPLZ, reason="GRISTMILL_LMPLZ names no lmplz")
@pytest.mark.parametrize("kind", [["probing"], ["trie"], ["-q", "8", "-b", "8", "trie"]])
def test_binaries_of_kenlm_are_read(kind: list[str], tmp_path: Path) -> None:
    """What build_binary, which lies beside lmplz, makes of a model scores as the model does, quantized nearly so."""
    path = write_model(tmp_path / "m.arpa", TEXTS, "plain", "words", says=False)
    binary = str(tmp_path / "m.arpa.bin")
    subprocess.run([Path(LMPLZ).with_name("build_binary"), *kind, path, binary], check=True, capture_output=True)
    text = pa.array(["the ferry left\nunseen words", "", "at noon."])
    ours, theirs = (load_language_model(file, prepare="plain", tokens="words").score(text) for file in (path, binary))
    assert theirs.rows.tolist() == ours.rows.tolist()
    assert theirs.unknown.tolist() == ours.unknown.tolist()
    assert theirs.scores.tolist() == pytest.approx(ours.scores.tolist(), abs=0.5 if "-q" in kind else 1e-4)


def test_a_damaged_binary_is_refused(tmp_path: Path) -> None:
    """A file that begins as a KenLM binary and goes on otherwise is an error that names it."""
    path = tmp_path / "m.bin"
    path.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(50))
    with pytest.raises(ModelError, match="m.bin is damaged, it ends after 102 bytes"):
        load_language_model(str(path), prepare="plain", tokens="words")
