"""A row that kills the process is found, quarantined and counted; everything else is as if it had not been there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.blocks import crash
from pipeline.blocks.crash import run_around_crashes
from pipeline.blocks.patches import CorpusUse
from pipeline.blocks.reading import BlockUnit, Patches
from pipeline.blocks.rows import Fatal, RowsWork
from pipeline.blocks.sketch import CorpusSpec, SketchWork
from pipeline.blocks.steps import RouteStep, StageStep, Step, written_columns
from pipeline.books import Books
from pipeline.errors import GristmillError, StageBug
from pipeline.executors.local import LocalExecutor
from pipeline.quarantine import quarantine_records
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore, Commit
from stages.contract import ADDRESS, BASE_COLUMNS
from stages.dedup.exact_dedup import ExactDedup
from tests import fake_stages
from tests.batches import cut_at, documents
from tests.fake_stages import MARKER


@pytest.fixture(autouse=True)
def fakes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages come from metadata on the path, so child processes find them too."""
    fake_stages.install(tmp_path_factory.mktemp("installed"), monkeypatch)


def use(kind: str, name: str, branch: str | None = None, **settings: Any) -> StageStep:
    config = fake_stages.STAGES[kind].config(name=name, **settings)
    return StageStep(name if branch is None else f"{name}[{branch}]", name, kind, config)


def stored(folder: Path, batches: Sequence[pa.RecordBatch], number: int = 1) -> BlockUnit:
    """A partition of a row block's documents."""
    store = BlockStore(Folder(str(folder / "before")))
    attempt = Attempt(store, f"u{number}")
    with attempt.arrow("docs", batches[0].schema) as sink:
        for batch in batches:
            sink.write(batch)
    return BlockUnit(f"u{number}", number, "news", store, attempt.commit([], {}, {}).files["docs"])


def work(folder: Path, steps: Sequence[Step], **more: Any) -> RowsWork:
    schema = pa.schema(list({**BASE_COLUMNS, **written_columns(steps), **more.pop("columns", {})}.items()))
    return RowsWork("crashing", BlockStore(Folder(str(folder / "after"))), tuple(steps), schema, **more)


def texts_of(asked: RowsWork, commit: Commit) -> list[str]:
    table = pa.Table.from_batches(asked.store.batches(commit.files["docs"]), asked.schema)
    found: list[str] = table.column("text").to_pylist()
    return found


def quarantined(asked: RowsWork, commit: Commit) -> list[tuple[str, int]]:
    """(reason, offset) of the quarantined rows."""
    return [(record["reason"], record["offset"]) for record in quarantine_records(asked.store, [commit])]


def test_exactly_the_rows_that_kill_are_left_out(tmp_path: Path) -> None:
    """First, last and neighbouring rows are found in every batch; the others give the bytes that they give alone."""
    texts = [f"{MARKER} {i}" if i in (0, 3, 4) else f"document {i}" for i in range(6)]
    batch = documents(texts)
    steps = [use("fake_mark", "mark"), use("fake_crash", "fragile"), use("fake_add", "after")]
    asked = work(tmp_path / "all", steps)
    commit = run_around_crashes(asked, stored(tmp_path / "all", cut_at(batch, [2, 4])))
    assert quarantined(asked, commit) == [("crash:fragile", 100 * i) for i in (0, 3, 4)]
    without = batch.filter(pa.array([MARKER not in text for text in texts]))
    calm = work(tmp_path / "calm", steps)
    expected = calm.run(stored(tmp_path / "calm", [without]))
    for role in ("docs", "signals", "samples"):
        assert commit.files[role].checksum == expected.files[role].checksum
    books = Books(commit.books)
    assert books.unbalanced() == []
    lost = sum(len(text.encode()) for text in texts if MARKER in text)
    assert books.total("quarantined", "fragile") == (3, lost)
    assert books.total("in", "mark") == books.total("out", "fragile") == Books(expected.books).total("in", "mark")
    assert asked.store.committed() == {"u1"}


