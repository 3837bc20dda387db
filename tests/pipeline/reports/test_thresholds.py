"""Thresholds that a run's signals give: taken into a recipe they drop what they said they would."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import GristmillError
from pipeline.recipe.loader import load_recipe
from pipeline.recipe.model import StageUse
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.threshold_methods import Method
from pipeline.reports.threshold_scope import Request
from pipeline.reports.thresholds import DerivedStage, Thresholds, derive_thresholds
from pipeline.reports.thresholds_yaml import thresholds_yaml
from pipeline.reports.watched_thresholds import watched_thresholds
from pipeline.runs import load_run, run_books
from stages import catalogue
from stages.contract import RowStage
from tests.pipeline.corpora import RECIPE, run
from tests.pipeline.reports.finished_runs import small_run, stored

STAGES = RECIPE[RECIPE.index("stages:") : RECIPE.index("execution:")]
MEASURING = RECIPE.replace(
    STAGES,
    "stages:\n  - language: {{min_score: 0}}\n  - word_count: {{min_words: null, max_words: null}}\n"
    "  - word_count: {{name: again, max_words: null}}\n",
).replace("signal: length.words", "signal: word_count.words")
"""Measures words of all documents and drops nothing before ``again``."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("thresholds")
    small_run(root, recipe=MEASURING, documents=120)
    return root


@pytest.fixture(scope="module")
def measured(root: Path) -> StoredRun:
    return stored(root)


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A run with three blocks, a route by language and a fit."""
    root = tmp_path_factory.mktemp("routed")
    small_run(root, documents=120)
    return stored(root)


def derive(found: StoredRun, method: str = "quantile", share: float = 0.1, **request: Any) -> Thresholds:
    return derive_thresholds(found, Request(Method(method, share), **{"least": 1, **request}))


def rerun(root: Path, name: str, text: str, before: str = "  - language: {min_score: 0}\n") -> list[Any]:
    """The books of a run whose recipe includes the thresholds."""
    head = MEASURING.format(root=root, max_words=1).split("fits:")[0]
    (root / f"{name}.thresholds.yaml").write_text(text, encoding="utf-8")
    stages = f"stages:\n{before}  - include: {name}.thresholds.yaml\n"
    (root / f"{name}.yaml").write_text(head + stages + "execution: {executor: local}\n", encoding="utf-8")
    return list(run_books(load_run(run(str(root / f"{name}.yaml"), overrides=[f"name={name}"]).folder)))


def total(books: Sequence[Any], address: str, kind: str) -> int:
    return sum(entry.documents for entry in books if entry.stage == address and entry.kind == kind)


def by_key(stage: DerivedStage) -> dict[str, Any]:
    return {item.watched.key: item for item in stage.thresholds}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.25])
def test_what_is_said_is_what_a_run_drops(root: Path, measured: StoredRun, share: float) -> None:
    """Each language's stage judges as many documents and drops as many as the file says, rule by rule."""
    found = derive(measured, share=share, stages=("word_count",), every=True)
    books = rerun(root, f"again-{round(share * 100)}", thresholds_yaml(found))
    assert set(found.branches) >= {"en", "de", "zh"}
    for value, [stage] in found.branches.items():
        address = f"word_count[{value}]"
        assert total(books, address, "in") == stage.judged.documents
        assert total(books, address, "dropped") == stage.judged.drop
        drops = {entry.reason: 0 for entry in books if entry.stage == address and entry.kind == "dropped"}
        for entry in books:
            if entry.stage == address and entry.kind == "dropped":
                drops[entry.reason] += entry.documents
        for item in stage.thresholds:
            assert drops.get(item.watched.rule, 0) == round(item.drops * stage.judged.documents)
            assert item.drops <= share


def test_rules_that_are_off_are_derived_on_request_only(measured: StoredRun) -> None:
    """A rule that the recipe switched off stays off unless all are asked for."""
    [stage] = derive(measured, stages=("again",)).branches["en"]
    assert [item.watched.key for item in stage.thresholds] == ["min_words"]
    assert "max_words: null\n" in thresholds_yaml(derive(measured, stages=("again",)))
    with pytest.raises(GristmillError, match="no threshold that is switched on") as error:
        derive(measured, stages=("word_count",))
    assert "--all" in str(error.value)


