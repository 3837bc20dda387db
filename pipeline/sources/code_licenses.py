"""Licences of source files: licence texts recognized by their phrases, and SPDX headers.

A licence's text comes with other line breaks, names, addresses and punctuation in every repository, but with the same
words where it grants and where it asks for something. So a text is reduced to its words, and a licence is the phrases
that only it has, without those of the licences that add to it. A file with several licences has all of them: without
more knowledge all apply, and so they are joined by AND. What ends in a version is taken for that version only.

Identifiers and expressions: https://spdx.org/licenses, SPDX specification 2.3, annex D.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

LICENSE_FILE_BYTES = 512 * 2**10
"""How much of a licence file is looked at."""
_HEADER_BYTES = 16 * 2**10
_MAX_TOKENS = 64

_FILE_NAME = re.compile(
    r"(?:.+[-_.])?(?:un)?licen[cs]es?(?:[-_.][\w.+-]*)?|copying(?:[-_.][\w.+-]*)?|copyright", re.IGNORECASE
)
_TEXT_SUFFIXES = frozenset(("", "md", "txt", "rst", "html", "adoc", "lesser", "lib", "mit", "bsd", "apache"))


def is_license_file(name: str) -> bool:
    """Whether a file of that name (without folders) holds a licence's text, as ``LICENSE`` or ``COPYING.LESSER``."""
    if not _FILE_NAME.fullmatch(name):
        return False
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    return suffix in _TEXT_SUFFIXES or not suffix.isalpha()


class _License(NamedTuple):
    """``phrases``: all are in the text. ``without``: none is."""

    identifier: str
    phrases: tuple[str, ...]
    without: tuple[str, ...] = ()


_MIT_GRANT = (
    "permission is hereby granted free of charge to any person obtaining a copy of this software and associated "
    "documentation files the software to deal"
)
_MIT_NOTICE = "the above copyright notice and this permission notice"
_BSD_SOURCE = "must retain the above copyright notice this list of conditions and the following disclaimer"
_BSD_BINARY = "redistributions in binary form must reproduce the above copyright notice this list of conditions"
_BSD_NAMES = "endorse or promote products derived from this software"
_BSD_ADVERTISING = "all advertising materials mentioning features or use of this software must display"
_ISC_GRANT = "this software for any purpose with or without fee is hereby granted"
_GOOD_NOT_EVIL = "the software shall be used for good not evil"

