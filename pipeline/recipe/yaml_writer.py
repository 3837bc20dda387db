"""Writes plain data as YAML that :mod:`pipeline.recipe.yaml_reader` reads back to the same data.

A writer of our own because the two have to agree on what a plain word means: everything that any reader might
take for something else than text (``no``, ``1_000``, ``2024-01-01``) is quoted. Mappings and lists of mappings
are written as blocks, lists and mappings of short scalars on one line. Keys keep their order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"(\.{0,2}/)?[A-Za-z][A-Za-z0-9_./-]*")
_AMBIGUOUS = re.compile(r"true|false|null|yes|no|on|off|y|n", re.IGNORECASE)
_PRINTABLE_ONLY = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINE_WIDTH = 100


def write_yaml(data: Mapping[str, Any]) -> str:
    """``data`` (dicts, lists, strings, finite numbers, bools, None) as a YAML document."""
    return "\n".join(_block(data, 0)) + "\n"


def _block(value: Any, indent: int) -> list[str]:
    """Lines of a mapping or list that is not empty."""
    pad = " " * indent
    if isinstance(value, Mapping):
        return [line for key, item in value.items() for line in _entry(f"{pad}{_text(key)}:", item, indent + 2)]
    return [line for item in value for line in _item(pad, item, indent + 2)]


def _entry(head: str, value: Any, indent: int) -> list[str]:
    short = inline_yaml(value)
    if short is not None and (not _container(value) or len(head) + len(short) < _LINE_WIDTH):
        return [f"{head} {short}"]
    return [head, *_block(value, indent)]


def _item(pad: str, value: Any, indent: int) -> list[str]:
    short = inline_yaml(value)
    if short is not None and (not _container(value) or len(pad) + len(short) < _LINE_WIDTH):
        return [f"{pad}- {short}"]
    first, *rest = _block(value, indent)
    return [f"{pad}- {first.lstrip(' ')}", *rest]


def _container(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str)


def inline_yaml(value: Any) -> str | None:
    """The value on one line, or None for a container of containers, which is better written as a block."""
    if isinstance(value, Mapping):
        simple = not any(map(_container, value.values()))
        return (
            "{" + ", ".join(f"{_text(key)}: {inline_yaml(item)}" for key, item in value.items()) + "}"
            if simple
            else None
        )
    if _container(value):
        return (
            "[" + ", ".join(str(inline_yaml(item)) for item in value) + "]" if not any(map(_container, value)) else None
        )
    return _text(value) if isinstance(value, str) else json.dumps(value, allow_nan=False)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _AMBIGUOUS.fullmatch(text):
        return text
    return _PRINTABLE_ONLY.sub(_escaped, json.dumps(text, ensure_ascii=False))


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
