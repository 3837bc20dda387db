"""A slow, obvious twin of ``stages.kernels.letters``, by the names of characters."""

from __future__ import annotations

import re
import unicodedata

DENSE = re.compile("CJK|HIRAGANA|KATAKANA|HANGUL SYLLABLE|THAI|LAO|KHMER|MYANMAR|IDEOGRAPHIC|HALFWIDTH KATAKANA")

KINDS = ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl")

SUFFIXES = "\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3\uff9e\uff9f"
"""Thai and Lao vowels after their consonant and half-width voicing marks, which words treat as marks."""


def weight(text: str) -> int:
    """Letters, those of dense scripts three times."""
    letters = [
        character for character in text if unicodedata.category(character) in KINDS and character not in SUFFIXES
    ]
    return sum(3 if DENSE.search(unicodedata.name(character)) else 1 for character in letters)
