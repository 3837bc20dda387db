"""Slow, obvious twin of ``stages.kernels.jsonl``: ``json.loads`` of each line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_MISSING = object()
_SURROGATE = re.compile("[\ud800-\udfff]")


class Number(str):
    """A number as it is written."""


@dataclass(frozen=True)
class Row:
    """``values``: path → string, None, or (for objects and lists) the parsed value; ``offset``: first byte."""

    offset: int
    values: dict[str, Any]
    repaired: bool


@dataclass(frozen=True)
class Bad:
    """A refused line."""

    offset: int
    size: int
    reason: str


def read_lines(content: bytes, paths: Sequence[str], text: str, max_text_bytes: int) -> list[Row | Bad]:
    """What becomes of each line of ``content`` that is not blank."""
    found: list[Row | Bad] = []
    offset = 0
    for line in content.split(b"\n"):
        if line.strip(b" \t\r"):
            found.append(_read_line(line, offset, paths, text, max_text_bytes))
        offset += len(line) + 1
    return found


def _read_line(line: bytes, offset: int, paths: Sequence[str], text: str, max_text_bytes: int) -> Row | Bad:
    def bad(reason: str) -> Bad:
        return Bad(offset, len(line), reason)

    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_float=Number, parse_int=Number)
    except UnicodeDecodeError:
        return bad("invalid_utf8")
    except (ValueError, RecursionError):
        return bad("malformed_json")
    if not isinstance(record, dict):
        return bad("not_an_object")
    values = {path: _value(_follow(record, path)) for path in paths}
    own = _follow(record, text)
    if own is _MISSING:
        return bad("missing_text")
    if own is None:
        return bad("null_text")
    if not isinstance(own, str) or isinstance(own, Number):
        return bad("text_not_a_string")
    if len(values[text].encode()) > max_text_bytes:
        return bad("too_large")
    strings = [value for value in (_follow(record, path) for path in paths) if isinstance(value, str)]
    return Row(offset, values, any(_SURROGATE.search(value) for value in strings))


def _refuse(name: str) -> None:
    raise ValueError(name)


def _follow(record: Any, path: str) -> Any:
    for key in re.split(r"(?<!\\)\.", path):
        if not isinstance(record, dict) or key.replace("\\.", ".") not in record:
            return _MISSING
        record = record[key.replace("\\.", ".")]
    return record


def _value(value: Any) -> Any:
    if value is _MISSING or value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
