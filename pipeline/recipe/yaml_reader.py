"""Strict YAML 1.2 as a tree of nodes that know their file, line and column.

The tree is built from ruamel.yaml's parse events, so that what a plain word means is decided here and not by a
library's resolver: the core schema of YAML 1.2 (``no``, ``on`` and ``2024-01-01`` are text), with Python's
underscores between digits (``40_000_000``). Keys are always text (``no:`` is Norwegian, ``2024:`` a year).

Refused, because they have surprised somebody: duplicate keys, merge keys (``<<``), tags, integers with a leading
zero (octal in YAML 1.1, decimal in 1.2), ``.inf`` and ``.nan``, several documents, ``%YAML 1.1``. Anchors and
aliases are allowed (a list of stages used by two branches of a route); nodes are immutable, so sharing is harmless.

Method: YAML 1.2.2, https://yaml.org/spec/1.2.2/ (chapter 10.3, core schema).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from pipeline.recipe.problems import Mark, Problems

MAX_DEPTH = 64
MAX_NODES = 100_000

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {**dict.fromkeys(("true", "True", "TRUE"), True), **dict.fromkeys(("false", "False", "FALSE"), False)}
_INT = re.compile(r"[-+]?\d+(_\d+)*", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0[\d_]+", re.ASCII)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(_\d+)*(\.\d*)?)([eE][-+]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Value = str | int | float | bool | None


@dataclass(frozen=True)
class ScalarNode:
    """A value. ``text`` is what was written; ``plain`` means without quotes."""

    value: Value
    text: str
    mark: Mark
    plain: bool = True
    size: int = 1


@dataclass(frozen=True)
class ListNode:
    """A list. ``size`` counts the nodes below, aliases expanded."""

    items: tuple[Node, ...]
    mark: Mark
    size: int = 1


@dataclass(frozen=True)
class MapNode:
    """A mapping: key → value, and key → where the key stands."""

    items: Mapping[str, Node]
    keys: Mapping[str, Mark]
    mark: Mark
    size: int = 1

    def with_item(self, key: str, node: Node, mark: Mark) -> MapNode:
        """A copy in which ``key`` has another value."""
        return MapNode({**self.items, key: node}, {**self.keys, key: mark}, self.mark)


Node = ScalarNode | ListNode | MapNode


class _Stop(Exception):
    """The text cannot be read any further; the reason is among the problems."""


@dataclass
class _Builder:
    """Turns events into nodes, by recursive descent."""

    events: Iterator[Any]
    file: str
    problems: Problems
    anchors: dict[str, Node] = field(default_factory=dict)

    def mark(self, event: Any) -> Mark:
        return Mark(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def stop(self, mark: Mark, message: str, remedy: str | None = None) -> _Stop:
        self.problems.add(mark, message, remedy)
        return _Stop()

    def node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.stop(self.mark(event), f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            return self.alias(event)
        built = self.content(event, depth)
        if isinstance(event, NodeEvent) and event.anchor:
            self.anchors[event.anchor] = built
        return built

    def alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self.anchors:
            near = "an alias stands below its anchor and outside it"
            raise self.stop(self.mark(event), f"alias *{event.anchor} has no anchor &{event.anchor} above it", near)
        return self.anchors[event.anchor]

    def content(self, event: Any, depth: int) -> Node:
        if event.ctag is not None:
            remedy = "leave the tag out; quotes make a value text"
            self.problems.add(self.mark(event), f"tags such as {str(event.tag)!r} are not allowed", remedy)
        if isinstance(event, ScalarEvent):
            return self.scalar(event)
        if isinstance(event, SequenceStartEvent):
            return self.listing(event, depth)
        return self.mapping(event, depth)

    def scalar(self, event: ScalarEvent) -> ScalarNode:
        plain = event.implicit[0]
        if not plain:
            self.refuse_surrogates(event)
            return ScalarNode(event.value, event.value, self.mark(event), plain=False)
        try:
            return ScalarNode(resolve_plain(event.value), event.value, self.mark(event))
        except ValueError as error:
            self.problems.add(self.mark(event), str(error))
            return ScalarNode(None, event.value, self.mark(event))

    def refuse_surrogates(self, event: ScalarEvent) -> None:
        if not event.value.isascii() and re.search("[\ud800-\udfff]", event.value):
            remedy = "write the character itself or \\U with eight digits"
            raise self.stop(self.mark(event), "an escape names half of a surrogate pair", remedy)

    def listing(self, start: SequenceStartEvent, depth: int) -> ListNode:
        items: list[Node] = []
        size = 1
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self.node(event, depth + 1))
            size = self.grown(size, items[-1], event)
        return ListNode(tuple(items), self.mark(start), size)

    def mapping(self, start: MappingStartEvent, depth: int) -> MapNode:
        items: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        size = 1
        while not isinstance(event := next(self.events), MappingEndEvent):
            key, mark = self.key(event), self.mark(event)
            value = self.node(next(self.events), depth + 1)
            size = self.grown(size, value, event)
            if key in keys:
                remedy = "keep one of the two"
                self.problems.add(mark, f"key {key!r} is given twice, first on line {keys[key].line}", remedy)
                continue
            items[key], keys[key] = value, mark
        return MapNode(items, keys, self.mark(start), size)

    def key(self, event: Any) -> str:
        if not isinstance(event, ScalarEvent) or event.ctag is not None:
            remedy = "write the key as one word, or in quotes"
            raise self.stop(self.mark(event), "a key has to be text", remedy)
        if event.value == "<<" and event.implicit[0]:
            remedy = "merge keys are not part of YAML 1.2: repeat the keys, or share files with include"
            raise self.stop(self.mark(event), "merge key '<<' is not allowed", remedy)
        if event.value == "":
            raise self.stop(self.mark(event), "a key is missing before ':'")
        self.refuse_surrogates(event)
        return event.value

    def grown(self, size: int, node: Node, event: Any) -> int:
        if size + node.size > MAX_NODES:
            raise self.stop(self.mark(event), f"more than {MAX_NODES:,} values once aliases are expanded")
        return size + node.size


def resolve_plain(text: str) -> Value:
    """What an unquoted scalar means. Raises ValueError for one that is read differently elsewhere."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number to compute with; null switches a threshold off, quotes make it text")
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    return text


