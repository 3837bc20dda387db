"""Models of the pieces of a tokenizer, trained inside a recipe: from a file, or from another fit's tokenizer."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

import gristmill
from classifiers.language_model import Preparation, load_language_model, load_tokenizer, read_facts, totals
from pipeline.errors import GristmillError, RecipeError
from pipeline.language_models import open_model, score_file, train_model
from pipeline.plan import make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.reports.stored_run import StoredRun
from pipeline.runs import Run, data_checksums
from tests.classifiers.test_ngram_lm import table
from tests.pipeline.corpora import run, text, write_jsonl

LMPLZ = os.environ.get("GRISTMILL_LMPLZ", "")

RECIPE = """
name: pieces
store: {root}/store
sources:
  crawl: {{kind: jsonl, path: "{root}/in/crawl/*.jsonl"}}
  good: {{kind: jsonl, path: "{root}/in/good/*.jsonl"}}
fits:
  vocabulary: {{kind: bpe_tokenizer, from: {{source: good}}, vocab_size: 300}}
  lm: {{kind: ngram_lm, from: {learns}, order: 3, held_out: 0.2, {tokens}}}
stages:
  - perplexity: {{model: lm, keep: [head, middle]}}
execution: {{executor: local}}
"""
FITTED = "tokens: bpe, tokenizer: {fit: vocabulary}"


def write_corpus(root: Path) -> None:
    rng = random.Random(1)
    for name in ("good/a", "good/b", "crawl/c", "crawl/d"):
        write_jsonl(root / f"in/{name}.jsonl", [text(rng, rng.choice(["en", "zh"])) for _ in range(30)])


def train_sentencepiece(root: Path, vocab_size: int = 90) -> Path:
    """A small model of the corpus, as ``sp.model``."""
    sentencepiece = pytest.importorskip("sentencepiece")
    rng = random.Random(2)
    (root / "text.txt").write_text("\n".join(text(rng, language) for language in ("en", "zh") * 60))
    sentencepiece.SentencePieceTrainer.train(
        input=str(root / "text.txt"),
        model_prefix=str(root / "sp"),
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
    )
    return root / "sp.model"


def write_recipe(root: Path, tokens: str, learns: str = "{source: good}") -> str:
    path = root / "recipe.yaml"
    path.write_text(RECIPE.format(root=root, tokens=tokens, learns=learns))
    return str(path)


def executed(found: Run) -> dict[str, int]:
    """Phase → units that this start computed, for phases that computed any."""
    return {phase[3:]: count for phase, count in found.executed.items() if count}


def model_of(found: Run) -> bytes:
    return Path(StoredRun.open(found.folder).fits["lm"].path).read_bytes()


def tokens_of(kind: str, root: Path) -> str:
    """Settings of the fit."""
    return {
        "words": "tokens: words",
        "characters": "tokens: characters",
        "bpe": FITTED,
        "sentencepiece": f"tokens: sentencepiece, tokenizer: {root}/sp.model",
    }[kind]


def tokenizer_of(kind: str, root: Path, found: Run) -> str | None:
    """The file that cuts text into such tokens."""
    if kind == "sentencepiece":
        return str(root / "sp.model")
    return StoredRun.open(found.folder).fits["vocabulary"].path if kind == "bpe" else None


KINDS = ("words", "characters", "bpe", "sentencepiece")


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_tokens(kind: str, tmp_path: Path) -> None:
    """The stage needs no tokenizer of its own: documents have the perplexities of the model's tokens."""
    write_corpus(tmp_path)
    if kind == "sentencepiece":
        train_sentencepiece(tmp_path)
    found = run(write_recipe(tmp_path, tokens_of(kind, tmp_path)))
    model = load_language_model(
        StoredRun.open(found.folder).fits["lm"].path, tokenizer=tokenizer_of(kind, tmp_path, found)
    )
    opened = gristmill.open(found.folder)
    kept = opened.documents().table(["id", "text"])
    values = opened.signals().table(["id", "perplexity.perplexity"]).to_pydict()
    by_id = dict(zip(values["id"], values["perplexity.perplexity"], strict=True))
    expected = totals(model.score(kept.column("text").combine_chunks()), kept.num_rows).perplexities()
    assert kept.num_rows > 20
    assert [by_id[name] for name in kept.column("id").to_pylist()] == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.ray