def test_the_record_says_what_it_was(tmp_path: Path) -> None:
    """A quarantine record has source, file, offset, size and the text's beginning; a segmentation fault is a crash."""
    text = MARKER + "x" * 100_000
    asked = work(tmp_path, [use("fake_crash", "fragile", how="segfault")])
    commit = run_around_crashes(asked, stored(tmp_path, [documents(["good", text])]))
    [record] = quarantine_records(asked.store, [commit])
    assert (record["source"], record["file"], record["offset"]) == ("news", "f1.jsonl", 100)
    assert (record["bytes"], record["raw"]) == (len(text.encode()), text.encode()[:65536])
    assert "process died" in record["detail"]
    assert texts_of(asked, commit) == ["good"]


def test_a_row_on_which_a_stage_hangs_is_left_out(tmp_path: Path) -> None:
    """Native code that does not end, and lets no exception in, is ended with its process; the row is a time-out."""
    steps = [use("fake_crash", "stuck", how="hang")]
    asked = work(tmp_path, steps, stall_seconds=2.0)
    commit = run_around_crashes(asked, stored(tmp_path, [documents(["a", MARKER, "b"])]))
    assert quarantined(asked, commit) == [("timeout:stuck", 100)]
    assert texts_of(asked, commit) == ["a", "b"]


def test_the_stage_in_a_branch_is_named(tmp_path: Path) -> None:
    """The reason names the use of the stage that was at work; rows that it does not see are not suspected."""
    route = RouteStep("language", {"zh": (use("fake_crash", "fragile", "zh"),)})
    batch = documents([MARKER, "a", MARKER, "b"], language=["en", "zh", "zh", "zh"])
    asked = work(tmp_path, [use("fake_size", "size"), route])
    commit = run_around_crashes(asked, stored(tmp_path, [batch]))
    assert quarantined(asked, commit) == [("crash:fragile[zh]", 200)]
    assert texts_of(asked, commit) == [MARKER, "a", "b"]


def test_a_row_that_is_dropped_before_kills_nothing(tmp_path: Path) -> None:
    """Only rows that reach the stage are tried."""
    steps = [use("fake_size", "size", max_bytes=20), use("fake_crash", "fragile")]
    texts = ["a", MARKER + " and more bytes than the rule allows", "b"]
    asked = work(tmp_path, steps)
    commit = run_around_crashes(asked, stored(tmp_path, [documents(texts)]))
    assert quarantined(asked, commit) == []
    assert Books(commit.books).total("dropped", "size")[0] == 1


def patched(folder: Path, batch: pa.RecordBatch, dropped: dict[int, int]) -> BlockUnit:
    """The partition with a corpus stage's patches: row → row that stands for it (itself where it survives)."""
    unit = stored(folder, [batch])
    addresses = batch.column(ADDRESS).to_pylist()
    rows = [
        {ADDRESS: addresses[row], "drop": row != survivor, "survivor": addresses[survivor], "cluster_size": 2}
        for row, survivor in sorted(dropped.items())
    ]
    schema = pa.schema(
        [(ADDRESS, pa.uint64()), ("drop", pa.bool_()), ("survivor", pa.uint64()), ("cluster_size", pa.uint32())]
    )
    patches = pa.RecordBatch.from_pylist(rows, schema=schema)
    attempt = Attempt(BlockStore(Folder(str(folder / "corpus"))), "patches")
    with attempt.arrow("patches", schema) as sink:
        sink.write(patches)
    file = attempt.commit([], {}, {}).files["patches"]
    return BlockUnit(unit.key, unit.number, unit.source, unit.store, unit.file, Patches(attempt.store, file))


DEDUP = CorpusUse("dedup", "duplicate", {"cluster_size": pa.uint32()})


