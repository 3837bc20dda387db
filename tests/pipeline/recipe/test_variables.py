"""Variables, environment and built-in names inside the text of a recipe; files that include others."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.loader import load_recipe, load_recipe_text
from pipeline.recipe.model import Recipe
from tests.pipeline.recipe.recipe_fakes import use_fakes


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def load(values: str, variables: str = "{}") -> Recipe:
    text = f"name: a\nvars: {variables}\nsources: {{one: {{kind: lines, {values}}}}}\n"
    return load_recipe_text(text, "r.yaml")


def config(values: str, variables: str = "{}") -> dict[str, Any]:
    return load(values, variables).sources["one"].config.model_dump()


def failure(values: str, variables: str = "{}") -> str:
    with pytest.raises(RecipeError) as caught:
        load(values, variables)
    return str(caught.value)


def test_a_variable_inside_text_is_put_in_as_it_was_written() -> None:
    """Numbers stand in text as they were written, underscores and all."""
    assert config('path: "${d}/${n}-${b}"', "{d: /data, n: 20_000, b: true}")["path"] == "/data/20_000-true"


def test_a_variable_alone_keeps_its_type() -> None:
    """A value that is one variable and nothing else is the variable's own value, whatever its type."""
    got = config('path: "${paths}", count: "${n}"', "{paths: [x, y], n: 20_000}")
    assert (got["path"], got["count"]) == (["x", "y"], 20_000)


def test_variables_may_use_each_other_in_any_order() -> None:
    """A variable may be made of others that stand above or below it."""
    assert config('path: "${c}"', '{c: "${a}/${b}", a: x, b: "${a}y"}')["path"] == "x/xy"


def test_an_escaped_reference_is_literal() -> None:
    """``$${`` is ``${``; a dollar that opens nothing is a dollar."""
    assert config('path: "$${a}$${env:X} $5 $$ a$"')["path"] == "${a}${env:X} $5 $$ a$"


def test_the_environment_is_read_and_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default stands in for a variable that is unset or empty."""
    monkeypatch.setenv("GRISTMILL_X", "/x")
    monkeypatch.setenv("GRISTMILL_EMPTY", "")
    monkeypatch.delenv("GRISTMILL_UNSET", raising=False)
    assert config('path: "${env:GRISTMILL_X}/a"')["path"] == "/x/a"
    assert config('path: "${env:GRISTMILL_UNSET:-/d}/a"')["path"] == "/d/a"
    assert config('path: "${env:GRISTMILL_EMPTY:-/d}"')["path"] == "/d"
    assert config('path: "${env:GRISTMILL_X:-/d}"')["path"] == "/x"


def test_an_unquoted_variable_alone_may_become_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds text only; unquoted and alone it is read as YAML where a number is asked for."""
    monkeypatch.setenv("GRISTMILL_N", "2_000")
    text = "name: a\nsources:\n  one:\n    kind: lines\n    path: %s\n    count: %s\n"
    got = load_recipe_text(text % ("${env:GRISTMILL_N}", "${env:GRISTMILL_N}")).sources["one"].config.model_dump()
    assert (got["path"], got["count"]) == ("2_000", 2000)
    with pytest.raises(RecipeError, match="count: expected a whole number, got '2_000'"):
        load_recipe_text(text % ("x", '"${env:GRISTMILL_N}"'))


