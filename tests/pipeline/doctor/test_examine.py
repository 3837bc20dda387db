"""``gristmill doctor`` as a whole: what is looked at for which recipe, exit codes, text and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.doctor import examine, resources, software, storage
from pipeline.doctor.check import Check, guarded
from pipeline.recipe.loader import load_recipe
from pipeline.reports.doctor_table import checks_json
from tests.pipeline.corpora import write_corpus, write_recipe


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files, and no torch: other tests look at those."""
    monkeypatch.setattr(storage, "LARGE_BYTES", 2**20)
    monkeypatch.setattr(resources, "gpu", lambda: iter(()))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def recipe(root: Path, extra: str = "") -> str:
    write_corpus(root, documents=5)
    return write_recipe(root, extra=extra)


def test_a_local_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All checks of this machine and the recipe's store, Ray left out; exit code 0; JSON with the same keys each."""
    monkeypatch.setattr(software, "kernels", lambda: iter([Check("kernels", "ok", "run")]))
    result = call(recipe(tmp_path), "--json")
    record = json.loads(result.output)
    assert (result.exit_code, record["format"], record["fit"]) == (0, 1, True), result.output
    names = [check["name"] for check in record["checks"]]
    assert names == [
        "python", "packages", *[name for name in names if name.startswith("extra ")], "shadowed names", "kernels",
        "processors", "memory", "open files", "clock", "names", "temporary folder: space", "temporary folder",
        "store: space", "store",
    ]  # fmt: skip
    assert {tuple(check) for check in record["checks"]} == {("name", "status", "found", "remedy", "facts")}
    assert not (tmp_path / "store").exists()


def test_a_failure_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy stands below, the other checks are made all the same, and the last line says what that means."""
    broken = Check("python", "failed", "3.9.2, >=3.11 is asked for", "install Python >=3.11")
    monkeypatch.setattr(software, "python", lambda: iter([broken]))
    result = call(recipe(tmp_path))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].split() == ["failed", "python", "3.9.2,", ">=3.11", "is", "asked", "for"]
    assert lines[1].strip() == "→ install Python >=3.11"
    assert lines[-1].endswith("1 failed: not fit for a run")


def test_a_check_that_breaks_is_a_failed_check() -> None:
    """Looking must not end the looking."""

    def look() -> Any:
        yield Check("first", "ok", "")
        raise ImportError("libarrow.so: cannot open shared object file")

    checks = list(guarded("packages", look))
    assert [check.status for check in checks] == ["ok", "failed"]
    assert checks[1].found == "ImportError: libarrow.so: cannot open shared object file"
    assert checks_json(checks)["fit"] is False


def test_what_a_recipe_says_is_looked_at(tmp_path: Path) -> None:
    """Store, executor, workers, address, and torch where it trains; options go before it."""
    extra = "tokenize: {}\nmix: {tokens: 9, weights: {web: 1}}\ntrain: {steps: 1}\n"
    loaded = load_recipe(recipe(tmp_path, extra), ["execution.workers=3"])
    found = examine.subject(loaded)
    assert (found.store, found.executor, found.workers) == (f"{tmp_path}/store", "local", 3)
    assert found.extras == ("train",)
    other = examine.subject(loaded, "s3://bucket/store", "auto")
    assert (other.store, other.runs, other.executor, other.address) == ("s3://bucket/store", None, "ray", "auto")
    assert examine.subject(None) == examine.Subject("./store", None, "ray", None, None, ())


def test_extras_that_a_recipe_needs(tmp_path: Path) -> None:
    """Told from kinds of sources, settings of stages, schemes of URIs, and whether it trains."""
    (tmp_path / "recipe.yaml").write_text(
        "name: t\nstore: hf://datasets/me/store\nsources:\n  books: {kind: pdf, path: /none}\n"
        "stages:\n  - extract: {extractor: trafilatura}\n"
    )
    assert examine.needed_extras(load_recipe(tmp_path / "recipe.yaml")) == ("html", "pdf", "remote")
    assert examine.needed_extras(load_recipe(recipe(tmp_path / "plain"))) == ()


def test_runs_that_lie_elsewhere_are_tried_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the store they lie on the same disk, and need no look of their own."""
    loaded = load_recipe(recipe(tmp_path), [f"runs={tmp_path}/other/runs"])
    names = [check.name for check in examine.examine(examine.subject(loaded))]
    assert names.count("runs") == 1


@pytest.mark.ray
def test_the_whole_command_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a recipe: this machine, a store, and a Ray that is started for it."""
    monkeypatch.chdir(tmp_path)
    result = call("--store", str(tmp_path / "store"), "--json")
    checks = {check["name"]: check for check in json.loads(result.output)["checks"]}
    assert checks["ray"]["status"] == checks["nodes agree"]["status"] == "ok", result.output
    assert checks["store, from every node"]["status"] == "ok"
    assert result.exit_code == 0
    assert not list(tmp_path.iterdir())
