"""``--set address=value``: what it reaches, and what it says about addresses that it cannot find."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Recipe
from tests.pipeline.recipe.recipe_fakes import use_fakes

TEXT = """\
name: a
vars: {d: /data}
sources:
  one: {kind: lines, path: "${d}/x"}
  one.b: {kind: lines, path: y, columns: {v1.0: a}}
fits: {low: {kind: percentile, signal: words.words}, lm: {kind: lm}}
stages:
  - words
  - dedup:
  - route:
      by: language
      en: [words: {name: few, min_words: 3}]
      zh: [words: {name: few}, model: {model: m}]
tokenize:
mix: {tokens: 10, weights: {web.en: 1, web: 2}}
"""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch)


def load(*overrides: str) -> Recipe:
    return load_recipe_text(TEXT, "r.yaml", overrides)


def settings(recipe: Recipe) -> dict[str, Any]:
    """Address of a section, source, fit or stage → its settings."""
    found: dict[str, Any] = {use.address: use.config.model_dump(by_alias=True) for use in recipe.uses()}
    found |= {f"sources.{name}": use.config.model_dump() for name, use in recipe.sources.items()}
    found |= {f"fits.{name}": use.config.model_dump(by_alias=True) for name, use in recipe.fits.items()}
    for section in ("tokenize", "mix", "train", "execution"):
        model = getattr(recipe, section)
        found[section] = model.model_dump() if model else None
    return found


@pytest.mark.parametrize(
    ("override", "address", "key", "value"),
    [
        ("words.min_words=80", "words", "min_words", 80.0),
        ("words.min_words={fit: low}", "words", "min_words", {"fit": "low"}),
        ("words.min_words=null", "words", "min_words", None),
        ("words.languages=[no, zh]", "words", "languages", ["no", "zh"]),
        ("words.limits.en=3", "words", "limits", {"en": 3.0}),
        ("words.when.source=[one.b]", "words", "when", {"source": ["one.b"]}),
        ("dedup.scope=[language]", "dedup", "scope", ["language"]),
        ("few[en].min_words=7", "few[en]", "min_words", 7.0),
        ("few[zh].min_words=7", "few[zh]", "min_words", 7.0),
        ("model.model=n", "model[zh]", "model", "n"),
        ("model[zh].model=a=b", "model[zh]", "model", "a=b"),
        ("sources.one.path=/new", "sources.one", "path", "/new"),
        ("sources.one.path=${d}/new", "sources.one", "path", "/data/new"),
        ("sources.one.b.path=/new", "sources.one.b", "path", "/new"),
        ("sources.one.b.columns.v1.0=b", "sources.one.b", "columns", {"v1.0": "b"}),
        ("sources.new={kind: lines, path: z}", "sources.new", "path", "z"),
        ("vars.d=/other", "sources.one", "path", "/other/x"),
        ("fits.low.from.sample=0.1", "fits.low", "from", {"source": None, "sample": 0.1}),
        ("tokenize.append_eos=false", "tokenize", "append_eos", False),
        ("mix.tokens=1e6", "mix", "tokens", 1_000_000),
        ("mix.weights.web.en=5", "mix", "weights", {"web.en": 5.0, "web": 2.0}),
        ("mix.weights.code.py=5", "mix", "weights", {"web.en": 1.0, "web": 2.0, "code.py": 5.0}),
        ("train.steps=10", "train", "steps", 10),
        ("execution.workers=2", "execution", "workers", 2),
    ],
)
def test_an_override_changes_its_setting_and_no_other(override: str, address: str, key: str, value: object) -> None:
    """Every kind of address reaches its setting; everything else stays as it was."""
    before, after = settings(load()), settings(load(override))
    assert after[address][key] == value
    touched = {name for name in after if after[name] != before.get(name)}
    assert touched == {address}


def test_top_level_keys_and_order() -> None:
    """Top-level keys are set by their name; a later override wins."""
    recipe = load("seed=3", "seed=4", "max_errors=0.5", "name=other")
    assert (recipe.seed, recipe.max_errors, recipe.name) == (4, 0.5, "other")


def test_null_switches_a_section_off_and_nothing_gives_its_defaults() -> None:
    """``mix=null`` takes the section away, ``execution=`` resets it."""
    assert load("mix=null").mix is None
    assert load("execution.workers=3", "execution=").execution.workers is None


def test_the_order_of_overrides_may_rename() -> None:
    """An override sees the recipe as the ones before it left it."""
    assert [use.name for use in load("dedup.name=copies", "copies.scope=x").uses()][1] == "copies"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("wrods.min_words=3", "nothing is called 'wrods' here did you mean 'words'? addresses: words, dedup, few[en]"),
        ("few[fr].min_words=3", "nothing is called 'few[fr]' here did you mean 'few'?"),
        ("few.min_words=3", "'few' stands in several branches say which: few[en], few[zh]"),
        ("words.min_wrds=3", "words: unknown key 'min_wrds' did you mean 'min_words'?"),
        ("words.min_words=x", "words.min_words: expected a number or a mapping, got 'x'"),
        ("words=3", "'words' is a stage name a key of it"),
        ("sources.oen.path=x", "no entry 'oen' under sources did you mean 'one'?"),
        ("sources.one.pat=x", "sources.one: unknown key 'pat' did you mean 'path'?"),
        ("sources.one.path.x=1", "'x' cannot be set below a value that is not a mapping"),
        ("train.step=3", "train: unknown key 'step' did you mean 'steps'?"),
        ("seeds=3", "nothing is called 'seeds' here did you mean 'seed'?"),
        ("seed=x", "seed: expected a whole number, got 'x'"),
        ("stages=[]", "nothing is called 'stages' here addresses: words"),
        ("include=x.yaml", "nothing is called 'include' here"),
        ("seed", "expected address=value"),
        ("=3", "expected address=value"),
        ("words.languages=[a", "not valid YAML"),
        ("words.min_words=007", "starts with a zero"),
        ("sources.one.path=${x}", "no variable 'x' under vars"),
    ],
)
def test_a_wrong_override_is_an_error_of_the_option(override: str, says: str) -> None:
    """Errors name the option in place of a line, with the nearest name or the addresses there are."""
    with pytest.raises(RecipeError) as caught:
        load(override)
    found = [line for line in str(caught.value).splitlines() if f"--set {override}: " in line]
    assert len(found) == 1
    assert says in " ".join(str(caught.value).replace("→", "").split())


def test_all_wrong_overrides_are_shown_together() -> None:
    """Several wrong options make one error."""
    with pytest.raises(RecipeError, match="3 errors"):
        load("seeds=1", "wrods.x=1", "words.min_words=x")
