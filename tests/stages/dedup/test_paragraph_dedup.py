"""Paragraphs are what blank lines separate; what both stages share is tested in test_repeated_spans."""

from __future__ import annotations

from stages.dedup.paragraph_dedup import STAGE
from tests.stages.dedup.test_repeated_spans import cut


def test_paragraphs_are_more_than_lines() -> None:
    """A paragraph is cut with the blank lines behind it; a line that is only part of one is no repeat."""
    texts = [
        "Terms apply.\nAll of them.\n\nOne.\n",
        "Two.\n\nTerms apply.\nAll of them.\n \n\nThree.\n",
        "Terms apply.\nNo.",
    ]
    assert cut(STAGE, texts) == [texts[0], "Two.\n\nThree.\n", texts[2]]
