"""``gc`` frees what no kept run needs, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

import gristmill
from pipeline.corpus_phases import CorpusPhases
from pipeline.errors import GristmillError, RunNotFound
from pipeline.gc import OLD_SECONDS, collect_garbage
from pipeline.reports.status import folder_bytes
from pipeline.runs import data_checksums, lock
from pipeline.storage import Folder
from tests.pipeline.corpora import run
from tests.pipeline.reports.finished_runs import small_run


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in (root / "store").rglob("*") if path.is_file()}


def free(root: Path) -> tuple[int, int, int, int]:
    """A dry run says what the real one does, and changes nothing itself."""
    before = files(root)
    said = collect_garbage(str(root), dry_run=True)
    assert files(root) == before
    size = folder_bytes(str(root / "store"))
    freed = collect_garbage(str(root))
    assert said == freed
    gone = size - folder_bytes(str(root / "store"))
    assert gone >= freed.bytes
    return freed.blocks, freed.units, freed.files, freed.bytes


def test_what_a_finished_run_needs_stays(tmp_path: Path) -> None:
    """Nothing is freed while the run is there, and the run still computes nothing."""
    small_run(tmp_path, documents=20)
    before = files(tmp_path)
    assert free(tmp_path) == (0, 0, 0, 0)
    assert files(tmp_path) == before
    assert not any(run(str(tmp_path / "recipe.yaml")).executed.values())


def test_blocks_of_a_deleted_run_go(tmp_path: Path) -> None:
    """What two runs share stays, what only the deleted one needed goes."""
    first = small_run(tmp_path, documents=20)
    kept = files(tmp_path)
    sums = data_checksums(first)
    run(str(tmp_path / "recipe.yaml"), overrides=["name=other", "length.max_words=20"])
    shutil.rmtree(tmp_path / "runs/other")
    blocks, units, _, n_bytes = free(tmp_path)
    assert (blocks, units) == (1, 0)
    assert n_bytes > 0
    assert files(tmp_path) == kept
    assert data_checksums(first) == sums


def test_units_of_input_that_has_gone_are_freed(tmp_path: Path) -> None:
    """A file that was replaced leaves units behind that the run of today does not need."""
    small_run(tmp_path, documents=20)
    path = tmp_path / "in/books/d.jsonl"
    path.write_text(path.read_text().replace("river", "stream"))
    again = run(str(tmp_path / "recipe.yaml"))
    blocks, units, _, _ = free(tmp_path)
    assert units > 2
    assert not any(run(str(tmp_path / "recipe.yaml")).executed.values())
    assert gristmill.open(again.folder).documents().table().num_rows > 0
    assert blocks == 1  # the fit learned from other documents, so the block behind it is another one


def test_left_overs_of_killed_attempts_go(tmp_path: Path) -> None:
    """Data files that no commit names, and half-written records."""
    found = small_run(tmp_path, documents=20)
    block = Path(found.blocks[1].store)
    (block / "data/unit.attempt.docs").write_bytes(b"half")
    (block / "commits/unit.json.1234.tmp").write_bytes(b"ha")
    assert free(tmp_path) == (0, 0, 2, 6)
    assert not (block / "data/unit.attempt.docs").exists()


def test_while_a_run_is_at_work_only_old_left_overs_go(tmp_path: Path) -> None:
    """A run that has just begun has no record yet, and holds its folder."""
    found = small_run(tmp_path, documents=20)
    block = Path(found.blocks[1].store)
    young, old = block / "data/unit.one.docs", block / "data/unit.two.docs"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - OLD_SECONDS - 60,) * 2)
    shutil.rmtree(tmp_path / "runs/small")
    with lock(Folder(str(tmp_path / "runs/new"))):
        freed = collect_garbage(str(tmp_path))
    assert (freed.running, freed.blocks, freed.files) == (["new"], 0, 1)
    assert young.exists()
    assert not old.exists()


def test_an_interrupted_run_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of its recipe stay, also those whose phases are not complete."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CorpusPhases, "_resolved", stop)
        with pytest.raises(KeyboardInterrupt):
            small_run(tmp_path, documents=20)
    before = files(tmp_path)
    assert free(tmp_path)[:2] == (0, 0)
    assert files(tmp_path) == before
    assert run(str(tmp_path / "recipe.yaml")).executed["01 rows: normalize, language"] == 0


def test_an_unfinished_run_that_cannot_be_planned_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather free nothing than what somebody may need."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CorpusPhases, "_resolved", stop)
    with pytest.raises(KeyboardInterrupt):
        small_run(tmp_path, documents=20)
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(GristmillError, match="unfinished run small needs cannot be told"):
        collect_garbage(str(tmp_path))


def test_tokens_of_a_run_outlive_their_block(tmp_path: Path) -> None:
    """Shards are linked into the run's folder: they stay if somebody deletes the store."""
    found = small_run(tmp_path, documents=20, extra="tokenize: {}\n")
    tokens = gristmill.open(found.folder).tokens().table()
    shutil.rmtree(tmp_path / "store")
    assert gristmill.open(found.folder).tokens().table().equals(tokens)


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    """Nothing is touched where there is neither store nor runs."""
    with pytest.raises(RunNotFound, match="no store in"):
        collect_garbage(str(tmp_path))
