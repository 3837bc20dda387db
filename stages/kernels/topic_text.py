"""What a page's text says of its topic: words of lists, lines that look like code, signs of formulas, prices.

Words are runs of letters of ASCII or two-byte UTF-8 (U+00C0 to U+07FF: Latin, Greek, Cyrillic), ASCII in any case; an
entry is one word, or two with nothing but white space and hyphens between. Chinese entries are two to four characters
anywhere. Each kind of word counts once in its column however often it occurs, so that one name on every line is not
taken for a vocabulary.

A line looks like code if it ends in a semicolon, a curly bracket or ``):``, if a sixteenth of it is operators and curly
brackets, if it is indented and has a call or an assignment, or if it is short, begins with a word from a list and ends
in no full stop.

One pass, with a table for the class of a byte and a bitmap in front of the hash tables: O(bytes looked at).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import flat, word_at

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

WORDS, BYTES, CODE_BYTES, FORMULAS, PRICES = range(5)
"""First columns of the counts: words (two Chinese characters are one), bytes of lines without the white space at their
ends, bytes of lines that look like code, signs of formulas, prices."""
FIRST_TOPIC = 5
"""Two columns follow for each topic: hits, and kinds of words among them."""
KINDS = 64
"""Most kinds of words of a topic that are told apart; further ones share."""

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_PAIR = np.uint64(0x9E3779B97F4A7C15)
_ASCII_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONES = np.uint64(0x0101010101010101)
_LOWER_CASE = np.uint64(0x2020202020202020)
_FROM_A = np.uint64(0x1F1F1F1F1F1F1F1F)
_AFTER_Z = np.uint64(0x0505050505050505)
_LINE_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_SIX_BYTES = np.uint64(0xFFFFFFFFFFFF)
_SIFT_BITS = 14
_SIFT_SHIFT = np.uint64(64 - _SIFT_BITS)

OTHER, LETTER, SIGN, SPACE, HYPHEN, LEAD_TWO, LEAD_HAN, LEAD_THREE, LEAD_FOUR = range(9)
"""Classes of bytes. SIGN: of which code and formulas have many."""
_LONGEST_STATEMENT = 400
_LONGEST_COMMAND = 100
"""Bytes of a line that may be code for its last character, or for its first word."""


class TextTables(NamedTuple):
    """What is looked up. Hash tables have a power of two of slots and hold places of entries, -1 where empty.

    ``classes``: uint8[256]. ``sift``: uint8[2**14], whether a hash with those highest bits can be in a table. ``keys``:
    uint64[entries]; ``topics``, ``kinds``: int32[entries], -1 for a word that begins lines of code; ``slots``: int32;
    ``last_slot``: their number less 1. ``han_…``: the same for Chinese, by the first two characters; ``han_text``,
    ``han_ends``: all characters of the entries.
    """

    classes: Bytes
    sift: Bytes
    keys: UInt64s
    topics: Int32s
    kinds: Int32s
    slots: Int32s
    last_slot: np.uint64
    han_keys: UInt64s
    han_topics: Int32s
    han_kinds: Int32s
    han_slots: Int32s
    last_han_slot: np.uint64
    han_text: Bytes
    han_ends: Int64s


def text_tables(entries: Iterable[tuple[str, int, int]], starts: Iterable[str]) -> TextTables:
    """Tables from (entry in lower case, topic, kind); ``starts``: first words of lines of code."""
    listed = [*entries, *((word, -1, 0) for word in starts)]
    han = sorted((entry.encode(), topic, kind) for entry, topic, kind in listed if _is_han(entry))
    keys, topics, kinds, slots = _columns([(_phrase(e), topic, kind) for e, topic, kind in listed if not _is_han(e)])
    han_keys, han_topics, han_kinds, han_slots = _columns([(_mixed(_six(e)), topic, kind) for e, topic, kind in han])
    sift = np.zeros(1 << _SIFT_BITS, np.uint8)
    sift[(np.concatenate([keys, han_keys]) >> _SIFT_SHIFT).astype(np.int64)] = 1
    ends = np.cumsum([0, *(len(text) for text, _, _ in han)]).astype(np.int64)
    text = np.frombuffer(b"".join(text for text, _, _ in han) or b"\0", np.uint8)
    words_table = (keys, topics, kinds, slots, np.uint64(len(slots) - 1))
    han_table = (han_keys, han_topics, han_kinds, han_slots, np.uint64(len(han_slots) - 1))
    return TextTables(_classes(), sift, *words_table, *han_table, text, ends)


def _is_han(entry: str) -> bool:
    return "\u3000" <= entry[0] <= "\u9fff"


def _hash(word: bytes) -> int:
    """Of a word in lower case, in the pieces in which :func:`_read_word` takes it."""
    key, at = int(_BASIS), 0
    while at < len(word):
        ascii_run = len(word[at:]) - len(word[at:].lstrip(_ASCII_LETTERS))
        size = min(ascii_run, 8) or 2
        key = _mixed(key ^ int.from_bytes(word[at : at + size], "little"))
        at += size
    return key


def _mixed(value: int) -> int:
    product = value * int(_PAIR) & 0xFFFFFFFFFFFFFFFF
    return product ^ product >> 29


def _phrase(entry: str) -> int:
    """Of one word, or of two that follow each other."""
    words = [_hash(word.encode()) for word in entry.replace("-", " ").split()]
    return words[0] if len(words) == 1 else _mixed((words[0] * int(_PRIME) ^ words[1]) & 0xFFFFFFFFFFFFFFFF)


def _six(text: bytes) -> int:
    return int.from_bytes(text[:6], "little")


def _columns(entries: Sequence[tuple[int, int, int]]) -> tuple[UInt64s, Int32s, Int32s, Int32s]:
    """Keys, topics, kinds and slots."""
    keys = np.array([key for key, _, _ in entries], np.uint64)
    topics, kinds = (np.array([entry[k] for entry in entries], np.int32) for k in (1, 2))
    return keys, topics, kinds, _slots(keys)


def _slots(keys: UInt64s) -> Int32s:
    """Open addressing; entries of equal keys follow each other, in their order."""
    size = 16
    while size < 4 * len(keys):
        size *= 2
    slots = np.full(size, -1, np.int32)
    for place, key in enumerate(keys.tolist()):
        slot = key & (size - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = place
    return slots


def _classes() -> Bytes:
    classes = np.full(256, OTHER, np.uint8)
    classes[[9, 11, 12, 13, 32]] = SPACE
    classes[45] = HYPHEN
    classes[65:91] = LETTER
    classes[97:123] = LETTER
    classes[list(b"{}<>=;&\\^~$")] = SIGN
    classes[0xC3:0xE0] = LEAD_TWO
    classes[0xE0:0xF0] = LEAD_THREE
    classes[0xE3:0xEA] = LEAD_HAN
    classes[0xF0:0xF5] = LEAD_FOUR
    return classes


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value *= _PAIR
    return value ^ (value >> np.uint64(29))


@njit(cache=True, nogil=True)
def _pointers(tables: TextTables) -> TextTables:
    """The tables as pointers. Taken from arrays, each look-up would count references, which was half of the time."""
    t = tables
    return TextTables(
        flat(t.classes), flat(t.sift), flat(t.keys), flat(t.topics), flat(t.kinds), flat(t.slots), t.last_slot,
        flat(t.han_keys), flat(t.han_topics), flat(t.han_kinds), flat(t.han_slots), t.last_han_slot, flat(t.han_text),
        flat(t.han_ends),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _count(key: np.uint64, tables: TextTables, counts: Int64s, seen: UInt64s) -> bool | np.bool:
    """Count all entries of the key. Returns whether it begins lines of code."""
    begins = False
    slot = key & tables.last_slot
    while tables.slots[np.int64(slot)] >= 0:
        place = tables.slots[np.int64(slot)]
        slot = (slot + np.uint64(1)) & tables.last_slot
        if tables.keys[place] != key:
            continue
        topic = tables.topics[place]
        if topic < 0:
            begins = True
        else:
            counts[FIRST_TOPIC + 2 * topic] += 1
            seen[topic] |= np.uint64(1) << np.uint64(tables.kinds[place])
    return begins


@njit(cache=True, nogil=True)
def _count_han(
    data: Bytes, at: Int, stop: Int, key: np.uint64, tables: TextTables, counts: Int64s, seen: UInt64s
) -> None:
    """Count all entries that the text goes on with."""
    slot = key & tables.last_han_slot
    while tables.han_slots[np.int64(slot)] >= 0:
        place = tables.han_slots[np.int64(slot)]
        slot = (slot + np.uint64(1)) & tables.last_han_slot
        if tables.han_keys[place] != key:
            continue
        first, size = tables.han_ends[place], tables.han_ends[place + 1] - tables.han_ends[place]
        k = 6
        while k < size and at + k < stop and data[at + k] == tables.han_text[first + k]:
            k += 1
        if k >= size:
            counts[FIRST_TOPIC + 2 * tables.han_topics[place]] += 1
            seen[tables.han_topics[place]] |= np.uint64(1) << np.uint64(tables.han_kinds[place])


@njit(cache=True, nogil=True)
def _is_digit(data: Bytes, at: Int, start: Int, stop: Int) -> bool | np.bool:
    return start <= at < stop and 48 <= data[at] <= 57


@njit(cache=True, nogil=True)
def _is_price(data: Bytes, sign: Int, size: Int, start: Int, stop: Int) -> bool | np.bool:
    """Whether a digit stands on one side of the currency sign, with a space between at most."""
    before, after = sign - 1, sign + size
    if _is_digit(data, before, start, stop) or _is_digit(data, after, start, stop):
        return True
    spaced = before >= start and data[before] == 32 and _is_digit(data, before - 1, start, stop)
    return spaced or (after < stop and data[after] == 32 and _is_digit(data, after + 1, start, stop))


@njit(cache=True, nogil=True)
def _is_letter(byte: Int) -> bool | np.bool:
    return 97 <= (byte | 32) <= 122


@njit(cache=True, nogil=True)
def _is_command(data: Bytes, at: Int, start: Int, stop: Int) -> bool | np.bool:
    """Whether a backslash begins a command of two letters or more, and is no part of a path."""
    if at + 2 >= stop or not _is_letter(data[at + 1]) or not _is_letter(data[at + 2]):
        return False
    return at == start or not (_is_letter(data[at - 1]) or 48 <= data[at - 1] <= 58)


@njit(cache=True, nogil=True)
def _looks_like_code(
    data: Bytes, line: Int, first: Int, end: Int, signs: Int, called: bool | np.bool, begins: bool | np.bool
) -> bool | np.bool:
    """Of the line from ``first`` to ``end``, which begins at ``line`` with white space; see the module's docstring."""
    size, last = end - first, data[end - 1]
    if last in (59, 123, 125) or (last == 58 and size > 1 and data[end - 2] == 41):
        return size <= _LONGEST_STATEMENT
    if signs >= 2 and 16 * signs >= size:
        return True
    if called and first - line >= 2:
        return True
    return begins and size <= _LONGEST_COMMAND and last != 46


