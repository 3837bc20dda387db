"""Slow, obvious twin of ``stages.kernels.line_signals`` and ``stages.kernels.line_marks``."""

from __future__ import annotations

from stages.kernels import line_signals as columns
from stages.kernels.sentence_classes import CLOSE, EXTEND, STOP
from tests.reference.sentences import class_of

POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
BULLETS = tuple("•‣▶◀◦■□▪▫–")


def folded(text: str) -> str:
    """ASCII letters in lower case."""
    return "".join(character.lower() if character.isascii() else character for character in text)


def ends_with_closed_terminal(line: str) -> bool:
    while line and class_of(line[-1]) in (CLOSE, EXTEND):
        line = line[:-1]
    return bool(line) and class_of(line[-1]) >= STOP


def line_counts(text: str, short: int, few_words: int, trimmed: bool) -> list[int]:
    """The row's counts, in the order of NAMES."""
    lines = [line for line in text.split("\n") if line.strip()]
    ends = [line.rstrip() if trimmed else line for line in lines]
    phrases = [folded(line) for line in lines]
    repeated = [line for place, line in enumerate(lines) if line in lines[:place]]
    found = {
        columns.LINES: len(lines),
        columns.LINE_FEEDS: text.count("\n"),
        columns.CHARACTERS: len(text.replace("\n", "")),
        columns.END_MARKS: sum(line.endswith((".", "?", "!")) for line in ends),
        columns.END_QUOTES: sum(line.endswith('"') for line in ends),
        columns.END_APOSTROPHES: sum(line.endswith("'") for line in ends),
        columns.END_TERMINALS: sum(class_of(line[-1]) >= STOP and line[-1] != "…" for line in ends),
        columns.END_CLOSED_TERMINALS: sum(map(ends_with_closed_terminal, ends)),
        columns.END_ELLIPSES: sum(line.endswith(("...", "…")) for line in ends),
        columns.BULLETS: sum(line.strip().startswith(BULLETS) for line in lines),
        columns.SHORT: sum(len(line) <= short for line in lines),
        columns.FEW_WORDS: sum(len(line.split()) < few_words for line in lines),
        columns.DUPLICATES: len(repeated),
        columns.DUPLICATE_CHARACTERS: sum(map(len, repeated)),
        columns.JAVASCRIPTS: sum("javascript" in line for line in phrases),
        columns.POLICIES: sum(any(phrase in line for phrase in POLICY) for line in phrases),
        columns.LOREM_IPSUMS: sum("lorem ipsum" in line for line in phrases),
        columns.CURLY_BRACKETS: sum("{" in line for line in phrases),
    }
    return [found[column] for column in range(len(columns.NAMES))]
