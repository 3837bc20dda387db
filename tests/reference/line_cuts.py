"""Slow, obvious twin of ``stages.kernels.line_cuts``."""

from __future__ import annotations

import re

from stages.kernels.line_cuts import SPACED_BEFORE_CITATIONS, WORDS, LineRules
from stages.kernels.line_marks import APOSTROPHE, END_MARK, QUOTE, TERMINAL_CLOSED, TERMINAL_LAST
from stages.kernels.sentence_classes import STOP
from tests.reference.line_signals import POLICY, ends_with_closed_terminal, folded
from tests.reference.sentences import class_of
from tests.reference.words import words

CITATIONS = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")


def _ends_well(line: str, rules: LineRules) -> bool:
    if not line:
        return False
    checks = {
        END_MARK: line.endswith((".", "?", "!")),
        QUOTE: line.endswith('"'),
        APOSTROPHE: line.endswith("'"),
        TERMINAL_LAST: class_of(line[-1]) >= STOP and line[-1] != "…",
        TERMINAL_CLOSED: ends_with_closed_terminal(line),
    }
    if not rules.ellipses and line.endswith(("...", "…")):
        return False
    return any(found for bit, found in checks.items() if rules.ends & bit)


def _fault(line: str, bare: str, rules: LineRules, counts: dict[str, int]) -> str | None:
    lower = folded(bare)
    if rules.ends and not _ends_well(bare, rules):
        return "no_end"
    if rules.min_words:
        split = line.split() if rules.words == SPACED_BEFORE_CITATIONS else bare.split()
        if (words(bare) if rules.words == WORDS else len(split)) < rules.min_words:
            return "few_words"
    counts["lorem_ipsum"] += "lorem ipsum" in lower
    if rules.javascript and "javascript" in lower:
        return "javascript"
    counts["curly_bracket"] += "{" in bare
    if rules.policy and any(phrase in lower for phrase in POLICY):
        return "policy"
    return None


def cut_lines(text: str, rules: LineRules) -> tuple[str, dict[str, int]]:
    """(new text, counts and bytes by name)."""
    counts = dict.fromkeys(
        ("kept", "lorem_ipsum", "curly_bracket", "long_word", "no_end", "few_words", "javascript"), 0
    )
    counts.update(policy=0, citations=0)
    kept = []
    for whole in text.splitlines(keepends=True):
        line = whole.strip()
        if rules.max_word_length is not None and any(len(word) > rules.max_word_length for word in line.split()):
            counts["long_word"] += len(whole.encode())
            continue
        bare = CITATIONS.sub("", line) if rules.citations else line
        fault = _fault(line, bare, rules, counts)
        if fault:
            counts[fault] += len(whole.encode())
            continue
        counts["kept"] += 1
        counts["citations"] += len(line.encode()) - len(bare.encode())
        kept.append(bare)
    return "\n".join(kept).strip(), counts
