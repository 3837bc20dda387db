"""The command line: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import gristmill
from pipeline.cli import app
from tests.pipeline.corpora import write_corpus, write_recipe
from tests.pipeline.reports.finished_runs import small_run

COMMANDS = (
    "run", "plan", "doctor", "status", "gc", "report", "why", "sample", "whatif", "dups", "schema", "train", "mix",
    "tokens", "lm",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    small_run(root, documents=30, extra="tokenize: {}\nmix: {tokens: 20_000, weights: {web: 0.5, books: 0.5}}\n")
    return root


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    return root


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def good(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_names_every_command() -> None:
    """Without arguments, too, there is help."""
    for arguments in (["--help"], []):
        text = call(*arguments).output
        assert all(re.search(rf"^  {command} ", text, re.M) for command in COMMANDS)


def test_it_starts_quickly() -> None:
    """Help loads neither pyarrow nor numba nor Ray."""
    loaded = "[name for name in ('pyarrow', 'numba', 'ray', 'numpy', 'pydantic') if name in sys.modules]"
    code = f"import sys, gristmill, pipeline.cli; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=gristmill.ROOT)
    assert done.stdout.strip() == "[]"


def test_run_prints_the_table_and_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress goes to the error stream, the table to standard output, the last line says what to do."""
    write_corpus(tmp_path, documents=20)
    monkeypatch.chdir(tmp_path)
    result = call("run", write_recipe(tmp_path), "--set", "length.max_words=120")
    assert result.exit_code == 0
    assert "rows: normalize, language: " in result.stderr
    assert "stage, reason" in result.stdout
    assert "books balance" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("next: open runs/small/report.html, gristmill sample runs/small ")
    assert "max_words: 120" in (tmp_path / "runs/small/recipe.yaml").read_text()


def test_report_of_one_run_and_of_two(here: Path) -> None:
    """One: its table. Two: what differs."""
    assert "word_count[default]" in good("report", "small")
    assert "tokens: " in good("report", str(here / "runs/small"))
    assert call("run", "recipe.yaml", "--set", "name=other", "--set", "length.max_words=30").exit_code == 0
    text = good("report", "small", "other")
    assert "+      max_words: 30" in text
    assert "different recipes" in text
    shutil.rmtree(here / "runs/other")


def test_why_sample_dups(here: Path) -> None:
    """Stories, samples and copies of documents."""
    assert "dropped by word_count[default]:too_short" in good("why", "small", "short")
    assert "quarantined: malformed_json" in good("why", "small", "c.jsonl")
    assert "dropped by length:too_long" in good("sample", "small", "--rule", "too_long", "-n", "1")
    assert good("sample", "small", "--rule", "kept", "-n", "2").count("news, ") <= 2
    only = good("sample", "small", "--source", "books", "--language", "zh")
    assert "books, zh" in only
    assert "news" not in only
    assert "a cluster of 2" in good("dups", "small", "copy-1")
    assert "dropped by word_count[default]:too_short" in good("sample", "small", "--rule", "word_count:too_short")
    refused = call("sample", "small", "--rule", "nonsense")
    assert refused.exit_code == 1
    assert "there are samples of: " in refused.stderr


def test_whatif(here: Path) -> None:
    """Before and after, and whether it is exact."""
    text = good("whatif", "small", "--set", "length.max_words=40")
    assert "length.max_words: 150.0 → 40.0" in text
    assert "exact: a run with these thresholds gives these books" in text
    loose = good("whatif", "small", "--set", "word_count[default].min_words=0")
    assert "kept: between " in loose
    assert "released by" not in loose
    assert "by word_count[default]:too_short: " in loose
    refused = call("whatif", "small", "--set", "normalize.form=NFKC")
    assert refused.exit_code == 1
    assert "changes what is measured" in refused.stderr


def test_plan_status_gc(here: Path) -> None:
    """What is there, how far it is, and what could go."""
    assert "everything is in the store" in good("plan", "recipe.yaml")
    assert "rows: length" in good("plan", "recipe.yaml", "--set", "length.max_words=1", "--sample", "0.5")
    assert "finished" in good("status")
    assert "✓ rows: length" in good("status", "small")
    assert "kept: small" in good("gc", ".", "--dry-run")


def test_mix_and_tokens(here: Path) -> None:
    """What was planned and what the shards hold."""
    mix = good("mix", "preview", "small")
    assert "books" in mix
    assert "tokens of 20,000 asked for" in mix
    tokens = good("tokens", "inspect", "small")
    assert "web, en" in tokens
    assert "tokenizer qwen2.5" in tokens


