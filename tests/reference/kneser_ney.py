"""Slow, obvious twin of ``stages.kernels.kneser_ney`` and ``classifiers.ngram_lm``: dictionaries and recursion."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

Gram = tuple[str, ...]
FALLBACK = (0.0, 0.5, 1.0, 1.5)
MARKERS = ("<s>", "</s>", "<unk>")
SPACE = " \t\n\v\f\r"


class Model:
    """Probabilities and backoff weights of every n-gram of a list of sentences, as in Chen and Goodman (1999)."""

    def __init__(self, sentences: Sequence[Sequence[str]], order: int, prune: Sequence[int] | None = None) -> None:
        self.order = order
        self.prune = [*(prune or [])] + [0] * order
        self.raw: list[Counter[Gram]] = [Counter() for _ in range(order)]
        for sentence in sentences:
            tokens = ("<s>", *sentence, "</s>")
            for n in range(1, order + 1):
                for start in range(len(tokens) - n + 1):
                    gram = tokens[start : start + n]
                    if gram != ("<s>",):
                        self.raw[n - 1][gram] += 1
        self.counts = [self._adjusted(n) for n in range(1, order + 1)]
        self.discounts = [discounts(list(counts.values())) for counts in self.counts]
        self.words = sorted({gram[0] for gram in self.raw[0]})
        self.uniform = 1 / (len(self.words) + 1)
        self.sums = [self._sums(n) for n in range(1, order + 1)]

    def _adjusted(self, n: int) -> dict[Gram, int]:
        if n == self.order:
            return dict(self.raw[n - 1])
        left: defaultdict[Gram, set[str]] = defaultdict(set)
        for gram in self.raw[n]:
            left[gram[1:]].add(gram[0])
        return {gram: count if gram[0] == "<s>" else len(left[gram]) for gram, count in self.raw[n - 1].items()}

    def is_kept(self, gram: Gram) -> bool:
        """Whether the n-gram is in the model."""
        return len(gram) == 1 or self.raw[len(gram) - 1][gram] > self.prune[len(gram) - 1]

    def _sums(self, n: int) -> dict[Gram, tuple[float, float]]:
        """Context → (sum of counts, share that is left to shorter contexts)."""
        total: Counter[Gram] = Counter()
        left: defaultdict[Gram, float] = defaultdict(float)
        for gram, count in self.counts[n - 1].items():
            total[gram[:-1]] += count
            left[gram[:-1]] += self._discount(n, count) if self.is_kept(gram) else count
        return {context: (total[context], left[context] / total[context]) for context in total}

    def _discount(self, n: int, count: int) -> float:
        return (self.discounts[n - 1] or FALLBACK)[min(count, 3)]

    def probability(self, gram: Gram) -> float:
        """Of the last token after the others; of an n-gram that was seen."""
        n = len(gram)
        if n == 0:
            return self.uniform
        total, share = self.sums[n - 1][gram[:-1]]
        count = self.counts[n - 1].get(gram, 0)
        own = (count - self._discount(n, count)) / total if count else 0.0
        return own + share * self.probability(gram[1:])

    def backoff(self, gram: Gram) -> float:
        """Weight of shorter contexts after the n-gram; 1 where nothing follows it."""
        return self.sums[len(gram)].get(gram, (0, 1.0))[1]

    @property
    def unknown(self) -> float:
        """Probability of ``<unk>``."""
        return self.sums[0][()][1] * self.uniform


def discounts(counts: Sequence[int]) -> tuple[float, ...] | None:
    """Of counts 0, 1, 2, 3 and more; None where they cannot be estimated."""
    n = [sum(count == k for count in counts) for k in range(5)]
    if 0 in n[1:4]:
        return None
    y = n[1] / (n[1] + 2 * n[2])
    found = (0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)))
    return found if all(0 <= amount <= k for k, amount in enumerate(found)) else None


def sentences(text: str, *, characters: bool, blank: bool) -> list[list[str]]:
    """The lines' tokens. A last line that a line feed ends is followed by nothing."""
    lines = text.split("\n")
    found = []
    for number, line in enumerate(lines):
        words = "".join(character if character not in SPACE else " " for character in line).split(" ")
        tokens = [word for word in words if word]
        tokens = list("".join(tokens)) if characters else [token for token in tokens if token not in MARKERS]
        if tokens or (blank and number < len(lines) - 1):
            found.append(tokens)
    return found
