"""``gristmill classifier train`` and ``evaluate``: from files of every kind, the same as the fit in a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import gristmill
from classifiers.fasttext_notes import notes_in
from pipeline.classifier_files import ExampleFiles
from pipeline.cli import app
from pipeline.errors import GristmillError
from pipeline.reports.report import read_report
from pipeline.reports.stored_run import StoredRun
from tests.pipeline.corpora import run, write_jsonl
from tests.stages.quality.test_classifier_fit import corpus

SMALL = [f"--set={key}={value}" for key, value in {"dimensions": 4, "buckets": 1000, "epochs": 10}.items()]


def files(folder: Path) -> dict[str, list[str]]:
    """Texts of both kinds, as JSON Lines, folders of texts, labelled records and fastText's format."""
    batch = corpus(120)
    texts, kinds = batch.column("text").to_pylist(), batch.column("source").to_pylist()
    found = {kind: [text for text, source in zip(texts, kinds, strict=True) if source == kind] for kind in set(kinds)}
    for kind, some in found.items():
        write_jsonl(folder / f"{kind}.jsonl", some)
        (folder / kind).mkdir()
        for number, text in enumerate(some):
            (folder / kind / f"{number:03}.txt").write_text(text)
    rows = [{"body": text, "grade": int(kind == "sea")} for text, kind in zip(texts, kinds, strict=True)]
    (folder / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pa.table({name: [row[name] for row in rows] for name in ("body", "grade")})
    pq.write_table(table, folder / "labelled.parquet")
    csv.write_csv(table, folder / "labelled.csv")
    feather.write_feather(
        table.filter(pc.equal(table["grade"], 1)).rename_columns({"body": "text"}), folder / "sea.arrow"
    )
    lines = [f"__label__{kind} {text}\n" for text, kind in zip(texts, kinds, strict=True)]
    (folder / "fasttext.txt").write_text("".join(lines))
    return found


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["classifier", *arguments])
    assert result.exit_code == code, result.output
    return result.output


KEPT = """
name: {name}
store: {root}/store
sources: {{all: {{kind: jsonl, path: "{root}/{file}", text: {text}, fields: {{grade: grade}}}}}}
execution: {{executor: local}}
"""


def test_files_of_every_kind_give_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON Lines, tables, folders of texts, labelled records, fastText's format and runs, byte for byte."""
    monkeypatch.chdir(tmp_path)
    files(tmp_path)
    for name, file, text in (("kept", "spam.jsonl", "text"), ("graded", "labelled.jsonl", "body")):
        (tmp_path / "recipe.yaml").write_text(KEPT.format(name=name, root=tmp_path, file=file, text=text))
        run("recipe.yaml")
    ways = {
        "tables": ["--positive", "sea.arrow", "--negative", "spam.jsonl"],
        "a run's name": ["--positive", "sea.jsonl", "--negative", "kept"],
        "a run with labels": ["--labelled", "runs/graded", "--label-key", "grade"],
        "labelled parquet": ["--labelled", "labelled.parquet", "--text-key", "body", "--label-key", "grade"],
        "labelled csv": ["--labelled", "labelled.csv", "--text-key", "body", "--label-key", "grade"],
        "lines": ["--positive", f"{tmp_path}/sea.jsonl", "--negative", f"{tmp_path}/spam.jsonl"],
        "folders": ["--positive", f"{tmp_path}/sea", "--negative", f"{tmp_path}/spam"],
        "labelled": ["--labelled", f"{tmp_path}/labelled.jsonl", "--text-key", "body", "--label-key", "grade"],
        "fasttext": ["--labelled", f"{tmp_path}/fasttext.txt", "--positive-label", "sea"],
    }
    for name, way in ways.items():
        said = invoke("train", "--out", f"{tmp_path}/{name}.bin", *way, *SMALL)
        assert "held_out: " in said and "AUC" in said
    models = {(tmp_path / f"{name}.bin").read_bytes() for name in ways}
    assert len(models) == 1


RECIPE = """
name: trained
store: {root}/store
sources:
  sea: {{kind: jsonl, path: "{root}/{sea}", split_bytes: {bytes}}}
  spam: {{kind: text, path: "{root}/spam/*.txt"}}
fits:
  curated: {{kind: classifier, positive: {{source: sea}}, negative: {{source: spam}}, dimensions: 4, buckets: 1000,
    epochs: 10}}
stages:
  - classifier: {{name: quality, model: curated, min_score: {{fit: curated}}}}
execution: {{executor: local, workers: {workers}}}
"""


