"""Slow, obvious twin of ``stages.kernels.ngram_scores``: a dictionary of n-grams, and the definition of backoff."""

from __future__ import annotations

from collections.abc import Mapping

from tests.reference.kneser_ney import SPACE

Gram = tuple[str, ...]
Grams = Mapping[Gram, tuple[float, float]]


def grams(arpa: bytes) -> dict[Gram, tuple[float, float]]:
    """n-gram → log10 of probability and of backoff weight, of an ARPA file."""
    found = {}
    for line in arpa.decode().split("\n"):
        fields = line.split("\t")
        if len(fields) > 1:
            found[tuple(fields[1].split(" "))] = (float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0)
    return found


def tokens(line: str, *, characters: bool) -> list[str]:
    """What stands between white space, or what characters there are but white space."""
    for space in SPACE:
        line = line.replace(space, " ")
    return list(line.replace(" ", "")) if characters else [word for word in line.split(" ") if word]


def probability(model: Grams, gram: Gram) -> float:
    """log10 probability of the last word after the others."""
    if gram in model:
        return model[gram][0]
    return model.get(gram[:-1], (0.0, 0.0))[1] + probability(model, gram[1:])


def score(model: Grams, order: int, words: list[str]) -> tuple[float, int]:
    """(log10 probability of the line and its end, number of unknown words)."""
    known = [word if (word,) in model else "<unk>" for word in words]
    line = ["<s>", *known, "</s>"]
    total = sum(probability(model, tuple(line[max(0, end - order) : end])) for end in range(2, len(line) + 1))
    return total, sum((word,) not in model for word in words)