def included(folder: Path, found: Thresholds) -> list[StageUse]:
    """Stages of a recipe that is nothing but the thresholds."""
    (folder / "t.yaml").write_text(thresholds_yaml(found), encoding="utf-8")
    text = "name: r\nsources: {a: {kind: jsonl, path: x}}\nstages: [include: t.yaml]\n"
    (folder / "r.yaml").write_text(text, encoding="utf-8")
    return list(load_recipe(folder / "r.yaml").uses())


def test_routes_keep_their_branches(tmp_path: Path) -> None:
    """Stages in a route and behind it are written for each language; all others take the run's default branch."""
    small_run(tmp_path, recipe=RECIPE.replace("min_words: {{fit: few}}", "min_words: 5"))
    found = derive(stored(tmp_path))
    uses = {use.address: use.config for use in included(tmp_path, found)}
    assert list(uses)[-2:] == ["word_count[default]", "length[default]"]
    assert {"word_count[zh]", "length[zh]", "word_count[en]", "length[en]"} <= set(uses)
    assert uses["length[default]"].model_dump()["max_words"] == 150
    assert [stage.step.address for stage in found.branches["zh"]] == ["word_count[zh]", "length"]


def test_fits_become_numbers(tmp_path: Path, routed: StoredRun) -> None:
    """A threshold that a fit made is replaced, and in the default branch it is the number of the run."""
    uses = {use.address: use.config.model_dump() for use in included(tmp_path, derive(routed, stages=("length",)))}
    assert uses["length[default]"]["min_words"] == routed.fits["few"].value
    assert isinstance(uses["length[en]"]["min_words"], float)


def test_documents_of_a_source_as_reference(measured: StoredRun) -> None:
    """Thresholds are of the reference's documents, shares of the run's."""
    one = by_key(derive(measured, stages=("again",), reference="books").branches["en"][0])["min_words"]
    two = by_key(derive(measured, stages=("again",), by="source", values=("books",)).branches["books"][0])["min_words"]
    all_ = by_key(derive(measured, stages=("again",)).branches["en"][0])["min_words"]
    assert one.value != two.value and one.drops != pytest.approx(0.1) and all_.drops <= 0.1


def test_another_run_as_reference(root: Path, measured: StoredRun, routed: StoredRun) -> None:
    """A run whose stage of the same name measured the same signal may be the reference."""
    other = derive(measured, stages=("word_count",), every=True, reference=routed.run.folder)
    own = derive(measured, stages=("word_count",), every=True)
    same = derive(measured, stages=("word_count",), every=True, reference=measured.run.folder)
    assert same.branches == own.branches
    assert other.branches != own.branches
    with pytest.raises(GristmillError, match="no stage with thresholds is called 'again'"):
        derive(measured, stages=("again",), reference=routed.run.folder)


def test_thresholds_of_one_language_for_the_others(measured: StoredRun) -> None:
    """The model keeps its own; the others lose the share that it loses."""
    found = derive(measured, "same_quantile", like="en", stages=("again",))
    english, german = (by_key(found.branches[value][0])["min_words"] for value in ("en", "de"))
    assert english.value == 50 and english.kept == "en is the model"
    assert german.kept is None and german.drops <= english.drops


def test_languages_of_few_documents_take_the_default(measured: StoredRun) -> None:
    """They are named in the file's head and get no branch."""
    found = derive(measured, stages=("again",), least=150)
    assert found.few and not set(found.few) & set(found.branches)
    assert all(count < 150 for count in found.few.values())
    text = thresholds_yaml(found)
    assert re.search(r"# Fewer than 150 documents.*\n", text)
    assert text.count("min_words: 50\n") == 1


