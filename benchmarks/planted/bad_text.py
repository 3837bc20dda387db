"""Articles made bad in ways that only a quality rule or a model sees."""

from __future__ import annotations

from benchmarks.planted.dice import Dice
from benchmarks.planted.pages import Page

_PAIRS = "ao bh ce dcl ec ft gq hb il klc l1 mrn nu o0 pn rv s5 tf un vy wvv yv"
_LOOKS_LIKE = {pair[0]: pair[1:] for pair in _PAIRS.split()}
"""Letter → what a machine reads in its place in bad print."""

_WRONG_PERCENT = {"en": 25, "zh": 70}
"""How many characters are wrong: as many as leave the language recognisable."""

_TIMES = 6


def garbled(page: Page) -> Page:
    """The article as bad character recognition leaves it: Latin letters become similar ones, Han characters others."""
    dice, wrong = Dice("garbled", page.text), _WRONG_PERCENT[page.language]
    page.text = "".join(_misread(letter, dice) if dice.below(100) < wrong else letter for letter in page.text)
    page.note = f"{wrong} % of the letters recognised wrongly"
    return page


def repetitive(page: Page) -> Page:
    """The article with its paragraphs over and over."""
    title, *paragraphs = page.text.split("\n\n")
    page.text = "\n\n".join([title, *paragraphs * _TIMES])
    page.note = f"its paragraphs {_TIMES} times"
    return page


def _misread(letter: str, dice: Dice) -> str:
    if "\u4e00" <= letter <= "\u9fa5":
        return chr(0x4E00 + dice.below(0x9FA6 - 0x4E00))
    return _LOOKS_LIKE.get(letter, letter)