def _whole(text: str) -> int:
    if _LEADING_ZERO.fullmatch(text):
        raise ValueError(f"{text} starts with a zero, which some readers take for octal; leave it out, or use quotes")
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"a number of {len(text)} digits is too long; quotes make it text") from None


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number of 64 bits")
    return number


def read_yaml(text: str, file: str, problems: Problems) -> Node | None:
    """The only document of ``text``, or None if it cannot be read; what is wrong goes to ``problems``."""
    events = _parsed(text, file, problems)
    try:
        document = next((event for event in events if isinstance(event, DocumentStartEvent)), None)
        if document is None:
            problems.add(Mark(file, 1, 1), "the file is empty", "the recipe reference lists the keys that it needs")
            return None
        if document.version not in (None, (1, 2)):
            problems.add(Mark(file, 1, 1), "expected YAML 1.2", "leave the %YAML line out")
        root = _Builder(events, file, problems).node(next(events), 0)
        for event in events:
            if isinstance(event, DocumentStartEvent):
                mark = Mark(file, event.start_mark.line + 1, event.start_mark.column + 1)
                problems.add(mark, "a second document begins here", "one file holds one document")
        return root
    except _Stop:
        return None


def _parsed(text: str, file: str, problems: Problems) -> Iterator[Any]:
    """Events of ruamel.yaml; its errors become problems and end the reading."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(file, place.line + 1, place.column + 1) if place else Mark(file)
        context = f" ({error.context})" if error.context else ""
        line = text.splitlines()[place.line : place.line + 1] if place else []
        problems.add(mark, f"not valid YAML: {error.problem}{context}", _syntax_remedy(str(error.problem), line))
    except ReaderError as error:
        mark = Mark(file, text.count("\n", 0, error.position) + 1)
        problems.add(mark, f"not valid YAML: {error.reason}", "write it as an escape in double quotes")
    except (YAMLError, ValueError, OverflowError) as error:
        problems.add(Mark(file), f"not valid YAML: {error}")
    else:
        return
    raise _Stop


def _syntax_remedy(problem: str, line: list[str]) -> str | None:
    if "\\t" in problem:
        return "indent with spaces, not with tabs"
    if "'{'" in problem and "${" in "".join(line):
        return "inside { } and [ ] write ${…} in quotes"
    if "mapping values are not allowed" in problem:
        return "put a value that holds ': ' in quotes, or check the indentation"
    return None


def to_data(node: Node) -> Any:
    """The tree as dicts, lists and scalars."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [to_data(item) for item in node.items]
    return {key: to_data(item) for key, item in node.items.items()}