@pytest.mark.parametrize(("workers", "size"), [(1, 10_000_000), (2, 500)])
def test_a_recipe_makes_the_same_model(tmp_path: Path, workers: int, size: int) -> None:
    """As the command does, byte for byte, however files are cut and whoever works; the report says how well it does."""
    files(tmp_path)
    sides = ["--positive", f"{tmp_path}/sea.jsonl", "--negative", f"{tmp_path}/spam"]
    invoke("train", "--out", f"{tmp_path}/command.bin", *sides, *SMALL)
    recipe = RECIPE.format(root=tmp_path, sea="sea.jsonl", bytes=size, workers=workers)
    (tmp_path / "recipe.yaml").write_text(recipe)
    stored = StoredRun.open(run(str(tmp_path / "recipe.yaml")).folder)
    fit = stored.fits["curated"]
    assert Path(fit.path).read_bytes() == (tmp_path / "command.bin").read_bytes()
    [said] = read_report(stored.run.folder).fits
    assert said.facts == fit.facts == notes_in((tmp_path / "command.bin").read_bytes())
    assert said.value == fit.facts["threshold"]
    scores = gristmill.open(stored.run.folder).signals().table().column("quality.score").to_pylist()
    kept = gristmill.open(stored.run.folder).documents().table().num_rows
    assert 0 < kept == sum(score >= said.value for score in scores) < len(scores)


def test_a_model_is_evaluated_on_other_files(tmp_path: Path) -> None:
    """While it is trained, and afterwards: the same figures."""
    known = files(tmp_path)
    test = corpus(60, seed=4)
    for kind in known:
        some = [
            t
            for t, s in zip(test.column("text").to_pylist(), test.column("source").to_pylist(), strict=True)
            if s == kind
        ]
        write_jsonl(tmp_path / f"test {kind}.jsonl", some)
    model, sides = f"{tmp_path}/q.bin", ["--positive", f"{tmp_path}/sea.jsonl", "--negative", f"{tmp_path}/spam.jsonl"]
    tests = ["--test-positive", f"{tmp_path}/test sea.jsonl", "--test-negative", f"{tmp_path}/test spam.jsonl"]
    notes = json.loads(
        invoke("train", "--out", model, *sides, *tests, *SMALL, "--set=passage_bytes=null", "--json").partition(
            "\nwrote"
        )[0]
    )
    found = json.loads(
        invoke("evaluate", model, "--positive", f"{tmp_path}/test sea.jsonl", "--negative",
               f"{tmp_path}/test spam.jsonl", "--json")
    )  # fmt: skip
    assert notes["evaluation"]["test:test"] == found | {"left_out": 0}
    assert found["auc"] > 0.95
    assert "AUC" in invoke("evaluate", model, *sides)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """A setting, a preparation, a label or too few documents: before anything is written."""
    files(tmp_path)
    sides = ["--positive", f"{tmp_path}/sea.jsonl", "--negative", f"{tmp_path}/spam.jsonl"]
    out = ["--out", f"{tmp_path}/q.bin"]
    assert "epoch" in invoke("train", *out, *sides, "--set", "epoch=3", code=2)
    assert "said by the files" in invoke("train", *out, *sides, "--set", "positive=3", code=2)
    few = invoke("train", *out, "--positive", f"{tmp_path}/sea.jsonl", "--negative", f"{tmp_path}/spam/000.txt", code=1)
    assert few == "" or "negative documents" in few
    assert not (tmp_path / "q.bin").exists()
    invoke("train", *out, *sides, *SMALL)
    assert "known are plain" in invoke("evaluate", f"{tmp_path}/q.bin", *sides, "--prepare", "odd", code=2)
    invoke("evaluate", f"{tmp_path}/q.bin", *sides, "--label", "other", code=1)
    invoke("evaluate", f"{tmp_path}/absent.bin", *sides, code=1)
    invoke("evaluate", f"{tmp_path}/q.bin", code=1)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is named."""
    with pytest.raises(GristmillError, match="absent"):
        list(ExampleFiles(positive=[f"{tmp_path}/absent.jsonl"]).documents())


def test_records_without_a_label_are_of_neither_kind(tmp_path: Path) -> None:
    """A null is not ordinary text."""
    rows = [{"text": "good", "label": "1"}, {"text": "unknown", "label": None}, {"text": "ordinary", "label": "0"}]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [
        (kind, text) for kind, texts in ExampleFiles(labelled=[str(path)]).documents() for text in texts.to_pylist()
    ]
    assert found == [("positive", "good"), ("negative", "ordinary")]
