"""Reads a recipe's file and the files that it includes into one tree.

``include: base.yaml`` (or a list) puts what those files say below what this one says: sections (``sources``,
``fits``, ``vars``, ``mix`` …) are merged entry by entry, an entry of this file replaces the included one as a whole,
and so do lists (``stages``).

``- include: german.yaml`` as an entry of ``stages`` or of a route's branch puts the entries of that file, which is a
list of stages, in its place; such a file may include others in the same way.

Paths are relative to the file that says ``include``; one that begins with ``gristmill:`` is below the recipes that
come with Gristmill (``gristmill:thresholds/fineweb2/de.yaml``). Every node keeps the file it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pipeline.errors import RecipeError
from pipeline.recipe.problems import Mark, Problems
from pipeline.recipe.validation import shown
from pipeline.recipe.yaml_reader import ListNode, MapNode, Node, ScalarNode, read_yaml

SHIPPED = "gristmill:"
_RECIPES = Path(__file__).parents[2] / "recipes"
_Included = TypeVar("_Included")


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
        for path, mark in self._paths(root.items.get("include")):
            included = self._included(path, mark, folder, self.tree)
            merged = merge(merged, included) if included else merged
        return merge(merged, self._with_stages(_without_include(root), folder))

    def _with_stages(self, root: MapNode, folder: str) -> MapNode:
        """The mapping with the lists of stages that its list and its routes' branches include."""
        stages = root.items.get("stages")
        if not isinstance(stages, ListNode):
            return root
        return replace(root, items={**root.items, "stages": self._spliced(stages, folder)})

    def _spliced(self, stages: ListNode, folder: str) -> ListNode:
        found: list[Node] = []
        for item in stages.items:
            if isinstance(item, MapNode) and list(item.items) == ["include"]:
                for path, mark in self._paths(item.items["include"]):
                    found += self._included(path, mark, folder, self._list) or ()
            else:
                found.append(self._with_branches(item, folder))
        return replace(stages, items=tuple(found))

    def _with_branches(self, item: Node, folder: str) -> Node:
        route = item.items.get("route") if isinstance(item, MapNode) else None
        if not isinstance(item, MapNode) or not isinstance(route, MapNode):
            return item
        branches = {
            value: self._spliced(node, folder) if isinstance(node, ListNode) else node
            for value, node in route.items.items()
        }
        return replace(item, items={**item.items, "route": replace(route, items=branches)})

    def _list(self, text: str, where: str, folder: str) -> tuple[Node, ...]:
        """Entries of a file that is a list of stages, with what it includes."""
        self.folders[where] = os.path.abspath(folder)
        root = read_yaml(text, where, self.problems)
        if isinstance(root, ListNode):
            return self._spliced(root, folder).items
        if root is not None:
            remedy = "begin each stage with '- '; keys such as 'sources' are included at the top of the recipe"
            self.problems.add(root.mark, f"expected a list of stages, got {shown(root)}", remedy)
        return ()

    def _paths(self, node: Node | None) -> Iterator[tuple[str, Mark]]:
        if node is None:
            return
        for item in node.items if isinstance(node, ListNode) else [node]:
            if isinstance(item, ScalarNode) and isinstance(item.value, str):
                yield item.value, item.mark
            else:
                self.problems.add(item.mark, f"include: expected a path, got {shown(item)}", "as in include: base.yaml")

    def _included(
        self, path: str, mark: Mark, folder: str, read: Callable[[str, str, str], _Included | None]
    ) -> _Included | None:
        base, below = (str(_RECIPES), path.removeprefix(SHIPPED)) if path.startswith(SHIPPED) else (folder, path)
        where = os.path.normpath(os.path.join(base, below))
        if os.path.abspath(where) in self.open:
            self.problems.add(mark, f"include: {path} includes itself", "take one of the includes out")
            return None
        self.open.append(os.path.abspath(where))
        try:
            return read(read_text(Path(where), where), where, os.path.dirname(where) or ".")
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
