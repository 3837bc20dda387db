"""Validates a part of a recipe's tree with a pydantic model, and turns its findings into sentences with lines.

Validation is strict (text is not a number, ``no`` is not false) but knows that YAML has one kind of number:
``1e6`` is a whole number where one is asked for. An unquoted ``${env:NAME}`` becomes a number or a bool where text
is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.recipe.config_types import Path, keys_of, models_at
from pipeline.recipe.model import NAME
from pipeline.recipe.problems import Mark, Problems, suggest
from pipeline.recipe.yaml_reader import ListNode, MapNode, Node, ScalarNode, resolve_plain, to_data

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
}
_BOOLEAN_WORDS = {"yes", "no", "on", "off"}
_EXACT = 2.0**53


@dataclass(frozen=True)
class _Finding:
    """A pydantic error with the part of its location that exists in the tree."""

    path: Path
    node: Node
    error: ErrorDetails

    @property
    def is_shape(self) -> bool:
        """The value is of a wrong type as a whole, so that findings below it come from another reading of it."""
        return self.error["type"] in _EXPECTED or self.error["type"] == "literal_error"


def validate(model: type[Model], node: MapNode, problems: Problems, what: str = "") -> Model | None:
    """``node`` as a ``model``, or None with every finding among ``problems``. ``what`` names it in messages."""
    try:
        return _validated(model, node)
    except ValidationError as error:
        findings = _findings(error, node)
    typed = _with_typed_variables(node, findings)
    if typed is not node:
        return validate(model, typed, problems, what)
    _report(model, node, findings, problems, what)
    return None


def _validated(model: type[Model], node: MapNode) -> Model:
    """Validated twice, so that defaults have their field's type too and 50 and 50.0 are one setting."""
    data = json.dumps(_with_whole_numbers(to_data(node)))
    first = model.model_validate_json(data, strict=True)
    return model.model_validate_json(first.model_dump_json(by_alias=True), strict=True)


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    return value


def _findings(error: ValidationError, root: Node) -> list[_Finding]:
    """Findings in the order in which pydantic made them, without those that a better reading makes void."""
    found = [_located(details, root) for details in error.errors(include_url=False)]
    paths = {finding.path for finding in found}
    return [f for f in found if not (f.is_shape and any(_is_below(path, f.path) for path in paths))]


def _is_below(path: Path, above: Path) -> bool:
    return len(path) > len(above) and path[: len(above)] == above


def _located(details: ErrorDetails, root: Node) -> _Finding:
    """Follows the location through the tree; parts that are no key there name members of a union."""
    path: Path = ()
    node = root
    for part in details["loc"]:
        child = _child(node, part)
        if child is not None:
            node, path = child, (*path, part)
    if details["type"] == "missing":
        path = (*path, details["loc"][-1])
    return _Finding(path, node, details)


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(node, MapNode) and isinstance(part, str):
        return node.items.get(part)
    if isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def check_name(name: str, mark: Mark, what: str, problems: Problems) -> None:
    """Note a name that cannot be part of addresses and file names."""
    if not NAME.fullmatch(name):
        remedy = "lower-case letters, digits, '_', '-' and '.', a letter or digit first"
        problems.add(mark, f"{name!r} cannot be the name of {what}", remedy)


def find_mark(root: Node, path: Path) -> Mark:
    """Where a path stands: the key of a mapping's entry, the value of a list's; the nearest that exists."""
    mark, node = root.mark, root
    for part in path:
        child = _child(node, part)
        if child is None:
            break
        mark = node.keys[part] if isinstance(node, MapNode) and isinstance(part, str) else child.mark
        node = child
    return mark


def _with_typed_variables(root: MapNode, findings: Sequence[_Finding]) -> MapNode:
    """The tree with unquoted variables that were refused as text read as YAML; the same tree if there are none."""
    for finding in findings:
        node = finding.node
        if not (isinstance(node, ScalarNode) and node.plain and isinstance(node.value, str) and finding.is_shape):
            continue
        try:
            value = resolve_plain(node.value)
        except ValueError:
            continue
        if value is not None and not isinstance(value, str):
            changed = replace_at(root, finding.path, replace(node, value=value))
            if isinstance(changed, MapNode):
                root = changed
    return root


def replace_at(node: Node, path: Path, value: Node) -> Node:
    """A copy of the tree in which the node at an existing path is another one."""
    if not path:
        return value
    head, *rest = path
    if isinstance(node, MapNode) and isinstance(head, str):
        return replace(node, items={**node.items, head: replace_at(node.items[head], tuple(rest), value)})
    if isinstance(node, ListNode) and isinstance(head, int):
        changed = replace_at(node.items[head], tuple(rest), value)
        return replace(node, items=(*node.items[:head], changed, *node.items[head + 1 :]))
    raise KeyError(path)


