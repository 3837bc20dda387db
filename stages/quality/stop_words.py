"""Stop words of 58 languages, from stopwords-iso as the distribution stopwordsiso carries it (MIT).

stopwords-iso joins the lists of Lucene, NLTK, Snowball, Ranks and others, so its lists are long: 1,298 entries in
English, verbs and abbreviations among them, where Gopher's rule counts eight. A share of stop words is well measured
by them; a rule that asks for two of them is weaker than one with Gopher's words or with FineWeb-2's 10 to 25 most
frequent words per language, which ``recipes/thresholds/fineweb2`` has.

The lists also hold punctuation, phrases and compounds. Here they are cut down to what a look-up word by word can
find: entries that are exactly one word by :mod:`stages.kernels.word_classes`. Of Chinese, Japanese and Thai, whose
words here are characters or syllables, that leaves the particles (242 of 794, 32 of 134 and 23 of 116), which carry
most of the count: 的, は, ที่.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import pyarrow as pa
import stopwordsiso

from classifiers.labels import canonical, english_name
from stages.kernels.words import count_words


@lru_cache
def stop_words(language: str) -> tuple[str, ...]:
    """The language's stop words, lower case and NFC, each one word, sorted by code points.

    ``language``: an ISO 639 code of two or three letters, with or without a script (``de``, ``deu_Latn``).
    Raises ValueError, as a sentence, for a language without a list.
    """
    code = canonical(language)
    if code not in stopwordsiso.langs():
        title = english_name(code)
        name = f"{language!r} ({title})" if title else repr(language)
        raise ValueError(f"no list of stop words for {name}; there are lists for {', '.join(languages())}")
    entries = sorted({unicodedata.normalize("NFC", entry.strip().lower()) for entry in stopwordsiso.stopwords(code)})
    words = count_words(pa.array(entries, pa.large_string()))
    return tuple(entry for entry, count in zip(entries, words, strict=True) if count == 1 and _has_letter(entry))


def _has_letter(entry: str) -> bool:
    return any(character.isalpha() for character in entry)


@lru_cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that have a list, sorted."""
    return tuple(sorted(stopwordsiso.langs()))
