"""Whole runs with corpus stages that verify pairs or cut spans: books, resume, executors, fits, exports, signals."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import gristmill
from pipeline import run_recipe as running
from pipeline.blocks.work import Unit, Work
from pipeline.errors import RecipeError, StageBug
from pipeline.executors.local import LocalExecutor
from pipeline.reports import collect as collected
from pipeline.reports.build import build_report
from pipeline.reports.cluster_tables import member_rows
from pipeline.reports.clusters import members, verdicts
from pipeline.reports.find_document import Match, find_document, find_documents
from pipeline.reports.report import read_report
from pipeline.reports.stored_run import Phase, StoredRun
from pipeline.reports.table import print_report
from pipeline.reports.why import CorpusStory, tell
from pipeline.runs import Run, data_checksums, load_run, run_books
from pipeline.store import Commit
from tests import fake_corpus_stages, fake_stages
from tests.pipeline.blocks.near.test_near import drawn
from tests.pipeline.corpora import run, write_jsonl
from tests.pipeline.test_kill_and_resume import kill_and_resume

RECIPE = """
name: near
store: {root}/store
sources:
  news: {{kind: jsonl, path: "{root}/in/*.jsonl", split_bytes: 4000}}
fits:
  few: {{kind: percentile, from: run, signal: length.bytes, quantile: 0.1}}
stages:
  - fake_size: {{name: size}}
  - {stage}
  - fake_size: {{name: length, min_bytes: {{fit: few}}}}
exports:
  kept: {{format: jsonl, after: {after}, compression: none}}
execution: {{executor: local, dedup_memory_bytes: {memory}}}
"""
NEAR = "fake_near: {threshold: 0.7, smallest: size.bytes}"


@pytest.fixture(autouse=True, scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fake_stages.install(tmp_path_factory.mktemp("installed"), patch)
        yield


def write(root: Path, texts: list[str] | None = None, stage: str = NEAR, memory: int = 2**31) -> str:
    """Write texts and recipe; returns the recipe's path."""
    texts = texts or drawn(size=300)
    for number in range(3):
        write_jsonl(root / "in" / f"{number}.jsonl", texts[number::3])
    path = root / "recipe.yaml"
    path.write_text(RECIPE.format(root=root, stage=stage, after=stage.partition(":")[0], memory=memory))
    return str(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, fakes: None) -> Run:
    return run(write(tmp_path_factory.mktemp("undisturbed")))


def exported(root: Path) -> list[str]:
    """Texts that the export behind the corpus stage has, sorted."""
    files = sorted((root / "runs/near/exports/kept").rglob("*.jsonl"))
    return sorted(json.loads(line)["text"] for file in files for line in file.read_text().splitlines())


def decided(found: Run) -> dict[str, str]:
    """Checksums of everything from the patches on."""
    sums = data_checksums(found)
    return {name.partition("-")[2]: sums[name] for name in sums if name.split("-")[1].split("/")[0] in LAST}


LAST = {"resolve", "rows", "summarize", "finish", "export"}


def test_near_copies_are_in_the_books(undisturbed: Run) -> None:
    """Dropped by the stage's rule, counted, and the phases are those of the design."""
    books = run_books(undisturbed)
    assert books.unbalanced() == []
    assert books.total("dropped", "fake_near", reason="near_copy")[0] > 100
    kinds = list(dict.fromkeys(block.kind for block in undisturbed.blocks))
    assert kinds[:9] == ["rows", "sketch", "link", "gather", "verify", "components", "label", "claim", "resolve"]


def test_the_copy_with_the_best_signal_stays(undisturbed: Run) -> None:
    """A signal of an earlier row stage decides who survives: of each cluster no member is smaller than its survivor."""
    opened = gristmill.open(undisturbed.folder)
    sizes = {row["_address"]: row["size.bytes"] for row in opened.signals().table().to_pylist()}
    rows = opened.clusters().table().to_pylist()
    assert len(rows) > 100
    assert all(sizes[row["survivor"]] <= sizes[row["_address"]] for row in rows)
    assert any(row["survivor"] > row["_address"] for row in rows)
    documents = opened.documents().table()
    counted = [size for size in documents.column("cluster_size").to_pylist() if size is not None]
    assert sum(counted) > 150 and min(counted) == 2


