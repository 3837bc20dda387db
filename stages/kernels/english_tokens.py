"""Tokens about as rule-based tokenizers of English make them, for rules that were tuned on such a tokenizer's counts.

datatrove counts what spaCy's tokenizer returns: marks are tokens, ``don't`` is two, ``05/09/2018`` and ``/etc`` one.
The share of tokens with letters, which is about 0.84 in English prose, is held against 0.8 there, so that it matters
how many tokens marks make. The rules here are that tokenizer's in outline: white space separates; marks come off at the
front and the end of what stands between, each a token, ``...`` as one; inside, hyphens, slashes, colons, commas and a
few others separate between certain neighbours; web addresses stay whole; ``n't``, ``'s``, ``'re`` and the like are
tokens. A full stop belongs to a single letter (``J.``) and to the abbreviations of :data:`ABBREVIATIONS`.

Not here: its lists of emoticons, of most units behind numbers (``10km``) and of misspelt contractions (``im``), and
what it does in other languages.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import flat
from stages.kernels.character_kinds import ALPHABETIC, DIGIT, LOWER, SIGN, SPACE, UPPER, character_tables
from stages.kernels.characters import character, character_before, looked_up
from stages.kernels.word_counts import WordSet, place_of, word_set
from stages.kernels.word_spans import WordSpans, hash_bytes

Bytes = npt.NDArray[np.uint8]
Int = int | np.int64
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

_TITLES = (
    "Mr Mrs Ms Messrs Dr Prof Rev Gen Gov Sen Rep Adm Jr Sr St Mt Inc Ltd Co Corp Bros vs Ph.D e.g i.e E.g I.e a.m p.m"
)
_MONTHS = "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
_STATES = (
    "Ala Ariz Ark Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Mass Md Mich Minn Miss Mo Mont Neb Nev Okla Ore Pa Tenn "
    "Va Wash Wis"
)
ABBREVIATIONS = (*_TITLES.split(), *_MONTHS.split(), *_STATES.split())
"""Words that keep the full stop behind them: titles, companies, months, and states as newspapers shorten them."""

_FRONT = np.zeros(128, np.uint8)
_FRONT[list(b"%=,:;!?()[]{}<>_#*&'\"`$")] = 1
_END = np.zeros(128, np.uint8)
_END[list(b",:;!?()[]{}<>_#*&'\"`")] = 1
_UNIT = np.zeros(128, np.uint8)
_UNIT[list(b"%KMGTgmt")] = 1
_STOP, _HYPHEN, _PLUS, _COMMA, _APOSTROPHE, _SLASH, _COLON = b".-+,'/:"
_DASHES = (0x2D, 0x7E, 0x2013, 0x2014)
_RIGHT_QUOTE = 0x2019
_ELLIPSIS = 0x2026
Tables = tuple[Any, Any]


@njit(cache=True, nogil=True)
def _run(text: Any, at: Int, end: Int, code: Int) -> Int:
    """Behind the run of one ASCII character that begins here."""
    while at < end and text[at] == code:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _front(text: Any, at: Int, end: Int, tables: Tables) -> Int:
    """Bytes of the mark that comes off the front, or 0."""
    code, width = character(text, at, end)
    if code >= 0x80:
        return width if looked_up(code, tables) & SIGN else 0
    if code == _STOP:
        size = _run(text, at, end, _STOP) - at
        return size if size > 1 else 0
    if code == _PLUS:
        return 0 if at + 1 < end and 48 <= text[at + 1] < 58 else 1
    return 1 if _FRONT[code] else 0


@njit(cache=True, nogil=True)
def _is_abbreviation(text: Any, limit: Int, start: Int, end: Int, known: tuple[Any, np.uint64]) -> bool | np.bool:
    keys, size = known
    value = hash_bytes(text, limit, start, end)
    return keys[place_of(keys, size, value)] == value


@njit(cache=True, nogil=True)
def _end_stop(text: Any, limit: Int, start: Int, end: Int, tables: Tables, known: tuple[Any, np.uint64]) -> Int:
    """Bytes of the full stops that come off before ``end``, or 0."""
    first = end
    while first > start and text[first - 1] == _STOP:
        first -= 1
    if end - first > 1:
        return end - first
    if first == start or _is_abbreviation(text, limit, start, first, known):
        return 0
    code, width = character_before(text, start, first)
    if first - width == start and looked_up(code, tables) & ALPHABETIC:
        return 0
    if not looked_up(code, tables) & UPPER:
        return 0 if code == _SLASH or code == 0x5C else 1
    return 1 if looked_up(character_before(text, start, first - width)[0], tables) & UPPER else 0


@njit(cache=True, nogil=True)
def _end(text: Any, limit: Int, start: Int, end: Int, tables: Tables, known: tuple[Any, np.uint64]) -> Int:
    """Bytes of what comes off before ``end``: a mark, full stops, or ``'s``; or 0."""
    code, width = character_before(text, start, end)
    if code == _STOP:
        return _end_stop(text, limit, start, end, tables, known)
    if code >= 0x80:
        return width if looked_up(code, tables) & SIGN else 0
    if code | 32 == 0x73:
        quote, size = character_before(text, start, end - 1)
        return size + 1 if (quote == _APOSTROPHE or quote == _RIGHT_QUOTE) and end - 1 - size > start else 0
    if end - 1 > start and 48 <= text[end - 2] < 58 and _UNIT[code]:
        return 1
    return 1 if _END[code] else 0


