"""How two nearly equal texts differ, word by word, in a few lines: masked, cut, and safe to show.

Lines are aligned first, then words within lines that were replaced by others. What only the first text has stands in
``[-…-]``, what only the second has in ``{+…+}``, with some words around it. White space is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from pipeline.reports.inert import one_line
from pipeline.reports.text_diff import IN_MASKED, WINDOW, masked_windows

AROUND = 5
"""Words shown before and after a difference."""
LONGEST = 12
"""Words of a difference that are shown, half from each of its ends."""
LINES = 6
WIDTH = 600
"""Characters of a line: a word may be as long as a text."""
MOST_WORDS = 4_000
"""Beyond that lines are shown as a whole: alignment is quadratic."""
IN_MASKED_OR_LATER = f"(the difference is in what is masked, or after {WINDOW:,} characters)"

_WORD = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|\w+|[^\w\s]"
)
"""A character of a script without spaces, a run of letters or digits, or a sign."""


class Words(NamedTuple):
    """A text and where its words are in it."""

    text: str
    spans: list[tuple[int, int]]

    @staticmethod
    def of(text: str) -> Words:
        return Words(text, [found.span() for found in _WORD.finditer(text)])

    @property
    def words(self) -> list[str]:
        return [self.text[start:end] for start, end in self.spans]

    def between(self, first: int, last: int) -> str:
        """The text of words first to last, the last not included, white space as one space."""
        if first >= last:
            return ""
        return " ".join(self.text[self.spans[first][0] : self.spans[last - 1][1]].split())

    def shown(self, first: int, last: int) -> str:
        """The same, the middle left out where it is long."""
        if last - first <= LONGEST:
            return self.between(first, last)
        half = LONGEST // 2
        return f"{self.between(first, first + half)} … {self.between(last - half, last)}"


def word_diff(one: str, two: str) -> list[str]:
    """The first differences within :data:`pipeline.reports.text_diff.WINDOW` characters from the first one on.

    Empty where the texts have the same words; a line that says so where they differ only in what is masked, or later.
    """
    if one.split() == two.split():
        return []
    old, new, goes_on = masked_windows(one, two)
    found = [one_line(line, WIDTH) for line in _changes(_lines(old), _lines(new), goes_on)]
    if not found:
        return [IN_MASKED_OR_LATER if goes_on else IN_MASKED]
    return [*found[:LINES], f"… and {len(found) - LINES} more"] if len(found) > LINES else found


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _changes(one: Sequence[str], two: Sequence[str], goes_on: bool) -> Iterator[str]:
    same = [" ".join(line.split()) for line in one], [" ".join(line.split()) for line in two]
    for kind, a, b, c, d in SequenceMatcher(None, *same, autojunk=False).get_opcodes():
        if kind != "equal":
            torn = goes_on and b == len(one) and d == len(two)
            yield from _word_changes(Words.of("\n".join(one[a:b])), Words.of("\n".join(two[c:d])), torn)


def _word_changes(one: Words, two: Words, torn: bool) -> Iterator[str]:
    """A line for each group of differences that lie close together.

    ``torn``: the texts were cut at some length, so a difference at the very end is none.
    """
    if max(len(one.spans), len(two.spans)) > MOST_WORDS:
        yield _marked("-", one, 0, len(one.spans)) + _marked("+", two, 0, len(two.spans))
        return
    matcher = SequenceMatcher(None, one.words, two.words, autojunk=False)
    for group in matcher.get_grouped_opcodes(AROUND):
        if torn and group[-1][0] != "equal":
            del group[-1]
        if any(kind != "equal" for kind, *_ in group):
            yield _line(one, two, group)


def _line(one: Words, two: Words, group: Sequence[tuple[str, int, int, int, int]]) -> str:
    parts = []
    for kind, a, b, c, d in group:
        parts.append(one.between(a, b) if kind == "equal" else _marked("-", one, a, b) + _marked("+", two, c, d))
    before, after = group[0][1] > 0, group[-1][2] < len(one.spans)
    return ("… " if before else "") + " ".join(parts) + (" …" if after else "")


def _marked(sign: str, words: Words, first: int, last: int) -> str:
    opening, closing = "[]" if sign == "-" else "{}"
    return f"{opening}{sign}{words.shown(first, last)}{sign}{closing}" if first < last else ""
