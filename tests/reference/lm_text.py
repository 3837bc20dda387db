"""Slow, obvious twin of ``stages.kernels.lm_text``: CCNet's steps one after the other, on the whole text."""

from __future__ import annotations

import re
import unicodedata

PUNCTUATION = dict(
    zip(
        "，。、„”“«»」「《》´∶：？！（）；–—．～’…━〈〉【】％►",
        [
            *[",", ".", ",", '"', '"', '"', '"', '"', '"', '"', '"', '"', "'", ":", ":", "?", "!", "(", ")", ";", "-"],
            *[" - ", ". ", "~", "'", "...", "-", "<", ">", "[", "]", "%", "-"],
        ],
        strict=True,
    )
)


def ccnet(text: str, *, lines: bool) -> str:
    """The text as a model of CCNet expects it."""
    if lines:
        return "\n".join(ccnet(line, lines=False) for line in text.split("\n"))
    text = "".join(character.lower() for character in text)
    text = "".join(unicodedata.normalize("NFD", character) for character in text)
    text = "".join(character for character in text if unicodedata.category(character) != "Mn")
    text = re.sub(r"\d", "0", text)
    text = "".join(PUNCTUATION.get(character, character) for character in text)
    return re.sub("[\x00-\x1f\x7f-\x9f]", "", text)


def spaced(text: str) -> str:
    """A space between any two characters."""
    return " ".join(text)
