"""Lists of stages that stand in files of their own."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from pipeline.errors import RecipeError
from pipeline.recipe import files
from pipeline.recipe.loader import load_recipe
from pipeline.recipe.model import Recipe, RouteUse
from pipeline.recipe.schema import recipe_schema
from tests.pipeline.recipe.recipe_fakes import use_fakes
from tests.pipeline.recipe.test_reference import data

HEAD = "name: a\nsources: {one: {kind: lines, path: x}}\nstages:\n"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def write(folder: Path, stages: str, **lists: str) -> Path:
    """A recipe with those stages, and its files ``lists/<name>.yaml``."""
    (folder / "lists").mkdir(exist_ok=True)
    for name, text in lists.items():
        (folder / "lists" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "r.yaml").write_text(HEAD + stages, encoding="utf-8")
    return folder / "r.yaml"


def addresses(recipe: Recipe) -> list[str]:
    return [use.address for use in recipe.uses()]


def test_a_list_stands_where_it_is_included(tmp_path: Path) -> None:
    """The file's entries take the place of the entry, among the others, in their order."""
    path = write(
        tmp_path,
        "  - words: {name: first}\n  - include: lists/two.yaml\n  - words: {name: last}\n",
        two="- words: {name: second}\n- dedup\n",
    )
    assert addresses(load_recipe(path)) == ["first", "second", "dedup", "last"]


def test_branches_of_a_route_include(tmp_path: Path) -> None:
    """A branch may be a file, or hold files among its own stages; settings can be changed from outside as usual."""
    path = write(
        tmp_path,
        "  - route:\n      by: language\n      de: [include: lists/de.yaml]\n"
        "      zh:\n        - words: {name: zh_first}\n        - include: [lists/de.yaml, lists/more.yaml]\n",
        de="- words: {min_words: 7}\n",
        more="- words: {name: more}\n",
    )
    recipe = load_recipe(path, ["words[zh].min_words=9"])
    [route] = recipe.stages
    assert isinstance(route, RouteUse)
    assert addresses(recipe) == ["words[de]", "zh_first[zh]", "words[zh]", "more[zh]"]
    assert route.branches["de"][0].config.model_dump(include={"min_words"}) == {"min_words": 7}
    assert route.branches["zh"][1].config.model_dump(include={"min_words"}) == {"min_words": 9}


def test_a_list_may_be_a_route_and_include_others(tmp_path: Path) -> None:
    """Paths in a list are relative to that list's file."""
    route = "- route:\n    by: language\n    de: [include: de.yaml]\n    default: [words]\n"
    path = write(tmp_path, "  - include: lists/route.yaml\n", route=route, de="- words\n")
    assert addresses(load_recipe(path)) == ["words[de]", "words[default]"]


def test_lists_of_an_included_recipe(tmp_path: Path) -> None:
    """A recipe below this one brings its lists along."""
    base = "sources: {one: {kind: lines, path: x}}\nstages: [include: words.yaml]\n"
    write(tmp_path, "", base=base, words="- words: {name: brought}\n")
    (tmp_path / "r.yaml").write_text("name: a\ninclude: lists/base.yaml\n", encoding="utf-8")
    assert addresses(load_recipe(tmp_path / "r.yaml")) == ["brought"]


def test_an_empty_list_is_nothing(tmp_path: Path) -> None:
    """A list without entries leaves nothing behind."""
    path = write(tmp_path, "  - include: lists/none.yaml\n  - words\n", none="[]\n")
    assert addresses(load_recipe(path)) == ["words"]


def test_lists_that_come_with_gristmill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path after ``gristmill:`` is below the recipes folder of the installed package."""
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "de.yaml").write_text("- words: {name: shipped}\n", encoding="utf-8")
    monkeypatch.setattr(files, "_RECIPES", tmp_path / "shipped")
    path = write(tmp_path, "  - include: gristmill:de.yaml\n")
    assert addresses(load_recipe(path)) == ["shipped"]


@pytest.mark.parametrize(
    ("entry", "text", "says", "where"),
    [
        ("lists/mist.yaml", "", "no such file", "r.yaml:4"),
        ("gristmill:thresholds/fineweb2/xx.yaml", "", "no such file", "r.yaml:4"),
        ("3", "", "expected a path, got 3", "r.yaml:4"),
        ("lists/one.yaml", "words: {}\n", "expected a list of stages, got a mapping with 'words'", "lists/one.yaml:1"),
        ("lists/one.yaml", "- include: one.yaml\n", "one.yaml includes itself", "lists/one.yaml:1"),
        ("lists/one.yaml", "- words\n- word\n", "no stage is called 'word'", "lists/one.yaml:2"),
        ("lists/one.yaml", "- words: {min_wrds: 3}\n", "min_wrds", "lists/one.yaml:1"),
        ("lists/one.yaml, x: 1", "- words\n", "include", "r.yaml:4"),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, entry: str, text: str, says: str, where: str) -> None:
    """A missing file and a circle are errors of the line that includes, others of the line in the list."""
    path = write(tmp_path, f"  - {{include: {entry}}}\n", one=text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert says in caught.value.message and caught.value.where == f"{tmp_path}/{where}"


def test_the_schema_knows_entries_that_include() -> None:
    """Editors accept an include on the main list and in branches, as a path or a list, and nothing beside it."""
    stages = "  - include: a.yaml\n  - route: {by: language, de: [include: [a.yaml, b.yaml]]}\n"
    jsonschema.validate(data(HEAD + stages), recipe_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data(HEAD + "  - {include: a.yaml, words: null}\n"), recipe_schema())
