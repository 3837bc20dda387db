"""Copies and near-copies of a document, and how alike two documents are.

Similarity is the Jaccard index of 5-grams: of words (letters and digits, case folded) where words are spaced, of
letters where they are not. It is computed from the texts, so that a label never states what an edit was meant to do.
"""

from __future__ import annotations

import re
import unicodedata

from benchmarks.planted.dice import Dice
from benchmarks.planted.grammar import UNSPACED

_WORD = re.compile(r"\w+")
NGRAM = 5


def shingles(text: str, language: str) -> frozenset[tuple[str, ...]]:
    """The set of 5-grams of a text; empty when it is shorter."""
    folded = unicodedata.normalize("NFC", text).casefold()
    words = _WORD.findall(folded)
    units = list("".join(words)) if language in UNSPACED else words
    return frozenset(zip(*(units[shift:] for shift in range(NGRAM)), strict=False))


def jaccard(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> float:
    """Size of the intersection over size of the union, 0 for two empty sets."""
    union = len(left | right)
    return len(left & right) / union if union else 0.0


def similarity(left: str, right: str, language: str) -> float:
    """Jaccard index of the 5-grams of two texts, to four decimals."""
    return round(jaccard(shingles(left, language), shingles(right, language)), 4)


def replace_units(text: str, language: str, count: int, spare: str, dice: Dice) -> str:
    """The text with ``count`` words (or letters, where words are not spaced) replaced by ones from ``spare``."""
    spaced = language not in UNSPACED
    pattern = _WORD if spaced else re.compile(r"[^\W\d_]")
    places = list(pattern.finditer(text))
    fresh = [found for found in pattern.findall(spare) if len(found) > 3 or not spaced]
    for match in reversed(dice.sample(places, count)):
        text = text[: match.start()] + dice.choice(fresh) + text[match.end() :]
    return text


def drop_sentence(text: str, dice: Dice) -> str:
    """The text without one sentence of its longest paragraph."""
    paragraphs = text.split("\n\n")
    longest = max(range(len(paragraphs)), key=lambda place: len(paragraphs[place]))
    sentences = re.findall(r"[^.!?。؟]+[.!?。؟]+[”»」』\"']*\s*", paragraphs[longest])
    del sentences[dice.below(len(sentences))]
    paragraphs[longest] = "".join(sentences).rstrip()
    return "\n\n".join(paragraphs)


def rewrap(text: str, width: int = 64) -> str:
    """The same words with line breaks every ``width`` characters at most, as mail programs set them."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        line = ""
        for word in paragraph.split(" "):
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines += [line, ""]
    return "\n".join(lines).rstrip("\n")
