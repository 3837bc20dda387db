"""The recipe as it was understood: variables put in, every default filled in, in the order of the schema.

Loading the text again gives an equal recipe, whatever the environment is by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from pydantic import BaseModel

from pipeline.recipe.config_types import effort_fields
from pipeline.recipe.model import FitUse, Recipe, RouteUse, Settings, SourceUse, StageUse
from pipeline.recipe.yaml_writer import write_yaml

_HEADER = "# Resolved recipe: what was run, with every default filled in.\n"
_USES_BEFORE = "tokenize"


def resolved_recipe(recipe: Recipe, effort: bool = True) -> str:
    """The recipe as YAML that :func:`~pipeline.recipe.loader.load_recipe` reads back to an equal one.

    Without ``effort`` the settings of stages are left out on which no result depends: to compare, not to be read.
    """
    data: dict[str, Any] = {}
    for key in Settings.model_fields:
        if key == _USES_BEFORE:
            data["sources"] = {name: _use(use) for name, use in recipe.sources.items()}
            data["fits"] = {name: _use(use) for name, use in recipe.fits.items()}
            data["stages"] = [_entry(entry, effort) for entry in recipe.stages if not _is_brought(entry)]
        value = getattr(recipe, key)
        if value is not None:
            data[key] = _plain(value)
    return _HEADER + write_yaml(_escaped(data))


def _use(use: SourceUse | FitUse) -> dict[str, Any]:
    return {"kind": use.kind, **_dumped(use.config)}


def _is_brought(entry: StageUse | RouteUse) -> bool:
    """Whether the sources bring it: reading the recipe again brings it again."""
    return isinstance(entry, RouteUse) and entry.brought


def _entry(entry: StageUse | RouteUse, effort: bool) -> dict[str, Any]:
    if isinstance(entry, StageUse):
        return {entry.kind: _dumped(entry.config, set() if effort else effort_fields(type(entry.config)))}
    branches = dict(entry.branches) if entry.default is None else {**entry.branches, "default": entry.default}
    lists = {value: [_entry(use, effort) for use in uses] for value, uses in branches.items()}
    return {"route": {"by": entry.by, **lists}}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _dumped(value)
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _dumped(model: BaseModel, without: Set[str] = frozenset()) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude=set(without))


def _escaped(value: Any) -> Any:
    """Text in which ``${`` is literal, as the loader left it."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value
