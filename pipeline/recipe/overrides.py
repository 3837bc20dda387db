"""``--set address=value``: changes the tree of a recipe before it is validated.

An address is a top-level key (``seed``), a key below a section (``mix.tokens``, ``sources.crawl.path``) or a key of
a stage by the stage's name (``word_count.min_words``, inside a route ``word_count[zh].min_words``; without the
branch where only one has it). The value is YAML. What is wrong with a value that was set is reported with the
option instead of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.recipe.config_types import Path, is_free_mapping, keys_of, models_at
from pipeline.recipe.model import Settings
from pipeline.recipe.problems import Mark, Problems, suggest
from pipeline.recipe.yaml_reader import ListNode, MapNode, Node, ScalarNode, read_yaml

LISTS_OF_USES = ("sources", "fits")
OF_NAMES = (*LISTS_OF_USES, "exports")
"""Sections whose entries have names of the user's choice and settings below them."""
TOP_LEVEL_KEYS = (*Settings.model_fields, "include", *LISTS_OF_USES, "stages")

_OVERRIDE = re.compile(r"([^=\[]+(?:\[[^\]]*\][^=]*)?)=(.*)", re.DOTALL)


class _Refused(Exception):
    """An override that cannot be applied: message and remedy."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class StageEntry:
    """A stage in the tree, before validation. ``path`` leads to its settings, ``settings`` may be null."""

    kind: str
    name: str
    branch: str | None
    route: int | None
    path: Path
    settings: Node
    mark: Mark

    @property
    def address(self) -> str:
        """``name`` or ``name[branch]``."""
        return self.name if self.branch is None else f"{self.name}[{self.branch}]"


def stage_entries(root: MapNode) -> Iterator[StageEntry]:
    """Every stage whose entry is well formed, main list and branches, from top to bottom."""
    stages = root.items.get("stages")
    for index, node in enumerate(stages.items if isinstance(stages, ListNode) else ()):
        path: Path = ("stages", index)
        if not (isinstance(node, MapNode) and "route" in node.items):
            yield from _entry(node, path, None, None)
            continue
        route = node.items["route"]
        for branch, items in route.items.items() if isinstance(route, MapNode) else ():
            for place, item in enumerate(items.items if isinstance(items, ListNode) else ()):
                yield from _entry(item, (*path, "route", branch, place), branch, index)


def _entry(node: Node, path: Path, branch: str | None, route: int | None) -> Iterator[StageEntry]:
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        empty = ScalarNode(None, "", node.mark)
        yield StageEntry(node.value, node.value, branch, route, (*path, node.value), empty, node.mark)
    elif isinstance(node, MapNode) and len(node.items) == 1:
        [(kind, settings)] = node.items.items()
        named = settings.items.get("name") if isinstance(settings, MapNode) else None
        name = named.value if isinstance(named, ScalarNode) and isinstance(named.value, str) else kind
        yield StageEntry(kind, name, branch, route, (*path, kind), settings, node.keys[kind])


def apply_overrides(root: MapNode, overrides: Sequence[str], problems: Problems) -> MapNode:
    """``root`` with every ``address=value`` put in, in order; those that cannot be are among the problems."""
    for text in overrides:
        mark = Mark(f"--set {text}")
        try:
            root = _applied(root, text, mark, problems)
        except _Refused as refused:
            problems.add(mark, str(refused), refused.remedy)
    return root


def _applied(root: MapNode, text: str, mark: Mark, problems: Problems) -> MapNode:
    match = _OVERRIDE.fullmatch(text.strip())
    if not match:
        raise _Refused("expected address=value", "as in --set word_count.min_words=80")
    found: Problems = Problems()
    value = read_yaml(match[2], mark.file, found) if match[2].strip() else ScalarNode(None, "", mark)
    for problem in found.found:
        problems.add(mark, problem.message, problem.remedy)
    if value is None:
        return root
    changed = _set(root, _path(root, match[1].strip()), _at(value, mark), mark)
    return changed if isinstance(changed, MapNode) else root


def _at(node: Node, mark: Mark) -> Node:
    """The tree with every place replaced by ``mark``."""
    if isinstance(node, ListNode):
        return replace(node, mark=mark, items=tuple(_at(item, mark) for item in node.items))
    if isinstance(node, MapNode):
        items = {key: _at(item, mark) for key, item in node.items.items()}
        return replace(node, mark=mark, items=items, keys=dict.fromkeys(items, mark))
    return replace(node, mark=mark)


def _path(root: MapNode, address: str) -> Path:
    """The path of keys that an address names."""
    entries = list(stage_entries(root))
    named = [entry for entry in entries if _begins(address, entry.address)]
    named = named or _without_branch(address, entries)
    if named:
        entry = max(named, key=lambda entry: len(entry.address))
        head = entry.address if _begins(address, entry.address) else entry.name
        rest = address[len(head) + 1 :]
        if not rest:
            raise _Refused(f"{address!r} is a stage", f"name a key of it: {address}.key=value")
        return (*entry.path, *_below(entry.settings, rest))
    section, _, rest = address.partition(".")
    if section not in TOP_LEVEL_KEYS or section in ("include", "stages"):
        raise _Refused(f"nothing is called {section!r} here", _known(root, entries, section.partition("[")[0]))
    if not rest:
        return (section,)
    if section in OF_NAMES:
        return _use_path(root, section, rest)
    return (section, *_section_path(root.items.get(section), section, rest))


def _begins(address: str, prefix: str) -> bool:
    return address == prefix or address.startswith(f"{prefix}.")


def _without_branch(address: str, entries: Sequence[StageEntry]) -> list[StageEntry]:
    """Stages in routes that are named without their branch; only one may be meant."""
    meant = [entry for entry in entries if entry.branch is not None and _begins(address, entry.name)]
    if len(meant) > 1 and len({entry.name for entry in meant}) == 1:
        listed = ", ".join(entry.address for entry in meant)
        raise _Refused(f"{meant[0].name!r} stands in several branches", f"say which: {listed}")
    return meant


def _known(root: MapNode, entries: Sequence[StageEntry], name: str) -> str:
    uses = [f"{section}.{use}" for section in OF_NAMES for use in _names(root, section)]
    settable = [key for key in TOP_LEVEL_KEYS if key not in ("include", "stages", *OF_NAMES)]
    addresses = [*(entry.address for entry in entries), *settable, *uses]
    near = suggest(name, [entry.name for entry in entries] + settable)
    listing = "addresses: " + ", ".join(dict.fromkeys(addresses))
    return f"{near} {listing}" if near.startswith("did you mean") else listing


def _names(root: MapNode, section: str) -> list[str]:
    node = root.items.get(section)
    return list(node.items) if isinstance(node, MapNode) else []


def _use_path(root: MapNode, section: str, rest: str) -> Path:
    names = [name for name in _names(root, section) if _begins(rest, name)]
    if names:
        name = max(names, key=len)
        node = root.items[section]
        below = rest[len(name) + 1 :]
        settings = node.items.get(name) if isinstance(node, MapNode) else None
        return (section, name, *(_below(settings, below) if below else ()))
    if "." in rest:
        known = _names(root, section)
        raise _Refused(f"no entry {rest.partition('.')[0]!r} under {section}", suggest(rest.partition(".")[0], known))
    return (section, rest)


def _below(node: Node | None, rest: str) -> Path:
    """Splits a dotted key: keys that exist are taken whole, others end at a dot."""
    keys = [key for key in node.items if _begins(rest, key)] if isinstance(node, MapNode) else []
    key = max(keys, key=len, default=rest.partition(".")[0])
    further = rest[len(key) + 1 :]
    if not further:
        return (key,)
    return (key, *_below(node.items.get(key) if isinstance(node, MapNode) else None, further))


def _section_path(node: Node | None, section: str, rest: str) -> Path:
    """The same below a section, whose types say where keys are the user's own and may hold dots."""
    path: Path = (section,)
    while rest:
        known = list(node.items) if isinstance(node, MapNode) else []
        known += [key for model in models_at(Settings, path) for key in keys_of(model)]
        keys = [key for key in known if _begins(rest, key)]
        end = rest if is_free_mapping(Settings, path) else rest.partition(".")[0]
        key = max(keys, key=len, default=end)
        node = node.items.get(key) if isinstance(node, MapNode) else None
        path, rest = (*path, key), rest[len(key) + 1 :]
    return path[1:]


def _set(node: Node | None, path: Path, value: Node, mark: Mark) -> Node:
    """A copy of the tree with ``value`` at ``path``; mappings on the way are made where there is nothing."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(node, ListNode) and isinstance(head, int):
        changed = _set(node.items[head], rest, value, mark)
        return replace(node, items=(*node.items[:head], changed, *node.items[head + 1 :]))
    if node is None or (isinstance(node, ScalarNode) and node.value in (None, head)):
        place = node.mark if node is not None else mark
        node = MapNode({}, {}, place)
    if not isinstance(node, MapNode) or not isinstance(head, str):
        raise _Refused(f"{head!r} cannot be set below a value that is not a mapping", "set the whole value")
    key_mark = node.keys.get(head, node.mark if rest else mark) if rest else mark
    return node.with_item(head, _set(node.items.get(head), rest, value, mark), key_mark)