@njit(cache=True, nogil=True)
def _is_address(text: Any, start: Int, end: Int) -> bool | np.bool:
    """Whether it begins with a scheme and ``://``, or with names and dots between, the last in lower case."""
    dots = 0
    letters: Int = 0
    if text[start] == _STOP or text[start] == _SLASH:
        return False
    for at in range(start, end):
        byte = text[at]
        if byte == _COLON:
            return at > start + 1 and at + 3 < end and text[at + 1] == _SLASH and text[at + 2] == _SLASH
        if byte == _SLASH:
            break
        if byte == _STOP:
            if text[at - 1] == _STOP:
                return False
            dots += 1
            letters = 0
        elif 97 <= byte < 123:
            letters += 1
        elif 65 <= byte < 91:
            letters = -end
        elif not (48 <= byte < 58 or byte == _HYPHEN):
            return False
    return dots > 0 and letters > 1


@njit(cache=True, nogil=True)
def _separator(text: Any, at: Int, end: Int, code: Int, width: Int, before: Int, tables: Tables) -> Int:
    """Bytes of what separates inside, from ``at`` on, or 0. ``before``: kinds of the character before."""
    stop = at + width
    if code == _STOP or code in _DASHES:
        while stop < end:
            following, size = character(text, stop, end)
            if following != code:
                break
            stop += size
    if code == _ELLIPSIS or (code == _STOP and stop - at > 1):
        return stop - at
    if stop >= end:
        return 0
    after = looked_up(character(text, stop, end)[0], tables)
    if code == _STOP:
        return width if before & LOWER and after & UPPER else 0
    if code == _COMMA:
        return width if before & ALPHABETIC and after & ALPHABETIC else 0
    if before & DIGIT and after & DIGIT and code in (0x2B, 0x2D, 0x2A, 0x5E):
        return width
    if before & (ALPHABETIC | DIGIT) and after & ALPHABETIC:
        if code in _DASHES:
            return stop - at
        return width if code in (0x3A, 0x3C, 0x3D, 0x3E, 0x2F) else 0
    return 0


@njit(cache=True, nogil=True)
def _contraction(text: Any, start: Int, end: Int) -> Int:
    """Where the second part of a contraction begins (``n't 're 've 'll 'd 'm``), or ``end``."""
    for tail in range(1, 3):
        at = end - tail
        code, width = character_before(text, start, at)
        if (code == _APOSTROPHE or code == _RIGHT_QUOTE) and at - width > start:
            first, last = text[at] | 32, text[end - 1] | 32
            if tail == 1 and last == 0x74:
                begin = at - width - 1
                return begin if begin > start and text[begin] | 32 == 0x6E else end
            if tail == 1 and (last == 0x64 or last == 0x6D):
                return at - width
            if tail == 2 and ((first == 0x6C and last == 0x6C) or (last == 0x65 and (first == 0x72 or first == 0x76))):
                return at - width
    return end


@njit(cache=True, nogil=True)
def _add(text: Any, limit: Int, start: Int, end: Int, found: tuple[Any, Any, Any], count: Int) -> Int:
    starts, ends, hashes = found
    starts[count], ends[count], hashes[count] = start, end, hash_bytes(text, limit, start, end)
    return count + 1


