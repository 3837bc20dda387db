"""Sources that bring stages of their own, and records that are no documents."""

from __future__ import annotations

from pathlib import Path

import pytest

import gristmill
from pipeline.books import READ, Books
from pipeline.errors import RecipeError
from pipeline.recipe.loader import load_recipe, load_recipe_text
from pipeline.recipe.model import RouteUse
from pipeline.recipe.resolved import resolved_recipe
from pipeline.run_recipe import run_recipe
from pipeline.runs import Run, load_run, run_books
from tests import fake_stages

RECIPE = """
name: brought
store: {root}/store
sources:
  pages: {{kind: fake_lines, path: "{root}/pages", stream: {stream}}}
  plain: {{kind: text, path: "{root}/plain"}}
stages:
  - fake_size: {{min_bytes: 3}}
"""


@pytest.fixture(autouse=True)
def fakes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages and source come from metadata on the path."""
    fake_stages.install(tmp_path_factory.mktemp("installed"), monkeypatch)


def run(root: Path, stream: bool = False) -> Run:
    (root / "pages").mkdir(exist_ok=True)
    (root / "pages" / "a").write_text("axxb\n#redirect\nabxcd\n#not_html\n#redirect\n")
    (root / "plain").mkdir(exist_ok=True)
    (root / "plain" / "b").write_text("xxx stays")
    recipe = root / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root, stream=str(stream).lower()))
    return load_run(run_recipe(str(recipe), executor="local"))


@pytest.mark.parametrize("stream", [False, True])
def test_a_sources_stage_takes_its_rows_first(tmp_path: Path, stream: bool) -> None:
    """And only its own; it is booked under ``stage[source]`` like any other."""
    found = run(tmp_path, stream)
    documents = gristmill.open(found.folder).documents().table()
    assert sorted(documents.column("text").to_pylist()) == ["abcd", "xxx stays"]
    books = Books(run_books(found).rows())
    assert books.total("cut", "fake_cut[pages]", reason="x") == (2, 3)
    assert books.total("dropped", "fake_size", reason="too_small") == (1, 2)
    assert books.unbalanced() == []


@pytest.mark.parametrize("stream", [False, True])
def test_records_that_are_no_documents_are_in_the_books(tmp_path: Path, stream: bool) -> None:
    """Each as one that came in and was dropped by reading, with its bytes, by reason."""
    books = Books(run_books(run(tmp_path, stream)).rows())
    assert books.total("dropped", READ, reason="redirect") == (2, 18)
    assert books.total("dropped", READ, reason="not_html") == (1, 9)
    assert books.total("in", READ, source="pages")[0] == 5


def test_the_resolved_recipe_does_not_list_them(tmp_path: Path) -> None:
    """They come with the source again when it is read."""
    run(tmp_path)
    recipe = load_recipe(tmp_path / "recipe.yaml")
    [route, _] = recipe.stages
    assert isinstance(route, RouteUse) and list(route.branches) == ["pages"]
    text = resolved_recipe(recipe)
    assert "fake_cut" not in text
    assert load_recipe_text(text) == recipe


def test_two_stages_of_one_name_are_refused(tmp_path: Path) -> None:
    """A stage of the recipe that is called like a brought one would share its signals."""
    run(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(root=tmp_path, stream="false") + "  - fake_cut: {letter: y}\n")
    with pytest.raises(RecipeError, match="source 'pages' brings a stage called 'fake_cut'") as error:
        load_recipe(tmp_path / "recipe.yaml")
    assert "another `name`" in str(error.value)
