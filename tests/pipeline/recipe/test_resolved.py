"""The resolved recipe: every default written, and the same recipe when it is read again."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.resolved import resolved_recipe
from tests.pipeline.recipe.recipe_fakes import use_fakes
from tests.pipeline.recipe.test_loader import SMALLEST, WHOLE


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


@pytest.mark.parametrize("text", [SMALLEST, WHOLE])
def test_the_resolved_recipe_is_the_same_recipe(text: str) -> None:
    """Reading the resolved text gives an equal recipe, and resolving that gives the same text."""
    recipe = load_recipe_text(text, "r.yaml")
    resolved = resolved_recipe(recipe)
    again = load_recipe_text(resolved, "resolved.yaml")
    assert again == recipe
    assert resolved_recipe(again) == resolved


def test_every_default_is_written() -> None:
    """The resolved text says what the recipe left out."""
    resolved = resolved_recipe(load_recipe_text(WHOLE, "r.yaml"))
    for said in ["max_errors: 0.001", "scope: all", "unit: word", "max_epochs: 4.0", "executor: local", "runs: "]:
        assert said in resolved, said
    assert "${" not in resolved


def test_it_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are written as what they stood for."""
    monkeypatch.setenv("GRISTMILL_X", "/x")
    text = SMALLEST.replace("x.txt", '"${env:GRISTMILL_X}/${v}"') + "vars: {v: '$${literal}'}\n"
    recipe = load_recipe_text(text, "r.yaml")
    assert recipe.sources["one"].config.path == "/x/${literal}"
    monkeypatch.delenv("GRISTMILL_X")
    assert load_recipe_text(resolved_recipe(recipe)) == recipe


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=3),
)
def test_any_text_survives(path: str, columns: dict[str, str]) -> None:
    """Settings of any text, references that are meant literally among them, come back unchanged."""
    recipe = load_recipe_text(SMALLEST)
    use = recipe.sources["one"]
    changed = use.config.model_copy(update={"path": path, "columns": columns})
    recipe = recipe.model_copy(update={"sources": {"one": type(use)("one", "lines", changed)}})
    assert load_recipe_text(resolved_recipe(recipe)) == recipe
