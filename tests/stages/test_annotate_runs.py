"""Whole runs with the stage annotate: the same bytes everywhere, killed and resumed, and nothing paid twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gristmill
from benchmarks.kill_and_resume import COMMAND, kill_all
from pipeline.errors import GristmillError
from pipeline.recipe.config_types import effort_fields
from pipeline.recipe.loader import load_recipe
from pipeline.reports.build import recipe_hash
from pipeline.reports.opened import Batches
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.whatif import what_if
from pipeline.runs import Run, data_checksums, run_books
from stages.annotate_config import AnnotateConfig
from tests.completion_server import HTTP_FAULTS, Completions, completion_server, score_of
from tests.pipeline.corpora import run, write_corpus
from tests.stages.annotating import forget

RECIPE = """
name: judged
seed: 3
store: {root}/store
runs: {root}/runs
max_errors: 0.5
sources:
  news: {{kind: jsonl, path: "{root}/in/news/*.jsonl*", domain: web, ingest_above_bytes: 2000}}
  books: {{kind: jsonl, path: "{root}/in/books/*.jsonl", domain: books, split_bytes: 5000}}
fits:
  middle: {{kind: percentile, from: run, signal: annotate.score, quantile: 0.4}}
stages:
  - normalize
  - annotate:
      base_url: {url}
      model: judge
      share: {share}
      cache: {root}/answers
      max_documents: {max_documents}
      reason_column: why
      timeout_seconds: {timeout}
      backoff_seconds: 0.01
      concurrency: 4
  - word_count: {{min_words: 3}}
  - annotate:
      name: again
      base_url: {url}
      model: judge
      share: {share}
      cache: {root}/answers
      max_documents: {max_documents}
      min_score: {{fit: middle}}
execution: {{executor: local, stall_seconds: {stall}}}
"""


@pytest.fixture
def server() -> Iterator[Completions]:
    """One that behaves until it is told not to."""
    forget()
    with completion_server() as found:
        yield found


def write(
    root: Path,
    server: Completions,
    share: float = 0.5,
    max_documents: str = "null",
    stall: str = "600",
    timeout: float = 2.0,
) -> str:
    """Write recipe and corpus; returns the recipe's path."""
    write_corpus(root, documents=30)
    path = root / "recipe.yaml"
    more = {"share": share, "max_documents": max_documents, "stall": stall, "timeout": timeout}
    path.write_text(RECIPE.format(root=root, url=server.url, **more))
    return str(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Counter[str]]:
    """A run with an endpoint that behaves, and what it paid for."""
    forget()
    with completion_server() as found:
        return run(write(tmp_path_factory.mktemp("undisturbed"), found)), found.paid


def test_a_run_pays_once(undisturbed: tuple[Run, Counter[str]]) -> None:
    """Two stages and a fit that want the same scores, and copies in several files, pay once for each text."""
    found, paid = undisturbed
    assert len(paid) > 40 and set(paid.values()) == {1}
    books = run_books(found)
    assert books.unbalanced() == [] and books.total("dropped", "again")[0] > 5


def test_scores_and_reasons_are_in_the_run(undisturbed: tuple[Run, Counter[str]]) -> None:
    """Each document that was asked about has the model's score as a signal and its reason as a column."""
    opened = gristmill.open(undisturbed[0].folder)
    judged = dict(rows_of(opened.signals(), "_address", "annotate.score"))
    found = rows_of(opened.documents(), "_address", "text", "why")
    assert all(why in (None, f"it is {len(text)} long") for _, text, why in found)
    assert [judged[address] for address, _, _ in found] == [score_of(text) if why else None for _, text, why in found]
    assert 0 < len([why for _, _, why in found if why]) < len(found)


