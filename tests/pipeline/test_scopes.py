"""Which rows a corpus stage compares where its ``scope`` is left out, and what ``plan`` says about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import gristmill
from pipeline.cli import app
from pipeline.errors import RecipeError
from pipeline.plan import CorpusBlock, make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.runs import run_books
from tests.pipeline.corpora import run

RECIPE = """
name: scopes
store: {root}/store
sources:
  old: {{kind: jsonl, path: "{root}/old/*.jsonl"{old}}}
  new: {{kind: jsonl, path: "{root}/new/*.jsonl"{new}}}
stages:
  - {stage}: {settings}
execution: {{executor: local}}
"""
STAGES = ("exact_dedup", "url_dedup", "minhash_dedup", "line_dedup", "paragraph_dedup")
TEXT = "the ferry left at noon and nobody on the pier could say when it would come back from the islands"
SNAPSHOTS = (', columns: {snapshot: "2023-50"}', ', columns: {snapshot: "2024-10"}')
NONE = ("", "")


def write(root: Path, stage: str, settings: str = "{}", snapshots: tuple[str, str] = SNAPSHOTS) -> str:
    """Two sources with the same pages, of one snapshot each; returns the recipe's path."""
    pages = [{"text": text, "url": f"https://example.org/{len(text)}"} for text in (TEXT, f"{TEXT}, it is said")]
    for name in ("old", "new"):
        (root / name).mkdir(exist_ok=True)
        (root / name / "a.jsonl").write_text("".join(f"{json.dumps(page)}\n" for page in pages))
    path = root / "recipe.yaml"
    path.write_text(RECIPE.format(root=root, stage=stage, settings=settings, old=snapshots[0], new=snapshots[1]))
    return str(path)


def block(recipe: str) -> CorpusBlock:
    """The corpus block of a recipe's plan."""
    [found] = [block for block in make_plan(load_recipe(recipe)).blocks if isinstance(block, CorpusBlock)]
    return found


def gone(recipe: str) -> tuple[int, int]:
    """Documents that the stage of a run dropped, and bytes that it cut."""
    found = run(recipe)
    [stage] = {entry.stage for entry in run_books(found) if entry.stage in STAGES}
    books = run_books(found)
    return books.total("dropped", stage)[0], books.total("cut", stage)[1]


@pytest.mark.parametrize("stage", STAGES)
def test_a_snapshot_by_default(tmp_path: Path, stage: str) -> None:
    """Rows with a column ``snapshot`` are compared within it; with ``scope: all`` the copies of the other go too."""
    inside = gone(write(tmp_path, stage))
    across = gone(write(tmp_path, stage, "{scope: all}"))
    assert inside[0] == (2 if stage == "minhash_dedup" else 0)
    assert sum(across) > sum(inside)


@pytest.mark.parametrize("stage", STAGES)
def test_left_out_is_the_same_as_said(tmp_path: Path, stage: str) -> None:
    """The settled scope is what names stored work: snapshot where there is that column, else everything."""
    assert block(write(tmp_path, stage)).spec.config.scope == ["snapshot"]  # type: ignore[attr-defined]  # all have one
    left_out = block(write(tmp_path, stage)).fingerprint
    assert left_out == block(write(tmp_path, stage, "{scope: [snapshot]}")).fingerprint
    assert left_out != block(write(tmp_path, stage, "{scope: all}")).fingerprint
    left_out = block(write(tmp_path, stage, snapshots=NONE)).fingerprint
    assert left_out == block(write(tmp_path, stage, "{scope: all}", snapshots=NONE)).fingerprint


def planned(*arguments: str) -> str:
    """What ``plan`` prints."""
    result = CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("stage", STAGES)
def test_plan_warns_of_a_scope_across_snapshots(tmp_path: Path, stage: str) -> None:
    """With the line of the setting, FineWeb's finding and what to do; with a pilot and without."""
    for settings in ("{scope: all}", "{scope: [language]}"):
        recipe = write(tmp_path, stage, settings)
        for more in ((), ("--no-pilot",)):
            text = planned(recipe, *more)
            assert f"recipe.yaml:8: {stage}: rows of different snapshots are compared; FineWeb" in text
            assert "→ leave out `scope`, or add snapshot to it" in text


@pytest.mark.parametrize(
    ("settings", "snapshots"),
    [("{}", SNAPSHOTS), ("{scope: [snapshot, language]}", SNAPSHOTS), ("{}", NONE), ("{scope: all}", NONE)],
)
def test_plan_does_not_warn_otherwise(tmp_path: Path, settings: str, snapshots: tuple[str, str]) -> None:
    """Neither within snapshots nor where there are none; it says which rows are compared."""
    text = planned(write(tmp_path, "minhash_dedup", settings, snapshots), "--no-pilot")
    assert "different snapshots" not in text
    rows = "all rows" if snapshots is NONE else "rows of the same snapshot"
    assert f"  compared: {rows}" in text


def test_plan_shows_the_curves(tmp_path: Path) -> None:
    """Which shingles, which bands, what is a candidate and what is verified, before anything runs; in JSON too."""
    recipe = write(tmp_path, "minhash_dedup")
    text = planned(recipe, "--no-pilot")
    assert "5-grams of words, characters in scripts without spaces, as FineWeb" in text
    assert "14 bands × 8 rows = 112 lanes, steepest at 0.72" in text
    assert "similarity  candidate  verified ≥ 0.8" in text
    assert "0.80     0.9235          0.5109" in text
    assert "14 bands" in planned(recipe, "--no-pilot", "--json")
    assert "minhash_dedup\n" in text and "minhash_dedup\n" not in planned(write(tmp_path, "word_count"), "--no-pilot")


def test_earlier_runs_are_compared_by_their_settled_scope(tmp_path: Path) -> None:
    """Sketches within snapshots are compared with such; those over everything cannot be."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    within = run(write(tmp_path / "one", "minhash_dedup"))
    over = run(write(tmp_path / "two", "minhash_dedup", snapshots=NONE))
    found = run(write(tmp_path, "minhash_dedup", f'{{against: ["{within.folder}"]}}'))
    rows: list[dict[str, Any]] = gristmill.open(found.folder).clusters().table().to_pylist()
    assert len(rows) == 4 and all(row["drop"] for row in rows)
    with pytest.raises(RecipeError, match="cannot be compared") as caught:
        run(write(tmp_path, "minhash_dedup", f'{{against: ["{over.folder}"]}}'))
    assert "scope: [] there, ['snapshot'] here" in str(caught.value.remedy)
