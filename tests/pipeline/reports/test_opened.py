"""``gristmill.open`` gives what a run holds as Arrow, and the tables agree with each other and with the books."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import gristmill
from pipeline.errors import RunNotFound
from pipeline.reports.opened import OpenedRun
from stages.contract import BASE_COLUMNS
from tests.pipeline.corpora import write_corpus, write_recipe
from tests.pipeline.reports.finished_runs import SECRET, URL, small_run


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedRun:
    root = tmp_path_factory.mktemp("opened")
    return gristmill.open(small_run(root).folder)


def test_documents_are_what_is_kept(opened: OpenedRun) -> None:
    """Base columns and what stages added, one row for every kept document, read batch by batch."""
    documents = opened.documents()
    table = documents.table()
    assert table.num_rows == opened.report["kept"]["total"]["documents"]
    assert table.schema.names[: len(BASE_COLUMNS)] == list(BASE_COLUMNS)
    assert "cluster_size" in table.schema.names
    assert sum(batch.num_rows for batch in documents.batches(["id"])) == table.num_rows
    assert documents.table(["id"]).schema.names == ["id"]
    assert documents.reader().read_all().equals(table)


def test_signals_have_a_row_for_every_document_read(opened: OpenedRun) -> None:
    """All blocks side by side: values up to where a document went, null beyond."""
    signals = opened.signals().table()
    read = opened.books.total("out", "read")[0]
    assert signals.num_rows == read == len(set(signals["_address"].to_pylist()))
    kept = signals.filter(pc.is_null(signals["dropped_by"]))
    assert set(kept["id"].to_pylist()) == set(opened.documents().table()["id"].to_pylist())
    assert kept["length.words"].null_count == 0
    early = signals.filter(pc.equal(signals["dropped_by"], "exact_dedup:duplicate"))
    assert early.num_rows == early["length.words"].null_count > 0
    assert early["language.score"].null_count == 0
    assert pc.sum(signals["bytes_in"]).as_py() == opened.books.total("out", "read")[1]


def test_drops_add_up_to_the_books(opened: OpenedRun) -> None:
    """By rule, as many documents as the books say."""
    drops = opened.drops().table()
    for row in drops.group_by("dropped_by").aggregate([("id", "count")]).to_pylist():
        stage, _, rule = row["dropped_by"].rpartition(":")
        assert opened.books.total("dropped", stage, reason=rule)[0] == row["id_count"]
    assert drops.num_rows == opened.books.total("dropped")[0]
    short = drops.filter(pc.match_substring(drops["id"], "#short"))
    assert short["url"].to_pylist() == [URL]


def test_clusters_name_every_member_and_its_survivor(opened: OpenedRun) -> None:
    """Survivors stand for themselves; members that are dropped are those of the books."""
    clusters = opened.clusters().table()
    survivors = clusters.filter(pc.equal(clusters["_address"], clusters["survivor"]))
    assert set(clusters["survivor"].to_pylist()) == set(survivors["_address"].to_pylist())
    assert pc.sum(clusters["drop"]).as_py() == opened.books.total("dropped", "exact_dedup")[0]
    assert set(clusters["stage"].to_pylist()) == {"exact_dedup"}


def test_samples_are_few_and_masked(opened: OpenedRun) -> None:
    """At most eight of each rule, with no address and no number of a person."""
    samples = opened.samples()
    by_rule = samples.group_by("rule").aggregate([("id", "count")]).to_pydict()
    assert max(by_rule["id_count"]) <= 8
    assert {"kept", "exact_dedup:duplicate", "length:too_short"} <= set(by_rule["rule"])
    text = "\n".join(samples["text"].to_pylist())
    assert "jane.doe" in SECRET
    assert "jane.doe" not in text


def test_quarantine_holds_the_raw_record(opened: OpenedRun) -> None:
    """Where it is, why, and its first bytes."""
    [record] = opened.quarantine().to_pylist()
    assert record["reason"] == "malformed_json"
    assert record["raw"].startswith(b'{"id": "torn"')


def test_what_a_run_lacks_is_an_error_that_says_so(opened: OpenedRun) -> None:
    """A run without tokens says what to add."""
    with pytest.raises(RunNotFound, match="no tokens"):
        opened.tokens()
    with pytest.raises(RunNotFound, match="no run"):
        gristmill.open("nowhere")


def test_a_run_is_opened_where_it_was_moved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store and runs may be moved together; a store is found beside the runs."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    monkeypatch.chdir(here)
    small_run(here)
    here.rename(there)
    monkeypatch.chdir(tmp_path)
    moved = gristmill.open(there / "runs/small")
    assert moved.documents().table().num_rows == moved.report["kept"]["total"]["documents"]


def test_an_interrupted_run_has_signals_and_no_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is complete can be read; what is not finished is not handed out as if it were."""
    from pipeline.engine import Engine

    def stop(*_: object) -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr(Engine, "_run_fit", stop)
    with pytest.raises(RuntimeError, match="stopped"):
        small_run(tmp_path)
    run = gristmill.open(tmp_path / "runs/small")
    assert run.status == "failed"
    assert run.signals().table().num_rows == run.books.total("out", "read")[0]
    with pytest.raises(RunNotFound, match="not finished"):
        run.documents()


def test_tokens_are_rows_of_the_shards(tmp_path: Path) -> None:
    """One row for every kept document, in the order of the documents."""
    run = gristmill.open(small_run(tmp_path, extra="tokenize: {}\n").folder)
    tokens = run.tokens().table()
    assert tokens["_address"].to_pylist() == run.documents().table()["_address"].to_pylist()
    assert pa.compute.sum(pc.list_value_length(tokens["tokens"])).as_py() == run.report["tokens"]["tokens"]


def test_the_public_functions_return_opened_runs(tmp_path: Path) -> None:
    """``gristmill.run`` runs and opens."""
    write_corpus(tmp_path, documents=10)
    run = gristmill.run(write_recipe(tmp_path))
    assert run.status == "finished"
    assert run.recipe.startswith("# Resolved recipe")
    assert "'small'" in repr(run)
