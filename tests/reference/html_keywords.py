"""Slow, obvious twin of the automaton in ``stages.kernels.html_keywords``: regular expressions."""

from __future__ import annotations

import re

from stages.kernels.html_keywords import WORDS

_SIGNS = {"|": "-", "-": "-?", **dict.fromkeys("0123456789", "-")}
"""What stands for a sign of a pattern; in names digits part words as hyphens do."""
_PATTERNS = {
    bits: re.compile("|".join("".join(_SIGNS.get(sign, sign) for sign in word) for word in words.split()))
    for bits, words in WORDS.items()
}


def words_of(name: str) -> int:
    """Bits of the groups with a word in a class or id."""
    found = 0
    for part in re.split(r"[ \n\t\r\f]+", name):
        parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", part)
        plain = re.sub(r"[^a-z]+", "-", f"-{parted}-".lower())
        found |= sum(bits for bits, pattern in _PATTERNS.items() if pattern.search(plain))
    return found
