"""The ``stages`` list: its forms, names, routes, and what its entries refer to."""

from __future__ import annotations

import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Recipe, RouteUse, StageUse
from tests.pipeline.recipe.recipe_fakes import use_fakes

HEAD = """\
name: a
sources: {one: {kind: lines, path: x}, two: {kind: lines, path: y}}
fits: {low: {kind: percentile, signal: measured.words}, lm: {kind: lm}}
stages:
  - words: {name: measured}
"""
LINES_BEFORE = HEAD.count("\n")


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def load(stages: str) -> Recipe:
    return load_recipe_text(HEAD + stages, "r.yaml")


def test_three_ways_to_write_a_stage() -> None:
    """A kind alone, a kind with nothing and a kind with no settings are the same."""
    forms = ["  - words\n", "  - words:\n", "  - words: {}\n"]
    first, second, third = (load(form).stages for form in forms)
    assert first == second == third and len(first) == 2


def test_a_name_lets_a_kind_stand_twice() -> None:
    """``name`` tells two uses of a kind apart."""
    recipe = load("  - words\n  - words: {name: again}\n")
    assert [use.name for use in recipe.uses()] == ["measured", "words", "again"]


def test_a_name_may_stand_once_in_each_branch() -> None:
    """The same stage in several branches of a route is addressed by branch."""
    route = "  - words\n  - route:\n      by: language\n      en: [words: {name: w}]\n      zh: [words: {name: w}]\n"
    assert [use.address for use in load(route).uses()] == ["measured", "words", "w[en]", "w[zh]"]


def test_branches_are_text() -> None:
    """Norwegian, years and numbers are values of a column like any other."""
    stages = load("  - words\n  - route: {by: language, no: [words: {name: a}], 2024: [words: {name: b}]}\n").stages
    assert isinstance(stages[2], RouteUse) and list(stages[2].branches) == ["no", "2024"]


def test_no_default_differs_from_an_empty_one() -> None:
    """Without ``default`` it is None, with nothing behind it an empty list: both let rows pass."""
    without, empty = (
        load(f"  - words\n  - route: {{by: language, en: [model: {{model: m}}]{default}}}\n").stages[2]
        for default in ("", ", default: ")
    )
    assert isinstance(without, RouteUse) and isinstance(empty, RouteUse)
    assert (without.default, empty.default) == (None, ())


def test_aliases_share_a_branch() -> None:
    """An anchored list of stages may be used by several branches."""
    stages = load("  - words\n  - route: {by: language, en: &x [model: {model: m}], de: *x}\n").stages
    assert isinstance(stages[2], RouteUse)
    uses = list(stages[2].uses())
    assert [use.address for use in uses] == ["model[en]", "model[de]"] and uses[0].config == uses[1].config


