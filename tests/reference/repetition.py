"""Slow, obvious twin of ``stages.kernels.repetition``: strings, Counter, and sets of places."""

from __future__ import annotations

import re
from collections import Counter

from tests.reference.english_tokens import english_tokens
from tests.reference.word_marks import tokens
from tests.reference.word_spans import word_list

WORDS = {"paper": word_list, "datatrove": tokens, "datatrove_english": english_tokens}


def fraction(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def every_copy(segments: list[str]) -> list[float]:
    counts = Counter(segments)
    repeated = [segment for segment in segments if counts[segment] > 1]
    return [fraction(len(repeated), len(segments)), fraction(len("".join(repeated)), len("".join(segments)))]


def later_copies(segments: list[str], characters: int) -> list[float]:
    later = [segment for place, segment in enumerate(segments) if segment in segments[:place]]
    return [fraction(len(later), len(segments)), fraction(len("".join(later)), characters)]


def segments(text: str, reading: str) -> list[float]:
    if not text:
        return [0.0] * 4
    if reading != "paper":
        return [
            *later_copies(re.split("\n+", text), len(text)),
            *later_copies(re.split("\n{2,}", text.strip()), len(text)),
        ]
    lines = [line.strip() for line in text.split("\n")]
    paragraphs = [part for part in re.split("\n{2,}", "\n".join(lines).strip("\n")) if part]
    return [*every_copy([line for line in lines if line]), *every_copy(paragraphs)]


def ngrams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]


def covered(words: list[str], n: int, repeated: set[tuple[str, ...]]) -> float:
    """Fraction of the words' characters that are in one of the n-grams."""
    inside = {at + k for at, ngram in enumerate(ngrams(words, n)) if ngram in repeated for k in range(n)}
    return fraction(sum(len(words[at]) for at in inside), len("".join(words)))


def most_frequent(words: list[str], n: int) -> set[tuple[str, ...]]:
    """The most frequent n-gram, of equals the one with most characters, of these the first; none if all occur once."""
    counts = Counter(ngrams(words, n))
    repeated = [ngram for ngram in counts if counts[ngram] > 1]
    return {max(repeated, key=lambda ngram: (counts[ngram], len("".join(ngram))))} if repeated else set()


def left_to_right(words: list[str], n: int) -> int:
    known: set[tuple[str, ...]] = set()
    characters = at = 0
    while at + n <= len(words):
        ngram = tuple(words[at : at + n])
        if ngram in known:
            characters += len("".join(ngram))
            at += n
        else:
            known.add(ngram)
            at += 1
    return characters


def top(words: list[str], n: int, characters: int, reading: str) -> float:
    if reading == "paper":
        return covered(words, n, most_frequent(words, n))
    found = Counter(ngrams(words, n)).most_common(1)
    return min(1.0, fraction(found[0][1] * len(" ".join(found[0][0])), characters)) if found else 0.0


def duplicates(words: list[str], n: int, characters: int, reading: str) -> float:
    if reading == "paper":
        counts = Counter(ngrams(words, n))
        return covered(words, n, {ngram for ngram in counts if counts[ngram] > 1})
    return fraction(left_to_right(words, n), characters)


def repetition(text: str, reading: str) -> list[float]:
    words = WORDS[reading](text)
    return [
        *segments(text, reading),
        *(top(words, n, len(text), reading) for n in (2, 3, 4)),
        *(duplicates(words, n, len(text), reading) for n in range(5, 11)),
    ]
