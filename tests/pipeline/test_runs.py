"""A run's folder says what was run; only one process works in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import gristmill
from pipeline.errors import GristmillError, RunNotFound, StoreError
from pipeline.runs import (
    Run,
    RunBlock,
    data_checksums,
    find_run,
    load_run,
    lock,
    new_run,
    publish,
    run_books,
    with_blocks,
)
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore
from tests.object_store import bucket


def block_with_units(folder: Path, units: list[str]) -> RunBlock:
    store = BlockStore(Folder(str(folder)))
    batch = pa.RecordBatch.from_pydict({"a": [1, 2]})
    for unit in units:
        attempt = Attempt(store, unit)
        with attempt.arrow("docs", batch.schema) as sink:
            sink.write(batch)
        attempt.commit([["s", "news", "en", "in", "", 2, 16]], {}, {})
    return RunBlock("normalize, größe", "rows", "f" * 64, store.folder.uri, tuple(units))


@pytest.fixture
def saved(tmp_path: Path) -> Run:
    blocks = [block_with_units(tmp_path / "store" / "b", ["u1", "u2", "u3"])]
    run = new_run("small", str(tmp_path / "runs" / "small"), "größe.yaml", "ray", 4, 0.1)
    return with_blocks(run, blocks, {"00 rows": 2}).save()


def test_a_run_comes_back(saved: Run) -> None:
    """A saved run is loaded as it was, tuples and all."""
    assert load_run(saved.folder) == saved
    assert load_run(saved.folder).blocks_of("rows")[0].open().committed() == {"u1", "u2", "u3"}
    assert saved.blocks_of("link") == []


def test_a_moved_run_knows_where_it_is(saved: Run, tmp_path: Path) -> None:
    """The folder of a loaded run is the one that it was loaded from."""
    os.rename(saved.folder, tmp_path / "moved")
    assert load_run(str(tmp_path / "moved")).folder == str(tmp_path / "moved")


def test_no_run(tmp_path: Path) -> None:
    """A folder without a run is RunNotFound, with what to give."""
    with pytest.raises(RunNotFound, match="no run in") as caught:
        load_run(str(tmp_path))
    assert "./runs" in str(caught.value.remedy)


def test_another_format_is_refused(saved: Run) -> None:
    """A run of another format version is refused."""
    record = json.loads(Folder(saved.folder).read("run.json"))
    Folder(saved.folder).write("run.json", json.dumps({**record, "format": 99}).encode())
    with pytest.raises(GristmillError, match="run format 99"):
        load_run(saved.folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 1, "blocks": [{"a": 1}]}'])
def test_a_damaged_record_is_refused(saved: Run, content: bytes) -> None:
    """A record that is none is a StoreError with its path, not a traceback."""
    Folder(saved.folder).write("run.json", content)
    with pytest.raises(StoreError, match="damaged") as caught:
        load_run(saved.folder)
    assert str(caught.value.where).endswith("run.json")


def test_runs_are_found_by_folder_or_name(saved: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is found by its folder, or by its name below ./runs; an unknown name lists the known ones."""
    monkeypatch.chdir(tmp_path)
    assert load_run(find_run("small")).blocks == load_run(find_run(saved.folder)).blocks == saved.blocks
    with pytest.raises(RunNotFound, match="no run 'smal'") as caught:
        find_run("smal")
    assert "small" in str(caught.value.remedy)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(RunNotFound, match="no runs below"):
        find_run("small")


def test_a_run_elsewhere_is_looked_for_only_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URI is not taken for a name below ./runs."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunNotFound, match="no run 'file://"):
        find_run(f"file://{tmp_path}/absent")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """While a run's folder is held, nobody else gets it; afterwards it is free."""
    folder = Folder(str(tmp_path / "run"))
    with lock(folder):
        with pytest.raises(GristmillError, match="another process") as caught, lock(folder):
            pass
        assert str(caught.value.where) == str(tmp_path / "run")
    with lock(folder):
        pass


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """The system frees the lock of a process that dies without a word."""
    code = (
        "import os; from pipeline.runs import lock; from pipeline.storage import Folder; "
        f"held = lock(Folder({str(tmp_path)!r})); held.__enter__(); os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", code], cwd=gristmill.ROOT, check=False)
    assert died.returncode == -9
    with lock(Folder(str(tmp_path))):
        pass


def test_checksums_and_books_are_of_the_runs_units(saved: Run, tmp_path: Path) -> None:
    """Only units of this run count, although the store holds others."""
    block_with_units(tmp_path / "store" / "b", ["u9"])
    checksums = data_checksums(saved)
    assert sorted(checksums) == [f"00-rows/{unit:06d}/docs" for unit in range(3)]
    assert len(set(checksums.values())) == 1
    assert run_books(saved).total("in", "s") == (6, 48)


def source_file(tmp_path: Path, content: bytes, name: str = "u.a.shard") -> BlockStore:
    store = BlockStore(Folder(str(tmp_path / "store")))
    store.data.write(name, content)
    return store


def test_publish_links_and_links_again(tmp_path: Path) -> None:
    """A published file is the store's own bytes; publishing again leaves nothing behind, and a new file replaces it."""
    store, folder = source_file(tmp_path, b"one"), Folder(str(tmp_path / "run"))
    for _ in range(3):
        publish(store, "u.a.shard", folder, "shard.arrow")
        assert folder.names() == ["shard.arrow"]
    assert os.path.samefile(store.data.file("u.a.shard"), folder.file("shard.arrow"))
    source_file(tmp_path, b"two", "u.b.shard")
    folder.write("shard.arrow.tmp", b"left by a killed process")
    publish(store, "u.b.shard", folder, "shard.arrow")
    assert (folder.read("shard.arrow"), folder.names()) == (b"two", ["shard.arrow"])


def test_publish_copies_where_links_do_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across file systems the file is copied."""

    def no_link(*arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    store, folder = source_file(tmp_path, b"one"), Folder(str(tmp_path / "run"))
    publish(store, "u.a.shard", folder, "shard.arrow")
    assert (folder.read("shard.arrow"), folder.names()) == (b"one", ["shard.arrow"])


@pytest.mark.s3
def test_runs_on_an_object_store(tmp_path: Path) -> None:
    """A run can live on S3: saved, found by its URI, files published by copy, no lock."""
    with bucket() as uri:
        folder = Folder(uri).child("runs").child("small")
        with lock(folder):
            run = new_run("small", folder.uri, "a.yaml", "local", 1, None).save()
        assert load_run(find_run(folder.uri)) == run
        publish(source_file(tmp_path, b"one"), "u.a.shard", folder, "shard.arrow")
        assert folder.read("shard.arrow") == b"one"
        with pytest.raises(RunNotFound):
            find_run(f"{uri}/runs/absent")
