"""Slow, obvious twin of ``stages.kernels.sentences``: the rules, one regular expression over letters for classes."""

from __future__ import annotations

import re
from functools import cache

from stages.kernels import sentence_classes as classes
from stages.kernels.sentence_classes import abbreviations, code_point_classes

LETTERS = {
    classes.OTHER: "o",
    classes.EXTEND: "x",
    classes.SPACE: "s",
    classes.SEPARATOR: "n",
    classes.CLOSE: "c",
    classes.CONTINUE: "k",
    classes.NUMERIC: "d",
    classes.LOWER: "l",
    classes.UPPER: "u",
    classes.LETTER: "a",
    classes.UNENDED: "t",
    classes.STOP: "F",
    classes.TERMINAL: "T",
}
CHAIN = re.compile("(?:[FT]c*s*)*([FT])(c*)(s*)(n?)")


@cache
def _classes() -> list[int]:
    values: list[int] = code_point_classes().tolist()
    return values


def class_of(character: str) -> int:
    return _classes()[ord(character)]


def _abbreviated(text: str, word_end: int, following: str) -> bool:
    """Whether the text up to the full stop ends in an initial or an abbreviation."""
    before = [character for character in text[:word_end] if class_of(character) != classes.EXTEND]
    last = before[-1] if before else ""
    word_like = range(classes.NUMERIC, classes.UNENDED + 1)
    alone = not (before[-2:-1] and class_of(before[-2]) in word_like)
    if last and class_of(last) == classes.UPPER and last != "I" and alone:
        return True
    found = re.search(r"(?:^|[^a-z.0-9\x80-\U0010ffff])([a-z.]+)$", _ascii_lower(text[:word_end]))
    word = found[1] if found else ""
    names, numbers = abbreviations()
    return word in names or (following == "d" and word in numbers)


def _ascii_lower(text: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in text)


def _ends(text: str, kinds: str, places: list[int], match: re.Match[str]) -> bool:
    """Whether a sentence ends with this chain of terminals, closing marks and spaces."""
    after = kinds[match.end() :]
    if match[4] or not after:
        return True
    if after[0] == "k":
        return False
    if match[1] == "T":
        return True
    if re.match("[^aultFTn]*l", after):
        return False
    return not (match[3] and _abbreviated(text, places[match.start(1)], after[0]))


def boundaries(text: str) -> list[int]:
    """Places in characters where sentences end, blank ones among them."""
    places = [place for place, character in enumerate(text) if class_of(character) != classes.EXTEND]
    kinds = "".join(LETTERS[class_of(text[place])] for place in places)
    places.append(len(text))
    found = []
    at = 0
    while at < len(kinds):
        at, ended = _one_step(text, kinds, places, at)
        if ended:
            # Marks belong to what they follow, but not to a line end.
            found.append(places[at - 1] + 1 if kinds[at - 1] == "n" else places[at])
    return found


def _one_step(text: str, kinds: str, places: list[int], at: int) -> tuple[int, bool]:
    """(place to go on, whether a sentence ends there)."""
    if kinds[at] == "n":
        return at + 1, True
    if kinds[at] in "FT":
        # Digits and capitals that stand right behind a full stop are looked at one terminal at a time.
        stop = at
        while True:
            following = kinds[stop + 1 : stop + 2]
            if kinds[stop] == "F" and following == "d":
                return stop + 1, False
            if kinds[stop] == "F" and following == "u" and kinds[stop - 1 : stop] in ("u", "l") and stop:
                return stop + 1, False
            further = re.compile("[FT]c*s*(?=[FT])").match(kinds, stop)
            if not further:
                break
            stop = further.end()
        match = CHAIN.match(kinds, stop)
        assert match
        ended = _ends(text, kinds, places, match)
        return match.end(), ended
    spaces = re.compile("( +)").match(text, places[at] + 1)
    thai = "\u0e00" <= text[places[at]] <= "\u0eff"
    if thai and kinds[at] in "ta" and spaces and places[at] + 1 == spaces.start():
        after = re.compile("s+").match(kinds, at + 1)
        assert after
        return after.end(), kinds[after.end() : after.end() + 1] == "t"
    return at + 1, False


def sentences(text: str) -> list[str]:
    """The sentences of a text, white space around them included."""
    found = []
    start = 0
    for end in [*boundaries(text), len(text)]:
        piece = text[start:end]
        if any(class_of(character) not in (classes.SPACE, classes.SEPARATOR) for character in piece):
            found.append(piece)
            start = end
    return found
