"""``status`` and ``plan`` say how far things are, from what the store holds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.corpus_phases import CorpusPhases
from pipeline.engine import Engine
from pipeline.pilot.assumed import expansion, source_sizes
from pipeline.pilot.outlook import outlook
from pipeline.plan import make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.reports.plan_table import print_plan
from pipeline.reports.status import print_run, print_runs, run_state, state_of
from pipeline.reports.store_walk import StoreWalk, walk_store
from pipeline.run_recipe import run_folder
from pipeline.runs import lock, new_run
from pipeline.storage import Folder
from tests.pipeline.corpora import run, write_corpus, write_recipe
from tests.pipeline.reports.finished_runs import small_run


def shown(print_it: Any, *arguments: Any) -> str:
    stream = io.StringIO()
    print_it(*arguments, Console(file=stream, width=120, highlight=False, markup=False))
    return stream.getvalue()


def walk(root: Path, *overrides: str) -> StoreWalk:
    recipe = load_recipe(root / "recipe.yaml", overrides)
    return walk_store(make_plan(recipe), run_folder(recipe, None))


def stopping(monkeypatch: pytest.MonkeyPatch, where: str, root: Path, owner: type = Engine) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, where, stop)
        with pytest.raises(KeyboardInterrupt):
            small_run(root, documents=20)


def test_a_finished_run(tmp_path: Path) -> None:
    """Finished, with all its phases, and a size in the store and of its own."""
    found = small_run(tmp_path, documents=20)
    state = run_state(found.folder)
    assert state.state == "finished"
    assert state.store_bytes > 10_000 < state.folder_bytes
    text = shown(print_run, found.folder)
    units = len(found.blocks[1].units)
    assert f"✓ rows: normalize, language: {units} units, {units} computed by the last start" in text
    assert "small" in shown(print_runs, str(tmp_path / "runs"))


def test_an_interrupted_run_says_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phases that are complete, the one that is not, and blocks that have not begun."""
    stopping(monkeypatch, "_resolved", tmp_path, CorpusPhases)
    folder = str(tmp_path / "runs/small")
    assert run_state(folder).state == "interrupted"
    text = shown(print_run, folder)
    assert "✓ link: exact_dedup: 1 unit" in text
    assert "… resolve: exact_dedup: 0 of 1 units" in text
    assert "· length: not begun" in text
    assert "finished work is kept" in text


def test_a_run_at_work_and_one_that_was_killed(tmp_path: Path) -> None:
    """Both records say running; only one is held by a process."""
    folder = Folder(str(tmp_path / "runs/x"))
    started = new_run("x", folder.uri, "recipe.yaml", "local", 1, None).save()
    assert state_of(started) == "interrupted"
    with lock(folder):
        assert state_of(started) == "running"


def test_no_runs(tmp_path: Path) -> None:
    """An empty folder says what to do."""
    assert "next: gristmill run RECIPE" in shown(print_runs, str(tmp_path))


def test_a_plan_of_something_new_has_nothing_in_the_store(tmp_path: Path) -> None:
    """The first phase is to do, everything behind it waits; nothing is written."""
    write_corpus(tmp_path, documents=20)
    write_recipe(tmp_path)
    found = walk(tmp_path)
    assert [(phase.kind, phase.done) for phase in found.walked] == [("ingest", 0)]
    assert [block.name for block in found.blocks_left()] == [
        "normalize, language", "exact_dedup", "word_count", "few", "length",
    ]  # fmt: skip
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "runs").exists()
    text = shown(print_plan, outlook(found.plan, found, 1))
    assert "none (0 of 1)" in text
    assert "guessed from sizes of files" in text


def test_a_plan_knows_what_is_there(tmp_path: Path) -> None:
    """After a run everything is there; with another last threshold all but the last block."""
    small_run(tmp_path, documents=20)
    before = {path for path in (tmp_path / "store").rglob("*")}
    done = walk(tmp_path)
    assert done.complete
    assert not done.blocks_left()
    assert "everything is in the store" in shown(print_plan, outlook(done.plan, done, 1))
    changed = walk(tmp_path, "length.max_words=3")
    assert not changed.complete
    assert (changed.walked[-1].name, changed.walked[-1].done) == ("length", 0)
    assert {path for path in (tmp_path / "store").rglob("*")} == before


def test_a_walk_ends_where_a_run_with_tokens_does(tmp_path: Path) -> None:
    """Token phases are walked, and nothing is published by looking."""
    small_run(tmp_path, documents=20, extra="tokenize: {}\n")
    index = tmp_path / "runs/small/tokens/index.arrow"
    index.unlink()
    found = walk(tmp_path)
    assert found.complete
    assert [phase.kind for phase in found.walked[-3:]] == ["tokenize", "compact", "index"]
    assert not index.exists()


def test_input_is_measured_by_names_and_sizes(tmp_path: Path) -> None:
    """Files and bytes of each source; packed ones count for more text."""
    write_corpus(tmp_path, documents=20)
    plan = make_plan(load_recipe(write_recipe(tmp_path)))
    sizes = {size.name: size for size in source_sizes(plan)}
    assert (sizes["news"].files, sizes["books"].files) == (3, 2)
    assert sizes["books"].bytes == sum(path.stat().st_size for path in (tmp_path / "in/books").iterdir())
    assert sizes["books"].text_bytes == sizes["books"].bytes
    assert sizes["news"].text_bytes > sizes["news"].bytes
    assert expansion("a.jsonl.zst") > expansion("a.jsonl") == 1


def test_a_failed_run_shows_its_error(tmp_path: Path) -> None:
    """The message that stopped it, on one line."""
    write_corpus(tmp_path, documents=20)
    (tmp_path / "in/news/broken.jsonl").write_text("not json\n" * 150)
    path = write_recipe(tmp_path)
    with pytest.raises(Exception, match="could not be used"):
        run(path, overrides=["max_errors=0.001"])
    text = shown(print_run, str(tmp_path / "runs/small"))
    assert "small: failed" in text
    assert "TooManyErrors" in text
    assert "what is left cannot be told" in text