@njit(cache=True, nogil=True)
def _eight_bytes(data: Bytes, at: Int, end: Int) -> np.uint64:
    """The next eight bytes, zeros behind the end."""
    if at + 8 <= end:
        return word_at(data, at)
    found = np.uint64(0)
    for k in range(end - at):
        found |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return found


@njit(cache=True, nogil=True)
def _letters(word: np.uint64) -> np.int64:
    """How many of eight bytes are ASCII letters, up to the first that is none."""
    lower = (word | _LOWER_CASE) & _LOW
    others = ~((lower + _FROM_A) & ~(lower + _AFTER_Z) & ~word) & _HIGH
    return np.int64(8) if others == 0 else np.int64(_trailing_bytes(others & (~others + np.uint64(1))))


@njit(cache=True, nogil=True)
def _trailing_bytes(bit: np.uint64) -> np.int64:
    """Bytes below the highest bit of one byte, which alone is set: a perfect hash by multiplication."""
    return np.int64((((bit >> np.uint64(7)) - np.uint64(1)) & _ONES) * _ONES >> np.uint64(56))


@njit(cache=True, nogil=True)
def _read_word(data: Bytes, at: Int, end: Int, classes: Bytes) -> tuple[Int, np.uint64]:
    """Where the word that begins here ends, and its hash: eight bytes of ASCII, or a letter of two bytes, at a time."""
    key = _BASIS
    while at < end:
        word = _eight_bytes(data, at, end)
        size = _letters(word)
        if size == 8:
            key = _mix(key ^ (word | _LOWER_CASE))
            at += 8
            continue
        if size:
            below = (np.uint64(1) << np.uint64(8 * size)) - np.uint64(1)
            key = _mix(key ^ ((word | _LOWER_CASE) & below))
            at += size
        if at + 2 > end or classes[data[at]] != LEAD_TWO:
            break
        key = _mix(key ^ (np.uint64(data[at]) | np.uint64(data[at + 1]) << np.uint64(8)))
        at += 2
    return at, key


