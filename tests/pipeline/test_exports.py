"""Exports of whole runs: the documents of any stage, the same bytes everywhere, nothing done twice."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

import gristmill
from pipeline.blocks.export import ExportWork, folder_name, split_rows
from pipeline.errors import GristmillError, RecipeError, StoreError
from pipeline.plan import make_plan
from pipeline.recipe.loader import load_recipe, load_recipe_text
from pipeline.recipe.resolved import resolved_recipe
from pipeline.runs import Run, data_checksums, load_run
from pipeline.sinks.folder import MANIFEST
from pipeline.sources import arrow, jsonl, parquet
from stages.kernels.hashing import hash128_binary
from tests.object_store import bucket
from tests.pipeline.corpora import run, write_corpus, write_jsonl, write_recipe
from tests.pipeline.sources.reading import read_all
from tests.stages.hostile import ROWS

EXPORTS = """
exports:
  all: {{format: parquet, path: "{root}/out/all", target_bytes: 40000}}
  deduped: {{format: jsonl, after: exact_dedup, target_bytes: 20000, compression: gzip}}
  early: {{format: arrow, after: normalize, target_bytes: 50000, partition_by: [source, language]}}
"""


def with_exports(root: Path, text: str = EXPORTS) -> str:
    return write_recipe(root, extra=text.format(root=root))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("undisturbed")
    write_corpus(root)
    return run(with_exports(root))


def export_of(found: Run, name: str) -> Path:
    folder = Path(found.folder)
    return folder.parents[1] / "out/all" if name == "all" else folder / "exports" / name


def files_of(found: Run) -> dict[str, bytes]:
    """Every file of every export, manifests too."""
    return {
        f"{name}/{path.relative_to(export_of(found, name))}": path.read_bytes()
        for name in ("all", "deduped", "early")
        for path in sorted(export_of(found, name).rglob("*"))
        if path.is_file()
    }


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return content


def parts(folder: Path) -> list[Path]:
    return [folder / file["name"] for file in manifest(folder)["files"]]


def test_the_finished_documents(undisturbed: Run) -> None:
    """An export without ``after`` holds what ``gristmill.open`` calls the documents, less the engine's own column."""
    documents = gristmill.open(undisturbed.folder).documents().table()
    found = pa.concat_tables(pq.read_table(path) for path in parts(export_of(undisturbed, "all")))
    assert found.replace_schema_metadata().equals(documents.drop_columns(["_address"]))
    assert len(parts(export_of(undisturbed, "all"))) > 1