def _report(model: type[BaseModel], root: MapNode, findings: Sequence[_Finding], problems: Problems, what: str) -> None:
    """Say what is wrong, once for each place; members of a union that all refuse a value make one sentence."""
    unresolved = {problem.mark for problem in problems.found}
    misspelt = _misspelt(model, findings)
    shapes: dict[Path, list[_Finding]] = {}
    for finding in findings:
        if finding.node.mark in unresolved and isinstance(finding.node, ScalarNode):
            continue
        if finding.error["type"] == "missing" and finding.path in misspelt:
            continue
        if finding.is_shape:
            shapes.setdefault(finding.path, []).append(finding)
        else:
            _report_one(model, root, finding, problems, what)
    for path, group in shapes.items():
        _report_shape(root, path, group, problems, what)


def _misspelt(model: type[BaseModel], findings: Sequence[_Finding]) -> set[Path]:
    """Missing keys that an unknown key of the same mapping was meant to be: one finding instead of two."""
    meant: set[Path] = set()
    for finding in findings:
        if finding.error["type"] == "extra_forbidden":
            known = [name for owner in models_at(model, finding.path[:-1]) for name in keys_of(owner)]
            near = get_close_matches(str(finding.path[-1]), known, n=1)
            meant.update((*finding.path[:-1], name) for name in near)
    return meant


def _report_one(model: type[BaseModel], root: MapNode, finding: _Finding, problems: Problems, what: str) -> None:
    details, path = finding.error, finding.path
    mark = find_mark(root, path)
    if details["type"] == "missing":
        remedy = _purpose(model, path)
        problems.add(mark, f"{_named(what, path[:-1], 'key ')}{str(path[-1])!r} is missing", remedy)
    elif details["type"] == "extra_forbidden":
        known = [name for owner in models_at(model, path[:-1]) for name in keys_of(owner)]
        remedy = suggest(str(path[-1]), known)
        problems.add(mark, f"{_named(what, path[:-1], 'unknown key ')}{str(path[-1])!r}", remedy)
    elif details["type"] == "value_error":
        problems.add(mark, f"{_named(what, path)}{details['ctx']['error']}")
    else:
        wanted = details["msg"].replace("Input should", "expected a value that should", 1)
        wanted = wanted.replace("expected a value that should be", "expected a value", 1)
        problems.add(mark, f"{_named(what, path)}{wanted}, got {shown(finding.node)}")


def _report_shape(root: MapNode, path: Path, group: Sequence[_Finding], problems: Problems, what: str) -> None:
    node = group[0].node
    wanted = " or ".join(dict.fromkeys(_expected(finding.error) for finding in group))
    message = f"{_named(what, path)}expected {wanted}, got {shown(node)}"
    problems.add(find_mark(root, path), message, _shape_remedy(node, [finding.error for finding in group]))


def _expected(details: ErrorDetails) -> str:
    if details["type"] == "literal_error":
        return str(details["ctx"]["expected"])
    return _EXPECTED[details["type"]]


def _shape_remedy(node: Node, errors: Sequence[ErrorDetails]) -> str | None:
    kinds = {details["type"] for details in errors}
    if not isinstance(node, ScalarNode):
        return None
    if isinstance(node.value, str) and "bool_type" in kinds and node.value.lower() in _BOOLEAN_WORDS:
        return "YAML 1.2 knows true and false only"
    if "string_type" in kinds and node.value is not None:
        return f'put it in quotes: "{node.text}"'
    words = [word for details in errors for word in _literals(details)]
    near = get_close_matches(str(node.value), words, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def _literals(details: ErrorDetails) -> list[str]:
    if details["type"] != "literal_error":
        return []
    return [word.strip("' ") for part in str(details["ctx"]["expected"]).split(",") for word in part.split(" or ")]


def shown(node: Node) -> str:
    """A value as errors quote it, shortened."""
    if isinstance(node, ListNode):
        return f"a list of {len(node.items)}" if node.items else "an empty list"
    if isinstance(node, MapNode):
        return "a mapping with " + ", ".join(map(repr, list(node.items)[:4])) if node.items else "an empty mapping"
    if node.value is None:
        return "nothing"
    text = repr(node.value) if isinstance(node.value, str) else node.text
    return text if len(text) <= 60 else f"{text[:57]}…"


def _named(what: str, path: Path, then: str = "") -> str:
    """``word_count.min_words: `` in front of a message."""
    name = ".".join([*([what] if what else []), *(str(part) for part in path)])
    return f"{name}: {then}" if name else then


def _purpose(model: type[BaseModel], path: Path) -> str | None:
    """First sentence of what a missing key is for."""
    for owner in models_at(model, path[:-1]):
        for name, info in owner.model_fields.items():
            if path[-1] in (name, info.alias) and info.description:
                return " ".join(info.description.split())
    return None
