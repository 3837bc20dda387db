"""Reads a recipe's file and the files that it includes into one tree.

``include: base.yaml`` (or a list) puts what those files say below what this one says: sections (``sources``,
``fits``, ``vars``, ``mix`` …) are merged entry by entry, an entry of this file replaces the included one as a whole,
and so do lists (``stages``). Paths are relative to the file that says ``include``. Every node keeps the file it
came from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.errors import RecipeError
from pipeline.recipe.problems import Mark, Problems
from pipeline.recipe.validation import shown
from pipeline.recipe.yaml_reader import ListNode, MapNode, Node, ScalarNode, read_yaml


def read_text(path: Path, where: str) -> str:
    """A recipe's text. Raises RecipeError when it cannot be read or is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        remedy = "save the file as UTF-8"
        raise RecipeError(f"byte {error.start} is not UTF-8", where=f"{where}:{line}", remedy=remedy) from None
    except FileNotFoundError:
        raise RecipeError("no such file", where=where, remedy=_nearby(path)) from None
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}", where=where) from None


def _nearby(path: Path) -> str:
    found = sorted(str(other) for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"recipes beside it: {', '.join(found[:8])}" if found else "check the path"


@dataclass
class FileReader:
    """Reads files into trees. ``folders``: file as marks name it → its folder, for ``${recipe:dir}``."""

    problems: Problems
    folders: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def tree(self, text: str, where: str, folder: str) -> MapNode | None:
        """The text's mapping, with what it includes below it; None if it cannot be read."""
        self.folders[where] = os.path.abspath(folder)
        root = read_yaml(text, where, self.problems)
        if root is None:
            return None
        if not isinstance(root, MapNode):
            self.problems.add(root.mark, f"expected a mapping of keys, got {shown(root)}", "begin with 'name: …'")
            return None
        merged = MapNode({}, {}, root.mark)
        for path, mark in self._includes(root):
            included = self._included(path, mark, folder)
            merged = merge(merged, included) if included else merged
        return merge(merged, _without_include(root))

    def _includes(self, root: MapNode) -> Iterator[tuple[str, Mark]]:
        node = root.items.get("include")
        if node is None:
            return
        for item in node.items if isinstance(node, ListNode) else [node]:
            if isinstance(item, ScalarNode) and isinstance(item.value, str):
                yield item.value, item.mark
            else:
                self.problems.add(item.mark, f"include: expected a path, got {shown(item)}", "as in include: base.yaml")

    def _included(self, path: str, mark: Mark, folder: str) -> MapNode | None:
        where = os.path.normpath(os.path.join(folder, path))
        if os.path.abspath(where) in self.open:
            self.problems.add(mark, f"include: {path} includes itself", "take one of the includes out")
            return None
        self.open.append(os.path.abspath(where))
        try:
            return self.tree(read_text(Path(where), where), where, os.path.dirname(where) or ".")
        except RecipeError as error:
            self.problems.add(mark, f"include: {error.where}: {error.message}", error.remedy)
            return None
        finally:
            self.open.pop()


def _without_include(root: MapNode) -> MapNode:
    return replace(root, items={key: node for key, node in root.items.items() if key != "include"})


def merge(below: MapNode, above: MapNode, depth: int = 1) -> MapNode:
    """``above`` over ``below``: entries of sections one by one, anything deeper as a whole."""
    items: dict[str, Node] = dict(below.items)
    for key, node in above.items.items():
        old = items.get(key)
        if depth and isinstance(old, MapNode) and isinstance(node, MapNode):
            node = merge(old, node, depth - 1)
        items[key] = node
    return MapNode(items, {**below.keys, **above.keys}, above.mark)