@njit(cache=True, nogil=True)
def _add_word(text: Any, limit: Int, start: Int, end: Int, found: tuple[Any, Any, Any], count: Int) -> Int:
    """Writes a token, or the two of a contraction."""
    cut = _contraction(text, start, end)
    count = _add(text, limit, start, cut, found, count)
    return _add(text, limit, cut, end, found, count) if cut < end else count


@njit(cache=True, nogil=True)
def _add_core(
    text: Any, limit: Int, start: Int, end: Int, tables: Tables, found: tuple[Any, Any, Any], count: Int
) -> Int:
    """Writes what stands between the marks at front and end, cut at separators."""
    if start == end:
        return count
    if _is_address(text, start, end):
        return _add(text, limit, start, end, found, count)
    at = start
    before: Int = np.int64(0)
    while at < end:
        code, width = character(text, at, end)
        kind = looked_up(code, tables)
        size: Int = np.int64(0)
        if at > start and not kind & (ALPHABETIC | DIGIT):
            size = _separator(text, at, end, code, width, before, tables)
        if size:
            count = _add_word(text, limit, start, at, found, count)
            count = _add(text, limit, at, at + size, found, count)
            at += size
            start = at
            before = np.int64(0)
        else:
            at += width
            before = kind
    return _add_word(text, limit, start, end, found, count) if start < end else count


@njit(cache=True, nogil=True)
def _add_chunk(
    text: Any,
    limit: Int,
    span: tuple[Int, Int],
    tables: Tables,
    known: tuple[Any, np.uint64],
    found: tuple[Any, Any, Any],
    count: Int,
) -> Int:
    """Writes the tokens between two white spaces."""
    start, end = span
    size: Int = np.int64(0)
    while start < end:
        size = _front(text, start, end, tables)
        if not size:
            break
        count = _add(text, limit, start, start + size, found, count)
        start += size
    core = end
    while core > start:
        size = _end(text, limit, start, core, tables, known)
        if not size:
            break
        core -= size
    count = _add_core(text, limit, start, core, tables, found, count)
    while core < end:
        code, width = character(text, core, end)
        size = _run(text, core, end, _STOP) - core if code == _STOP else np.int64(width)
        if (code == _APOSTROPHE or code == _RIGHT_QUOTE) and core + size < end and text[core + size] | 32 == 0x73:
            size += 1
        count = _add(text, limit, core, core + size, found, count)
        core += size
    return count


@njit(cache=True, nogil=True)
def _scan(
    data: Bytes,
    offsets: Int64s,
    tables: tuple[Any, Any],
    known: UInt64s,
    rows: Int64s,
    found: tuple[Int64s, Int64s, UInt64s],
) -> None:
    """O(bytes), but for long runs of marks before ``'s`` or full stops."""
    text, limit = flat(data), len(data)
    flat_tables = flat(tables[0]), flat(tables[1])
    flat_found = flat(found[0]), flat(found[1]), flat(found[2])
    abbreviations = flat(known), np.uint64(len(known) // 2)
    count: Int = np.int64(0)
    for row in range(len(rows) - 1):
        at, end = offsets[row], offsets[row + 1]
        start = at
        while at < end:
            code, width = character(text, at, end)
            if looked_up(code, flat_tables) & SPACE:
                count = _add_chunk(text, limit, (start, at), flat_tables, abbreviations, flat_found, count)
                start = at + width
            at += width
        count = _add_chunk(text, limit, (start, end), flat_tables, abbreviations, flat_found, count)
        rows[row + 1] = count


@lru_cache(maxsize=1)
def _abbreviations() -> WordSet:
    return word_set(ABBREVIATIONS)


def english_tokens(data: Bytes, offsets: Int64s) -> WordSpans:
    """The tokens of the rows ``data[offsets[i]:offsets[i + 1]]`` of UTF-8, hashed as words are.

    Memory: 24 bytes a byte of text are set aside and as many a token used.
    """
    rows = np.zeros(len(offsets), np.int64)
    most = int(offsets[-1] - offsets[0])
    found = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.uint64)
    tables = character_tables()
    with np.errstate(over="ignore"):
        _scan(data, offsets, (tables.kind_blocks, tables.kinds), _abbreviations(), rows, found)
    starts, ends, hashes = found
    return WordSpans(rows, starts[: rows[-1]], ends[: rows[-1]], hashes[: rows[-1]])
