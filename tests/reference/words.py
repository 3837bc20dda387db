"""Slow, obvious twin of ``stages.kernels.words``: the rules of word boundaries, one pair of characters at a time."""

from __future__ import annotations

from functools import cache

from stages.kernels import word_classes as classes
from stages.kernels.word_classes import code_point_classes


@cache
def _classes() -> list[int]:
    values: list[int] = code_point_classes().tolist()
    return values


def class_of(character: str) -> int:
    return _classes()[ord(character)]


BEGINNERS = {classes.LETTER, classes.DIGIT, classes.KATAKANA, classes.SINGLE, classes.PREFIX}
WORDY = {classes.LETTER, classes.DIGIT}


def joined(before: list[int], value: int) -> bool:
    """Whether a character of a class that can begin a word goes on with the word before it.

    ``before``: classes of all characters before, marks left out but for stackers, which lead their letter on.
    """
    if not before:
        return False
    last = before[-1]
    if value == classes.SINGLE:
        stacked = last == classes.STACKER and before[-2:-1] == [classes.SINGLE]
        return stacked or last == classes.PREFIX
    if value == classes.PREFIX:
        return False
    if value in WORDY and last in WORDY:
        return True
    if value == classes.KATAKANA and last == classes.KATAKANA:
        return True
    if last == classes.CONNECTOR:
        run = [other for other in before if other != classes.CONNECTOR]
        length = 0
        while length < len(before) and before[-1 - length] == classes.CONNECTOR:
            length += 1
        return bool(run) and before[-1 - length] in {*WORDY, classes.KATAKANA}
    if len(before) < 2:
        return False
    if value == classes.LETTER:
        return last in (classes.MID_LETTER, classes.MID_BOTH) and before[-2] == classes.LETTER
    if value == classes.DIGIT:
        return last in (classes.MID_DIGIT, classes.MID_BOTH) and before[-2] == classes.DIGIT
    return False


def words(text: str) -> int:
    before: list[int] = []
    count = 0
    for character in text:
        value = class_of(character)
        if value == classes.EXTEND or (value == classes.STACKER and before[-1:] != [classes.SINGLE]):
            continue
        if value in BEGINNERS and not joined(before, value):
            count += 1
        before.append(value)
    return count


def letters(text: str) -> int:
    return sum(class_of(character) in BEGINNERS - {classes.DIGIT} for character in text)