def test_documents_behind_a_corpus_stage(undisturbed: Run) -> None:
    """What exact deduplication drops is not in an export after it, and its column is; later stages did nothing."""
    folder = export_of(undisturbed, "deduped")
    rows = [json.loads(line) for path in parts(folder) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert len({row["text"] for row in rows}) == len(rows) == manifest(folder)["rows"]
    assert max(row["cluster_size"] or 1 for row in rows) > 1
    books = gristmill.open(undisturbed.folder).books
    assert len(rows) == books.total("out", "exact_dedup")[0]
    assert sum(len(row["text"].encode()) for row in rows) == books.total("out", "exact_dedup")[1]


def test_documents_inside_a_block(undisturbed: Run) -> None:
    """A row stage that an export follows ends its block: the next stages are a block of their own."""
    names = [block.name for block in undisturbed.blocks_of("rows")]
    assert names[:2] == ["normalize", "language"]
    books = gristmill.open(undisturbed.folder).books
    assert manifest(export_of(undisturbed, "early"))["rows"] == books.total("out", "normalize")[0]


def test_folders_by_columns(undisturbed: Run) -> None:
    """``partition_by`` makes folders that Hive's readers know; the columns are in no file, and no row is lost."""
    folder = export_of(undisturbed, "early")
    assert {path.relative_to(folder).parts[:2] for path in parts(folder)} == {
        ("source=books", "language=und"),
        ("source=news", "language=und"),
    }
    found = pads.dataset(str(folder), format="arrow", partitioning="hive")
    assert found.to_table().num_rows == manifest(folder)["rows"]
    assert "source" not in manifest(folder)["schema"]


def test_manifests(undisturbed: Run) -> None:
    """Files, rows, bytes and schema are those that are there; the files know what made them."""
    for name in ("all", "deduped", "early"):
        folder = export_of(undisturbed, name)
        said = manifest(folder)
        there = {str(path.relative_to(folder)) for path in folder.rglob("part-*")}
        assert {file["name"] for file in said["files"]} == there
        assert all((folder / file["name"]).stat().st_size == file["bytes"] for file in said["files"])
        assert said["bytes"] == sum(file["bytes"] for file in said["files"])
        assert all(
            file["xxh3_128"].startswith(file["name"].split(".")[-3 if "gz" in file["name"] else -2][-12:])
            for file in said["files"]
        )
    folder = export_of(undisturbed, "all")
    metadata = pq.read_metadata(parts(folder)[0]).metadata
    assert metadata[b"gristmill.documents_hash"].decode() == manifest(folder)["documents_hash"]


def test_our_own_sources_read_them_back(undisturbed: Run) -> None:
    """The same texts in the same order, and of those that no stage changed the same content hash."""
    read = [
        ("all", read_all(parquet.SOURCE, parquet.ParquetConfig(path=str(export_of(undisturbed, "all"))))),
        ("deduped", read_all(jsonl.SOURCE, jsonl.JsonlConfig(path=f"{export_of(undisturbed, 'deduped')}/part-*"))),
        ("early", read_all(arrow.SOURCE, arrow.ArrowConfig(path=str(export_of(undisturbed, "early"))))),
    ]
    for name, found in read:
        assert not found.quarantined and len(found.rows) == manifest(export_of(undisturbed, name))["rows"]
    rows = {name: pa.array([row["text"] for row in found.rows], pa.large_string()) for name, found in read}
    stored = pa.concat_tables(pq.read_table(path) for path in parts(export_of(undisturbed, "all")))
    assert stored["text"].combine_chunks().equals(rows["all"])
    same = pc.equal(stored["content_hash"].combine_chunks(), hash128_binary(rows["all"]))
    assert pc.sum(same).as_py() > 0.3 * len(stored)
    assert set(rows["all"].to_pylist()) <= set(rows["deduped"].to_pylist()) <= set(rows["early"].to_pylist())


def test_content_hashes_survive_a_round_trip(tmp_path: Path) -> None:
    """Documents exported in each format and read again by a run have the addresses' content: the same hashes."""
    texts = [*ROWS, "the same", "the same"]
    write_jsonl(tmp_path / "in/a.jsonl", texts)
    formats = "".join(
        f"  {kind}: {{format: {kind}, path: {tmp_path}/{kind}}}\n" for kind in ("parquet", "arrow", "jsonl")
    )
    first = f"name: first\nstore: {tmp_path}/store\nsources: {{a: {{kind: jsonl, path: {tmp_path}/in}}}}\n"
    (tmp_path / "first.yaml").write_text(f"{first}execution: {{executor: local}}\nexports:\n{formats}")
    hashes = gristmill.open(run(str(tmp_path / "first.yaml")).folder).documents().table()["content_hash"].to_pylist()
    for kind in ("parquet", "arrow", "jsonl"):
        path = f"{tmp_path}/{kind}/part-*"
        again = f"name: {kind}\nstore: {tmp_path}/store\nsources: {{a: {{kind: {kind}, path: '{path}'}}}}\n"
        (tmp_path / f"{kind}.yaml").write_text(f"{again}execution: {{executor: local}}\n")
        found = gristmill.open(run(str(tmp_path / f"{kind}.yaml")).folder).documents().table()
        assert found["content_hash"].to_pylist() == hashes
        assert found["text"].to_pylist() == texts


@pytest.mark.parametrize("workers", [2, 4])
def test_local_workers_write_the_same_bytes(undisturbed: Run, tmp_path: Path, workers: int) -> None:
    """Names and bytes of all files, and the manifests, do not depend on the number of worker processes."""
    write_corpus(tmp_path)
    found = run(with_exports(tmp_path), workers=workers)
    assert files_of(found) == files_of(undisturbed)
    assert data_checksums(found) == data_checksums(undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_ray_writes_the_same_bytes(undisturbed: Run, tmp_path: Path, workers: int) -> None:
    """The same on Ray."""
    write_corpus(tmp_path)
    found = run(with_exports(tmp_path), executor="ray", workers=workers)
    assert files_of(found) == files_of(undisturbed)


def exported(found: Run) -> dict[str, int]:
    return {phase.partition(": ")[2]: count for phase, count in found.executed.items() if "export" in phase}


def test_a_second_start_writes_nothing(tmp_path: Path) -> None:
    """Files that are there are not written again; those that are gone or cut short are, and no others."""
    write_corpus(tmp_path)
    first = run(with_exports(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in export_of(first, "all").iterdir()}
    assert set(exported(run(with_exports(tmp_path))).values()) == {0}
    assert {path: path.stat().st_mtime_ns for path in export_of(first, "all").iterdir()} == before
    content = files_of(first)
    gone, cut, *_ = parts(export_of(first, "all"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    again = run(with_exports(tmp_path))
    assert exported(again) == {"all": 2, "deduped": 0, "early": 0}
    assert files_of(again) == content


def test_a_changed_recipe_replaces_its_own_files(tmp_path: Path) -> None:
    """The folder holds the new files only, and its manifest says so; going back brings the old bytes back."""
    write_corpus(tmp_path)
    text = 'exports: {{all: {{format: parquet, path: "{root}/out/all"}}}}'
    first = run(with_exports(tmp_path, text))
    [old] = parts(export_of(first, "all"))
    content = old.read_bytes()
    run(with_exports(tmp_path, text.replace("parquet,", "jsonl,")))
    [new] = parts(export_of(first, "all"))
    assert new.suffix == ".zst" and not old.exists()
    run(with_exports(tmp_path, text))
    assert parts(export_of(first, "all")) == [old] and old.read_bytes() == content and not new.exists()


def test_foreign_files_stop_the_run_before_it_begins(tmp_path: Path) -> None:
    """Nothing is read and nothing overwritten; ``plan`` says it too."""
    from pipeline.reports.store_walk import walk_store
    from pipeline.storage import Folder

    write_corpus(tmp_path)
    (tmp_path / "out/all").mkdir(parents=True)
    (tmp_path / "out/all/mine.parquet").write_bytes(b"x")
    recipe = with_exports(tmp_path)
    with pytest.raises(StoreError, match=r"did not write: mine\.parquet"):
        run(recipe)
    assert not list((tmp_path / "store").rglob("*.json"))
    with pytest.raises(StoreError, match=r"did not write: mine\.parquet"):
        walk_store(make_plan(load_recipe(recipe)), Folder(f"{tmp_path}/runs/small"))


def test_a_sample_goes_beside_the_whole(tmp_path: Path) -> None:
    """A sampled run replaces nothing of the whole one."""
    write_corpus(tmp_path)
    recipe = with_exports(tmp_path)
    whole = files_of(run(recipe))
    sampled = run(recipe, sample=0.5)
    assert 0 < manifest(tmp_path / "out/all-sample-0.5")["rows"] < manifest(tmp_path / "out/all")["rows"]
    assert manifest(tmp_path / "out/all-sample-0.5")["sample"] == 0.5
    assert sampled.name == "small-sample-0.5"
    assert files_of(load_run(f"{tmp_path}/runs/small")) == whole


def _slow_run(recipe: str) -> None:
    """A run whose export units take a while, so that it can be killed inside one."""
    work = ExportWork.run

    def slow(self: ExportWork, unit: Any) -> Any:
        time.sleep(0.3)
        return work(self, unit)

    ExportWork.run = slow  # type: ignore[method-assign]
    run(recipe)


@pytest.mark.slow
def test_a_killed_export_resumes(undisturbed: Run, tmp_path: Path) -> None:
    """SIGKILL in the middle of an export: the next start keeps what was written and ends with the same files."""
    write_corpus(tmp_path)
    recipe = with_exports(tmp_path)
    process = multiprocessing.get_context("spawn").Process(target=_slow_run, args=(recipe,))
    process.start()
    folder = tmp_path / "out/all"
    while len(list(folder.glob("part-*"))) < 2:
        assert process.is_alive()
        time.sleep(0.01)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (folder / MANIFEST).exists()
    again = run(recipe)
    assert files_of(again) == files_of(undisturbed)
    assert 0 < exported(again)["all"] < len(parts(folder))


def test_an_export_of_no_documents(tmp_path: Path) -> None:
    """Where every document is dropped the manifest says so, and there are no files."""
    write_corpus(tmp_path)
    text = "\nexports: {{none: {{format: jsonl, after: length}}}}"
    recipe = write_recipe(tmp_path, max_words=0, extra=text.format(root=tmp_path))
    found = run(recipe, overrides=["length.min_words=0", "length.max_words=0"])
    said = manifest(Path(found.folder) / "exports/none")
    assert (said["rows"], said["files"]) == (0, [])


def test_reports_know_exports(undisturbed: Run) -> None:
    """Report, status, plan and gc take the new kind of block as it is."""
    from typer.testing import CliRunner

    from pipeline.cli import app
    from pipeline.gc import collect_garbage

    root = Path(undisturbed.folder).parents[1]
    before = files_of(undisturbed)
    printed = ""
    for command in (["report", undisturbed.folder], ["status", undisturbed.folder], ["plan", f"{root}/recipe.yaml"]):
        done = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
        assert done.exit_code == 0, done.output
        printed += done.output
    assert "export: all" in printed
    assert f"export all: the finished documents as parquet, zstd to {root}/out/all" in printed
    assert "export early: documents after normalize as arrow to exports/early in the run's folder" in printed
    freed = collect_garbage(str(root))
    assert (freed.blocks, freed.units) == (0, 0)
    assert files_of(undisturbed) == before


def test_planning_writes_nothing(tmp_path: Path) -> None:
    """The pilot of ``plan`` runs exports too, but not into the folders of the recipe."""
    from typer.testing import CliRunner

    from pipeline.cli import app

    write_corpus(tmp_path)
    done = CliRunner().invoke(app, ["plan", with_exports(tmp_path)])
    assert done.exit_code == 0 and "export: all" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "recipe.yaml"]


def test_gc_leaves_exported_files(tmp_path: Path) -> None:
    """Units of an export that no run needs any more go from the store; the files in its folder stay."""
    from pipeline.gc import collect_garbage

    write_corpus(tmp_path)
    run(with_exports(tmp_path))
    (tmp_path / "in/books/d.jsonl").unlink()
    second = run(with_exports(tmp_path))
    before = files_of(second)
    freed = collect_garbage(str(tmp_path))
    stores = [block.open() for block in second.blocks_of("export")]
    assert [store.committed() for store in stores] == [set(block.units) for block in second.blocks_of("export")]
    assert 0 < freed.bytes < sum(path.stat().st_size for path in (tmp_path / "in").rglob("*.jsonl*")) * 10
    assert files_of(second) == before
    assert set(run(with_exports(tmp_path)).executed.values()) == {0}


@pytest.mark.s3
def test_an_export_to_an_object_store(undisturbed: Run, tmp_path: Path) -> None:
    """The same files with the same manifest, in folders by values too; what is gone is written again."""
    from pipeline.sinks.folder import ExportFolder
    from pipeline.storage import Folder

    write_corpus(tmp_path)
    with bucket() as uri:
        recipe = with_exports(
            tmp_path, EXPORTS.replace("after: normalize", f"path: {uri}/a%20b/early, after: normalize")
        )
        run(recipe)
        target = ExportFolder(Folder(f"{uri}/a%20b/early"), ("small", "early"))
        here = {name.partition("/")[2]: content for name, content in files_of(undisturbed).items() if "early/" in name}
        assert target.files() == {name: len(content) for name, content in here.items()}
        name = next(name for name in here if name.startswith("source="))
        assert target.folder.read(name) == here[name]
        target.folder.delete(name)
        assert exported(run(recipe))["early"] == 1
        assert target.folder.read(name) == here[name]


WRONG = {
    "after: nowhere": r"no stage is called 'nowhere'",
    "after: normalise": r"did you mean 'normalize'",
    "columns: [txt]": r"no column 'txt' at this point\n.*'text'",
    "partition_by: [offset]": r"'offset' is int64",
    "columns: [source], partition_by: [source]": r"no column is left",
    "format: arrow, compression: gzip": r"arrow cannot be compressed with gzip\n.*none, lz4, zstd",
    "format: csv": r"format",
    "columns: []": r"columns",
}


@pytest.mark.parametrize(("settings", "message"), WRONG.items(), ids=list(WRONG))
def test_mistakes_are_found_before_the_run(tmp_path: Path, settings: str, message: str) -> None:
    """A wrong entry is an error with its line and what is known."""
    write_corpus(tmp_path, documents=2)
    recipe = write_recipe(tmp_path, extra=f"\nexports:\n  x: {{{settings}}}\n")
    with pytest.raises(RecipeError, match=message) as caught:
        make_plan(load_recipe(recipe))
    assert "recipe.yaml:" in str(caught.value)


def test_one_folder_for_two_exports_is_refused(tmp_path: Path) -> None:
    """Each export has a folder of its own."""
    recipe = write_recipe(tmp_path, extra="\nexports:\n  x: {path: out}\n  y: {path: out/}\n")
    with pytest.raises(RecipeError, match=r"'x' writes to out already"):
        load_recipe(recipe)


def test_exports_are_settable_and_resolved(tmp_path: Path) -> None:
    """``--set`` reaches every key, and the resolved recipe reads back to an equal one."""
    recipe = load_recipe(with_exports(tmp_path), ["exports.all.format=jsonl", "exports.more={after: language}"])
    assert recipe.exports["all"].format == "jsonl" and recipe.exports["more"].after == "language"
    assert load_recipe_text(resolved_recipe(recipe)) == recipe


def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A store on a web server is an error of the plan."""
    write_corpus(tmp_path, documents=2)
    with pytest.raises(StoreError, match="has no way to write"):
        make_plan(load_recipe(write_recipe(tmp_path), ["store=http://127.0.0.1:9/store"]))


def test_rows_by_values() -> None:
    """Rows of each combination of values together, in their order; null is a value."""
    batch = pa.record_batch({"a": ["x", None, "x", "y", None], "b": ["1", "1", "1", "2", "1"], "n": [0, 1, 2, 3, 4]})
    found = [(value, rows.column("n").to_pylist()) for value, rows in split_rows(batch, ["a", "b"])]
    assert found == [(("x", "1"), [0, 2]), ((None, "1"), [1, 4]), (("y", "2"), [3])]
    assert [(value, rows.num_rows) for value, rows in split_rows(batch, [])] == [((), 5)]


def test_folder_names() -> None:
    """Values cannot leave their folder, and null has the name that Hive gives it."""
    assert folder_name(["a", "b"], ("../x=y/é", None)) == "a=..%2Fx%3Dy%2F%C3%A9/b=__HIVE_DEFAULT_PARTITION__/"
    with pytest.raises(GristmillError, match="too long"):
        folder_name(["a"], ("x" * 300,))


def test_too_many_folders(tmp_path: Path) -> None:
    """A column with many values is refused by name."""
    write_corpus(tmp_path)
    text = "\nexports: {{x: {{partition_by: [id]}}}}"
    with pytest.raises(GristmillError, match="more than 256 folders: one for each value of id"):
        run(write_recipe(tmp_path, extra=text.format()))