@pytest.mark.parametrize("memory", [1, 2**31])
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_budget_do_not_matter(undisturbed: Run, tmp_path: Path, memory: int, workers: int) -> None:
    """Patches and all that follows are the same bytes, in memory or by rounds, with one worker or two."""
    found = run(write(tmp_path, memory=memory), workers=workers)
    assert decided(found) == decided(undisturbed)
    assert ("large_star" in {block.kind for block in found.blocks}) == (memory == 1)
    if memory > 1:
        assert data_checksums(found) == data_checksums(undisturbed)


@pytest.mark.ray
@pytest.mark.slow
def test_ray_writes_the_same_bytes(undisturbed: Run, tmp_path: Path) -> None:
    """Checksums of all data files are the same on Ray."""
    assert data_checksums(run(write(tmp_path), executor="ray", workers=2)) == data_checksums(undisturbed)


@pytest.mark.slow
def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    """SIGKILL of the driver and its workers at random moments changes neither bytes nor books, by rounds too."""
    recipe = write(tmp_path, drawn(size=900), memory=1)
    said = kill_and_resume(recipe, f"{tmp_path}/out", "--name", "near", "--kills", "3", "--executor", "local")
    assert "equal" in said


class Dying(LocalExecutor):
    """Stops like a killed run, in the named phase: after half of its units, the last without a commit."""

    def __init__(self, kind: str) -> None:
        super().__init__(1)
        self.kind = kind

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        chosen = list(units)
        if type(work).__name__.lower().startswith(self.kind):
            yield from super().run(work, chosen[: len(chosen) // 2])
            raise KeyboardInterrupt
        yield from super().run(work, chosen)


@pytest.mark.parametrize("kind", ["sketch", "link", "gather", "verify", "components", "label", "claim", "resolve"])
def test_resume_in_each_phase(undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A run that dies in a phase and is started again ends with the same bytes."""
    recipe = write(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(running, "make_executor", lambda *_: Dying(kind))
        with pytest.raises(KeyboardInterrupt):
            run(recipe)
    assert data_checksums(run(recipe)) == data_checksums(undisturbed)


def test_the_cluster_table_is_a_file(undisturbed: Run) -> None:
    """``clusters/<stage>.parquet`` has all members in order: survivor, similarity, size, whether it went, who it is."""
    table = pq.read_table(f"{undisturbed.folder}/clusters/fake_near.parquet")
    rows = table.to_pylist()
    assert rows == gristmill.open(undisturbed.folder).clusters().table().drop_columns("stage").to_pylist()
    assert [row["_address"] for row in rows] == sorted(row["_address"] for row in rows)
    assert all((row["similarity"] == 1 and not row["drop"]) == (row["survivor"] == row["_address"]) for row in rows)
    assert all(0.7 <= row["similarity"] <= 1 for row in rows)
    sizes = Counter(row["survivor"] for row in rows)
    assert all(row["cluster_size"] == sizes[row["survivor"]] for row in rows)
    signals = gristmill.open(undisturbed.folder).signals().table(["_address", "id", "source"]).to_pylist()
    known = {row["_address"]: (row["id"], row["source"]) for row in signals}
    assert len(rows) > 100 and all((row["id"], row["source"]) == known[row["_address"]] for row in rows)
    assert {row["survivor"] for row in rows} == {row["_address"] for row in rows if not row["drop"]}


def test_dups_shows_similarities(undisturbed: Run) -> None:
    """``gristmill dups`` lists the cluster of a document with how similar each member is to the survivor."""
    stored = StoredRun.open(undisturbed.folder)
    row = next(row for row in gristmill.open(undisturbed.folder).clusters().table().to_pylist() if row["drop"])
    [verdict] = verdicts(stored, row["_address"])
    assert (verdict.survivor, verdict.dropped) == (row["survivor"], True)
    assert story(stored, find_document(stored, str(row["_address"]))).verdict == verdict
    listed, size = members(stored, "fake_near", row["survivor"])
    assert size == row["cluster_size"]
    assert not listed[0].dropped and listed[0].document.address == row["survivor"]
    assert {member.document.address: member.similarity for member in listed}[row["_address"]] == row["similarity"]


def test_alarms(undisturbed: Run, tmp_path: Path) -> None:
    """A cluster of 1,100 of 1,150 documents and a source that loses nearly all are shown, with some of them."""
    assert [clusters.alarms for clusters in read_report(undisturbed.folder).clusters] == [[]]
    texts = ["1 2 3"] * 1100 + [f"{number}0 {number}1" for number in range(10, 60)]
    found = run(write(tmp_path, texts, stage="fake_near"))
    [clusters] = read_report(found.folder).clusters
    [giant, lost] = clusters.alarms
    assert giant.message == "one cluster has 1,100 of 1,150 documents"
    assert lost.message == "source news loses 1,099 of 1,150 documents"
    shown, page = io.StringIO(), (Path(found.folder) / "report.html").read_text()
    print_report(read_report(found.folder), Console(file=shown, width=200), "run", None)
    for alarm in (giant, lost):
        assert len(alarm.samples) == 3 and all("1 2 3" in sample and ".jsonl#" in sample for sample in alarm.samples)
        for line in (alarm.message, *alarm.samples):
            assert line in page and line in shown.getvalue()
    assert "(stays)" in giant.samples[0] and "(similarity 1.000)" in giant.samples[1]
    assert all(f" for {giant.samples[0].partition(' (')[0]} of news (" in sample for sample in lost.samples)


def test_a_cluster_without_a_survivor_is_a_bug(undisturbed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be; if a stage did it nevertheless, the report says so. Survivors of earlier runs are elsewhere."""

    def none_stays(phase: Phase) -> Iterator[pa.RecordBatch]:
        for batch in member_rows(phase):
            yield batch.filter(batch.column("drop"))

    stored = StoredRun.open(undisturbed.folder)
    assert collected.collect(stored).wiped == {"fake_near": 0}
    monkeypatch.setattr(collected, "member_rows", none_stays)
    found = collected.collect(stored)
    [clusters] = build_report(stored, found).clusters
    said = f"{clusters.clusters} clusters have no document left; this is a bug in Gristmill or a stage"
    assert clusters.clusters > 50 and [alarm.message for alarm in clusters.alarms] == [said]


def test_a_signal_that_nobody_measures_is_refused(tmp_path: Path) -> None:
    """Before the run, with the signals that there are."""
    recipe = write(tmp_path, stage="fake_near: {smallest: quality.score}")
    with pytest.raises(RecipeError, match=r"no stage before fake_near measures quality\.score") as caught:
        run(recipe)
    assert "size.bytes" in str(caught.value.remedy)


def story(run: StoredRun, match: Match) -> CorpusStory:
    """What ``gristmill why`` says of the corpus stage; replay and store agree."""
    found = tell(run, match)
    assert all(not block.differences for block in found.blocks) and not found.notes
    [said] = [block.corpus for block in found.blocks if block.corpus]
    return said


LETTERS = ["ab é", "abc", "ba", "  a", "日ab本", "x", "日日", "12"]


def test_repeated_spans_are_cut_and_booked(tmp_path: Path) -> None:
    """Of each letter the first occurrence stays; texts of which nothing is left go by the stage's own rule."""
    found = run(write(tmp_path, LETTERS, stage="fake_letters"))
    kept = exported(tmp_path)
    assert kept == sorted(["ab é", "日", "c", "本", "12", "x"])
    stored = StoredRun.open(found.folder)
    [match] = [
        match for match in find_documents(stored, "jsonl") if story(stored, match).cut == ((0, 3), (3, 4), (4, 5))
    ]
    assert match.address in gristmill.open(found.folder).documents().table().column("_address").to_pylist()
    assert gristmill.open(found.folder).clusters().table().num_rows == 0
    assert not (Path(found.folder) / "clusters").exists()
    assert verdicts(StoredRun.open(found.folder), 0) == []
    books = run_books(found)
    assert books.unbalanced() == []
    assert books.total("in", "fake_letters") == (8, sum(len(text.encode()) for text in LETTERS))
    assert books.total("dropped", "fake_letters", reason="nothing_left") == (2, 2)
    assert books.total("cut", "fake_letters", reason="repeated_letter") == (5, 2 + 2 + 1 + 5 + 3)
    assert books.total("in", "length") == (6, sum(len(text.encode()) for text in kept))
    signals = gristmill.open(found.folder).signals().table()
    assert sum(signals.column("fake_letters.bytes").to_pylist()) == books.total("out", "fake_letters")[1] + 2


def test_a_fit_learns_from_the_text_that_is_left(tmp_path: Path) -> None:
    """Cut spans are gone for fits too: of two copies of eight bytes one has six left, and the threshold knows."""
    found = run(write(tmp_path, ["ab 12345", "ab 12345", "cdefghijk"], stage="fake_letters"))
    assert exported(tmp_path) == [" 12345", "ab 12345", "cdefghijk"]
    value = StoredRun.open(found.folder).fits["few"].value
    assert value is not None and 6 <= value < 8


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [(0, 0, "empty"), (2, 9, "beyond"), (0, 1, "inside of a character")],
)
def test_wrong_spans_are_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, end: int, message: str
) -> None:
    """Empty spans, spans beyond the text, and spans that tear a character stop the run and say where."""
    good = fake_corpus_stages._spans

    def spans(relations: pa.RecordBatch, config: Any) -> pa.RecordBatch:
        made = good(relations, config)
        for name, value in (("start", start), ("end", end)):
            place = made.schema.get_field_index(name)
            made = made.set_column(place, name, pa.array([value] * made.num_rows, pa.int64()))
        return made

    object.__setattr__(fake_corpus_stages.LETTERS, "resolve", spans)
    try:
        with pytest.raises(StageBug, match=message):
            run(write(tmp_path, ["é", "é"], stage="fake_letters"))
    finally:
        object.__setattr__(fake_corpus_stages.LETTERS, "resolve", good)


EARLIER = ["1 2 3 4", "11 12 13 14", "21 22 23 24"]
LATER = ["1 2 3", "5 6 7 8", "5 6 7 8", "11 12 13 14 15", "31 32", "21 22 23 24"]


def later(root: Path, earlier: Run, memory: int = 2**31, settings: str = "smallest: size.bytes") -> str:
    """A recipe whose stage is compared with another run; its files are named as those of the other run are."""
    stage = f'fake_near: {{threshold: 0.7, {settings}, against: ["{earlier.folder}"]}}'
    return write(root, LATER, stage, memory)


@pytest.fixture
def earlier(tmp_path: Path) -> Run:
    (tmp_path / "earlier").mkdir()
    return run(write(tmp_path / "earlier", EARLIER))


@pytest.mark.parametrize("memory", [1, 2**31])
def test_an_earlier_run_wins(earlier: Run, tmp_path: Path, memory: int) -> None:
    """What is near a document of an earlier run goes, even if it is better; the rest is compared as ever.

    Partitions of both runs have the same numbers, because their files have the same names.
    """
    before = {path: path.read_bytes() for path in Path(earlier.folder).parents[1].rglob("*") if path.is_file()}
    found = run(later(tmp_path, earlier, memory))
    assert exported(tmp_path) == ["31 32", "5 6 7 8"]
    books = run_books(found)
    assert books.unbalanced() == []
    assert books.total("dropped", "fake_near", reason="near_copy")[0] == 4
    assert {path: path.read_bytes() for path in before} == before


def test_the_survivor_of_an_earlier_run_can_be_found(earlier: Run, tmp_path: Path) -> None:
    """A survivor's partition is not one of this run's; the commit says which one of the earlier run it is."""
    found = run(later(tmp_path, earlier))
    [resolve] = found.blocks_of("resolve")
    known: dict[str, Any] = {}
    for commit in resolve.open().read_many(resolve.units):
        known |= commit.facts["earlier"]
    rows = gristmill.open(found.folder).clusters().table().to_pylist()
    places = {f"{row['survivor'] >> 24:010x}" for row in rows} & known.keys()
    assert len(places) == 3
    there = {row["_address"] for row in gristmill.open(earlier.folder).documents().table().to_pylist()}
    for place in places:
        folder, number = known[place]
        assert folder == earlier.folder and any(address >> 24 == number for address in there)
    [row] = [row for row in rows if row["similarity"] == np.float32(0.8)]
    [survivor, *others], size = members(StoredRun.open(found.folder), "fake_near", row["survivor"])
    assert survivor.document.source == f"news of {earlier.folder}" and survivor.document.id.endswith("1-0")
    assert size == row["cluster_size"] == 2 and [member.document.address for member in others] == [row["_address"]]


@pytest.mark.parametrize("memory", [1, 2**31])
def test_what_an_earlier_run_dropped_is_no_reason(tmp_path: Path, memory: int) -> None:
    """A text that is like a dropped document only stays, because no corpus has it; with ``seen`` it goes."""
    (tmp_path / "earlier").mkdir()
    earlier = run(write(tmp_path / "earlier", ["1 2 3 4", "1 2 3 4 5"]))
    texts = ["1 2 3 4 5 6 7", "1 2 3 4 9", "1 2 3 4 5", "71 72"]
    for rows, left in (("kept", ["1 2 3 4 5 6 7", "71 72"]), ("seen", ["71 72"])):
        (tmp_path / rows).mkdir()
        settings = f'threshold: 0.7, smallest: size.bytes, against: ["{earlier.folder}"], against_rows: {rows}'
        found = run(write(tmp_path / rows, texts, f"fake_near: {{{settings}}}", memory))
        assert exported(tmp_path / rows) == left
        assert run_books(found).unbalanced() == []


def test_an_earlier_run_that_did_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it keeps is not known; what it saw is."""
    (tmp_path / "earlier").mkdir()
    recipe = write(tmp_path / "earlier", EARLIER + EARLIER)
    with monkeypatch.context() as patch:
        patch.setattr(running, "make_executor", lambda *_: Dying("resolve"))
        with pytest.raises(KeyboardInterrupt):
            run(recipe)
    earlier = load_run(str(tmp_path / "earlier/runs/near"))
    with pytest.raises(RecipeError, match="did not come to the end of fake_near"):
        run(later(tmp_path, earlier))
    run(later(tmp_path, earlier, settings="smallest: size.bytes, against_rows: seen"))
    assert exported(tmp_path) == ["31 32", "5 6 7 8"]


def test_workers_do_not_matter_to_an_earlier_run(earlier: Run, tmp_path: Path) -> None:
    """The same bytes with two workers."""
    found = []
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        found.append(data_checksums(run(later(tmp_path / str(workers), earlier), workers=workers)))
    assert found[0] == found[1]


def test_sketches_that_differ_are_refused(earlier: Run, tmp_path: Path) -> None:
    """Before the run: other settings, no run in the folder, no such stage in it."""
    with pytest.raises(RecipeError, match="cannot be compared") as caught:
        run(later(tmp_path, earlier, settings="salt: 5"))
    assert "salt: 0 there, 5 here" in str(caught.value.remedy)
    with pytest.raises(RecipeError, match="no run in"):
        run(write(tmp_path, LATER, 'fake_near: {against: ["nowhere"]}'))
    (tmp_path / "other").mkdir()
    other = run(write(tmp_path / "other", EARLIER, "fake_letters"))
    with pytest.raises(RecipeError, match="has no fake_near"):
        run(later(tmp_path, other))