def test_patches_stay_with_their_rows(tmp_path: Path) -> None:
    """Where a row is left out, no other row gets its patch: copies go, survivors and rows without a patch stay."""
    texts = ["one", MARKER, "two", "one", MARKER, "three"]
    unit = patched(tmp_path, documents(texts), {0: 0, 3: 0, 1: 1, 4: 1})
    asked = work(tmp_path, [use("fake_crash", "fragile")], corpus=DEDUP, columns=DEDUP.columns)
    commit = run_around_crashes(asked, unit)
    assert quarantined(asked, commit) == [("crash:fragile", 100)]
    docs = pa.Table.from_batches(asked.store.batches(commit.files["docs"]))
    assert docs.column("text").to_pylist() == ["one", "two", "three"]
    assert docs.column("cluster_size").to_pylist() == [2, None, None]
    books = Books(commit.books)
    assert books.total("dropped", "dedup", reason="duplicate")[0] == 2
    assert books.unbalanced() == []


@pytest.mark.parametrize("skip", [{1}, {5}, {0, 1, 4}, set(range(6))])
def test_left_out_rows_take_their_patches_along(tmp_path: Path, skip: set[int]) -> None:
    """Leaving rows out gives the documents that are left, with their own patches."""
    texts = [f"t{i}" for i in range(6)]
    unit = patched(tmp_path, documents(texts), {0: 0, 1: 0, 2: 2, 4: 2, 5: 5})
    asked = work(tmp_path, [], corpus=DEDUP, columns=DEDUP.columns)
    commit = asked.run_with(unit, dict.fromkeys(skip, Fatal("crash", "s")))
    expected = [(f"t{i}", size) for i, size in ((0, 2), (2, 2), (3, None), (5, 2)) if i not in skip]
    docs = pa.Table.from_batches(asked.store.batches(commit.files["docs"]), asked.schema)
    assert list(zip(docs.column("text").to_pylist(), docs.column("cluster_size").to_pylist(), strict=True)) == expected
    assert len(quarantined(asked, commit)) == len(skip)
    assert Books(commit.books).unbalanced() == []


def test_a_stage_that_always_dies_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a number of rows the stage is to blame and not the rows: the run stops and says where."""
    monkeypatch.setattr(crash, "MAX_ROWS", 1)
    asked = work(tmp_path, [use("fake_crash", "fragile", how="always")])
    with pytest.raises(GristmillError, match="the process dies each time") as caught:
        run_around_crashes(asked, stored(tmp_path, [documents(["a", "b", "c"])]))
    assert str(caught.value.where).startswith("crashing, news")
    assert asked.store.committed() == set()


def test_only_rows_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is not on rows cannot be searched; the error says which work it was."""
    probes = []

    def dies(*arguments: Any, **options: Any) -> None:
        probes.append(arguments)

    monkeypatch.setattr(subprocess, "run", dies)
    spec = CorpusSpec("dedup", "exact_dedup", ExactDedup(name="dedup"))
    sketch = SketchWork("dedup", BlockStore(Folder(str(tmp_path / "sketch"))), spec)
    with pytest.raises(GristmillError, match="the process dies each time") as caught:
        run_around_crashes(sketch, stored(tmp_path, [documents(["a"])]))
    assert str(caught.value.where).startswith("dedup, news")
    assert len(probes) == 1


def test_a_bug_is_not_a_crash(tmp_path: Path) -> None:
    """An error that the stage raises comes back as the error, and no row is left out for it."""
    asked = work(tmp_path, [use("fake_lost_bytes", "guilty")])
    with pytest.raises(StageBug, match="lost bytes"):
        run_around_crashes(asked, stored(tmp_path, [documents(["a"])]))


