"""The source ``run``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import gristmill
from pipeline.errors import RecipeError, SourceError
from pipeline.gc import collect_garbage
from pipeline.pilot.forecast import forecast
from pipeline.plan import make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.reports.report import read_report
from pipeline.runs import Run, data_checksums
from pipeline.sources.contract import SourceConfig
from pipeline.sources.earlier_run import SOURCE, EarlierRunConfig, _batch
from pipeline.sources.records import row_schema
from tests.pipeline.corpora import run
from tests.pipeline.sources.reading import read_all
from tests.stages.quality.test_classifier_fit import corpus

HOSTILE = ["plain", "中文 🙂", "שלום", "e\u0301\u0300", "\u0301 mark", "a\x00b", "x\r\n\x85\u2028y", "long " * 2000]

FIRST = """
name: first
store: {root}/store
sources:
  pages: {{kind: jsonl, path: "{root}/in/*.jsonl", split_bytes: {split}, domain: books, fields: {{shelf: shelf}},
    columns: {{snapshot: "2024-18"}}}}
stages:
  - normalize
  - word_count: {{name: length, min_words: 1, max_words: 50_000}}
  - minhash_dedup
execution: {{executor: local}}
"""
SECOND = """
name: {name}
store: {root}/store
sources:
  {source}: {use}
{more}
execution: {{executor: local}}
"""


def write(root: Path, texts: list[str] = HOSTILE) -> None:
    """Documents in two files; every third has all columns, and the last is there twice."""
    (root / "in").mkdir(parents=True, exist_ok=True)
    full = {"url": "https://a.example/ü", "date": "2024-05-01", "license": "CC0", "shelf": "a"}
    lines = [
        json.dumps({"id": f"no {i}", "text": text, **(full if i % 3 == 0 else {})})
        for i, text in enumerate([*texts, texts[-1]])
    ]
    for number in range(2):
        (root / "in" / f"{number}.jsonl").write_text("".join(f"{line}\n" for line in lines[number::2]))


def first(root: Path, split: int = 2**20) -> Run:
    (root / "first.yaml").write_text(FIRST.format(root=root, split=split))
    return run(str(root / "first.yaml"))


def recipe(root: Path, more: str = "", name: str = "second", source: str = "kept", **settings: Any) -> str:
    """A recipe that reads the first run; returns its path."""
    use = json.dumps({"kind": "run", "path": f"{root}/runs/first", **settings})
    path = root / f"{name}.yaml"
    path.write_text(SECOND.format(root=root, name=name, use=use, source=source, more=more))
    return str(path)


def documents(found: Run, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """All documents of a run, as they come."""
    rows = gristmill.open(found.folder).documents().table().to_pylist()
    return [{name: value for name, value in row.items() if name not in without} for row in rows]


def settled(root: Path, **settings: Any) -> SourceConfig:
    config = EarlierRunConfig(path=str(root / "runs" / "first"), **settings)
    made: SourceConfig = SOURCE.settle(config, str(root / "runs" / "second"))
    return made


def test_rows_are_the_documents_of_the_run(tmp_path: Path) -> None:
    """Hostile text, nulls, and columns of sources and stages, each with its type."""
    write(tmp_path)
    opened = gristmill.open(first(tmp_path, split=2000).folder)
    config = settled(tmp_path)
    assert SOURCE.fields(config) == {
        "language": pa.string(),
        "domain": pa.string(),
        "shelf": pa.string(),
        "snapshot": pa.string(),
        "cluster_size": pa.uint32(),
    }
    found = read_all(SOURCE, config)
    kept = opened.documents().table().to_pylist()
    assert len(kept) == len(HOSTILE)
    assert {row["cluster_size"] for row in kept} == {None, 2} and {row["domain"] for row in kept} == {"books"}
    assert found.rows == [{name: row[name] for name in found.rows[0]} for row in kept]
    assert found.quarantined == []
    assert len(SOURCE.split("kept", config)) > 2


def test_a_recipe_passes_them_on(tmp_path: Path) -> None:
    """A run without stages has the same documents, ids and files among them; all of them are booked as read."""
    write(tmp_path)
    new = ("_address", "source", "content_hash")
    kept = documents(first(tmp_path), new)
    second = run(recipe(tmp_path))
    assert documents(second, new) == kept
    report = read_report(second.folder)
    assert report.sources["kept"].read.documents == report.kept.total.documents == len(kept)
    third = run(recipe(tmp_path, name="third", path=f"{tmp_path}/runs/second"))
    assert documents(third, new) == kept
    assert {row["source"] for row in documents(third)} == {"kept"}


RAY = pytest.param({"executor": "ray", "workers": 2}, marks=[pytest.mark.ray, pytest.mark.slow])


@pytest.mark.parametrize("options", [{"workers": 2}, RAY])
def test_the_same_bytes_everywhere(tmp_path: Path, options: dict[str, Any]) -> None:
    """Whoever works; and the columns of the earlier run are columns for routes and rules."""
    found = []
    for folder, how in (("one", {}), ("other", options)):
        root = tmp_path / folder
        write(root)
        first(root, split=2000)
        more = "stages: [{word_count: {min_words: 2, when: {snapshot: ['2024-18']}}}, minhash_dedup]"
        found.append(data_checksums(run(recipe(root, more), **how)))
    assert found[0] == found[1]


def test_however_rows_are_cut(tmp_path: Path) -> None:
    """Record batches of one row give the rows and quarantine records of those of many."""
    write(tmp_path)
    [stored, *_] = gristmill.open(first(tmp_path).folder).documents().batches()
    schema = row_schema(SOURCE.fields(settled(tmp_path)))
    whole = _batch(stored, 0, schema, "s", "f", 8)
    parts = [_batch(stored.slice(row, 1), row, schema, "s", "f", 8) for row in range(stored.num_rows)]
    assert pa.Table.from_batches([whole.rows]) == pa.Table.from_batches([part.rows for part in parts])
    lost = [part.quarantined for part in parts if part.quarantined is not None]
    assert whole.quarantined is not None and whole.quarantined == pa.concat_batches(lost)


def test_long_documents_are_quarantined(tmp_path: Path) -> None:
    """With their place in the partition, and the first bytes."""
    write(tmp_path)
    first(tmp_path)
    found = read_all(SOURCE, settled(tmp_path, max_document_bytes=1000))
    assert len(found.rows) == len(HOSTILE) - 1
    [record] = found.quarantined
    assert (record["reason"], record["bytes"], record["raw"]) == ("too_large", 10_000, HOSTILE[-1].encode())
    assert record["file"].startswith("first/")


def test_a_run_that_kept_nothing(tmp_path: Path) -> None:
    """Is a source without documents, of which everything can be planned and run."""
    write(tmp_path, ["short", "texts"])
    (tmp_path / "first.yaml").write_text(
        FIRST.format(root=tmp_path, split=2**20).replace("min_words: 1", "min_words: 2")
    )
    run(str(tmp_path / "first.yaml"))
    path = recipe(tmp_path, "stages: [minhash_dedup]")
    assert [size.partitions for size in forecast(load_recipe(path)).sizes] == [2]
    assert documents(run(path)) == []


def test_a_pilot_reads_a_run(tmp_path: Path) -> None:
    """``plan`` measures how many documents there are."""
    write(tmp_path)
    first(tmp_path)
    estimate = forecast(load_recipe(recipe(tmp_path, "stages: [word_count]"))).estimate
    assert estimate is not None
    [found] = estimate.sources
    assert round(found.documents.value) == len(HOSTILE) and not found.assumed


def test_columns_can_be_left_out_or_set(tmp_path: Path) -> None:
    """``fields`` chooses, and ``columns`` go before what the run says."""
    write(tmp_path)
    first(tmp_path)
    path = recipe(tmp_path, fields={"cluster_size": "uint32"}, columns={"domain": "new", "shelf": "b"})
    rows = documents(run(path))
    assert "snapshot" not in rows[0]
    assert {(row["domain"], row["shelf"]) for row in rows} == {("new", "b")}
    assert {row["cluster_size"] for row in rows} == {None, 2}


def test_keys_follow_the_content(tmp_path: Path) -> None:
    """The same documents made again keep the work on them; other ones lose it and keep their addresses."""
    write(tmp_path)
    first(tmp_path)
    before = make_plan(load_recipe(recipe(tmp_path))).units
    shutil.rmtree(tmp_path / "store")
    first(tmp_path)
    assert [(u.key, u.number) for u in make_plan(load_recipe(recipe(tmp_path))).units] == [
        (unit.key, unit.number) for unit in before
    ]
    write(tmp_path, [*HOSTILE[:-1], "another " * 30])
    first(tmp_path)
    after = make_plan(load_recipe(recipe(tmp_path))).units
    assert [unit.number for unit in after] == [unit.number for unit in before]
    assert [unit.key != old.key for unit, old in zip(after, before, strict=True)] == [True, False]


def test_several_runs(tmp_path: Path) -> None:
    """Their columns are put together; a column of two types is refused; a run named twice is an error."""
    write(tmp_path)
    first(tmp_path)
    run(recipe(tmp_path, name="plain", fields={}))
    both = [f"{tmp_path}/runs/plain", f"{tmp_path}/runs/first"]
    rows = documents(run(recipe(tmp_path, name="both", path=both)))
    assert [row["cluster_size"] for row in rows[: len(HOSTILE)]] == [None] * len(HOSTILE)
    assert {row["cluster_size"] for row in rows[len(HOSTILE) :]} == {None, 2}
    run(recipe(tmp_path, name="typed", fields={}, columns={"cluster_size": "2"}))
    with pytest.raises(RecipeError, match=r"'cluster_size' is string here and uint32 in another.*runs/typed"):
        make_plan(load_recipe(recipe(tmp_path, path=[f"{tmp_path}/runs/first", f"{tmp_path}/runs/typed"])))
    with pytest.raises(Exception, match="twice"):
        make_plan(load_recipe(recipe(tmp_path, path=[f"{tmp_path}/runs/first"] * 2)))


def test_what_cannot_be_read_is_said_before_the_run(tmp_path: Path) -> None:
    """No run, one that is not finished, its own, one whose store is gone, and columns that are not there."""
    write(tmp_path)
    where = "second.yaml:5"
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "no run in this folder: .*runs/first\n  → `path` takes folders of runs"),
        ({"fields": {"score": "double"}}, "no column 'score' of type double.*\n  → .*cluster_size: uint32"),
        ({"fields": {"shelf": "int64"}}, "no column 'shelf' of type int64.*\n  → .*shelf: string"),
        ({"exclude": ["a"]}, "a run is read as a whole"),
        (
            {"path": f"{tmp_path}/runs/../runs/second/"},
            "the folder of the run that would read it.*\n  → .*another `name`",
        ),
    ]
    for settings, message in cases:
        with pytest.raises(RecipeError, match=message) as caught:
            make_plan(load_recipe(recipe(tmp_path, **settings)))
        assert where in str(caught.value)
        if not settings:
            found = first(tmp_path)
    done = json.loads((tmp_path / "runs" / "first" / "run.json").read_text())
    (tmp_path / "runs" / "first" / "run.json").write_text(json.dumps({**done, "status": "failed"}))
    with pytest.raises(RecipeError, match="run first is not finished.*\n  → run its recipe again"):
        run(recipe(tmp_path))
    first(tmp_path)
    block = found.blocks_of("rows")[-1]
    block.open().data.delete(block.open().read(block.units[-1]).files["docs"].name)
    config = settled(tmp_path)
    with pytest.raises(SourceError, match="not all documents of run first any more.*gone.*\n  → run its recipe again"):
        SOURCE.split("kept", config)
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(RecipeError, match="not all documents of run first any more"):
        make_plan(load_recipe(recipe(tmp_path)))


def test_a_run_outlives_the_one_it_read(tmp_path: Path) -> None:
    """Its report, documents and stored blocks need the earlier one no more; ``gc`` frees that when its folder goes."""
    write(tmp_path)
    first(tmp_path)
    second = run(recipe(tmp_path))
    kept = documents(second)
    assert not collect_garbage(str(tmp_path)).blocks
    shutil.rmtree(tmp_path / "runs" / "first")
    assert collect_garbage(str(tmp_path)).blocks
    assert documents(second) == kept
    assert gristmill.open(second.folder).signals().table().num_rows == len(kept)


CLASSIFIER = """
  spam: {{kind: jsonl, path: "{root}/spam.jsonl"}}
