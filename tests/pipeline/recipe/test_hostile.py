"""Any recipe either loads or is refused with a RecipeError: no mistake of a user ends in a traceback."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Recipe
from pipeline.recipe.problems import Problems
from pipeline.recipe.resolved import resolved_recipe
from pipeline.recipe.yaml_reader import read_yaml, to_data
from pipeline.recipe.yaml_writer import write_yaml
from tests.pipeline.recipe.recipe_fakes import use_fakes
from tests.pipeline.recipe.test_loader import WHOLE

WORDS = st.sampled_from(
    [
        "words",
        "dedup",
        "route",
        "kind",
        "name",
        "fit",
        "low",
        "lm",
        "one",
        "by",
        "default",
        "${data}",
        "${env:NO}",
        "$${",
        "source",
        "when",
        "${l}",
        "no",
        "-1",
        "1.5",
        "mix",
        "language",
        "[",
        "${",
    ]  # fmt: skip  # noqa: E501
)
SCALARS = WORDS | st.integers(-3, 10**6) | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
QUIET = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def loaded(text: str, *overrides: str) -> Recipe | None:
    try:
        return load_recipe_text(text, "r.yaml", overrides)
    except RecipeError as error:
        assert error.where and error.message
        return None


def whole() -> Any:
    node = read_yaml(WHOLE, "r.yaml", Problems())
    assert node is not None
    return to_data(node)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, item in items for below in places(item, (*path, key)))]


@QUIET
@given(st.data())
def test_a_recipe_with_anything_anywhere(data: st.DataObject) -> None:
    """Whatever stands in the place of whatever, the answer is a recipe that resolves to itself, or a RecipeError."""
    tree = whole()
    for _ in range(data.draw(st.integers(1, 2))):
        *above, last = data.draw(st.sampled_from(places(tree)[1:]))
        parent = tree
        for key in above:
            parent = parent[key]
        change = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            parent.pop(last)
        elif change == "add" and isinstance(parent, dict):
            parent[data.draw(WORDS)] = data.draw(DATA)
        else:
            parent[last] = data.draw(DATA)
    recipe = loaded(write_yaml(tree))
    if recipe is not None:
        assert load_recipe_text(resolved_recipe(recipe)) == recipe


@QUIET
@given(st.text(max_size=60) | st.lists(st.sampled_from(list("ab:-[]{}&*!|>'\"%@`#,? \n\t$")), max_size=30).map("".join))
def test_any_text_as_a_file(text: str) -> None:
    """Text that is no recipe, or no YAML, is refused with a line."""
    assert loaded(text) is None


@QUIET
@given(
    st.sampled_from(
        [
            "words",
            "words.when",
            "dedup",
            "few",
            "few[no]",
            "model[zh].model",
            "sources",
            "sources.one",
            "fits.low.from",
            "mix",
            "mix.weights",
            "train",
            "seed",
            "vars",
            "name",
            "tokenize.tokenizer",
            "execution",
            "rest[default].limits",
        ]  # fmt: skip  # noqa: E501
    ),
    st.text("ab.[]=", max_size=4) | st.sampled_from([".min_words", ".fit", ".name", ".x.y", ".source"]),
    st.sampled_from(["", "1", "x", "null", "[a]", "{fit: low}", "{a: {b: 1}}", "${data}", "{", "words", "mix"]),
)
def test_any_override(address: str, tail: str, value: str) -> None:
    """An override is applied or refused, whatever it says."""
    loaded(WHOLE, f"{address}{tail}={value}")
