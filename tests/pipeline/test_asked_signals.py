"""Signals of earlier stages that a row stage asks for: in one block, over several, by routes, in fits and replays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gristmill
from pipeline.errors import RecipeError
from pipeline.plan import RowsBlock, make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.reports.find_document import find_documents
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.why import tell
from pipeline.runs import data_checksums, run_books
from tests.pipeline.corpora import run, write_jsonl

RECIPE = """
name: asked
store: {root}/store
sources:
  long: {{kind: jsonl, path: "{root}/in/long*.jsonl"}}
  short: {{kind: jsonl, path: "{root}/in/short*.jsonl"}}
fits: {fits}
stages:
{stages}
execution: {{executor: local}}
"""
TEXTS = [" ".join(f"w{n * 31 % 97}" for n in range(count)) for count in range(1, 41)]


def write(root: Path, stages: list[str], fits: str = "{}") -> str:
    """Write texts of 1 to 40 words, and the recipe; returns its path."""
    write_jsonl(root / "in" / "long.jsonl", TEXTS[20:])
    write_jsonl(root / "in" / "short1.jsonl", TEXTS[:10])
    write_jsonl(root / "in" / "short2.jsonl", TEXTS[10:20])
    path = root / "recipe.yaml"
    path.write_text(RECIPE.format(root=root, fits=fits, stages="\n".join(f"  - {stage}" for stage in stages)))
    return str(path)


def signals(folder: str) -> dict[int, dict[str, Any]]:
    """Words → the row of signals."""
    table = gristmill.open(folder).signals().table()
    return {row["count.words"]: row for row in table.to_pylist()}


COUNT = "word_count: {name: count, min_words: null}"
RANKS = "{ranks: {kind: ranks, from: run, signal: count.words}}"
QUALITY = (
    "ensemble: {name: quality, column: level, buckets: 4, levels: {low: 0, high: 3}, "
    "signals: [{signal: count.words, ranks: ranks}]}"
)


BETWEEN = [[], ["exact_dedup: {}"], ["exact_dedup: {}", "normalize: {}", "exact_dedup: {name: again}"]]


@pytest.mark.parametrize("between", BETWEEN)
def test_signals_reach_over_blocks(tmp_path: Path, between: list[str]) -> None:
    """Buckets are of the words counted before, however many blocks lie between; `when` reads the column."""
    strict = "word_count: {name: strict, min_words: 1000, when: {level: [low]}}"
    found = run(write(tmp_path, [COUNT, *between, QUALITY, strict], RANKS))
    rows = signals(found.folder)
    assert [rows[words]["quality.bucket"] for words in (1, 10, 11, 21, 30, 31, 40)] == [0, 0, 1, 2, 2, 3, 3]
    kept = gristmill.open(found.folder).documents().table().column("text").to_pylist()
    assert sorted(len(text.split()) for text in kept) == list(range(31, 41))
    assert run_books(found).unbalanced() == []
    stored = StoredRun.open(found.folder)
    for match in find_documents(stored, "jsonl")[:3]:
        story = tell(stored, match)
        assert all(not block.differences for block in story.blocks) and not story.notes


def test_signals_of_the_same_block(tmp_path: Path) -> None:
    """Without a fit there is one block; rows that were not judged, or that are gone, shift nothing."""
    stages = [
        "word_count: {name: first, min_words: 3}",
        "word_count: {name: count, min_words: null, when: {source: [short]}}",
        "ensemble: {name: quality, signals: [{signal: count.words}], min_score: null}",
    ]
    path = write(tmp_path, stages)
    plan = make_plan(load_recipe(path))
    assert len([block for block in plan.blocks if isinstance(block, RowsBlock)]) == 1
    table = gristmill.open(run(path).folder).signals().table().to_pylist()
    found = {row["first.words"]: row["quality.bucket"] for row in table}
    assert found == {n: 19 if 3 <= n <= 20 else None for n in range(1, 41)}


def test_routes(tmp_path: Path) -> None:
    """In a branch, with a signal of the same branch; other rows have none."""
    route = (
        "route: {by: source, short: [{word_count: {name: count, min_words: null}}, "
        "{ensemble: {name: quality, signals: [{signal: count.words}]}}], default: []}"
    )
    table = gristmill.open(run(write(tmp_path, [route])).folder).signals().table().to_pylist()
    found = {row["count.words"]: row["quality.bucket"] for row in table}
    expected: dict[int | None, int | None] = dict.fromkeys(range(1, 21), 19)
    assert found == expected | {None: None}


def test_a_fit_may_look_at_what_was_combined(tmp_path: Path) -> None:
    """The stages that the combination asks for are measured too, with the fits that they need made first."""
    fits = (
        "{a_top: {kind: percentile, from: run, signal: quality.score, quantile: 0.75}, "
        "ranks: {kind: ranks, from: run, signal: count.words}}"
    )
    quality = QUALITY.replace("signals:", "min_score: {fit: a_top}, signals:")
    found = run(write(tmp_path, [COUNT, quality], fits))
    kept = gristmill.open(found.folder).documents().table().column("text").to_pylist()
    assert sorted(len(text.split()) for text in kept) == list(range(30, 41))


def test_a_second_run_computes_nothing(tmp_path: Path) -> None:
    """And a changed signal before changes what comes of it."""
    path = write(tmp_path, [COUNT, "exact_dedup: {}", QUALITY], RANKS)
    first = run(path)
    assert data_checksums(run(path)) == data_checksums(first)
    Path(path).write_text(Path(path).read_text().replace("signal: count.words, ranks: ranks", "signal: count.words"))
    assert {row["quality.bucket"] for row in signals(run(path).folder).values()} == {3}


def test_a_signal_that_nobody_measures_is_refused(tmp_path: Path) -> None:
    """Before the run, where it stands, with the signals that there are; a later stage's is none."""
    path = write(tmp_path, ["ensemble: {name: quality, signals: [{signal: count.words}]}", COUNT])
    with pytest.raises(RecipeError, match=r"no stage before quality measures count\.words") as caught:
        run(path)
    assert str(caught.value.where).endswith("recipe.yaml:9") and "none" in str(caught.value.remedy)


def test_a_fit_that_needs_itself_is_refused(tmp_path: Path) -> None:
    """With the circle."""
    fits = "{ranks: {kind: ranks, from: run, signal: quality.score}}"
    with pytest.raises(RecipeError, match="fit ranks needs itself: ranks → ranks"):
        run(write(tmp_path, [COUNT, QUALITY], fits))
