"""Slow, obvious twins of ``stages.kernels.segments`` and of ``stages.dedup.repeated_spans``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from stages.contract import ADDRESS

SPACE = " \t\n\v\f\r"
ACCENTS_BELOW = 0x0530


def lines(text: str) -> list[str]:
    """Lines with their line feeds."""
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def paragraphs(text: str) -> list[str]:
    """A paragraph reaches to the last of the blank lines behind it."""
    found: list[str] = []
    blank = False
    for line in lines(text):
        is_blank = not line.strip(SPACE)
        if found and not (blank and not is_blank):
            found[-1] += line
        else:
            found.append(line)
        blank = is_blank
    return found


def folded(text: str) -> str:
    """Without case, width, accents, punctuation, symbols and space; digits are 0."""
    return "".join(map(_folded, text))


def _folded(character: str) -> str:
    width, _, ordinary = unicodedata.decomposition(character).partition(" ")
    plain = chr(int(ordinary, 16)) if width in ("<wide>", "<narrow>") else character
    category = unicodedata.category(character)
    if category == "Nd":
        return "0"
    if category[0] in "PSZ" or category in ("Cc", "Cf"):
        return ""
    if category == "Mn" and ord(character) < ACCENTS_BELOW:
        return ""
    if 0xFE00 <= ord(character) <= 0xFE0F or 0x180B <= ord(character) <= 0x180F or 0xE0100 <= ord(character) <= 0xE01EF:
        return ""
    small = plain.casefold() if len(plain.casefold()) == 1 else plain.lower()
    small = small if len(small) == 1 else plain
    base = unicodedata.normalize("NFD", small)[0]
    return base.lower() if ord(base) < ACCENTS_BELOW else small


def spans_to_cut(
    rows: Sequence[Mapping[str, Any]], *, by_paragraph: bool, scope: Sequence[str], settings: Any
) -> set[tuple[int, int, int, int]]:
    """(address, start, end, address whose copy stays), by a dictionary over all segments."""
    ranks = {source: rank for rank, source in reversed(list(enumerate(settings.prefer)))}
    groups: dict[tuple[str, ...], list[tuple[int, int, int, int]]] = {}
    for row in rows:
        place = 0
        for segment in (paragraphs if by_paragraph else lines)(row["text"]):
            start, place = place, place + len(segment.encode())
            said = folded(segment) if settings.compare == "folded" else segment.strip(SPACE)
            if len(said) >= settings.min_characters:
                key = (said, *("" if row[column] is None else str(row[column]) for column in scope))
                rank = ranks.get(row["source"], len(settings.prefer))
                groups.setdefault(key, []).append((rank, row[ADDRESS], start, place))
    found: set[tuple[int, int, int, int]] = set()
    for group in groups.values():
        first, *others = sorted(group)
        if len(group) >= settings.copies:
            gone = others if settings.keep == "first" else [first, *others]
            found |= {(address, start, end, first[1]) for _, address, start, end in gone}
    return found
