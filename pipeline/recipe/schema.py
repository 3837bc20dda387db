"""JSON Schema of recipes, for editors that complete keys and mark mistakes while one types.

Describes the file as it is written: sources and fits by ``kind``, a stage as a mapping of one kind to its settings,
routes, ``${…}`` where numbers and words from a list are asked for. The loader checks more than a schema can say:
names that refer to each other, and what variables stand for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline.recipe.model import NAME, Settings
from pipeline.sources import catalogue as source_catalogue
from stages import catalogue
from stages.contract import CorpusStage

_VARIABLE = {"type": "string", "pattern": r"\$\{|^[-+]?[0-9]+(_[0-9]+)+$"}
_NAMES = {"pattern": f"^{NAME.pattern}$"}
_NULL = {"type": "null"}
_PATHS = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe, with every stage, fit and source that is installed."""
    stages = {kind: catalogue.stage(kind) for kind in catalogue.stage_names()}
    fits = {kind: catalogue.fit(kind).config for kind in catalogue.fit_names()}
    sources = {kind: source_catalogue.source(kind).config for kind in source_catalogue.source_names()}
    models: list[type[BaseModel]] = [Settings, *(s.config for s in stages.values()), *fits.values(), *sources.values()]
    names, definitions = _definitions(models)
    settings = definitions.pop(names[Settings])
    rows = [kind for kind, stage in stages.items() if not isinstance(stage, CorpusStage)]
    stage_refs = {kind: _ref(names[stage.config]) for kind, stage in stages.items()}
    own = {
        "include": _include(),
        "sources": _by_kind({kind: definitions[names[model]] for kind, model in sources.items()})
        | {"minProperties": 1},
        "fits": _by_kind({kind: definitions[names[model]] for kind, model in fits.items()}),
        "stages": {"type": "array", "items": {"anyOf": [*_stage_entry(stage_refs), _ref("route"), _ref("include")]}},
    }
    definitions["include"] = _include_entry()
    definitions["route"] = _route({kind: stage_refs[kind] for kind in rows})
    settings["properties"]["name"] |= _NAMES
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gristmill recipe",
        "type": "object",
        "required": ["name", "sources"],
        "additionalProperties": False,
        "properties": {key: _with_variables(value) for key, value in {**settings["properties"], **own}.items()},
        "$defs": {name: _with_variables(schema) for name, schema in definitions.items()},
    }


def _definitions(models: Sequence[type[BaseModel]]) -> tuple[dict[type[BaseModel], str], dict[str, Any]]:
    """Model → name of its definition, and the definitions."""
    unique = list(dict.fromkeys(models))
    refs, schema = models_json_schema([(model, "validation") for model in unique], ref_template="{model}")
    names = {model: refs[model, "validation"]["$ref"] for model in unique}
    return names, {name: _rooted(definition) for name, definition in schema["$defs"].items()}


def _rooted(value: Any) -> Any:
    """References as paths from the top of the document, and descriptions as Markdown."""
    if isinstance(value, Mapping):
        return {key: _rooted_item(key, item) for key, item in value.items()}
    return [_rooted(item) for item in value] if isinstance(value, list) else value


def _rooted_item(key: str, item: Any) -> Any:
    if isinstance(item, str):
        return f"#/$defs/{item}" if key == "$ref" else item.replace("``", "`")
    return _rooted(item)


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _include() -> dict[str, Any]:
    description = "Files whose keys stand below those of this one; paths are relative to this file."
    return {"description": description, "anyOf": _PATHS}


def _include_entry() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Files whose stages stand in the place of this entry.",
        "required": ["include"],
        "properties": {"include": {"anyOf": _PATHS}},
        "additionalProperties": False,
    }


def _by_kind(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A mapping of names to one of the configs, each with its ``kind``."""
    choices = []
    for kind, config in configs.items():
        properties = {"kind": {"const": kind}, **config["properties"]}
        choices.append({**config, "properties": properties, "required": ["kind", *config.get("required", [])]})
    return {"type": "object", "propertyNames": _NAMES, "additionalProperties": {"oneOf": choices}}


def _stage_entry(refs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A kind alone, or a mapping of exactly one kind to its settings or nothing."""
    settings = {kind: {"anyOf": [ref, _NULL]} for kind, ref in refs.items()}
    one = {"minProperties": 1, "maxProperties": 1, "additionalProperties": False}
    return [{"type": "string", "enum": list(refs)}, {"type": "object", "properties": settings, **one}]


def _route(refs: Mapping[str, Any]) -> dict[str, Any]:
    by = {"type": "string", "description": "Column whose value chooses the branch."}
    branch = {"anyOf": [{"type": "array", "items": {"anyOf": [*_stage_entry(refs), _ref("include")]}}, _NULL]}
    route = {"type": "object", "required": ["by"], "properties": {"by": by}, "additionalProperties": branch}
    return {
        "type": "object",
        "description": "Lists of row stages by a column's value; `default` for all other values.",
        "required": ["route"],
        "properties": {"route": {**route, "minProperties": 2}},
        "additionalProperties": False,
    }


def _with_variables(schema: Any) -> Any:
    """The schema with ``${…}`` (and ``20_000``, which other YAML readers take for text) allowed for plain values."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    changed = {key: item if key in ("default", "enum") else _with_variables(item) for key, item in schema.items()}
    is_list = changed.get("type") == "array" and changed.get("items", {}).get("type") == "string"
    if changed.get("type") not in ("integer", "number", "boolean") and "enum" not in changed and not is_list:
        return changed
    outer = {key: changed.pop(key) for key in ("title", "description", "default", "effect") if key in changed}
    return {**outer, "anyOf": [changed, _VARIABLE]}