def test_the_same_bytes_again_however_files_are_cut(root: Path, tmp_path: Path, measured: StoredRun) -> None:
    """Two runs of the same documents, cut into other partitions, give the same file but for the recipe's hash."""
    small_run(tmp_path, recipe=MEASURING.replace("split_bytes: 20000", "split_bytes: 3000"), documents=120)
    request: dict[str, Any] = {"stages": ("word_count",), "every": True}
    one, two = (thresholds_yaml(derive(found, **request)) for found in (measured, stored(tmp_path)))
    assert one == thresholds_yaml(derive(measured, **request))
    assert re.sub("hash [0-9a-f]+", "", one) == re.sub("hash [0-9a-f]+", "", two)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"stages": ("word_cout",)}, "did you mean 'word_count'"),
        ({"signals": ("word",)}, "did you mean 'words'"),
        ({"stages": ("again",), "values": ("fx",)}, "no document has the language 'fx'"),
        ({"stages": ("again",), "by": "colour"}, "no column 'colour'"),
        ({"stages": ("again",), "reference": "nws"}, "no source and no run is called 'nws'"),
        ({"stages": ("again",), "method": "quantil"}, "did you mean 'quantile'"),
        ({"stages": ("again",), "method": "mean_std"}, "--like en"),
        ({"stages": ("again",), "like": "en"}, "quantile carries nothing over"),
        ({"stages": ("again",), "method": "mean_std", "like": "fx"}, "no document has the language 'fx'"),
    ],
)
def test_names_that_the_run_does_not_have(measured: StoredRun, request_: dict[str, Any], said: str) -> None:
    """The error says which name, and names the nearest or the known ones."""
    with pytest.raises(GristmillError) as error:
        derive(measured, **request_)
    assert said in str(error.value)


def test_stages_that_do_not_stand_together(routed: StoredRun) -> None:
    """A route of another column, and stages of different blocks, cannot become one route."""
    with pytest.raises(GristmillError, match="word_count stands in a route by language"):
        derive(routed, by="source", stages=("word_count",))
    with pytest.raises(GristmillError, match="different blocks") as error:
        derive(routed)
    assert "word_count | length" in str(error.value)


@pytest.mark.parametrize("settings", [{"preset": "paper"}, {"preset": "paper", "line_ends": "any_script"}])
def test_settings_that_a_preset_would_change_are_written(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Whatever preset a stage has, reading its thresholds gives its settings again."""
    written = f"  - fineweb: {{{{{', '.join(f'{key}: {value}' for key, value in settings.items())}}}}}\n"
    small_run(
        tmp_path, recipe=MEASURING.replace("  - word_count: {{name: again", f"{written}  - word_count: {{{{name: again")
    )
    [use] = (
        use for use in included(tmp_path, derive(stored(tmp_path), stages=("fineweb",))) if use.branch == "default"
    )
    assert use.config == catalogue.stage("fineweb").config(name="fineweb", **settings)


def test_every_threshold_of_every_stage_is_found() -> None:
    """Each number that a stage's rules judge by is traced to its setting."""
    for kind in catalogue.STAGES:
        stage = catalogue.stage(kind)
        try:
            config = stage.config()
        except ValidationError:  # needs settings
            continue
        if not isinstance(stage, RowStage):
            continue
        numbers = sum((rule.min is not None) + (rule.max is not None) for rule in stage.rules(config))
        assert sum(item.on for item in watched_thresholds(stage, config)) == numbers, kind


def test_the_command(root: Path, measured: StoredRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prints the file or writes it; errors are one message."""
    monkeypatch.chdir(root)
    options = ["thresholds", "small", "--stage", "again", "--least", "1", "--share", "0.1"]
    printed = CliRunner().invoke(app, options)
    assert printed.exit_code == 0 and printed.stdout == thresholds_yaml(derive(measured, stages=("again",)))
    assert CliRunner().invoke(app, [*options, "--out", "t.yaml"]).exit_code == 0
    assert (root / "t.yaml").read_text(encoding="utf-8") == printed.stdout
    assert CliRunner().invoke(app, [*options, "--language", "fx"]).exit_code == 1
    assert CliRunner().invoke(app, ["thresholds", "small", "--share", "1.5"]).exit_code == 2
