"""Slow, obvious twin of what ``stages.kernels.html_blocks`` counts in a block: character by character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.kernels.html_blocks import (
    C_CAPITAL,
    C_COMMA,
    C_DIGIT,
    C_END,
    C_LETTER,
    C_OTHER,
    C_SIGN,
    C_SPACE,
    C_WIDE,
)  # fmt: skip

SIGNS = {
    C_SPACE: " \t\n\v\f\r\0\xa0\xad",
    C_END: "!.?…。！？",
    C_COMMA: ",;、，；",
    C_SIGN: "#>@|©",
}
WORDLY = (C_LETTER, C_CAPITAL, C_DIGIT)


@dataclass
class Counted:
    """What is counted, by the names of the fields."""

    weight: int = 0
    linked: int = 0
    words: int = 0
    sentences: int = 0
    commas: int = 0
    digits: int = 0
    upper: int = 0
    first: int = 0
    last: int = 0
    links: int = 0
    symbols: int = 0


def kind(character: str) -> int:
    """The kind of a character."""
    for found, characters in SIGNS.items():
        if character in characters:
            return found
    code = ord(character)
    if code < 0x80:
        letter = C_CAPITAL if character.isupper() else C_LETTER
        return C_DIGIT if character.isdigit() else letter if character.isalpha() else C_OTHER
    punctuation = code < 0xC0 or 0x2000 <= code < 0x2040 or 0x3000 <= code < 0x3040 or 0xFF00 <= code < 0xFF40
    if punctuation or code >= 0x10000:
        return C_OTHER
    return C_WIDE if 0x3000 <= code < 0xE000 else C_LETTER


def counted(pieces: Sequence[tuple[str, bool]]) -> Counted:
    """Of pieces of text that run on without a border, linked or not."""
    found, in_word = Counted(), False
    for text, is_link in pieces:
        before = found.weight
        for character in text:
            in_word = _count(found, kind(character), in_word)
        if is_link and found.weight > before:
            found.linked += found.weight - before
            found.links += 1
    return found


def _count(found: Counted, this: int, in_word: bool) -> bool:
    if this == C_SPACE:
        return False
    found.first, found.last = this if found.weight == 0 else found.first, this
    found.weight += 2 if this == C_WIDE else 1
    found.words += this == C_WIDE or (this in WORDLY and not in_word)
    found.upper += this == C_CAPITAL
    found.digits += this == C_DIGIT
    found.sentences += this == C_END
    found.commas += this == C_COMMA
    found.symbols += this == C_SIGN
    return this in WORDLY or (in_word and this == C_OTHER)
