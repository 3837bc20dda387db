"""Writes ``docs/recipe-reference.md``: every key of a recipe with type, default, effect and meaning.

The text comes from the docstrings under the fields, from the stages' module docstrings and from the rules that their
default settings make, so that it cannot drift from the code; a test compares the file with what this module writes.
``python -m pipeline.recipe.reference docs/recipe-reference.md`` writes it anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.recipe.config_types import effect, members
from pipeline.recipe.model import ExecutionConfig, ExportConfig, MixConfig, Settings, TokenizeConfig, TrainConfig
from pipeline.recipe.schema import recipe_schema
from pipeline.recipe.yaml_writer import inline_yaml
from pipeline.sources import catalogue as source_catalogue
from pipeline.sources.contract import SourceConfig
from stages import catalogue
from stages.contract import CorpusStage, FitConfig, FitRef, FitStep, RowStage, Rule, StageConfig

__all__ = ["effect", "recipe_schema", "reference_markdown"]

_INTRODUCTION = Path(__file__).with_name("reference_introduction.md")
_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    NoneType: "`null`",
    Any: "any",
    FitRef: "`{fit: name}`",
}
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "tokenize": TokenizeConfig,
    "mix": MixConfig,
    "train": TrainConfig,
    "exports": ExportConfig,
    "execution": ExecutionConfig,
}


def reference_markdown() -> str:
    """The whole reference, as it stands in the docs."""
    blocks = [
        _INTRODUCTION.read_text(encoding="utf-8").strip(),
        "## Top level",
        _table(Settings, ("key", "type", "default", "meaning"), more=_TOP_LEVEL_ROWS),
        *_sources(),
        *_fits(),
        *_stages(),
    ]
    for name, model in _SECTIONS.items():
        blocks += [f"## `{name}`", _paragraph(model.__doc__), _table(model, ("key", "type", "default", "meaning"))]
    return "\n\n".join(blocks) + "\n"


_TOP_LEVEL_ROWS = (
    ("`include`", "text or list of text", "`null`", "Files whose keys stand below those of this one."),
    ("`sources`", "mapping", "**required**", "Where documents come from: name → kind and settings."),
    ("`fits`", "mapping", "`{}`", "What is made from data before the stage that uses it: name → kind and settings."),
    ("`stages`", "list", "`[]`", "What happens to documents, from top to bottom."),
)


def _sources() -> Iterator[str]:
    yield "## `sources`"
    yield "Each entry is `name: {kind: …, …}`. All kinds have these keys:"
    yield _table(SourceConfig, ("key", "type", "default", "meaning"))
    for kind in source_catalogue.SOURCES:
        config = source_catalogue.source(kind).config
        yield f"### `kind: {kind}`"
        yield _about(config)
        yield _table(config, ("key", "type", "default", "meaning"), without=SourceConfig)


def _fits() -> Iterator[str]:
    yield "## `fits`"
    yield "Each entry is `name: {kind: …, …}`; a threshold refers to it as `{fit: name}`. All kinds have these keys:"
    yield _table(FitConfig, ("key", "type", "default", "meaning"))
    for kind in catalogue.FITS:
        step: FitStep = catalogue.fit(kind)
        yield f"### `kind: {kind}`"
        yield _about(step.config)
        yield _table(step.config, ("key", "type", "default", "meaning"), without=FitConfig)


def _stages() -> Iterator[str]:
    yield "## `stages`"
    yield (
        "Each entry is `- kind: {…}`, or `- kind` alone for the published settings. *rule* keys are thresholds: they "
        "change which rows go, and `whatif` can vary them. *measure* keys change what is measured or written; "
        "*effort* keys only say how the work is done, so that changing one computes nothing anew. "
        "All stages have these keys:"
    )
    yield _table(StageConfig, ("key", "type", "default", "meaning"))
    for kind in catalogue.STAGES:
        stage = catalogue.stage(kind)
        yield f"### `{kind}`"
        yield _about(stage.config)
        if isinstance(stage, CorpusStage):
            yield f"A corpus stage: it looks at all documents. Rows go as `{kind}:{stage.rule}`."
        yield _table(stage.config, ("key", "type", "default", "effect", "meaning"), without=StageConfig)
        yield from _listings(stage)


def _listings(stage: RowStage | CorpusStage) -> Iterator[str]:
    """Rules, signals and columns that the default settings make, where there are default settings."""
    try:
        config = stage.config.model_validate({"name": stage.kind})
    except ValidationError:
        return
    if isinstance(stage, CorpusStage):
        yield from _listing("Columns given", stage.columns(config))
        return
    rules = [f"- `{stage.kind}:{rule.name}` {_wanted(rule)}" for rule in stage.rules(config)]
    if rules:
        yield "Rules, with the default settings: a row goes as"
        yield "\n".join(rules)
    yield from _listing("Signals", stage.signals(config))
    yield from _listing("Columns written", stage.writes(config))


def _listing(title: str, types: Mapping[str, Any]) -> Iterator[str]:
    if types:
        yield f"{title}: " + ", ".join(f"`{name}` ({kind})" for name, kind in types.items()) + "."


def _wanted(rule: Rule) -> str:
    parts = [f"`{rule.signal}` ≥ {_threshold(rule.min)}"] if rule.min is not None else []
    parts += [f"`{rule.signal}` ≤ {_threshold(rule.max)}"] if rule.max is not None else []
    parts += [f"`{rule.signal}` is one of {', '.join(rule.allowed)}"] if rule.allowed is not None else []
    parts += [f"`{rule.signal}` is not {' or '.join(rule.forbidden)}"] if rule.forbidden is not None else []
    return f"unless {' and '.join(parts)}" if parts else "never: switched off"


def _threshold(value: float | FitRef) -> str:
    return f"the fit `{value.fit}`" if isinstance(value, FitRef) else f"{value:g}"


def _about(config: type[BaseModel]) -> str:
    """First paragraph of the docstring of the module that a config is defined in."""
    return _paragraph(sys.modules[config.__module__].__doc__)


def _paragraph(docstring: str | None) -> str:
    return _plain((docstring or "").strip().partition("\n\n")[0])


def _plain(text: str) -> str:
    """The reStructuredText of docstrings as Markdown on one line."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def _table(
    model: type[BaseModel],
    columns: Sequence[str],
    without: type[BaseModel] | None = None,
    more: Sequence[tuple[str, ...]] = (),
) -> str:
    """A Markdown table of a model's keys, those of nested mappings below their own."""
    left_out = set(without.model_fields) if without else set()
    rows = [*_rows(model, "", left_out, columns), *more]
    if not rows:
        return "No further keys."
    lines = [columns, ["---"] * len(columns), *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(model: type[BaseModel], prefix: str, left_out: set[str], columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for name, info in model.model_fields.items():
        if name in left_out:
            continue
        key = f"{prefix}{info.alias or name}"
        cells = {
            "key": f"`{key}`",
            "type": _type(info),
            "default": _default(info),
            "effect": effect(model, info.alias or name) or "",
            "meaning": _plain(info.description or ""),
        }
        yield tuple(cells[column] for column in columns)
        if model is not Settings:
            for nested in _nested(info):
                yield from _rows(nested, f"{key}.", set(), columns)


def _nested(info: FieldInfo) -> Iterator[type[BaseModel]]:
    """Models whose keys get rows of their own; ``{fit: name}`` says enough by itself."""
    for kind in members(info.annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel) and list(kind.model_fields) != ["fit"]:
            yield kind


def _type(info: FieldInfo) -> str:
    bounds = [bound for item in info.metadata for bound in _bounds(item)]
    return ", ".join([_kind(info.annotation), *bounds])


def _bounds(item: Any) -> Iterator[str]:
    signs = {annotated_types.Gt: ">", annotated_types.Ge: "≥", annotated_types.Lt: "<", annotated_types.Le: "≤"}
    for kind, sign in signs.items():
        if isinstance(item, kind):
            yield f"{sign} {getattr(item, kind.__name__.lower())}"


def _kind(annotation: Any) -> str:
    """A type in words: ``number or `{fit: name}` or `null```."""
    return " or ".join(dict.fromkeys(_word(kind) for kind in members(annotation)))


def _word(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "`{fit: name}`" if list(kind.model_fields) == ["fit"] else "mapping"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{inline_yaml(value)}`" for value in arguments)
    if origin is Annotated:
        return _kind(arguments[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_kind(arguments[1])}"
    return f"list of {_kind(arguments[0])}" if arguments else str(getattr(kind, "__name__", kind))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "all defaults"
    return f"`{inline_yaml(list(value) if isinstance(value, tuple) else value)}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_markdown(), encoding="utf-8")