@njit(cache=True, nogil=True)
def _count_sign(data: Bytes, at: Int, first: Int, end: Int, counts: Int64s) -> None:
    """Count what an ASCII character may be: a price, a command, an index or an exponent in braces."""
    byte = data[at]
    if byte == 36:
        counts[PRICES] += _is_price(data, at, 1, first, end)
    elif byte == 92:
        counts[FORMULAS] += _is_command(data, at, first, end)
    elif byte in (94, 95):
        counts[FORMULAS] += at + 1 < end and data[at + 1] == 123


@njit(cache=True, nogil=True)
def _is_operator(data: Bytes, at: Int) -> bool | np.bool:
    """A mathematical operator (U+2200 to 22FF, U+2A00 to 2AFF), or letter (U+1D400 to 1D7FF)."""
    lead, second = data[at], data[at + 1]
    if lead == 0xE2:
        return 0x88 <= second <= 0x8B or 0xA8 <= second <= 0xAB
    return lead == 0xF0 and second == 0x9D and 0x90 <= data[at + 2] <= 0x9F


@njit(cache=True, nogil=True)
def _count_character(data: Bytes, at: Int, size: Int, first: Int, end: Int, counts: Int64s) -> None:
    """Count what a character of two to four bytes may be: a currency sign, a mathematical operator or letter."""
    lead, second = data[at], data[at + 1]
    if _is_operator(data, at):
        counts[FORMULAS] += 1
    elif (
        (lead == 0xC2 and second in (0xA3, 0xA5))
        or (lead == 0xE2 and second == 0x82 and data[at + 2] >= 0xA0)
        or (lead == 0xEF and second == 0xBF and data[at + 2] == 0xA5)
    ):
        counts[PRICES] += _is_price(data, at, size, first, end)