def rows_of(batches: Batches, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a table, by columns."""
    table = batches.table(columns)
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "workers"), [("local", 1), ("local", 3), pytest.param("ray", 2, marks=pytest.mark.ray)]
)
def test_faults_and_workers_do_not_matter(
    undisturbed: tuple[Run, Counter[str]], server: Completions, tmp_path: Path, executor: str, workers: int
) -> None:
    """With an endpoint that hangs, breaks and refuses, any executor writes the same bytes and pays the same, once."""
    server.chance, server.faults, server.hang_seconds, server.seed = 0.5, HTTP_FAULTS, 2.5, workers
    found = run(write(tmp_path, server), executor=executor, workers=workers)
    assert data_checksums(found) == data_checksums(undisturbed[0])
    assert run_books(found).rows() == run_books(undisturbed[0]).rows()
    assert server.paid == undisturbed[1]


@pytest.mark.slow
def test_killed_runs_end_with_the_same_bytes(
    undisturbed: tuple[Run, Counter[str]], server: Completions, tmp_path: Path
) -> None:
    """SIGKILL of the run and its workers loses nothing that was answered; only what was under way is asked again."""
    server.chance, server.faults, server.seconds = 0.3, ("429", "500", "reset"), 0.1
    recipe = write(tmp_path, server, timeout=20.0)
    for wanted in (10, 25):
        process = subprocess.Popen(
            [*COMMAND, "run", recipe, "--executor", "local", "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        while len(server.paid) < wanted and process.poll() is None:
            time.sleep(0.02)
        assert kill_all(process) > 1
        process.wait()
        time.sleep(0.3)  # the server ends what it has begun
    found = run(recipe)
    assert data_checksums(found) == data_checksums(undisturbed[0])
    assert set(server.paid) == set(undisturbed[1])
    assert server.paid.total() - len(server.paid) <= 2 * 2 * 4


def test_a_budget_stops_the_run_and_is_raised(server: Completions, tmp_path: Path) -> None:
    """The run ends with what to do, and with a higher limit pays for the rest only."""
    recipe = write(tmp_path, server, max_documents="10")
    with pytest.raises(GristmillError, match=r"max_documents \(10\); spent so far: 10 documents"):
        run(recipe)
    assert server.paid.total() == 10
    run(recipe, overrides=["annotate.max_documents=500", "again.max_documents=500"])
    assert set(server.paid.values()) == {1} and len(server.paid) > 40


def test_a_raised_budget_asks_about_the_rest_only(
    undisturbed: tuple[Run, Counter[str]], server: Completions, tmp_path: Path
) -> None:
    """What was finished below the old limit is not computed again, and what was answered is not asked again.

    No result that is stored lacks an answer for want of money.
    """
    recipe = write(tmp_path, server, max_documents="40")
    with pytest.raises(GristmillError, match=r"max_documents \(40\)"):
        run(recipe)
    assert server.asked.total() == 40
    found = run(recipe, overrides=["annotate.max_documents=500", "again.max_documents=500"])
    computed = next(count for phase, count in found.executed.items() if "rows" in phase)
    assert 0 < computed < len(found.blocks_of("rows")[0].units)
    assert server.asked == undisturbed[1] and set(server.asked.values()) == {1}
    assert data_checksums(found) == data_checksums(undisturbed[0])


def test_settings_of_effort_compute_nothing_anew(server: Completions, tmp_path: Path) -> None:
    """Another address, key, budget, time-out, number of tries or of requests at a time: the run is there already."""
    recipe = write(tmp_path, server)
    first = run(recipe)
    before = server.asked.copy()
    changed = {
        "base_url": "http://127.0.0.1:9/v1", "max_documents": 900, "max_tokens": 10, "max_cost": 0.1,
        "prompt_price": 1, "completion_price": 2, "concurrency": 2, "timeout_seconds": 1, "retries": 1,
        "backoff_seconds": 2, "max_backoff_seconds": 3,
    }  # fmt: skip
    assert {*changed, "api_key_env"} == effort_fields(AnnotateConfig)
    overrides = [f"{stage}.{key}={value}" for stage in ("annotate", "again") for key, value in changed.items()]
    found = run(recipe, overrides=overrides)
    assert set(found.executed.values()) == {0} and server.asked == before
    assert [block.fingerprint for block in found.blocks] == [block.fingerprint for block in first.blocks]
    assert recipe_hash(load_recipe(recipe)) == recipe_hash(load_recipe(recipe, overrides))
    with pytest.raises(GristmillError, match="annotate.retries says how the work is done"):
        what_if(StoredRun.open(found.folder), ["annotate.retries=9"])
    asked_otherwise = ["annotate.temperature=0.5", "again.temperature=0.5"]
    assert recipe_hash(load_recipe(recipe)) != recipe_hash(load_recipe(recipe, asked_otherwise))


@pytest.mark.slow
def test_slow_endpoints_are_waited_for(server: Completions, tmp_path: Path) -> None:
    """A batch may take longer than ``stall_seconds``: every request has a time-out of its own."""
    server.seconds = 0.5
    found = run(write(tmp_path, server, share=1.0, stall="1", timeout=20.0), workers=2)
    assert found.status == "finished"
    assert run_books(found).total("quarantined") == (1, 31)  # the torn line of the corpus, and no document
    assert set(server.paid.values()) == {1}


def test_the_command_line_says_it(server: Completions, tmp_path: Path) -> None:
    """``gristmill run`` ends with the endpoint's error and no success."""
    recipe = write(tmp_path, server, share=0.1)
    Path(recipe).write_text(Path(recipe).read_text().replace(server.url, f"{server.url}/wrong"))
    done = subprocess.run([*COMMAND, "run", recipe], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "answers nothing: status 404" in done.stderr
    assert sys.executable in COMMAND