fits:
  quality: {{kind: classifier, positive: {{source: sea}}, negative: {{source: spam}}, dimensions: 4, buckets: 1000,
    epochs: 5}}
stages:
  - classifier: {{model: quality, min_score: 0.5}}"""


def test_a_classifier_learns_from_a_run(tmp_path: Path) -> None:
    """The model is that which the run's exported documents give, byte for byte."""
    batch = corpus(60)
    texts, kinds = batch.column("text").to_pylist(), batch.column("source").to_pylist()
    write(tmp_path, [text for text, kind in zip(texts, kinds, strict=True) if kind == "sea"])
    spam = [json.dumps({"text": text}) for text, kind in zip(texts, kinds, strict=True) if kind != "sea"]
    (tmp_path / "spam.jsonl").write_text("\n".join(spam))
    kept = documents(first(tmp_path))
    (tmp_path / "sea.jsonl").write_text("".join(json.dumps({"text": row["text"]}) + "\n" for row in kept))
    more = CLASSIFIER.format(root=tmp_path)
    path = Path(recipe(tmp_path, more, source="sea"))
    sums = [gristmill.open(run(str(path)).folder).stored.fits["quality"].sha256]
    files = json.dumps({"kind": "jsonl", "path": f"{tmp_path}/sea.jsonl"})
    path.write_text(SECOND.format(root=tmp_path, name="files", use=files, source="sea", more=more))
    sums.append(gristmill.open(run(str(path)).folder).stored.fits["quality"].sha256)
    assert sums[0] == sums[1]
