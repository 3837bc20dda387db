"""Text as CCNet gives it to its language models: small letters, no accents, digits as 0, ASCII punctuation.

Wenzek et al. 2020 (arXiv 1911.00359, section 4.1), in the order of their published code: small case, canonical
decomposition, nonspacing marks away, decimal digits to ``0``, 34 marks of punctuation to ASCII, control characters away
(tabs and line feeds too, with nothing in their place). Voicing marks of kana and vowel signs of Thai and Indic scripts
are nonspacing marks and go; Hangul syllables fall into their letters.

A character is looked up by itself, so a sigma at the end of a word becomes ``σ``, and spacing marks stay where they
are. The tables come from this Python's ``unicodedata``, whose version is part of every fingerprint.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.compiled import inlined
from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, assigned, two_stage

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]

_LINE_FEED = 10
_GROWTH = 3
"""Most bytes written for each byte read: a Hangul syllable of three bytes has up to three letters of three."""

PUNCTUATION = {
    **dict.fromkeys("，、", ","),
    **dict.fromkeys("。", "."),
    **dict.fromkeys("„”“«»」「《》", '"'),
    **dict.fromkeys("´’", "'"),
    **dict.fromkeys("∶：", ":"),
    **dict.fromkeys("–━►", "-"),
    "？": "?",
    "！": "!",
    "（": "(",
    "）": ")",
    "；": ";",
    "—": " - ",
    "．": ". ",
    "～": "~",
    "…": "...",
    "〈": "<",
    "〉": ">",
    "【": "[",
    "】": "]",
    "％": "%",
}
"""What CCNet writes for each mark of punctuation; others stay."""


class _Tables(NamedTuple):
    """numbers: code point → number of its change, 0 for none. ascii: uint8[128], what ASCII becomes, 0 for nothing.

    Change number k writes ``text[ends[k - 1]:ends[k]]``.
    """

    numbers: TwoStage
    text: Bytes
    ends: Int32s
    ascii: Bytes


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    """Made once per process in about half a second."""
    changes = {code: said for code in assigned() if (said := normalized(chr(code))) != chr(code)}
    known = {said: number for number, said in enumerate(sorted(set(changes.values())), 1)}
    numbers = np.zeros(CODE_POINTS, np.uint16)
    numbers[list(changes)] = [known[said] for said in changes.values()]
    pieces = [said.encode() for said in known]
    plain = [ord(normalized(chr(code)) or "\0") for code in range(128)]
    ends = np.cumsum([0, *map(len, pieces)], dtype=np.int32)
    return _Tables(two_stage(numbers), np.frombuffer(b"".join(pieces), np.uint8), ends, np.array(plain, np.uint8))


def normalized(character: str) -> str:
    """What becomes of a character; perhaps several, perhaps none."""
    decomposed = unicodedata.normalize("NFD", character.lower())
    kept = (mark for mark in decomposed if unicodedata.category(mark) != "Mn")
    plain = ("0" if unicodedata.category(mark) == "Nd" else PUNCTUATION.get(mark, mark) for mark in kept)
    return "".join(mark for mark in plain if not (mark < " " or "\x7f" <= mark <= "\x9f"))


@inlined
def code_point(data: Any, at: Int) -> tuple[Int, Int]:
    """(code point, bytes) of the character at a place in sound UTF-8, an array or flat."""
    lead = np.int64(data[at])
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        return ((lead & 0x1F) << 6) | np.int64(data[at + 1] & 0x3F), 2
    if lead < 0xF0:
        return ((lead & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | np.int64(data[at + 2] & 0x3F), 3
    high = ((lead & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
    return high | (np.int64(data[at + 2] & 0x3F) << 6) | np.int64(data[at + 3] & 0x3F), 4


@njit(cache=True, nogil=True)
def _normalize(
    data: Bytes,
    offsets: Int64s,
    numbers: tuple[UInt16s, UInt16s],
    changes: tuple[Bytes, Int32s, Bytes],
    line_feed: int,
    out: Bytes,
    to_offsets: Int64s,
) -> None:
    """O(bytes)."""
    block_of, blocks = numbers
    text, ends, ascii_table = changes
    to: Int = 0
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            byte = data[at]
            if byte < 0x80:
                target = ascii_table[byte] if byte != _LINE_FEED else np.uint8(line_feed)
                out[to] = target
                to += np.int64(target != 0)
                at += 1
                continue
            code, width = code_point(data, at)
            number = np.int64(blocks[(np.int64(block_of[code >> 6]) << 6) | (code & 63)])
            if number:
                for place in range(ends[number - 1], ends[number]):
                    out[to] = text[place]
                    to += 1
            else:
                for place in range(at, at + width):
                    out[to] = data[place]
                    to += 1
            at += width
        to_offsets[row + 1] = to


def ccnet_text(view: TextView, *, lines: bool) -> TextView:
    """The rows as CCNet's models expect them. ``lines``: line feeds stay, where CCNet makes one line of a document."""
    tables = _tables()
    size = int(view.offsets[-1] - view.offsets[0])
    out, offsets = np.empty(_GROWTH * size + 1, np.uint8), np.zeros(len(view.offsets), np.int64)
    numbers = (tables.numbers.block_of, tables.numbers.blocks)
    changes = (tables.text, tables.ends, tables.ascii)
    _normalize(view.data, view.offsets, numbers, changes, _LINE_FEED if lines else 0, out, offsets)
    return read_only(out[: offsets[-1]], offsets)


@njit(cache=True, nogil=True)
def _space_out(data: Bytes, offsets: Int64s, out: Bytes, to_offsets: Int64s) -> None:
    """O(bytes)."""
    to: Int = 0
    for row in range(len(offsets) - 1):
        for at in range(offsets[row], offsets[row + 1]):
            if at > offsets[row] and (data[at] & 0xC0) != 0x80:
                out[to] = 32
                to += 1
            out[to] = data[at]
            to += 1
        to_offsets[row + 1] = to


def spaced_characters(view: TextView) -> TextView:
    """The rows with a space between any two characters, for models that take words."""
    out = np.empty(2 * int(view.offsets[-1] - view.offsets[0]) + 1, np.uint8)
    offsets = np.zeros(len(view.offsets), np.int64)
    _space_out(view.data, view.offsets, out, offsets)
    return read_only(out[: offsets[-1]], offsets)


def one_line(view: TextView) -> TextView:
    """The rows with a space in place of each line feed."""
    data = view.data[view.offsets[0] : view.offsets[-1]].copy()
    data[data == _LINE_FEED] = ord(" ")
    return read_only(data, view.offsets - view.offsets[0])
