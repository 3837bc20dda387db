"""What the types of a config say: which keys it has, what stands below a path, which fits a value refers to.

Validation asks for the known keys at a place, overrides for the end of a dotted key, the reference for all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Path = tuple[str | int, ...]
"""Keys and list indices from the top of a tree to a node."""


def keys_of(model: type[BaseModel]) -> list[str]:
    """Names of a model's keys as recipes write them."""
    return [info.alias or name for name, info in model.model_fields.items()]


def models_at(model: type[BaseModel], path: Path) -> list[type[BaseModel]]:
    """Models that a mapping at ``path`` below ``model`` may be."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [below for kind in kinds for below in _kinds_below(kind, part)]
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def is_free_mapping(model: type[BaseModel], path: Path) -> bool:
    """Whether ``path`` is a mapping whose keys the user chooses (``mix.weights``)."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [below for kind in kinds for below in _kinds_below(kind, part)]
    return any(_is_mapping(kind) for kind in kinds)


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _kinds_below(kind: Any, part: str | int) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, info in kind.model_fields.items():
            if part in (name, info.alias):
                yield from members(info.annotation)
    elif _is_mapping(kind):
        yield from members(get_args(kind)[1])
    elif isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Iterable):
        for member in get_args(kind):
            yield from members(member)


def members(kind: Any) -> Iterator[Any]:
    """The members of a union, without Annotated."""
    if get_origin(kind) is Annotated:
        yield from members(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from members(member)
    else:
        yield kind


def field_of(model: type[BaseModel], key: str) -> FieldInfo:
    """The field that recipes call ``key``. Raises KeyError for an unknown one."""
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            return info
    raise KeyError(f"{model.__name__} has no key {key!r}")


Effect = Literal["rule", "measure", "effort"]


def effect(config_type: type[BaseModel], key: str) -> Effect | None:
    """Whether a key is a threshold, changes what is measured, or only how; None where its config does not say."""
    extra = field_of(config_type, key).json_schema_extra
    said = extra.get("effect") if isinstance(extra, dict) else None
    return next((known for known in get_args(Effect) if known == said), None)


def effort_fields(config_type: type[BaseModel]) -> set[str]:
    """Names of the fields on which no result depends."""
    fields = config_type.model_fields.items()
    return {name for name, info in fields if effect(config_type, info.alias or name) == "effort"}


def decisive(config: BaseModel) -> dict[str, Any]:
    """The settings on which results depend, as JSON."""
    return config.model_dump(mode="json", exclude=effort_fields(type(config)))


def fit_references(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every ``{fit: name}`` inside a config: (where it stands, name)."""
    if isinstance(value, BaseModel):
        if list(type(value).model_fields) == ["fit"]:
            yield path, value.fit  # type: ignore[attr-defined]
            return
        for name, info in type(value).model_fields.items():
            yield from fit_references(getattr(value, name), (*path, info.alias or name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from fit_references(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from fit_references(item, (*path, index))
