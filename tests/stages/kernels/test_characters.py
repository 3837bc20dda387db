"""Characters forwards and backwards, against Python's own decoder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from stages.kernels.character_kinds import (
    ALPHABETIC,
    BULLET,
    DIGIT,
    LOWER,
    SIGN,
    SPACE,
    UPPER,
    character_tables,
    code_point_kinds,
)
from stages.kernels.characters import character, character_before, looked_up
from tests.stages.hostile import TEXT


def data_of(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, np.uint8)


@given(text=TEXT)
def test_forwards_and_backwards(text: str) -> None:
    """Both ways give the characters of the text."""
    data = data_of(text.encode())
    at, forwards = 0, []
    while at < len(data):
        code, width = character(data, at, len(data))
        forwards.append(int(code))
        at += width
    backwards = []
    while at > 0:
        code, width = character_before(data, 0, at)
        backwards.append(int(code))
        at -= width
    assert forwards == backwards[::-1] == [ord(one) for one in text]


@pytest.mark.parametrize("raw", [b"\xff", b"\xe4\xb8", b"\xf4\xbf\xbf\xbf", b"\x80", b"\xc3", b"a\x80"])
def test_broken_characters(raw: bytes) -> None:
    """What is not UTF-8, or goes on behind the end, is U+FFFD of one byte."""
    data = data_of(raw)
    assert character_before(data, 0, len(data)) == (0xFFFD, 1)
    assert raw[0] < 0x80 or character(data, 0, len(data)) == (0xFFFD, 1)


def test_there_is_nothing_before_the_start() -> None:
    """The start of the text has no character before it."""
    assert character_before(data_of(b"ab"), 1, 1) == (0, 0)


@pytest.mark.parametrize(
    ("one", "kinds"),
    [
        ("a", ALPHABETIC | LOWER),
        ("É", ALPHABETIC | UPPER),
        ("中", ALPHABETIC),
        ("٣", DIGIT),
        ("\u3000", SPACE),
        ("•", BULLET | SIGN),
        ("\u0301", 0),
        ("²", 0),
    ],
)
def test_kinds_by_example(one: str, kinds: int) -> None:
    """The table, and the look-up in its two stages."""
    tables = character_tables()
    assert code_point_kinds()[ord(one)] == kinds
    assert looked_up(ord(one), (tables.kind_blocks, tables.kinds)) == kinds
