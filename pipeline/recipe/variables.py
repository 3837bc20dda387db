"""``${…}`` inside the strings of a recipe.

``${data}`` is a key of ``vars``, ``${env:NAME}`` an environment variable (``${env:NAME:-text}`` with a default for
one that is unset or empty), and three come built in: ``${recipe:dir}``, the folder of the file that says so;
``${python:stdlib}`` and ``${python:site-packages}``, folders of the running Python. ``$${`` is a literal ``${``.

Values are put in before validation and stay text; a string that is nothing but ``${name}`` becomes the variable's
own value, whatever its type. An unquoted ``${env:NAME}`` alone may also become a number where one is asked for.
"""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.recipe.problems import Mark, Problems, suggest
from pipeline.recipe.yaml_reader import ListNode, MapNode, Node, ScalarNode

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
VAR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
BUILTINS = ("recipe:dir", "python:stdlib", "python:site-packages")


class _Unresolved(Exception):
    """A reference that cannot be replaced; the reason is among the problems."""


@dataclass
class _Substitution:
    """One pass over a recipe's tree."""

    variables: Mapping[str, Node]
    folders: Mapping[str, str]
    problems: Problems
    open: list[str] = field(default_factory=list)
    done: dict[str, Node] = field(default_factory=dict)

    def node(self, node: Node) -> Node:
        if isinstance(node, ListNode):
            return replace(node, items=tuple(self.node(item) for item in node.items))
        if isinstance(node, MapNode):
            return replace(node, items={key: self.node(item) for key, item in node.items.items()})
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        try:
            return self.scalar(node, node.value)
        except _Unresolved:
            return node

    def scalar(self, node: ScalarNode, text: str) -> Node:
        whole = _REFERENCE.fullmatch(text)
        if whole and whole[1] is not None and VAR_NAME.fullmatch(whole[1]):
            return self.variable(whole[1], node.mark)
        value = _REFERENCE.sub(lambda match: self.text(match, node.mark), text)
        return replace(node, value=value, text=value)

    def text(self, match: re.Match[str], mark: Mark) -> str:
        if match[0] == "$${":
            return "${"
        name = match[1]
        if name is None:
            raise self.fail(mark, "'${' has no '}'", "close it, or write $${ for a literal ${")
        if name.startswith("env:"):
            return self.environment(name, mark)
        if name in BUILTINS:
            return self.builtin(name, mark)
        return self.inside(name, self.variable(name, mark), mark)

    def inside(self, name: str, node: Node, mark: Mark) -> str:
        if isinstance(node, ScalarNode) and node.value is not None:
            return node.text
        kind = "null" if isinstance(node, ScalarNode) else "a list" if isinstance(node, ListNode) else "a mapping"
        raise self.fail(
            mark, f"${{{name}}} is {kind} and cannot stand inside text", f"use ${{{name}}} alone as a value"
        )

    def environment(self, reference: str, mark: Mark) -> str:
        match = _ENV.fullmatch(reference)
        if not match:
            raise self.fail(mark, f"${{{reference}}} is not understood", "write ${env:NAME} or ${env:NAME:-default}")
        value = os.environ.get(match[1]) or match[2]
        if value is not None and not value.isprintable() and _SURROGATE.search(value):
            raise self.fail(mark, f"the environment variable {match[1]} is not UTF-8", "set it to text in UTF-8")
        if value is None:
            state = "empty" if match[1] in os.environ else "not set"
            remedy = f"export {match[1]}=…, or give a default: ${{env:{match[1]}:-…}}"
            raise self.fail(mark, f"the environment variable {match[1]} is {state}", remedy)
        return value

    def builtin(self, name: str, mark: Mark) -> str:
        if name == "recipe:dir":
            return self.folders.get(mark.file, self.folders[""])
        return sysconfig.get_path("stdlib" if name == "python:stdlib" else "purelib")

    def variable(self, name: str, mark: Mark) -> Node:
        if name in self.done:
            return self.done[name]
        if name not in self.variables:
            known = [*self.variables, *BUILTINS, "env:NAME"]
            raise self.fail(mark, f"no variable {name!r} under vars", suggest(name, known))
        if name in self.open:
            chain = " → ".join([*self.open[self.open.index(name) :], name])
            raise self.fail(mark, f"variables need each other: {chain}", "give one of them a value of its own")
        self.open.append(name)
        self.done[name] = self.node(self.variables[name])
        self.open.pop()
        return self.done[name]

    def fail(self, mark: Mark, message: str, remedy: str) -> _Unresolved:
        self.problems.add(mark, message, remedy)
        return _Unresolved()


def substitute(root: MapNode, folders: Mapping[str, str], problems: Problems) -> MapNode:
    """``root`` with every ``${…}`` replaced, ``vars`` included.

    ``folders``: file name as in marks → its folder, for ``${recipe:dir}``; key ``""`` for all other places.
    """
    section = root.items.get("vars")
    variables = section.items if isinstance(section, MapNode) else {}
    run = _Substitution(variables, folders, problems)
    keys = section.keys if isinstance(section, MapNode) else {}
    resolved = {name: run.variable(name, keys[name]) for name in variables}
    items = {key: run.node(node) for key, node in root.items.items() if key != "vars"}
    if section is not None:
        items["vars"] = replace(section, items=resolved) if isinstance(section, MapNode) else section
    return replace(root, items={key: items[key] for key in root.items})