_LICENSES = (
    _License(
        "MIT",
        (_MIT_GRANT + " in the software without restriction", _MIT_NOTICE),
        ("except as contained in this notice the name", _GOOD_NOT_EVIL),
    ),
    _License("X11", (_MIT_GRANT + " in the software", _MIT_NOTICE, "except as contained in this notice the name")),
    _License("JSON", (_MIT_GRANT + " in the software", _GOOD_NOT_EVIL)),
    _License("MIT-0", (_MIT_GRANT + " in the software without restriction",), (_MIT_NOTICE,)),
    _License("NCSA", (_MIT_GRANT + " with the software without restriction", _BSD_SOURCE.partition(" this list")[0])),
    _License("ISC", (_ISC_GRANT, "the above copyright notice and this permission notice appear in all copies")),
    _License("0BSD", (_ISC_GRANT,), ("provided that the above copyright notice",)),
    _License("BSD-2-Clause", (_BSD_SOURCE, _BSD_BINARY), (_BSD_NAMES, _BSD_ADVERTISING)),
    _License(
        "BSD-3-Clause",
        (_BSD_SOURCE, _BSD_BINARY, _BSD_NAMES),
        (_BSD_ADVERTISING, "no express or implied licenses to any party s patent rights", "apache software license"),
    ),
    _License(
        "BSD-3-Clause-Clear",
        (_BSD_SOURCE, _BSD_NAMES, "no express or implied licenses to any party s patent rights"),
    ),
    _License("BSD-4-Clause", (_BSD_SOURCE, _BSD_BINARY, _BSD_NAMES, _BSD_ADVERTISING)),
    _License("Apache-1.1", ("apache software license version 1 1",)),
    _License("Apache-2.0", ("use reproduction and distribution as defined by sections 1 through 9 of this document",)),
    _License("Apache-2.0", ("licensed under the apache license version 2 0", "you may not use this file except")),
    _License("GPL-1.0-only", ("gnu general public license version 1 february 1989",)),
    _License("GPL-2.0-only", ("gnu general public license version 2 june 1991",)),
    _License("GPL-3.0-only", ("gnu general public license version 3 29 june 2007",)),
    _License("LGPL-2.0-only", ("gnu library general public license version 2 june 1991",)),
    _License("LGPL-2.1-only", ("gnu lesser general public license version 2 1 february 1999",)),
    _License("LGPL-3.0-only", ("gnu lesser general public license version 3 29 june 2007",)),
    _License("AGPL-3.0-only", ("gnu affero general public license version 3 19 november 2007",)),
    _License("MPL-1.1", ("mozilla public license version 1 1", "initial developer")),
    _License("MPL-2.0", ("mozilla public license version 2 0", "secondary licenses")),
    _License("MPL-2.0", ("subject to the terms of the mozilla public license v 2 0",)),
    _License("EPL-1.0", ("eclipse public license v 1 0", "recipient")),
    _License("EPL-2.0", ("eclipse public license v 2 0", "recipient")),
    _License("CDDL-1.0", ("common development and distribution license cddl version 1 0",)),
    _License("CDDL-1.1", ("common development and distribution license cddl version 1 1",)),
    _License("Zlib", ("altered source versions must be plainly marked as such and must not be misrepresented",)),
    _License("BSL-1.0", ("boost software license version 1 0 august 17th 2003",)),
    _License("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    _License("WTFPL", ("do what the fuck you want to public license",)),
    _License("CC0-1.0", ("cc0 1 0 universal",)),
    _License("Artistic-1.0-Perl", ("the intent of this document is to state the conditions under which a package",)),
    _License("Artistic-2.0", ("the artistic license 2 0",)),
    _License("PostgreSQL", ("any purpose without fee and without a written agreement is hereby granted",)),
    _License("OFL-1.1", ("sil open font license version 1 1",)),
    _License("PSF-2.0", ("python software foundation license version 2",)),
    _License("EUPL-1.2", ("european union public licence v 1 2",)),
    _License("MS-PL", ("microsoft public license ms pl",)),
    _License("UPL-1.0", ("the universal permissive license upl version 1 0",)),
    _License("BlueOak-1.0.0", ("blue oak model license version 1 0 0",)),
    _License("MulanPSL-2.0", ("mulan permissive software license version 2",)),
    _License("Unicode-DFS-2016", ("unicode data files and any associated documentation",)),
    _License("Ruby", ("redistribute it and or modify it under either the terms of the 2 clause bsdl",)),
    _License("SSPL-1.0", ("server side public license version 1",)),
    _License("Elastic-2.0", ("elastic license 2 0",)),
    _License("BUSL-1.1", ("business source license 1 1",)),
    _License("LicenseRef-Commons-Clause", ("commons clause license condition",)),
)

_CREATIVE_COMMONS = re.compile(
    r"\battribution( non ?commercial)?( share ?alike| no ?deriv(?:ative)?s)? (\d) (\d)"
    r" (?:international|unported|generic)\b"
)


def licenses_in(text: str) -> list[str]:
    """SPDX identifiers of the licences whose text this is or holds, sorted; none that is not recognized."""
    words = " ".join(re.findall(r"\w+", text.lower().replace("_", " ")))
    found = {
        license_.identifier
        for license_ in _LICENSES
        if all(phrase in words for phrase in license_.phrases)
        and not any(phrase in words for phrase in license_.without)
    }
    for match in _CREATIVE_COMMONS.finditer(words):
        noncommercial, other, major, minor = match.groups()
        kind = "" if other is None else "-SA" if "share" in other else "-ND"
        found.add(f"CC-BY{'-NC' if noncommercial else ''}{kind}-{major}.{minor}")
    return sorted(found)


def joined(identifiers: Iterable[str]) -> str | None:
    """One expression of licences that all apply; None for none."""
    parts = sorted(set(identifiers))
    return " AND ".join(f"({part})" if " OR " in part and len(parts) > 1 else part for part in parts) or None


_SPDX = re.compile(rb"SPDX-License-Identifier:[ \t]*([^\r\n]{1,512})")
_TOKEN = re.compile(r"[ \t]*([()]|[A-Za-z0-9][A-Za-z0-9.:+-]*)")
_OLD_NAMES: Mapping[str, str] = {
    f"{family}-{version}{old}": f"{family}-{version}{new}"
    for family, versions in (("GPL", ("1.0", "2.0", "3.0")), ("LGPL", ("2.0", "2.1", "3.0")), ("AGPL", ("1.0", "3.0")))
    for version in versions
    for old, new in (("", "-only"), ("+", "-or-later"))
}


def spdx_header(content: bytes) -> str | None:
    """The expression of the first ``SPDX-License-Identifier`` near the file's beginning, in today's names."""
    match = _SPDX.search(content[:_HEADER_BYTES])
    if match is None:
        return None
    tokens = _tokens(match.group(1).decode("latin-1"))
    for end in range(len(tokens), 0, -1):  # behind it the comment may go on
        if _parse(tuple(tokens[:end])) is not None:
            return _written(tokens[:end])
    return None


def _tokens(text: str) -> list[str]:
    """Parentheses and words up to what cannot be part of an expression."""
    found: list[str] = []
    at = 0
    while len(found) < _MAX_TOKENS and (token := _TOKEN.match(text, at)):
        found.append(token.group(1))
        at = token.end()
    return found


def _written(tokens: list[str]) -> str:
    known = _spelled()
    return " ".join(known.get(token.lower(), token) for token in tokens).replace("( ", "(").replace(" )", ")")


@lru_cache(maxsize=1)
def _spelled() -> Mapping[str, str]:
    """Words of an expression in lower case → as they are written today."""
    words = [*(license_.identifier for license_ in _LICENSES), *_OLD_NAMES.values()]
    return {**{word.lower(): word for word in words}, **{old.lower(): new for old, new in _OLD_NAMES.items()}}


class _Node(NamedTuple):
    """AND or OR of parts, or one licence (``operator`` is its identifier)."""

    operator: str
    parts: tuple[_Node, ...] = ()


def is_allowed(expression: str, allowed: Collection[str]) -> bool:
    """Whether a choice of licences that the expression offers is among the allowed ones.

    An exception (``WITH``) gives more rights, so the licence itself has to be allowed. ``allowed``: lower case.
    """
    node = _parse(tuple(_tokens(expression)))
    return node is not None and _holds(node, allowed)


def _holds(node: _Node, allowed: Collection[str]) -> bool:
    if node.operator == "OR":
        return any(_holds(part, allowed) for part in node.parts)
    if node.operator == "AND":
        return all(_holds(part, allowed) for part in node.parts)
    return node.operator.lower() in allowed


def _parse(tokens: tuple[str, ...]) -> _Node | None:
    """The tree of an expression of at most 64 tokens; None if it is none."""
    if not tokens or len(tokens) > _MAX_TOKENS:
        return None
    node, at = _series(tokens, 0, "OR")
    return node if at == len(tokens) else None


def _series(tokens: tuple[str, ...], at: int, operator: str) -> tuple[_Node | None, int]:
    parts = []
    while True:
        part, at = _series(tokens, at, "AND") if operator == "OR" else _single(tokens, at)
        if part is None:
            return None, at
        parts.append(part)
        if at == len(tokens) or tokens[at] != operator:
            return (parts[0] if len(parts) == 1 else _Node(operator, tuple(parts))), at
        at += 1


def _single(tokens: tuple[str, ...], at: int) -> tuple[_Node | None, int]:
    if at == len(tokens):
        return None, at
    token = tokens[at]
    if token == "(":
        node, at = _series(tokens, at + 1, "OR")
        closed = at < len(tokens) and tokens[at] == ")"
        return (node, at + 1) if closed else (None, at)
    if token in (")", "AND", "OR", "WITH"):
        return None, at
    at += 1
    if at + 1 < len(tokens) and tokens[at] == "WITH" and tokens[at + 1] not in ("(", ")"):
        at += 2
    return _Node(token), at