@pytest.mark.parametrize(
    ("stages", "line", "says"),
    [
        ("  - wrods\n", 1, "no stage is called 'wrods' did you mean 'words'?"),
        ("  - qqq: {}\n", 1, "known: dedup, model, route, words"),
        ("  - 3\n", 1, "expected a stage, got 3"),
        ("  -\n", 1, "expected a stage, got nothing"),
        ("  - [words]\n", 1, "expected a stage, got a list of 1"),
        ("  - words: 3\n", 1, "words: expected a mapping of settings, got 3"),
        ("  - words: [3]\n", 1, "words: expected a mapping of settings, got a list of 1"),
        ("  - words:\n    min_words: 3\n", 2, "one entry holds one stage, got 'words' and 'min_words' indent"),
        ("  - words: {min_wrds: 3}\n", 1, "unknown key 'min_wrds' did you mean 'min_words'?"),
        ("  - words:\n      min_words: x\n", 2, "words.min_words: expected a number or a mapping, got 'x'"),
        ("  - words: {min_words: {fti: low}}\n", 1, "words.min_words: unknown key 'fti' did you mean 'fit'?"),
        ("  - words: {max_words: 0}\n", 1, "expected a value greater than 0, got 0"),
        ("  - words: {unit: wrd}\n", 1, "expected 'word' or 'character', got 'wrd' did you mean 'word'?"),
        ("  - words: {strict: yes}\n", 1, "true or false"),
        ("  - words: {languages: en}\n", 1, "languages: expected a list, got 'en'"),
        ("  - words: {languages: [en, 3]}\n", 1, 'languages.1: expected text, got 3 put it in quotes: "3"'),
        ("  - words: {limits: {en: x}}\n", 1, "limits.en: expected a number"),
        ("  - words\n  - model:\n", 2, "model: key 'model' is missing Path of a model"),
        ("  - words\n  - words\n", 2, "a stage is already called 'words', on line 6 give one of them a name"),
        ("  - words\n  - model: {name: words, model: m}\n", 2, "already called 'words'"),
        ("  - words: {name: mix}\n  - words\n", 1, "a stage cannot be called 'mix'"),
        ("  - words: {name: A}\n  - words\n", 1, "'A' cannot be the name of a stage"),
        ("  - words: {min_words: {fit: lov}}\n", 1, "no fit is called 'lov' did you mean 'low'?"),
        ("  - words:\n      min_words: {fit: lm}\n", 2, "fit 'lm' is a lm and makes no number"),
        ("  - words\n  - model: {model: {fit: ml}}\n", 2, "no fit is called 'ml'"),
        ("  - words: {when: {source: [one, tow]}}\n", 1, "no source is called 'tow' did you mean 'two'?"),
        ("  - words: {when: {source: one}}\n", 1, "when.source: expected a list, got 'one'"),
        ("  - words: {when: {source: []}}\n", 1, "when.source: the list is empty"),
        ("  - words: {when: {}}\n", 1, "when: no column is named"),
        ("  - words\n  - route: {en: [words: {name: w}]}\n", 2, "route: key 'by' is missing"),
        ("  - words\n  - route: {by: [a], en: [words: {name: w}]}\n", 2, "route.by: expected the name of a column"),
        ("  - words\n  - route: {by: language}\n", 2, "no branch besides 'default'"),
        ("  - words\n  - route: {by: language, default: [words: {name: w}]}\n", 2, "no branch besides 'default'"),
        ("  - words\n  - route:\n    by: language\n", 2, "route: expected a mapping of 'by' and branches"),
        ("  - words\n  - route: language\n", 2, "route: expected a mapping of 'by' and branches"),
        ("  - words\n  - route: {by: language, en: {words: {}}}\n", 2, "branch 'en': expected a list of stages"),
        ("  - words\n  - route: {by: source, oen: [words: {name: w}]}\n", 2, "no source is called 'oen'"),
        ("  - words\n  - route:\n      by: language\n      en:\n        - dedup\n", 5, "cannot stand inside a route"),
        ("  - words\n  - route: {by: language, en: [route: {by: x}]}\n", 2, "a route cannot stand inside a route"),
        ("  - words\n  - route: {by: language, en: [words]}\n", 2, "already called 'words'"),
        ("  - words\n  - route: {by: language, en: [model: {model: m}, model: {model: n}]}\n", 2, "already called"),
        (
            "  - words\n  - route: {by: language, en: [model: {name: w, model: m}], de: [words: {name: w}]}\n",
            2,
            "already called 'w'",
        ),
        (
            "  - words\n  - route: {by: language, en: [model: {model: m}]}\n"
            "  - route: {by: domain, web: [model: {model: m}]}\n",
            3,
            "already called 'model'",
        ),
    ],
)
def test_each_mistake_is_one_error_with_its_line(stages: str, line: int, says: str) -> None:
    """Forms, names, references and routes that are wrong are refused with line and remedy."""
    with pytest.raises(RecipeError) as caught:
        load(stages)
    assert "errors in the recipe" not in caught.value.message, caught.value.message
    assert caught.value.where == f"r.yaml:{LINES_BEFORE + line}"
    assert says in f"{caught.value.message} {caught.value.remedy}"


def test_a_resource_may_name_a_fit() -> None:
    """A stage whose config becomes a reference to a fit is checked like a written one."""
    with pytest.raises(RecipeError, match="no fit is called 'lm'"):
        text = "name: a\nsources: {one: {kind: lines, path: x}}\nstages: [model: {model: the lm}]\n"
        load_recipe_text(text, "r.yaml")
    [*_, use] = load("  - words\n  - model: {model: the lm}\n").stages
    assert isinstance(use, StageUse)


def test_stages_may_be_left_empty() -> None:
    """A recipe that only reads and tokenizes has no stages."""
    text = "name: a\nsources: {one: {kind: lines, path: x}}\nstages:\n"
    assert load_recipe_text(text, "r.yaml").stages == ()
    with pytest.raises(RecipeError, match="stages: expected a list, got a mapping with 'words'"):
        load_recipe_text(text + "  words: {}\n", "r.yaml")
