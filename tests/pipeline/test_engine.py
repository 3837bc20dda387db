"""Whole runs: the same bytes everywhere, only what changed is computed again, and every document is in the books."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pipeline import run_recipe as running
from pipeline.blocks.work import Unit, Work
from pipeline.executors.local import LocalExecutor
from pipeline.runs import Run, data_checksums, run_books
from pipeline.store import Commit
from tests.pipeline.corpora import RECIPE, run, text, write_corpus, write_jsonl, write_recipe


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("undisturbed")
    write_corpus(root)
    return run(write_recipe(root))


def executed(found: Run) -> dict[str, int]:
    """Phase → units that this start computed, for phases that computed any."""
    return {phase[3:]: count for phase, count in found.executed.items() if count}


class ShuffledExecutor(LocalExecutor):
    """Takes units in a random order."""

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        chosen = list(units)
        random.Random(5).shuffle(chosen)
        yield from super().run(work, chosen)


def test_a_run_has_every_kind_of_phase(undisturbed: Run) -> None:
    """The recipe of these tests goes through ingest, row, corpus and fit phases."""
    kinds = {block.kind for block in undisturbed.blocks}
    assert kinds == {"ingest", "rows", "sketch", "link", "resolve", "summarize", "finish"}
    assert undisturbed.status == "finished"


def test_books_balance(undisturbed: Run) -> None:
    """in = out + dropped + cut − added + quarantined, for every stage, source and language."""
    books = run_books(undisturbed)
    assert books.unbalanced() == []
    assert books.total("quarantined") == (1, 31)
    assert books.total("in", "read")[0] == 601
    assert books.total("dropped", "exact_dedup")[0] > 50


def test_what_leaves_a_stage_enters_the_next(undisturbed: Run) -> None:
    """No document is lost between stages: documents out of one are the documents into the next."""
    books = run_books(undisturbed)
    stages = ["read", "normalize", "language", "exact_dedup"]
    for before, after in zip(stages, stages[1:], strict=False):
        assert books.total("out", before) == books.total("in", after)
    routed = [books.total("in", f"word_count[{branch}]") for branch in ("zh", "default")]
    assert tuple(map(sum, zip(*routed, strict=True))) == books.total("out", "exact_dedup")


@pytest.mark.parametrize("workers", [2, 4])
def test_local_workers_write_the_same_bytes(undisturbed: Run, tmp_path: Path, workers: int) -> None:
    """Checksums of all data files do not depend on the number of worker processes."""
    write_corpus(tmp_path)
    assert data_checksums(run(write_recipe(tmp_path), workers=workers)) == data_checksums(undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_ray_writes_the_same_bytes(undisturbed: Run, tmp_path: Path, workers: int) -> None:
    """Checksums of all data files are the same on Ray, with any number of workers."""
    write_corpus(tmp_path)
    found = run(write_recipe(tmp_path), executor="ray", workers=workers)
    assert data_checksums(found) == data_checksums(undisturbed)
    assert run_books(found).rows() == run_books(undisturbed).rows()


def test_order_of_partitions_does_not_matter(undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units may be computed in any order."""
    monkeypatch.setattr(running, "make_executor", lambda *_: ShuffledExecutor(1))
    write_corpus(tmp_path)
    assert data_checksums(run(write_recipe(tmp_path))) == data_checksums(undisturbed)


def test_a_second_start_computes_nothing(tmp_path: Path) -> None:
    """Everything is reused where nothing changed."""
    write_corpus(tmp_path)
    first = run(write_recipe(tmp_path))
    second = run(write_recipe(tmp_path))
    assert executed(second) == {}
    assert data_checksums(second) == data_checksums(first)


def test_a_threshold_of_the_last_block_recomputes_that_block(tmp_path: Path) -> None:
    """Only the last row block runs again when its threshold changes."""
    write_corpus(tmp_path)
    first = run(write_recipe(tmp_path))
    second = run(write_recipe(tmp_path, max_words=60))
    partitions = len(first.blocks_of("rows")[0].units)
    assert executed(second) == {"rows: length": partitions}


