"""Tokens from bytes: what a document would have come to, had it been tokenized.

Books count bytes; readers think in tokens. The bytes of a token differ by a factor of three between languages, so
the estimate goes by language: from the run's own counts where it tokenized enough of one, else from a table, scaled by
how the run's tokenizer compares with the table's on the languages that it did count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.books import NO_LANGUAGE, Books
from stages.contract import UNKNOWN_LANGUAGE

ENOUGH_TOKENS = 10_000
"""Tokens of a language from which its own ratio is used: by then it moves by about a percent."""

OTHER_LANGUAGE = 2.63
"""Median of the languages in the table below."""

UNKNOWN = 3.9
"""Where nothing is known of the language: English and Chinese web prose."""

# Measured 2026-11-23 with the vocabulary of Qwen2.5 (151,643 ranks): news sentences (Leipzig Wortschatz) where there
# are some, else the Universal Declaration of Human Rights, whose formal style comes to 9 % more bytes a token
# (median of 66 languages that have both) and is scaled down by that. English and Chinese: mean of news sentences,
# novels and technical articles. code: Python's standard library 4.24, C headers 3.47.
BYTES_PER_TOKEN: Mapping[str, float] = {
    "af": 3.04, "am": 2.46, "ar": 4.85, "az": 2.4, "be": 3.3, "bg": 4.08, "bn": 2.54, "bo": 2.03, "bs": 2.6,
    "ca": 3.16, "ceb": 2.82, "ckb": 2.31, "code": 3.86, "cs": 2.48, "cy": 2.43, "da": 3.04, "de": 3.58, "dv": 1.03,
    "el": 2.14, "en": 4.33, "eo": 2.71, "es": 3.67, "et": 2.59, "eu": 2.7, "fa": 3.08, "fi": 2.62, "fr": 3.67,
    "ga": 2.61, "gl": 3.56, "gu": 1.79, "ha": 2.44, "he": 4.31, "hi": 2.77, "hr": 2.6, "ht": 2.61, "hu": 2.58,
    "hy": 1.86, "id": 3.3, "ig": 2.31, "is": 2.46, "it": 3.39, "ja": 4.61, "jv": 2.79, "ka": 2.71, "kk": 2.93,
    "km": 2.25, "kn": 1.84, "ko": 3.26, "ky": 3.13, "la": 3.18, "lg": 2.58, "lo": 2.12, "lt": 2.48, "lv": 2.36,
    "mg": 2.45, "mi": 2.39, "mk": 3.91, "ml": 1.96, "mn": 2.92, "mr": 2.8, "ms": 3.19, "mt": 2.4, "my": 1.75,
    "nb": 3.06, "ne": 2.62, "nl": 3.21, "nn": 2.9, "no": 3.06, "pa": 1.73, "pl": 2.99, "pt": 3.57,
    "ro": 3.07, "ru": 5.07, "rw": 2.44, "sa": 2.7, "sk": 2.5, "sl": 2.59, "sn": 2.59, "so": 2.51, "sq": 2.58,
    "sr": 3.51, "st": 2.59, "su": 2.6, "sv": 3.1, "sw": 2.58, "ta": 2.5, "te": 1.83, "tg": 2.99, "th": 4.4,
    "tl": 2.95, "tn": 2.64, "tr": 3.14, "ts": 2.54, "tt": 2.85, "ug": 2.4, "uk": 3.64, "ur": 2.71, "uz": 2.41,
    "vi": 4.49, "xh": 2.47, "yi": 2.29, "yo": 2.22, "zh": 4.14, "zu": 2.5,
}  # fmt: skip


@dataclass(frozen=True)
class TokenEstimate:
    """Bytes per token. ``languages``: by language, ``sources``: of rows whose language is not known yet, by source.

    ``calibrated``: languages whose figure is the run's own. ``scale``: bytes per token of the run's tokenizer over
    the table's.
    """

    languages: Mapping[str, float] = field(default_factory=lambda: dict(BYTES_PER_TOKEN))
    sources: Mapping[str, float] = field(default_factory=dict)
    calibrated: tuple[str, ...] = ()
    scale: float = 1.0

    def bytes_per_token(self, language: str, source: str = "") -> float:
        """For rows of a language; for an unknown one, of the source."""
        if language in (UNKNOWN_LANGUAGE, NO_LANGUAGE):
            return self.sources.get(source, UNKNOWN * self.scale)
        return self.languages.get(language, OTHER_LANGUAGE * self.scale)

    def tokens(self, n_bytes: float, language: str, source: str = "") -> float:
        return n_bytes / self.bytes_per_token(language, source)


def token_estimate(books: Books, counts: Iterable[tuple[str, int, int]] = ()) -> TokenEstimate:
    """The estimate for a run. ``counts``: (language, bytes of text, tokens) as the run's tokenizer counted them.

    A source's rows of unknown language get the mean of what its rows turned out to be.
    """
    counted: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for language, n_bytes, tokens in counts:
        counted[language][0] += n_bytes
        counted[language][1] += tokens
    known = {language: sums for language, sums in counted.items() if language in BYTES_PER_TOKEN and sums[1]}
    by_table = sum(n_bytes / BYTES_PER_TOKEN[language] for language, (n_bytes, _) in known.items())
    scale = by_table / sum(tokens for _, tokens in known.values()) if by_table else 1.0
    own = {language: n_bytes / tokens for language, (n_bytes, tokens) in counted.items() if tokens >= ENOUGH_TOKENS}
    languages = {language: value * scale for language, value in BYTES_PER_TOKEN.items()} | own
    named = TokenEstimate(languages, {}, tuple(sorted(own)), scale)
    return TokenEstimate(languages, _by_source(books, named), named.calibrated, scale)


def _by_source(books: Books, named: TokenEstimate) -> dict[str, float]:
    """Bytes per token of each source, at the stage where most of its bytes have a language."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for entry in books:
        if entry.kind == "in" and entry.language not in (UNKNOWN_LANGUAGE, NO_LANGUAGE):
            line = sums[entry.source, entry.stage]
            line[0] += entry.bytes
            line[1] += named.tokens(entry.bytes, entry.language)
    best: dict[str, tuple[float, float]] = {}
    for (source, _), (n_bytes, tokens) in sorted(sums.items()):
        if n_bytes > best.get(source, (0, 0.0))[0]:
            best[source] = (n_bytes, tokens)
    return {source: n_bytes / tokens for source, (n_bytes, tokens) in best.items()}
