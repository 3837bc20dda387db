"""Tokens are estimated by language, and by what the run itself counted where it counted enough."""

from __future__ import annotations

import pytest

from pipeline.books import NO_LANGUAGE, Books
from pipeline.reports.token_estimates import (
    BYTES_PER_TOKEN,
    ENOUGH_TOKENS,
    OTHER_LANGUAGE,
    UNKNOWN,
    TokenEstimate,
    token_estimate,
)


def test_languages_have_figures_of_their_own() -> None:
    """The same bytes are more tokens in a language that the vocabulary knows less well."""
    estimate = TokenEstimate()
    assert estimate.tokens(4330, "en") == pytest.approx(1000)
    assert estimate.tokens(4330, "gu") > 2 * estimate.tokens(4330, "en")
    assert estimate.bytes_per_token("tlh") == OTHER_LANGUAGE
    assert all(1 < value < 6 for value in BYTES_PER_TOKEN.values())


def test_enough_tokens_of_a_language_replace_the_table() -> None:
    """A language that the run tokenized enough of gets the run's own ratio, another one the table's, scaled."""
    counts = [("en", 2 * ENOUGH_TOKENS, ENOUGH_TOKENS), ("de", 10, 5)]
    estimate = token_estimate(Books(), counts)
    assert estimate.bytes_per_token("en") == 2
    assert estimate.calibrated == ("en",)
    assert estimate.bytes_per_token("de") == pytest.approx(BYTES_PER_TOKEN["de"] * estimate.scale)
    assert estimate.scale == pytest.approx(2 / BYTES_PER_TOKEN["en"], rel=0.01)


def test_counts_of_a_language_add_up_over_domains() -> None:
    """A language may be counted in several domains."""
    half = ENOUGH_TOKENS // 2
    estimate = token_estimate(Books(), [("en", half * 3, half), ("en", half * 5, half)])
    assert estimate.bytes_per_token("en") == 4


def test_rows_of_unknown_language_are_like_what_their_source_turned_out_to_be() -> None:
    """Before the language stage the tokens of a source are those that it has behind it."""
    books = Books()
    books.add("read", "web", "und", "in", "", 3, 900)
    books.add("language", "web", "en", "in", "", 2, 600)
    books.add("language", "web", "ja", "in", "", 1, 300)
    estimate = token_estimate(books)
    known = estimate.tokens(600, "en") + estimate.tokens(300, "ja")
    assert estimate.tokens(900, "und", "web") == pytest.approx(known)
    assert estimate.tokens(900, NO_LANGUAGE, "web") == pytest.approx(known)
    assert estimate.bytes_per_token("und", "another source") == UNKNOWN


def test_empty_books_have_an_estimate() -> None:
    """Nothing read is no tokens, not an error."""
    assert token_estimate(Books()).tokens(0, "und", "web") == 0