def test_a_new_file_recomputes_its_own_partitions(tmp_path: Path) -> None:
    """In row blocks only the new file's partition runs; a corpus stage decides anew from stored sketches."""
    recipe = RECIPE.replace("{{fit: few}}", "3").replace("  few:", "  unused:")
    write_corpus(tmp_path)
    run(write_recipe(tmp_path, text=recipe))
    rng = random.Random(99)
    write_jsonl(tmp_path / "in/news/zz.jsonl", [text(rng, "en") + f" unique {i}" for i in range(10)])
    second = executed(run(write_recipe(tmp_path, text=recipe)))
    assert second == {
        "rows: normalize, language": 1,
        "sketch: exact_dedup": 1,
        "link: exact_dedup": 1,
        "resolve: exact_dedup": 1,
        "rows: word_count, length": 1,
    }


def test_a_new_copy_recomputes_the_partitions_whose_rows_change(tmp_path: Path) -> None:
    """After a corpus stage only partitions with other patches run again."""
    recipe = RECIPE.replace("{{fit: few}}", "3").replace("  few:", "  unused:")
    write_corpus(tmp_path)
    rng = random.Random(7)
    single = text(rng, "en") * 3
    write_jsonl(tmp_path / "in/books/single.jsonl", [single])
    run(write_recipe(tmp_path, text=recipe))
    write_jsonl(tmp_path / "in/books/copy.jsonl", [single])
    second = executed(run(write_recipe(tmp_path, text=recipe)))
    assert second["rows: normalize, language"] == 1
    assert second["rows: word_count, length"] == 2


def test_another_model_recomputes_what_depends_on_it(tmp_path: Path) -> None:
    """A block's fingerprint covers the model's bytes, not its name."""
    from classifiers.fasttext_model import lid176_path

    content = Path(lid176_path()).read_bytes()
    model = tmp_path / "model.ftz"
    model.write_bytes(content)
    recipe = RECIPE.replace("min_score: 0.2", f"min_score: 0.2, model: '{model}'")
    write_corpus(tmp_path)
    run(write_recipe(tmp_path, text=recipe))
    assert executed(run(write_recipe(tmp_path, text=recipe))) == {}
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    second = executed(run(write_recipe(tmp_path, text=recipe)))
    assert second["rows: normalize, language"] > 1
    assert "ingest" not in second


def test_a_sample_is_booked(tmp_path: Path) -> None:
    """``--sample`` keeps about that share, by content, and books the rest as not sampled."""
    write_corpus(tmp_path)
    found = run(write_recipe(tmp_path), sample=0.5)
    books = run_books(found)
    assert books.unbalanced() == []
    kept, all_documents = books.total("out", "sample")[0], books.total("in", "sample")[0]
    assert 0.4 < kept / all_documents < 0.6
    assert books.total("dropped", reason="not_sampled")[0] == all_documents - kept


def test_two_processes_on_one_run_are_refused(tmp_path: Path) -> None:
    """A run's folder is locked while it runs."""
    from pipeline.errors import GristmillError
    from pipeline.runs import lock
    from pipeline.storage import Folder

    write_corpus(tmp_path)
    with lock(Folder(f"{tmp_path}/runs/small")), pytest.raises(GristmillError, match="another process"):
        run(write_recipe(tmp_path))


def test_too_many_broken_records_stop_the_run(tmp_path: Path) -> None:
    """Above ``max_errors`` (and 100 records) the run stops and names the first records."""
    from pipeline.errors import TooManyErrors

    write_corpus(tmp_path)
    (tmp_path / "in/news/broken.jsonl").write_text("not json\n" * 150)
    recipe = RECIPE.replace("max_errors: 0.5", "max_errors: 0.001")
    with pytest.raises(TooManyErrors, match="broken.jsonl at 0"):
        run(write_recipe(tmp_path, text=recipe))