def test_built_in_folders(tmp_path: Path) -> None:
    """The recipe's own folder and the running Python's are known."""
    got = config('path: ["${python:stdlib}", "${python:site-packages}"]')["path"]
    assert got == [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")] and os.path.isdir(got[0])
    path = tmp_path / "r.yaml"
    path.write_text('name: a\nsources: {one: {kind: lines, path: "${recipe:dir}/x"}}\n', encoding="utf-8")
    assert load_recipe(path).sources["one"].config.path == f"{tmp_path}/x"


@pytest.mark.parametrize(
    ("values", "variables", "says"),
    [
        ('path: "${dat}/x"', "{data: x}", "r.yaml:3: no variable 'dat' under vars\n  → did you mean 'data'?"),
        ('path: "${env:GRISTMILL_NO}/x"', "{}", "variable GRISTMILL_NO is not set\n  → export GRISTMILL_NO=…"),
        ('path: "${env:GRISTMILL_EMPTY}"', "{}", "variable GRISTMILL_EMPTY is empty"),
        ('path: "${env:1X}"', "{}", "${env:1X} is not understood"),
        ('path: "${data/x"', "{data: x}", "'${' has no '}'"),
        ('path: "${l}/x"', "{l: [1]}", "${l} is a list and cannot stand inside text"),
        ('path: "${n}/x"', "{n: null}", "${n} is null and cannot stand inside text"),
        ('path: "${a}"', '{a: "${b}", b: "x${c}", c: "${a}"}', "r.yaml:2: variables need each other: a → b → c → a"),
        ('path: x, count: "${env:GRISTMILL_NO}"', "{}", "variable GRISTMILL_NO is not set"),
        ('path: x, count: "${n}"', '{n: "${env:GRISTMILL_NO}"}', "r.yaml:2: the environment variable GRISTMILL_NO"),
        ("path: x", '{unused: "${env:GRISTMILL_NO}"}', "variable GRISTMILL_NO is not set"),
    ],
)
def test_each_wrong_reference_is_one_error(
    values: str, variables: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be replaced is named with its line and what to do, and causes no second error."""
    monkeypatch.setenv("GRISTMILL_EMPTY", "")
    message = failure(values, variables)
    assert says in message and "errors in the recipe" not in message


def test_an_environment_that_is_not_utf8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no text cannot enter a recipe."""
    monkeypatch.setenv("GRISTMILL_X", os.fsdecode(b"/d\xff"))
    assert "GRISTMILL_X is not UTF-8" in failure('path: "${env:GRISTMILL_X}"')


BASE = """\
store: /base
vars: {d: /data, e: /old}
sources:
  one: {kind: lines, path: "${d}/${e}", domain: books}
  two: {kind: lines, path: "${recipe:dir}/y"}
stages: [dedup]
"""


def included(tmp_path: Path, top: str, base: str = BASE) -> Path:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "base.yaml").write_text(base, encoding="utf-8")
    (tmp_path / "r.yaml").write_text(top, encoding="utf-8")
    return tmp_path / "r.yaml"


def test_an_included_file_stands_below(tmp_path: Path) -> None:
    """Sections are merged by entry, entries and lists are replaced as a whole, scalars too."""
    top = "include: shared/base.yaml\nname: a\nvars: {e: new}\nsources: {one: {kind: lines, path: '${d}/${e}'}}\n"
    recipe = load_recipe(included(tmp_path, top + "stages: [words]\n"))
    assert recipe.store == "/base"
    assert recipe.sources["one"].config.model_dump(include={"path", "domain"}) == {"path": "/data/new", "domain": "web"}
    assert recipe.sources["two"].config.path == f"{tmp_path}/shared/y"
    assert [use.name for use in recipe.uses()] == ["words"]


def test_errors_point_into_the_included_file(tmp_path: Path) -> None:
    """A mistake in an included file has that file's name and line."""
    path = included(tmp_path, "name: a\ninclude: [shared/base.yaml]\n", BASE + "seeds: 3\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.where == f"{tmp_path}/shared/base.yaml:7"


@pytest.mark.parametrize(
    ("include", "says"),
    [
        ("shared/bass.yaml", "no such file"),
        ("r.yaml", "includes itself"),
        ("3", "expected a path, got 3"),
        ("[shared/base.yaml, {a: 1}]", "expected a path, got a mapping with 'a'"),
    ],
)
def test_includes_that_cannot_be_read(tmp_path: Path, include: str, says: str) -> None:
    """A missing file, a circle and anything but a path are errors of the line that includes."""
    path = included(tmp_path, f"name: a\ninclude: {include}\nsources: {{one: {{kind: lines, path: x}}}}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.where == f"{path}:2" and says in caught.value.message
