"""Twins of ``stages.kernels.one_line``: what DCLM's and Dolma's code does to a text, and fastText's words of it."""

from __future__ import annotations

import re

from tests.reference.fasttext import SPACES

WHITE_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def python_lines(text: str) -> list[str]:
    """Words of the line that ``splitlines`` and ``join`` make."""
    return [word for word in SPACES.split(" ".join(text.strip().splitlines())) if word]


def unicode_spaces(text: str) -> list[str]:
    """Words between White_Space characters."""
    return [word for word in SPACES.split(WHITE_SPACE.sub(" ", text)) if word]
