"""The generated reference and the JSON Schema say what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest

from pipeline.errors import RecipeError
from pipeline.recipe.loader import load_recipe_text
from pipeline.recipe.model import Settings
from pipeline.recipe.problems import Problems
from pipeline.recipe.reference import effect, reference_markdown
from pipeline.recipe.schema import recipe_schema
from pipeline.recipe.yaml_reader import read_yaml, to_data
from pipeline.sources import catalogue as sources
from stages import catalogue
from tests.pipeline.recipe.recipe_fakes import ModelConfig, WordsConfig, use_fakes
from tests.pipeline.recipe.test_loader import SMALLEST, WHOLE

DOCS = Path(__file__).parents[3] / "docs" / "recipe-reference.md"


def data(text: str) -> Any:
    problems = Problems()
    node = read_yaml(text, "r.yaml", problems)
    assert node is not None and not problems.found
    return to_data(node)


def test_the_reference_in_the_docs_is_up_to_date() -> None:
    """docs/recipe-reference.md is what `python -m pipeline.recipe.reference docs/recipe-reference.md` writes."""
    assert DOCS.read_text(encoding="utf-8") == reference_markdown()


def test_every_kind_and_key_is_in_the_reference() -> None:
    """No stage, fit, source or key of theirs is left out."""
    text = reference_markdown()
    configs: list[Any] = [catalogue.stage(kind).config for kind in catalogue.STAGES]
    configs += [catalogue.fit(kind).config for kind in catalogue.FITS]
    configs += [sources.source(kind).config for kind in sources.SOURCES]
    keys = {info.alias or name for config in [*configs, Settings] for name, info in config.model_fields.items()}
    assert [key for key in keys if f"| `{key}` |" not in text] == []


def test_every_key_says_what_it_means() -> None:
    """A key without a docstring is a key that nobody can look up."""
    configs: list[Any] = [catalogue.stage(kind).config for kind in catalogue.STAGES]
    configs += [catalogue.fit(kind).config for kind in catalogue.FITS]
    configs += [sources.source(kind).config for kind in sources.SOURCES]
    bare = [f"{c.__name__}.{name}" for c in configs for name, info in c.model_fields.items() if not info.description]
    assert bare == []


def test_every_stage_says_which_keys_are_thresholds() -> None:
    """Each key of a stage of its own is marked as rule or measure, so that what-if knows what it may vary."""
    unmarked = [
        f"{kind}.{key}"
        for kind in catalogue.STAGES
        for key in catalogue.stage(kind).config.model_fields
        if key not in ("name", "when") and effect(catalogue.stage(kind).config, key) is None
    ]
    assert unmarked == []


def test_effect_tells_rules_from_measures() -> None:
    """The planner asks by key; keys that all stages have are neither, unknown ones an error."""
    assert (effect(WordsConfig, "min_words"), effect(WordsConfig, "unit")) == ("rule", "measure")
    assert effect(ModelConfig, "name") is None
    with pytest.raises(KeyError, match="min_wrds"):
        effect(WordsConfig, "min_wrds")


def test_types_defaults_and_rules_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types in words, bounds, defaults as YAML, and the rules that the defaults make."""
    use_fakes(monkeypatch)
    text = reference_markdown()
    for line in [
        "| `min_words` | number or `{fit: name}` or `null` | `50` | rule | Fewest words. |",
        "| `max_words` | whole number or `null`, > 0 | `null` | rule | Most words. |",
        "| `unit` | `word`, `character` | `word` | measure | What is counted. |",
        "| `limits` | mapping of number | `{}` | rule | Limits by language. |",
        "| `model` | text or `{fit: name}` | **required** | measure | Path of a model, or a fit. |",
        "- `words:too_short` unless `words` ≥ 50",
        "Signals: `words` (int64).",
        "Rows go as `dedup:duplicate`.",
        "| `from.sample` | number, > 0, ≤ 1 | `1.0` |",
    ]:
        assert line in text, line


@pytest.fixture
def validator(monkeypatch: pytest.MonkeyPatch) -> jsonschema.Draft202012Validator:
    """The schema of recipes that use the fakes."""
    use_fakes(monkeypatch)
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("text", [SMALLEST, WHOLE])
def test_the_schema_accepts_what_the_loader_accepts(text: str, validator: jsonschema.Draft202012Validator) -> None:
    """Recipes that load are right for an editor, too, variables and bare stages among them."""
    load_recipe_text(text)
    assert [error.message for error in validator.iter_errors(data(text))] == []


@pytest.mark.parametrize(
    "tail",
    [
        "seeds: 1\n",
        "seed: x\n",
        "name2: x\n",
        "stages: [wrods]\n",
        "stages: [words: {min_wrds: 3}]\n",
        "stages: [words: {unit: wrd}]\n",
        "stages: [{words: {}, dedup: {}}]\n",
        "stages: [route: {en: [words]}]\n",
        "stages: [route: {by: language, en: [dedup]}]\n",
        "fits: {low: {kind: percentle}}\n",
        "fits: {low: {kind: percentile}}\n",
        "fits: {Low: {kind: lm}}\n",
        "tokenize: {append_eos: no}\n",
        "tokenize:\nmix: {tokens: 0, weights: {a: 1}}\n",
        "execution: {executor: dask}\n",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(tail: str, validator: jsonschema.Draft202012Validator) -> None:
    """Mistakes of keys, kinds and types are marked while one types."""
    with pytest.raises(RecipeError):
        load_recipe_text(SMALLEST + tail)
    assert list(validator.iter_errors(data(SMALLEST + tail)))


def test_the_schema_of_what_is_installed_is_valid() -> None:
    """The real schema is a schema, and has every kind."""
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {entry for entry in catalogue.stage_names()} <= set(str(schema).split("'"))
