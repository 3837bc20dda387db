from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
import stopwordsiso

from stages.kernels.words import count_words
from stages.quality.stop_words import languages, stop_words

COMMON = {
    "en": ("the", "be", "to", "of", "and", "that", "have", "with", "don't"),
    "de": ("der", "die", "und", "nicht", "für"),
    "fr": ("le", "et", "à", "être"),
    "ru": ("и", "не", "что"),
    "ar": ("في", "من", "على"),
    "hi": ("और", "का", "है"),
    "zh": ("的", "是", "在"),
    "ja": ("は", "を", "の"),
    "ko": ("그", "이"),
    "th": ("ที่", "ก็"),
}


@pytest.mark.parametrize("language", COMMON)
def test_words_that_everybody_uses(language: str) -> None:
    """The lists hold the commonest words of a language; English has all eight of Gopher's."""
    assert set(COMMON[language]) <= set(stop_words(language))


@pytest.mark.parametrize("language", languages())
def test_every_entry_can_be_found_word_by_word(language: str) -> None:
    """Entries are single words with a letter, lower case, NFC, distinct and sorted; no list is empty."""
    words = stop_words(language)
    assert words and list(words) == sorted(set(words))
    assert (count_words(pa.array(words, pa.large_string())) == 1).all()
    for word in words:
        assert word == word.lower() == unicodedata.normalize("NFC", word)
        assert any(character.isalpha() for character in word)


def test_phrases_digits_and_punctuation_are_left_out() -> None:
    """What no single word equals is not in a list, though stopwords-iso has it."""
    listed = {"ru": "все еще", "zh": "一个", "en": "10", "fa": "!"}
    for language, entry in listed.items():
        assert entry in stopwordsiso.stopwords(language)
        assert entry not in stop_words(language)


def test_names_of_one_language() -> None:
    """Codes of two and three letters, with a script or in capitals, name the same list."""
    assert stop_words("de") == stop_words("deu") == stop_words("deu_Latn") == stop_words("DE")
    assert stop_words("zh") == stop_words("cmn_Hani")
    assert stop_words("nb") == stop_words("no")


def test_a_language_without_a_list() -> None:
    """The error names the language and lists those that have one."""
    with pytest.raises(ValueError, match=r"'is' \(Icelandic\); there are lists for af, ar, .* zh, zu"):
        stop_words("is")
    with pytest.raises(ValueError, match="'xx'; there are"):
        stop_words("xx")