@pytest.mark.slow
def test_ray_gives_the_same_bytes(tmp_path: Path) -> None:
    """Tokenizer, model and documents, for both executors and any number of workers."""
    found = []
    for name, options in (("one", {}), ("two", {"workers": 2}), ("three", {"executor": "ray", "workers": 2})):
        write_corpus(tmp_path / name)
        found.append(data_checksums(run(write_recipe(tmp_path / name, FITTED), **options)))
    assert found[0] == found[1] == found[2]


def test_both_fits_can_learn_from_the_run(tmp_path: Path) -> None:
    """The tokenizer is made before the model that needs it, of the same documents."""
    write_corpus(tmp_path)
    path = write_recipe(tmp_path, FITTED, learns="run")
    Path(path).write_text(Path(path).read_text().replace("from: {source: good}, vocab", "from: run, vocab"))
    phases = list(executed(run(path)))
    assert phases.index("finish: vocabulary") < phases.index("summarize: lm")


def test_a_second_run_reuses_what_is_there(tmp_path: Path) -> None:
    """Nothing is made again; another vocabulary makes the tokenizer, the model and its scores anew."""
    write_corpus(tmp_path)
    path = write_recipe(tmp_path, FITTED)
    assert executed(run(path))["finish: lm"] == 1
    assert executed(run(path)) == {}
    Path(path).write_text(Path(path).read_text().replace("vocab_size: 300", "vocab_size: 280"))
    assert executed(run(path)) == {
        "summarize: vocabulary": 2,
        "finish: vocabulary": 1,
        "summarize: lm": 2,
        "finish: lm": 1,
        "rows: perplexity": 4,
    }


