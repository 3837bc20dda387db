"""The setting ``stop_words`` of the stages that count them: a list, the code of a language, or none."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa

from stages.kernels.word_counts import WordSet, word_set
from stages.kernels.words import count_words
from stages.quality.stop_words import stop_words

StopWords = list[str] | str | None
"""Words as they stand, or the code of the language whose list in :mod:`stages.quality.stop_words` is meant."""


def checked(given: StopWords) -> StopWords:
    """The setting itself. Raises ValueError for a language without a list and for what is not exactly one word."""
    if isinstance(given, str):
        stop_words(given)
    elif given is not None:
        counts = count_words(pa.array(given, pa.large_string()))
        for word, count in zip(given, counts.tolist(), strict=True):
            if count != 1 or word != word.strip():
                raise ValueError(f"stop word {word!r} is {count} words; expected one, without white space around it")
    return given


def libraries(given: StopWords) -> tuple[str, ...]:
    """Distributions whose version decides what the list is."""
    return ("stopwordsiso",) if isinstance(given, str) else ()


def word_table(given: StopWords, lower_case: bool = True) -> WordSet:
    """The table to look words up in, empty if there are none. ``lower_case``: put the words into lower case first."""
    words = stop_words(given) if isinstance(given, str) else given or ()
    return _table(tuple(words), lower_case)


@lru_cache
def _table(words: tuple[str, ...], lower_case: bool) -> WordSet:
    found = word_set(word.lower() if lower_case else word for word in words)
    found.flags.writeable = False
    return found