def test_schemas_are_json(here: Path) -> None:
    """Both schemas, as editors and checkers take them."""
    assert json.loads(good("schema"))["title"] == "Gristmill recipe"
    assert json.loads(good("schema", "--report"))["title"] == "Gristmill report"


def test_train_needs_a_mix_and_a_trainer(here: Path) -> None:
    """A run without `train` says what its recipe lacks."""
    result = call("train", "small")
    assert result.exit_code == 1
    assert "its recipe needs `tokenize`, `mix` and `train`" in result.stderr


def test_training_again_writes_the_report_anew(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``train RUN`` starts the trainer as the recipe says, and the report shows what came of it."""
    from pipeline import run_recipe

    shutil.copytree(root / "in", tmp_path / "in")
    write_recipe(tmp_path, extra="tokenize: {}\nmix: {tokens: 9000, weights: {web: 1}}\ntrain: {steps: 3}\n")
    asked: list[dict[str, Any]] = []

    def train(options: dict[str, Any]) -> None:
        asked.append(options)
        out = Path(options["out"])
        out.mkdir(exist_ok=True)
        result = {"model": "toy", "parameters": 5, "steps": options["steps"], "first_loss": 9.0, "last_loss": 8.0,
                  "seconds": 1.0}  # fmt: skip
        (out / "result.json").write_text(json.dumps(result))
        (out / "log.jsonl").write_text('{"step": 1, "loss": 9.0}\n{"step": 2, "loss": 8.0}\n')

    monkeypatch.setattr(run_recipe, "train", train)
    monkeypatch.chdir(tmp_path)
    assert "loss 9.00 → 8.00" in good("run", "recipe.yaml")
    shutil.rmtree(tmp_path / "runs/small/train")
    assert "loss 9.00 → 8.00" in good("train", "small")
    assert asked[0] == asked[1]
    assert asked[0]["steps"] == 3
    page = (tmp_path / "runs/small/report.html").read_text()
    assert "<polyline" in page
    assert "seconds" not in (tmp_path / "runs/small/report.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nothing.yaml"], "nothing.yaml"),
        (["report", "nothing"], "no run 'nothing'"),
        (["why", "small", "nothing"], "no document 'nothing'"),
        (["status", "nothing"], "no run 'nothing'"),
        (["run", "recipe.yaml", "--set", "length.max_wrds=3"], "max_words"),
    ],
)
def test_errors_have_no_traceback(here: Path, arguments: Sequence[str], said: str) -> None:
    """What a user can mend is a message with a remedy, exit code 1."""
    result = call(*arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.startswith("gristmill: ")


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["run"], ["run", "recipe.yaml", "--executor", "moon"], ["run", "recipe.yaml", "--sample", "2"],
     ["run", "recipe.yaml", "--workers", "0"], ["whatif", "small"], ["sample", "small", "-n", "0"]],
)  # fmt: skip
def test_wrong_usage_has_code_2(here: Path, arguments: Sequence[str]) -> None:
    """Options that make no sense are refused before anything is done."""
    assert call(*arguments).exit_code == 2


def test_interrupting_keeps_the_work(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C says that finished work is kept and how to go on; exit code 130."""
    from pipeline import run_recipe

    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_recipe, "run_recipe", interrupted)
    result = call("run", "recipe.yaml")
    assert result.exit_code == 130
    assert "finished work is kept: run the same command again to go on" in result.stderr


def test_it_says_what_shadows_our_packages(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder named like one of our packages is not used, and that is said."""
    monkeypatch.setattr(gristmill, "shadowed", lambda: ["/decoy/pipeline/__init__.py"])
    result = call("status")
    assert "note: /decoy/pipeline/__init__.py has the name of one of Gristmill's packages" in result.stderr


def test_the_command_works_beside_decoys(here: Path, tmp_path: Path) -> None:
    """A working directory with its own ``pipeline`` and ``stages`` changes nothing but a note."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("raise RuntimeError('decoy')")
    (tmp_path / "stages.py").write_text("raise RuntimeError('decoy')")
    code = f"import sys; sys.path.insert(1, {gristmill.ROOT!r}); import gristmill; gristmill.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "report", str(here / "runs/small")],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "books balance" in done.stdout


def test_version() -> None:
    """``--version`` prints it and does nothing else."""
    assert good("--version").strip() == gristmill.__version__
