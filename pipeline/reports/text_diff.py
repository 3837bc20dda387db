"""What a stage did to a text, in a few lines: masked, cut, and safe to show."""

from __future__ import annotations

import difflib

from pipeline.blocks.samples import mask
from pipeline.reports.inert import one_line

LINES = 12
WIDTH = 160
WINDOW = 20_000
"""Characters from the first difference on that are looked at: line diffs are quadratic."""
MARGIN = 1_000
IN_MASKED = "(the difference is in what is masked)"


def diff_lines(before: str, after: str) -> list[str]:
    """The first lines that differ, ``-`` old and ``+`` new, personal data masked. Empty where nothing differs."""
    if before == after:
        return []
    old, new = (_lines(part) for part in masked_windows(before, after)[:2])
    found = [
        line for line in difflib.unified_diff(old, new, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))
    ]
    shown = [one_line(line, WIDTH) for line in found[:LINES]]
    if not shown:
        return [IN_MASKED]
    return [*shown, f"… and {len(found) - LINES} lines more"] if len(found) > LINES else shown


def masked_windows(before: str, after: str) -> tuple[str, str, bool]:
    """:data:`WINDOW` characters of both from the line of the first difference on, masked, and whether one goes on."""
    start, hidden = _start(before, same_prefix(before, after))
    old, new = (mask(text[start : start + WINDOW])[hidden:] for text in (before, after))
    return old, new, max(len(before), len(after)) > start + WINDOW


def _start(text: str, same: int) -> tuple[int, int]:
    """Where to begin, and how much of that not to show: a mask needs to see the whole of what it masks."""
    line = text.rfind("\n", 0, same) + 1
    if same - line <= MARGIN:
        return line, 0
    return same - MARGIN, MARGIN // 2


def same_prefix(one: str, two: str) -> int:
    """Characters that two texts begin with in common. O(n log n) comparisons of memory, none of single characters."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _lines(text: str) -> list[str]:
    return text.split("\n")