@njit(cache=True, nogil=True)
def _line(
    data: Bytes, first: Int, end: Int, tables: TextTables, counts: Int64s, seen: UInt64s
) -> tuple[Int, bool | np.bool, bool | np.bool, Int]:
    """Count what a line has.

    Returns its signs, whether it has a call or an assignment, whether it begins like code, and its Han characters.
    """
    signs = han = words = np.int64(0)
    called: bool | np.bool = False
    begins: bool | np.bool = False
    before = np.uint64(0)
    at = first
    while at < end:
        byte = data[at]
        if byte == 32:
            at += 1
            continue
        kind = tables.classes[byte]
        if kind == LETTER or (kind == LEAD_TWO and at + 1 < end):
            word = at
            at, key = _read_word(data, at, end, tables.classes)
            words += 1
            if tables.sift[np.int64(key >> _SIFT_SHIFT)]:
                begins |= _count(key, tables, counts, seen) and word == first
            pair = _mix(before * _PRIME ^ key)
            if before and tables.sift[np.int64(pair >> _SIFT_SHIFT)]:
                _count(pair, tables, counts, seen)
            before = key
            continue
        size = np.int64(1)
        if kind == LEAD_HAN and at + 3 <= end:
            han, size = han + 1, np.int64(3)
            if at + 6 <= end and tables.classes[data[at + 3]] == LEAD_HAN:
                key = _mix(_eight_bytes(data, at, end) & _SIX_BYTES)
                if tables.sift[np.int64(key >> _SIFT_SHIFT)]:
                    _count_han(data, at, end, key, tables, counts, seen)
        elif byte < 128:
            signs += kind == SIGN
            called |= byte == 61 or (byte == 40 and at > first and (_is_letter(data[at - 1]) or data[at - 1] == 95))
            _count_sign(data, at, first, end, counts)
        else:
            size = np.int64(2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
            if at + size <= end:
                _count_character(data, at, size, first, end, counts)
        if kind != SPACE and kind != HYPHEN:
            before = np.uint64(0)
        at += size
    counts[WORDS] += words
    return signs, called, begins, han


@njit(cache=True, nogil=True)
def _line_end(data: Bytes, at: Int, stop: Int) -> Int:
    """Where the next line feed is, or the end."""
    while at + 8 <= stop:
        word = word_at(data, at) ^ _LINE_FEEDS
        zeros = (word - _ONES) & ~word & _HIGH
        if zeros:
            return at + _trailing_bytes(zeros & (~zeros + np.uint64(1)))
        at += 8
    while at < stop and data[at] != 10:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _row(data: Bytes, start: Int, stop: Int, tables: TextTables, counts: Int64s, seen: UInt64s) -> None:
    """Count what the lines of a row have."""
    characters = np.int64(0)
    line = start
    while line < stop:
        after = _line_end(data, line, stop)
        first, end = line, after
        while first < end and tables.classes[data[first]] == SPACE:
            first += 1
        while end > first and tables.classes[data[end - 1]] == SPACE:
            end -= 1
        if first < end:
            signs, called, begins, han = _line(data, first, end, tables, counts, seen)
            characters += han
            counts[BYTES] += end - first
            if _looks_like_code(data, line, first, end, signs, called, begins):
                counts[CODE_BYTES] += end - first
        line = after + 1
    counts[WORDS] += characters // 2


@njit(cache=True, nogil=True)
def topic_text(data: Bytes, offsets: Int64s, limit: int, topics: int, tables: TextTables) -> Int64s:
    """int64[rows, 5 + 2 * topics]: counts of the first ``limit`` bytes of each row, to the end of a character."""
    counts = np.zeros((len(offsets) - 1, FIRST_TOPIC + 2 * topics), np.int64)
    seen = np.zeros(topics, np.uint64)
    text, fast, kinds = flat(data), _pointers(tables), flat(seen)
    for row in range(len(counts)):
        stop = min(offsets[row + 1], offsets[row] + limit)
        while offsets[row] < stop < offsets[row + 1] and data[stop] & 0xC0 == 0x80:
            stop -= 1
        seen[:] = 0
        _row(text, offsets[row], stop, fast, flat(counts[row]), kinds)
        for topic in range(topics):
            bits = seen[topic]
            while bits:
                bits &= bits - np.uint64(1)
                counts[row, FIRST_TOPIC + 2 * topic + 1] += 1
    return counts