def test_another_tokenizer_file_recomputes_what_depends_on_it(tmp_path: Path) -> None:
    """The file's content counts, not its path or time."""
    write_corpus(tmp_path)
    file = train_sentencepiece(tmp_path)
    path = write_recipe(tmp_path, tokens_of("sentencepiece", tmp_path))
    first = model_of(run(path))
    os.utime(file)
    assert executed(run(path)) == {}
    train_sentencepiece(tmp_path, vocab_size=120)
    second = run(path)
    assert executed(second) == {"summarize: lm": 2, "finish: lm": 1, "rows: perplexity": 4}
    facts = [read_facts(content.split(b"\n")[0]) for content in (first, model_of(second))]
    assert facts[0] and facts[1] and facts[0].tokenizer != facts[1].tokenizer


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("tokens: bpe", "tokens: bpe needs a tokenizer"),
        ("tokens: words, tokenizer: a.json", "tokens: words needs no tokenizer"),
        ("tokens: sentencepiece, tokenizer: {fit: vocabulary}", "no fit makes a tokenizer for tokens: sentencepiece"),
        ("tokens: bpe, tokenizer: {fit: vocabulaire}", "no fit is called 'vocabulaire' → did you mean 'vocabulary'?"),
        ("tokens: bpe, tokenizer: {fit: few}", "fit 'few' is a percentile, which makes a number and no tokenizer"),
        ("tokens: bpe, tokenizer: {fit: lm}", "fit lm needs itself: lm → lm"),
        ("tokens: bpe, tokenizer: none.json", "no model file: none.json"),
        ("tokens: bpe, tokenizer: recipe.yaml", "recipe.yaml cannot be read as a tokenizer.json"),
        ("tokens: sentencepiece, tokenizer: recipe.yaml", "recipe.yaml cannot be read as a sentencepiece model"),
    ],
)
def test_what_is_refused_before_the_run(
    tokens: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the line of the fit and what is wrong."""
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path)
    path = write_recipe(tmp_path, tokens)
    few = "  few: {kind: percentile, signal: perplexity.perplexity, quantile: 0.5}\nstages:"
    Path(path).write_text(Path(path).read_text().replace("stages:", few))
    with pytest.raises(RecipeError) as error:
        make_plan(load_recipe(path))
    said = " ".join(str(error.value).split())
    assert message in said
    assert "recipe.yaml:9" in said


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """A stage that names a tokenizer gets no scores of a model that was made with another."""
    write_corpus(tmp_path)
    path = write_recipe(tmp_path, FITTED)
    other = "  other: {kind: bpe_tokenizer, from: {source: crawl}, vocab_size: 290}\n  lm:"
    changed = Path(path).read_text().replace("model: lm", "model: lm, tokenizer: {fit: other}")
    Path(path).write_text(changed.replace("  lm:", other))
    with pytest.raises(GristmillError, match="was made with another tokenizer"):
        run(path)
    Path(path).write_text(Path(path).read_text().replace("tokenizer: {fit: other}", "tokenizer: {fit: vocabulary}"))
    assert executed(run(path)) == {"rows: perplexity": 4}


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_trains_the_same_model(kind: str, tmp_path: Path) -> None:
    """``lm train`` on the fit's documents makes its bytes, and ``lm score`` says of one what the stage measured."""
    write_corpus(tmp_path)
    if kind == "sentencepiece":
        train_sentencepiece(tmp_path)
    path = Path(write_recipe(tmp_path, tokens_of(kind, tmp_path)))
    path.write_text(path.read_text().replace("held_out: 0.2", "held_out: 0").replace(", keep: [head, middle]", ""))
    found = run(str(path))
    file = tokenizer_of(kind, tmp_path, found)
    opened = gristmill.open(found.folder)
    documents = opened.documents().table(["source", "id", "text"]).to_pylist()
    good = tmp_path / "good.txt"
    good.write_text("\n".join(row["text"] for row in documents if row["source"] == "good"))
    out = str(tmp_path / "again.arpa")
    train_model([str(good)], out, Preparation("ccnet", kind), order=3, tokenizer=file, max_bytes=10**9)  # type: ignore[arg-type]
    assert Path(out).read_bytes() == model_of(found)
    one = tmp_path / "one.txt"
    one.write_text(documents[0]["text"])
    values = opened.signals().table(["id", "perplexity.perplexity"]).to_pydict()
    measured = values["perplexity.perplexity"][values["id"].index(documents[0]["id"])]
    assert score_file(open_model(out, None, None, None, file), str(one)).perplexity == pytest.approx(measured, abs=1e-4)


@pytest.mark.skipif(not LMPLZ, reason="GRISTMILL_LMPLZ names no lmplz")
@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_models_are_those_of_lmplz(kind: str, tmp_path: Path) -> None:
    """KenLM's own estimator makes the same n-grams of the pieces, with the same probabilities.

    The last line keeps out what it does to the last n-grams: what it counts in place of their continuations is 1 too.
    """
    write_corpus(tmp_path)
    file = str(train_sentencepiece(tmp_path))
    if kind == "bpe":
        file = str(tokenizer_of(kind, tmp_path, run(write_recipe(tmp_path, FITTED))))
    rng = random.Random(3)
    lines = [line for language in ("en", "zh") * 40 for line in text(rng, language).splitlines()]
    lines.append("☃")
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    out = str(tmp_path / "ours.arpa")
    preparation = Preparation("plain", kind)  # type: ignore[arg-type]
    train_model([str(tmp_path / "lines.txt")], out, preparation, order=4, tokenizer=file, max_bytes=10**9)
    cut = load_tokenizer(kind, file)  # type: ignore[arg-type]
    assert cut is not None
    command = [LMPLZ, "-o", "4", "-S", "200M", "-T", str(tmp_path), "--discount_fallback"]
    pieces = "".join(f"{line}\n" for line in cut(lines))
    made = subprocess.run(command, input=pieces.encode(), capture_output=True, check=True).stdout
    ours, theirs = table(Path(out).read_bytes()), table(made)
    assert ours.keys() == theirs.keys()
    for gram in ours.keys() - {("<s>",)}:
        assert ours[gram] == pytest.approx(theirs[gram], abs=1e-4)