def test_work_without_crashes_is_committed_as_it_is(tmp_path: Path) -> None:
    """A unit whose worker died for another reason is simply done: the same bytes as in this process."""
    unit = stored(tmp_path, [documents(["a", "b"])])
    asked = work(tmp_path, [use("fake_size", "size", min_bytes=1)])
    found = run_around_crashes(asked, unit)
    again = asked.run(unit)
    assert {role: file.checksum for role, file in found.files.items()} == {
        role: file.checksum for role, file in again.files.items()
    }


# executors


@pytest.mark.slow
def test_a_pool_survives_its_workers(tmp_path: Path) -> None:
    """Units that kill their worker are searched, others are done; each is handed back once."""
    units = [
        stored(tmp_path, [documents(["a", MARKER if number == 2 else "b", "c"], number=number)], number)
        for number in range(1, 6)
    ]
    asked = work(tmp_path, [use("fake_crash", "fragile")])
    executor = LocalExecutor(2)
    try:
        found = {unit.key: commit for unit, commit in executor.run(asked, units)}
    finally:
        executor.close()
    assert sorted(found) == [unit.key for unit in units]
    assert asked.store.committed() == set(found)
    assert [quarantined(asked, found[unit.key]) for unit in units] == [[], [("crash:fragile", 100)], [], [], []]


def test_a_unit_that_killed_the_run_twice_is_searched(tmp_path: Path) -> None:
    """In this process a crash takes the run along; the note it leaves has the third start search the rows."""
    unit = stored(tmp_path, [documents(["a", MARKER])])
    asked = work(tmp_path, [use("fake_crash", "fragile")])
    asked.store.folder.write("at_work.json", json.dumps({unit.key: 2}).encode())
    [(_, commit)] = LocalExecutor(1).run(asked, [unit])
    assert quarantined(asked, commit) == [("crash:fragile", 100)]


@pytest.mark.parametrize("note", [b"", b'{"u1": 1', b'{"other": 2}', b'{"u1": 1}'])
def test_a_torn_note_stops_nobody(tmp_path: Path, note: bytes) -> None:
    """A process killed while it wrote the note, or one death, leaves a run that goes on."""
    unit = stored(tmp_path, [documents(["a"])])
    asked = work(tmp_path, [use("fake_size", "size")])
    asked.store.folder.write("at_work.json", note)
    assert len(list(LocalExecutor(1).run(asked, [unit]))) == 1
    assert not asked.store.folder.exists("at_work.json")


def test_an_error_is_no_death(tmp_path: Path) -> None:
    """A run that stops with an error leaves no note: the next start does not take it for a crash."""
    unit = stored(tmp_path, [documents(["a"])])
    asked = work(tmp_path, [use("fake_lost_bytes", "guilty")])
    asked.store.folder.make()
    for _ in range(3):
        with pytest.raises(StageBug):
            list(LocalExecutor(1).run(asked, [unit]))
        assert not asked.store.folder.exists("at_work.json")


def test_two_runs_may_work_on_one_block(tmp_path: Path) -> None:
    """Two runs that share a block write their notes over each other's and still end."""
    units = [stored(tmp_path, [documents(["a"], number=number)], number) for number in (1, 2)]
    asked = work(tmp_path, [use("fake_size", "size")])
    asked.store.folder.make()
    one, other = LocalExecutor(1).run(asked, units), LocalExecutor(1).run(asked, units)
    keys = [next(each)[0].key for each in (one, other, one, other)]
    assert keys == ["u1", "u1", "u2", "u2"]


def test_ordinals_of_a_filtered_batch(tmp_path: Path) -> None:
    """Rows are known by their ordinal in the partition, not by their place in what is left of it."""
    batch = documents(["a", "b", MARKER, "c", MARKER]).filter(pa.array(np.array([True, False, True, True, True])))
    asked = work(tmp_path, [use("fake_crash", "fragile")])
    commit = run_around_crashes(asked, stored(tmp_path, [batch]))
    assert quarantined(asked, commit) == [("crash:fragile", 200), ("crash:fragile", 400)]
    assert texts_of(asked, commit) == ["a", "c"]
