"""Globs over paths: ``*`` and ``?`` within a name, ``[a-z]`` and ``[!a-z]``, ``{a,b}``, and ``**`` over folders."""

from __future__ import annotations

import re
from functools import lru_cache

WILDCARDS = frozenset("*?[{")


def has_wildcard(text: str) -> bool:
    """Whether a path is a glob."""
    return not WILDCARDS.isdisjoint(text)


def expand_braces(pattern: str) -> list[str]:
    """``a.{x,y}`` → ``a.x``, ``a.y``; nested ones too. A brace without its partner stands for itself."""
    depth, start = 0, -1
    commas: list[int] = []
    for position, character in enumerate(pattern):
        if character == "{":
            start, commas = (position, [position]) if depth == 0 else (start, commas)
            depth += 1
        elif character == "," and depth == 1:
            commas.append(position)
        elif character == "}" and depth:
            depth -= 1
            if depth == 0:
                ends = [*commas[1:], position]
                choices = [pattern[a + 1 : b] for a, b in zip(commas, ends, strict=True)]
                rest = expand_braces(pattern[position + 1 :])
                return [pattern[:start] + one + tail for c in choices for one in expand_braces(c) for tail in rest]
    return [pattern]


@lru_cache(maxsize=1024)
def name_pattern(glob: str) -> re.Pattern[str]:
    """A pattern for one name (no ``/``). Names that begin with a dot match only globs that do."""
    hidden = "" if glob.startswith(".") else r"(?!\.)"
    return re.compile(hidden + _translate(glob) + r"\Z", re.DOTALL)


@lru_cache(maxsize=1024)
def path_pattern(glob: str) -> re.Pattern[str]:
    """A pattern for a relative path; a glob without ``/`` looks at the file's name alone, as in ``.gitignore``."""
    choices = []
    for one in expand_braces(glob):
        parts = one.strip("/").split("/")
        parts = ["**", *parts] if len(parts) == 1 and parts != ["**"] else parts
        last = len(parts) - 1
        choices.append(
            "".join(
                (".*" if i == last else "(?:.*/)?") if part == "**" else _translate(part) + ("" if i == last else "/")
                for i, part in enumerate(parts)
            )
        )
    return re.compile("(?:" + "|".join(choices) + r")\Z", re.DOTALL)


def _translate(glob: str) -> str:
    out, position = [], 0
    while position < len(glob):
        character = glob[position]
        position += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[" and (close := glob.find("]", position + 1 + (glob[position : position + 1] == "!"))) > 0:
            out.append(_character_class(glob[position:close]))
            position = close + 1
        else:
            out.append(re.escape(character))
    return "".join(out)


def _character_class(inside: str) -> str:
    negated = inside.startswith("!")
    return "[" + ("^" if negated else "") + re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[negated:]) + "]"
