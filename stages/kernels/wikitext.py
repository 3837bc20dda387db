"""Wikitext as plain text: one pass that finds the markup and matches what opens with what closes, one that writes.

The first pass cuts a row into tokens (text between them is text) and keeps a stack of open templates, links, tables
and language conversions. ``}}`` closes the nearest open template and gives up what is open inside it, ``|}`` a table
unless a template is open inside it, ``]]`` and ``}-`` only what was opened last; what nobody closes is text. Between
tags like ``<nowiki>`` and ``<math>`` there are no tokens. The second pass walks over the tokens: what is left out is
jumped over in one step, so the depth of nesting costs nothing, and nothing recurses.

Where text was taken away, the spaces, the empty parentheses, the empty list item or the empty line that it leaves
behind go too, and headings under which nothing is left. Complexity: O(bytes). Memory: 28 bytes for each byte of the
longest row that may be markup, twice that if nothing in it ever closes. Rows are shorter than 2 GiB. One file of more
than 300 lines, because Numba's cache of a kernel does not see changes in other files. The grammar is that of
MediaWiki's preprocessor and parser as far as articles use it (mediawiki.org, "Preprocessor ABNF", "Help:Formatting",
"Help:Tables").
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.arrow_text import TextView, read_only
from stages.kernels.byte_runs import flat
from stages.kernels.wikitext_names import (
    BLOCK,
    BREAK,
    CONSTANT,
    DROPPED,
    ENTITY,
    FORMULA,
    PREFIX,
    REFERENCE,
    SECTION,
    TAG,
    TEMPLATE,
    VERBATIM,
    Names,
)

Bytes = npt.NDArray[np.uint8]
Int = Any  # Numba's int64; mypy tells numpy's integers from Python's, which are the same here
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

CUT_TEMPLATES, CUT_TABLES, CUT_REFERENCES, CUT_SECTIONS, CUT_MEDIA = range(5)
"""Columns of ``cut``: bytes of templates, tables, references, sections and of links to files, categories, languages."""
LINKS, REFERENCES = 5, 6
"""Columns of counts behind them: links that were kept, references that were left out."""
COUNTS = 7

_KIND, _START, _END, _AUX, _MATCH, _FIRST, _LAST = range(7)
_TOKEN = 7

(
    _NEWLINE,
    _OPEN_TEMPLATE,
    _OPEN_LINK,
    _OPEN_TABLE,
    _OPEN_CONVERSION,
    _CLOSE,
    _PIPE,
    _GONE,
    _TAG,
    _VERBATIM,
    _FORMULA,
    _QUOTES,
    _ENTITY,
    _HEADING,
    _HEADING_END,
    _LIST,
    _ROW,
    _CELL,
    _JUNK,
    _PARENTHESIS,
    _PARENTHESIS_END,
) = range(21)

_FRAME_TOKEN, _FRAME_PIPES, _FRAME_TEMPLATE, _FRAME_BLOCK = range(4)
_FRAME = 4

_JUMP_AT, _JUMP_TO, _BETWEEN = range(3)
_OPENED = 3
_TABLE_TEXT = -1
_WITH_CONTENT = 256

_MOST_LEVELS = 16
_NAME_BYTES = 64
_FLAG_BYTES = 16
_SCHEMES = np.frombuffer(b"http://\0https://\0ftp://\0//\0mailto:\0news:\0irc://\0", np.uint8)

_SPECIAL = np.zeros(256, np.bool_)
_SPECIAL[[*b"\n'&[]{}|<_-;()!", 0xEF]] = True
_URL_END = np.zeros(256, np.bool_)
_URL_END[[*b' \t\n[]<>"{}|']] = True
_DROPS_SPACE = np.zeros(256, np.bool_)
_DROPS_SPACE[[*b",.;:)!?"]] = True
_HOLLOW = np.zeros(256, np.bool_)
_HOLLOW[[*b" \t,;:/"]] = True

_FNV_START = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


class _Row(NamedTuple):
    """What both passes work on: a row of text, where its tokens and its output go, and the table of names.

    All but numbers are pointers (``flat``): a tuple of them is handed to a helper for nothing. ``state``: what the
    passes keep between calls of their helpers; ``frames``: what is open in the first pass, ``opened``: in the second.
    """

    data: Any
    start: Any
    end: Any
    tokens: Any
    frames: Any
    opened: Any
    state: Any
    out: Any
    base: Any
    counts: Any
    tables: Any
    hashes: Any
    values: Any
    count: Any
    strings: Any
    starts: Any


@njit(cache=True, nogil=True)
def _at(data: Bytes, i: Int, end: Int) -> Int:
    """The byte, 0 behind the end."""
    return np.int64(data[i]) if i < end else np.int64(0)


@njit(cache=True, nogil=True)
def _look_up(row: _Row, start: Int, end: Int, kind: Int) -> Int:
    """What the name between start and end means; -1 if it is not known."""
    value = (_FNV_START ^ np.uint64(kind)) * _FNV_PRIME
    for i in range(start, end):
        byte = np.uint64(row.data[i])
        if kind != ENTITY:
            if 65 <= byte <= 90:
                byte += np.uint64(32)
            elif byte == 95:
                byte = np.uint64(32)
        value = (value ^ byte) * _FNV_PRIME
    low, high = np.int64(0), np.int64(row.count)
    while low < high:
        middle = (low + high) // 2
        if row.hashes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return np.int64(row.values[low]) if low < row.count and row.hashes[low] == value else np.int64(-1)


@njit(cache=True, nogil=True)
def _skip(data: Bytes, i: Int, end: Int, byte: Int) -> Int:
    """Behind the run of this byte."""
    while i < end and data[i] == byte:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _trimmed(data: Bytes, start: Int, end: Int) -> tuple[Int, Int]:
    """The span without ASCII white space at its ends."""
    while start < end and (data[start] == 32 or 9 <= data[start] <= 13):
        start += 1
    while start < end and (data[end - 1] == 32 or 9 <= data[end - 1] <= 13):
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _comment_end(data: Bytes, i: Int, end: Int) -> Int:
    """Behind the comment that begins at i; one that does not end goes on to the end of the row."""
    i += 4
    while i + 2 < end:
        if data[i] == 45 and data[i + 1] == 45 and data[i + 2] == 62:
            return i + 3
        i += 1
    return end


@njit(cache=True, nogil=True)
def _heading(data: Bytes, i: Int, end: Int) -> tuple[Int, Int, Int]:
    """(level, end of the title, end of the line) of a heading at i; level 0 if the line is none.

    A comment may stand behind the last ``=``.
    """
    line = i
    while line < end and data[line] != 10:
        line += 1
    stop = line
    while True:
        while stop > i and (data[stop - 1] == 32 or data[stop - 1] == 9):
            stop -= 1
        if stop - i < 7 or data[stop - 1] != 62 or data[stop - 2] != 45 or data[stop - 3] != 45:
            break
        place = stop - 7
        while place > i and not (
            data[place] == 60 and data[place + 1] == 33 and data[place + 2] == 45 and data[place + 3] == 45
        ):
            place -= 1
        if place == i:
            break
        stop = place
    first = _skip(data, i, stop, 61) - i
    last = 0
    while stop - last > i + first and data[stop - last - 1] == 61:
        last += 1
    level = min(first, last, 6)
    return level, stop - level, line


@njit(cache=True, nogil=True)
def _url_start(data: Bytes, i: Int, end: Int) -> Int:
    """Behind the scheme of a URL at i; 0 if there is none."""
    place = i
    ok = True
    for k in range(len(_SCHEMES)):
        byte = _SCHEMES[k]
        if byte == 0:
            if ok:
                return place
            place, ok = i, True
        elif ok:
            ok = place < end and (data[place] | (32 if 65 <= data[place] <= 90 else 0)) == byte
            place += 1
    return 0


@njit(cache=True, nogil=True)
def _entity(row: _Row, i: Int) -> tuple[Int, Int]:
    """(behind it, text's number or minus the code point) of a character reference at ``&``; (0, 0) if it is none."""
    data, end = row.data, row.end
    stop = i + 1
    limit = min(end, i + 34)
    if _at(data, stop, end) == 35:
        base, digits = 10, 0
        code: Int = 0
        stop += 1
        if _at(data, stop, end) | 32 == 120:
            base = 16
            stop += 1
        while stop < limit:
            digit = np.int64(data[stop])
            if 48 <= digit <= 57:
                digit -= 48
            elif base == 16 and 97 <= digit | 32 <= 102:
                digit = (digit | 32) - 87
            else:
                break
            code = min(code * base + digit, 0x110000)
            digits += 1
            stop += 1
        if digits == 0 or _at(data, stop, end) != 59:
            return 0, 0
        if code == 160:
            code = 32
        return stop + 1, -(0xFFFD if code < 9 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF else code)
    while stop < limit and (48 <= data[stop] <= 57 or 97 <= (data[stop] | 32) <= 122):
        stop += 1
    if stop == i + 1 or _at(data, stop, end) != 59:
        return 0, 0
    found = _look_up(row, i + 1, stop, ENTITY)
    return (stop + 1, found) if found >= 0 else (0, 0)


@njit(cache=True, nogil=True)
def _tag(row: _Row, i: Int) -> tuple[Int, Int, Int, Int]:
    """(behind it, meaning, end of the name, 0 start / 1 end / 2 empty) of a tag at ``<``; meaning -1 if it is none."""
    data, end = row.data, row.end
    closing = _at(data, i + 1, end) == 47
    start = i + 2 if closing else i + 1
    stop = start
    while (
        stop < end and stop - start < 20 and (97 <= data[stop] | 32 <= 122 or (stop > start and 48 <= data[stop] <= 57))
    ):
        stop += 1
    following = _at(data, stop, end)
    if stop == start or not (following == 62 or following == 47 or following == 32 or 9 <= following <= 13):
        return 0, -1, 0, 0
    meaning = _look_up(row, start, stop, TAG)
    if meaning < 0:
        return 0, -1, 0, 0
    behind = stop
    while behind < end and data[behind] != 62 and data[behind] != 60:
        behind += 1
    if _at(data, behind, end) != 62:
        return 0, -1, 0, 0
    form = 1 if closing else (2 if data[behind - 1] == 47 else 0)
    return behind + 1, meaning, stop, form


@njit(cache=True, nogil=True)
def _end_tag(data: Bytes, i: Int, end: Int, name: Int, name_bytes: Int) -> tuple[Int, Int]:
    """(start, behind it) of the first ``</name>`` from i on; (-1, -1) if there is none."""
    while i + 2 + name_bytes < end:
        if data[i] == 60 and data[i + 1] == 47:
            same = True
            for k in range(name_bytes):
                if (data[i + 2 + k] | 32) != (data[name + k] | 32):
                    same = False
                    break
            if same:
                stop = i + 2 + name_bytes
                while stop < end and (data[stop] == 32 or 9 <= data[stop] <= 13):
                    stop += 1
                if _at(data, stop, end) == 62:
                    return i, stop + 1
        i += 1
    return -1, -1


@njit(cache=True, nogil=True)
def _template(row: _Row, i: Int) -> Int:
    """What the template whose name begins at i means; -1 if it is just left out. ``lang-xx`` is text."""
    data, end = row.data, row.end
    start = i
    while start < end and start - i < _NAME_BYTES and (data[start] == 32 or data[start] == 10):
        start += 1
    stop = start
    while stop < end and stop - start < _NAME_BYTES:
        byte = data[stop]
        if byte == 124 or byte == 125 or byte == 123 or byte == 10 or byte == 60 or byte == 91:
            break
        stop += 1
    start, stop = _trimmed(data, start, stop)
    if (
        stop - start > 5
        and data[start] | 32 == 108
        and data[start + 1] == 97
        and data[start + 2] == 110
        and data[start + 3] == 103
        and data[start + 4] == 45
    ):
        return 1 | 1 << 4 | 32 << 8
    return _look_up(row, start, stop, TEMPLATE)


# The first pass: where it is, how many tokens there are, how much is open; of a heading, where its title and its line
# end; behind the last run of braces; depth at which an external link is open; whether this is a line of header cells,
# whether a line begins here; a bit for each opaque tag that has no end tag behind this place.
_I, _N, _DEPTH, _TITLE_END, _LINE_END, _BRACES_END, _EXTERNAL_AT, _HEADER, _AT_LINE, _MISSING = range(10)


# The second pass: the token it is at, source written so far, how much is open; end of the output; whether text was left
# out since the last was written, and in this line; behind the last open parenthesis, and whether text was left out
# since; where a list item's bullet begins and ends; headings with no text yet; whether this is a heading; where a
# table's cell begins, and whether the line is its caption. ``_N`` is still the number of tokens.
_T = 0
_AT, _OPENED_DEPTH, _OUT, _REMOVED, _LINE_REMOVED, _PAREN, _PAREN_REMOVED = range(2, 9)
_BULLET, _BULLET_END, _PENDING, _IN_HEADING, _CELL_START, _CAPTION = range(9, 15)
_PENDING_LEVEL, _PENDING_START, _COUNTER = 16, 24, 32
_STATE = _COUNTER + _MOST_LEVELS + 1


@njit(cache=True, nogil=True)
def _of(row: _Row, token: Int, field: Int) -> Int:
    return np.int64(row.tokens[token * _TOKEN + field])


@njit(cache=True, nogil=True)
def _token(row: _Row, kind: Int, end: Int, aux: Int) -> Int:
    """Add a token that reaches from here to ``end``, and go there; its number."""
    state = row.state
    at = state[_N] * _TOKEN
    row.tokens[at + _KIND] = kind
    row.tokens[at + _START] = state[_I] - row.start
    row.tokens[at + _END] = end - row.start
    row.tokens[at + _AUX] = aux
    row.tokens[at + _MATCH] = -1
    row.tokens[at + _FIRST] = -1
    row.tokens[at + _LAST] = -1
    state[_I] = end
    state[_N] += 1
    return state[_N] - 1


@njit(cache=True, nogil=True)
def _open(row: _Row, kind: Int, end: Int, aux: Int) -> None:
    """Add a token that opens something. A frame knows the nearest template, and template or table, at or below it."""
    depth = row.state[_DEPTH]
    at = depth * _FRAME
    below = at - _FRAME
    frames = row.frames
    frames[at + _FRAME_PIPES] = 0
    template = kind == _OPEN_TEMPLATE
    frames[at + _FRAME_TEMPLATE] = depth if template else (frames[below + _FRAME_TEMPLATE] if depth else -1)
    block = template or kind == _OPEN_TABLE
    frames[at + _FRAME_BLOCK] = depth if block else (frames[below + _FRAME_BLOCK] if depth else -1)
    frames[at + _FRAME_TOKEN] = _token(row, kind, end, aux)
    row.state[_DEPTH] = depth + 1


@njit(cache=True, nogil=True)
def _close(row: _Row, frame: Int, end: Int) -> None:
    """Add a token that closes a frame, and give up what is open inside it."""
    opener = row.frames[frame * _FRAME + _FRAME_TOKEN]
    row.state[_DEPTH] = frame
    row.tokens[opener * _TOKEN + _MATCH] = _token(row, _CLOSE, end, 0)


@njit(cache=True, nogil=True)
def _top_kind(row: _Row) -> Int:
    """What was opened last; -1 if nothing is open."""
    depth = row.state[_DEPTH]
    return _of(row, row.frames[(depth - 1) * _FRAME + _FRAME_TOKEN], _KIND) if depth else -1


@njit(cache=True, nogil=True)
def _nearest(row: _Row, which: Int) -> Int:
    """The frame of the nearest template, or template or table; -1 if none is open."""
    depth = row.state[_DEPTH]
    return np.int64(row.frames[(depth - 1) * _FRAME + which]) if depth else np.int64(-1)


@njit(cache=True, nogil=True)
def _line_start(row: _Row) -> None:
    """What means something at the beginning of a line only: headings, lists, rules, tables."""
    state, data, end = row.state, row.data, row.end
    state[_AT_LINE] = state[_HEADER] = 0
    state[_EXTERNAL_AT] = state[_TITLE_END] = -1
    i = state[_I]
    byte = data[i]
    if byte == 61:
        level, title_end, line_end = _heading(data, i, end)
        if level:
            t = _token(row, _HEADING, i + level, level)
            row.tokens[t * _TOKEN + _LAST] = title_end - row.start
            state[_TITLE_END], state[_LINE_END] = title_end, line_end
            return
    j = i
    while j < end and (data[j] == 42 or data[j] == 35 or data[j] == 58 or data[j] == 59):
        j += 1
    if j > i:
        _token(row, _LIST, j, np.int64(data[j - 1]))
    elif byte == 45:
        j = _skip(data, i, end, 45)
        if j - i >= 4:
            _token(row, _GONE, j, 0)
            return
    _table_line(row)


@njit(cache=True, nogil=True)
def _table_line(row: _Row) -> None:
    """``{|``, ``|}``, ``|-``, ``|+``, ``|`` and ``!`` at the beginning of a line, behind spaces."""
    state, data, end = row.state, row.data, row.end
    j = _skip(data, state[_I], end, 32)
    byte, following = _at(data, j, end), _at(data, j + 1, end)
    if byte == 123 and following == 124 and _at(data, j + 2, end) != 125:
        _open(row, _OPEN_TABLE, j + 2, 0)
    elif byte == 124 and state[_DEPTH] == 0:
        _token(row, _JUNK, j + 1, 0)
    elif byte == 124 or byte == 33:
        block = _nearest(row, _FRAME_BLOCK)
        if block < 0 or _of(row, row.frames[block * _FRAME + _FRAME_TOKEN], _KIND) != _OPEN_TABLE:
            return
        if byte == 124 and following == 125:
            _close(row, block, j + 2)
        elif byte == 124 and following == 45:
            state[_DEPTH] = block + 1
            _token(row, _ROW, j + 2, 0)
        elif _top_kind(row) == _OPEN_TABLE:
            state[_HEADER] = byte == 33
            caption = byte == 124 and following == 43
            _token(row, _CELL, j + 1 + caption, np.int64(caption))


@njit(cache=True, nogil=True)
def _open_bracket(row: _Row, following: Int) -> None:
    """``[[`` or ``[`` with a URL behind it."""
    data, end, i = row.data, row.end, row.state[_I]
    if following == 91 and _at(data, i + 2, end) != 91:
        _open(row, _OPEN_LINK, i + 2, 0)
        return
    j = _url_start(data, i + 1, end)
    if j:
        while j < end and not _URL_END[data[j]]:
            j += 1
        _token(row, _GONE, _skip(data, j, end, 32), 0)
        row.state[_EXTERNAL_AT] = row.state[_DEPTH]


@njit(cache=True, nogil=True)
def _close_bracket(row: _Row, following: Int) -> None:
    """``]`` of an external link or ``]]`` of what was opened last."""
    state = row.state
    if state[_EXTERNAL_AT] == state[_DEPTH]:
        _token(row, _GONE, state[_I] + 1, 0)
        state[_EXTERNAL_AT] = -1
    elif following == 93 and _top_kind(row) == _OPEN_LINK:
        _close(row, state[_DEPTH] - 1, state[_I] + 2)


@njit(cache=True, nogil=True)
def _open_brace(row: _Row) -> None:
    """``{{``; the first three of an odd number are those of a template's parameter."""
    state, i = row.state, row.state[_I]
    if i >= state[_BRACES_END]:
        state[_BRACES_END] = _skip(row.data, i, row.end, 123)
    if (state[_BRACES_END] - i) % 2:
        _open(row, _OPEN_TEMPLATE, i + 3, -1)
    else:
        _open(row, _OPEN_TEMPLATE, i + 2, _template(row, i + 2))


@njit(cache=True, nogil=True)
def _close_brace(row: _Row, following: Int) -> None:
    """``}}`` or ``}}}`` of the nearest template, ``}-`` of what was opened last."""
    state, i = row.state, row.state[_I]
    frame = _nearest(row, _FRAME_TEMPLATE)
    if following == 125 and frame >= 0:
        opener = row.frames[frame * _FRAME + _FRAME_TOKEN]
        wide = _of(row, opener, _END) - _of(row, opener, _START) == 3 and _at(row.data, i + 2, row.end) == 125
        _close(row, frame, i + (3 if wide else 2))
    elif following == 45 and _top_kind(row) == _OPEN_CONVERSION:
        _close(row, state[_DEPTH] - 1, i + 2)


@njit(cache=True, nogil=True)
def _pipe(row: _Row) -> None:
    """Add a pipe, and note it where a link's label begins, where a wanted argument begins or ends."""
    frame = (row.state[_DEPTH] - 1) * _FRAME
    row.frames[frame + _FRAME_PIPES] += 1
    pipes = row.frames[frame + _FRAME_PIPES]
    opener = row.frames[frame + _FRAME_TOKEN]
    kind, meaning = _of(row, opener, _KIND), _of(row, opener, _AUX)
    t = _token(row, _PIPE, row.state[_I] + 1, 0)
    if kind == _OPEN_TEMPLATE:
        if meaning >= 0 and pipes == meaning & 15:
            row.tokens[opener * _TOKEN + _FIRST] = t
        if meaning >= 0 and pipes == (meaning >> 4 & 15) + 1:
            row.tokens[opener * _TOKEN + _LAST] = t
    elif kind != _OPEN_TABLE and pipes == 1:
        row.tokens[opener * _TOKEN + _FIRST] = t


@njit(cache=True, nogil=True)
def _semicolon(row: _Row) -> None:
    """The end of the first variant of a language conversion."""
    if _top_kind(row) == _OPEN_CONVERSION:
        opener = row.frames[(row.state[_DEPTH] - 1) * _FRAME + _FRAME_TOKEN]
        if _of(row, opener, _LAST) < 0:
            row.tokens[opener * _TOKEN + _LAST] = _token(row, _PIPE, row.state[_I] + 1, 0)


@njit(cache=True, nogil=True)
def _underscores(row: _Row) -> None:
    """``__MAGICWORD__``; a run of underscores that is none is passed over as a whole."""
    data, end, i = row.data, row.end, row.state[_I]
    word = _skip(data, i, end, 95)
    j = word
    while word - i == 2 and j < end and 65 <= data[j] <= 90:
        j += 1
    if j > word and _at(data, j, end) == 95 and _at(data, j + 1, end) == 95:
        _token(row, _GONE, j + 2, 0)
    else:
        row.state[_I] = word


@njit(cache=True, nogil=True)
def _angle(row: _Row, following: Int) -> None:
    """A comment or a tag; an opaque one with all up to its end tag."""
    state, data, end, i = row.state, row.data, row.end, row.state[_I]
    if following == 33 and _at(data, i + 2, end) == 45 and _at(data, i + 3, end) == 45:
        _token(row, _GONE, _comment_end(data, i, end), 0)
        return
    behind, meaning, name_end, form = _tag(row, i)
    if meaning < 0:
        return
    do, bit = meaning & 255, np.int64(1) << (meaning >> 8)
    if do >= REFERENCE and form == 0 and not state[_MISSING] & bit:
        content = behind
        content_end, whole = _end_tag(data, behind, end, i + 1, name_end - i - 1)
        if whole >= 0:
            kind = _VERBATIM if do == VERBATIM else (_FORMULA if do == FORMULA else _TAG)
            t = _token(row, kind, whole, do | _WITH_CONTENT)
            row.tokens[t * _TOKEN + _FIRST] = content - row.start
            row.tokens[t * _TOKEN + _LAST] = content_end - row.start
            return
        state[_MISSING] |= bit
    _token(row, _TAG, behind, do)


@njit(cache=True, nogil=True)
def _parenthesis(row: _Row, byte: Int, following: Int) -> None:
    """A parenthesis, of one byte or of three (U+FF08, U+FF09)."""
    i = row.state[_I]
    if byte == 40 or byte == 41:
        _token(row, _PARENTHESIS if byte == 40 else _PARENTHESIS_END, i + 1, 0)
    elif following == 0xBC:
        third = _at(row.data, i + 2, row.end)
        if third == 0x88 or third == 0x89:
            _token(row, _PARENTHESIS if third == 0x88 else _PARENTHESIS_END, i + 3, 0)


@njit(cache=True, nogil=True)
def _special(row: _Row, byte: Int, following: Int) -> None:
    """A byte that may be markup. Where it is not, nothing happens, or more than the byte is passed over."""
    state, i = row.state, row.state[_I]
    if byte == 10:
        _token(row, _NEWLINE, i + 1, 0)
        state[_AT_LINE] = 1
    elif byte == 39:
        j = _skip(row.data, i, row.end, 39)
        if j - i >= 2:
            _token(row, _QUOTES, j, 0)
    elif byte == 91:
        _open_bracket(row, following)
    elif byte == 93:
        _close_bracket(row, following)
    elif byte == 123:
        if following == 123:
            _open_brace(row)
    elif byte == 125:
        _close_brace(row, following)
    elif byte == 124 or byte == 33:
        doubled = following == byte and _top_kind(row) == _OPEN_TABLE
        if doubled and (byte == 124 or state[_HEADER]):
            _token(row, _CELL, i + 2, 0)
        elif byte == 124 and state[_DEPTH]:
            _pipe(row)
    elif byte == 45:
        if following == 123 and _at(row.data, i + 2, row.end) != 123:
            _open(row, _OPEN_CONVERSION, i + 2, 0)
    elif byte == 59:
        _semicolon(row)
    elif byte == 38:
        j, meaning = _entity(row, i)
        if j:
            _token(row, _ENTITY, j, meaning)
    elif byte == 95:
        _underscores(row)
    elif byte == 60:
        _angle(row, following)
    else:
        _parenthesis(row, byte, following)


@njit(cache=True, nogil=True)
def _tokenize(row: _Row) -> None:
    """The first pass. Positions in tokens are counted from the row's start on."""
    state, data, end = row.state, row.data, row.end
    for k in range(_STATE):
        state[k] = 0
    state[_I] = row.start
    state[_TITLE_END] = state[_BRACES_END] = state[_EXTERNAL_AT] = -1
    state[_AT_LINE] = 1
    while state[_I] < end:
        if state[_AT_LINE]:
            _line_start(row)
            continue
        i = state[_I]
        stop = state[_TITLE_END] if state[_TITLE_END] >= i else end
        while i < stop and not _SPECIAL[data[i]]:
            i += 1
        state[_I] = i
        if i == state[_TITLE_END]:
            _token(row, _HEADING_END, state[_LINE_END], 0)
            state[_TITLE_END] = -1
        elif i < end:
            tokens = state[_N]
            _special(row, np.int64(data[i]), _at(data, i + 1, end))
            if state[_N] == tokens:
                state[_I] = max(state[_I], i + 1)


@njit(cache=True, nogil=True)
def _put(row: _Row, text: Bytes, a: Int, b: Int) -> None:
    """Write a span of the text, without the spaces at its beginning that a removal left there."""
    if a >= b:
        return
    state, out = row.state, row.out
    o = state[_OUT]
    if state[_REMOVED]:
        last = np.int64(out[o - 1]) if o > row.base else np.int64(10)
        if o == state[_PAREN]:
            while a < b and _HOLLOW[text[a]]:
                a += 1
        elif last == 32 or last == 10:
            while a < b and text[a] == 32:
                a += 1
        if a == b:
            return
        if _DROPS_SPACE[text[a]] and o > state[_BULLET_END]:
            while o > row.base and out[o - 1] == 32:
                o -= 1
        state[_REMOVED] = 0
    for i in range(a, b):
        out[o] = text[i]
        o += 1
    state[_OUT] = o
    if not state[_IN_HEADING]:
        state[_PENDING] = 0


@njit(cache=True, nogil=True)
def _put_code(row: _Row, code: Int) -> None:
    """Write a code point as UTF-8, controls as a space."""
    state, out = row.state, row.out
    o = state[_OUT]
    if code < 0x80:
        out[o] = code if code >= 32 else 32
        o += 1
    elif code < 0x800:
        out[o], out[o + 1] = 0xC0 | code >> 6, 0x80 | code & 63
        o += 2
    elif code < 0x10000:
        out[o], out[o + 1], out[o + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63
        o += 3
    else:
        out[o], out[o + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 63
        out[o + 2], out[o + 3] = 0x80 | code >> 6 & 63, 0x80 | code & 63
        o += 4
    state[_OUT] = o
    state[_REMOVED] = 0
    if not state[_IN_HEADING]:
        state[_PENDING] = 0


@njit(cache=True, nogil=True)
def _put_token(row: _Row, t: Int) -> None:
    """Write a token as it stands in the text."""
    _put(row, row.data, row.start + _of(row, t, _START), row.start + _of(row, t, _END))


@njit(cache=True, nogil=True)
def _last_byte(row: _Row) -> Int:
    """Of the output; a line feed at its beginning."""
    return np.int64(row.out[row.state[_OUT] - 1]) if row.state[_OUT] > row.base else np.int64(10)


@njit(cache=True, nogil=True)
def _remove(row: _Row) -> None:
    """Note that something was left out here."""
    row.state[_REMOVED] = row.state[_LINE_REMOVED] = row.state[_PAREN_REMOVED] = 1


@njit(cache=True, nogil=True)
def _newline(row: _Row) -> None:
    """End the line. One that removals have made empty is taken back; more than one empty line is one."""
    state, out, base = row.state, row.out, row.base
    o = state[_OUT]
    while o > base and (out[o - 1] == 32 or out[o - 1] == 9):
        o -= 1
    if state[_BULLET_END] > o:
        o = state[_BULLET]
        state[_LINE_REMOVED] = 1
    if o > base and (out[o - 1] != 10 or (not state[_LINE_REMOVED] and o - 2 >= base and out[o - 2] != 10)):
        out[o] = 10
        o += 1
    state[_OUT] = o
    state[_REMOVED] = state[_LINE_REMOVED] = state[_PAREN_REMOVED] = state[_IN_HEADING] = 0
    state[_PAREN] = state[_BULLET_END] = -1


@njit(cache=True, nogil=True)
def _drop_empty_headings(row: _Row, level: Int) -> None:
    """Headings of this level and below under which nothing was written."""
    state = row.state
    while state[_PENDING] and state[_PENDING_LEVEL + state[_PENDING] - 1] >= level:
        state[_PENDING] -= 1
        state[_OUT] = state[_PENDING_START + state[_PENDING]]


@njit(cache=True, nogil=True)
def _heading_line(row: _Row, t: Int) -> None:
    """Begin a heading, with an empty line before it; or jump over its section."""
    state, out, base = row.state, row.out, row.base
    if state[_OPENED_DEPTH]:
        return
    a, b = _trimmed(row.data, row.start + _of(row, t, _END), row.start + _of(row, t, _LAST))
    if a < b and _look_up(row, a, b, SECTION) >= 0:
        _jump_before(row, _section_end(row, t), CUT_SECTIONS)
        return
    level = _of(row, t, _AUX)
    _drop_empty_headings(row, level)
    o = state[_OUT]
    state[_PENDING_LEVEL + state[_PENDING]] = level
    state[_PENDING_START + state[_PENDING]] = o
    state[_PENDING] += 1
    if o > base and out[o - 1] != 10:
        out[o] = 10
        o += 1
    if o > base and (o - 2 < base or out[o - 2] != 10):
        out[o] = 10
        o += 1
    state[_OUT] = o
    state[_IN_HEADING] = state[_REMOVED] = 1


@njit(cache=True, nogil=True)
def _section_end(row: _Row, t: Int) -> Int:
    """The token of the next heading of the same level or above that stands in nothing that closes; or behind all."""
    level = _of(row, t, _AUX)
    t += 1
    while t < row.state[_N] and not (_of(row, t, _KIND) == _HEADING and _of(row, t, _AUX) <= level):
        match = _of(row, t, _MATCH)
        t = match + 1 if match >= 0 else t + 1
    return min(t, row.state[_N])


@njit(cache=True, nogil=True)
def _next_line(row: _Row, t: Int, limit: Int) -> Int:
    """The token of the next line feed behind t that stands in nothing that closes, at most ``limit``."""
    t += 1
    while t < limit and _of(row, t, _KIND) != _NEWLINE:
        match = _of(row, t, _MATCH)
        t = match + 1 if match >= 0 else t + 1
    return min(t, limit)


@njit(cache=True, nogil=True)
def _jump_before(row: _Row, t: Int, reason: Int) -> None:
    """Leave out what stands between the token that the pass is at, with it, and token t."""
    state = row.state
    to = row.start + _of(row, t, _START) if t < state[_N] else row.end
    row.counts[reason] += to - row.start - _of(row, state[_T], _START)
    state[_AT] = to
    state[_T] = t - 1


@njit(cache=True, nogil=True)
def _leave_out(row: _Row, t: Int, reason: Int) -> None:
    """Leave out what the token opens."""
    state = row.state
    state[_T] = _of(row, t, _MATCH)
    state[_AT] = row.start + _of(row, state[_T], _END)
    if reason >= 0:
        row.counts[reason] += state[_AT] - row.start - _of(row, t, _START)
    _remove(row)


@njit(cache=True, nogil=True)
def _enter(row: _Row, jump_at: Int, jump_to: Int, between: Int) -> None:
    """From token ``jump_at`` on to the closing token ``jump_to`` nothing is to be written. ``between``: for pipes."""
    at = row.state[_OPENED_DEPTH] * _OPENED
    row.opened[at + _JUMP_AT] = jump_at
    row.opened[at + _JUMP_TO] = jump_to
    row.opened[at + _BETWEEN] = between
    row.state[_OPENED_DEPTH] += 1


@njit(cache=True, nogil=True)
def _leave(row: _Row) -> None:
    """Go behind the closing token of what was entered last."""
    state = row.state
    state[_OPENED_DEPTH] -= 1
    at = state[_OPENED_DEPTH] * _OPENED
    state[_T] = row.opened[at + _JUMP_TO]
    state[_AT] = row.start + _of(row, state[_T], _END)
    if row.opened[at + _BETWEEN] == _TABLE_TEXT:
        state[_CELL_START] = -1
        _newline(row)


@njit(cache=True, nogil=True)
def _go_behind(row: _Row, t: Int) -> None:
    """Go on behind the token."""
    row.state[_T] = t
    row.state[_AT] = row.start + _of(row, t, _END)


@njit(cache=True, nogil=True)
def _write_template(row: _Row, t: Int) -> None:
    """Text that the template stands for, the wanted arguments, or nothing."""
    match, meaning, wanted = _of(row, t, _MATCH), _of(row, t, _AUX), _of(row, t, _FIRST)
    if match < 0:
        _put_token(row, t)
    elif meaning >= 0 and meaning & CONSTANT:
        text = meaning & (CONSTANT - 1)
        _put(row, row.strings, row.starts[text], row.starts[text + 1])
        _go_behind(row, match)
    elif meaning >= 0 and wanted >= 0:
        last = _of(row, t, _LAST)
        _enter(row, last if last >= 0 else match, match, meaning >> 8)
        _go_behind(row, wanted)
        _pass_number(row, wanted)
    else:
        _leave_out(row, t, CUT_TEMPLATES)


@njit(cache=True, nogil=True)
def _pass_number(row: _Row, t: Int) -> None:
    """Go behind ``1=`` at the beginning of the argument behind pipe t."""
    stop = row.start + _of(row, t + 1, _START)
    first, _ = _trimmed(row.data, row.state[_AT], stop)
    i = first
    while i < stop and i - first < 3 and 48 <= row.data[i] <= 57:
        i += 1
    if i > first and _at(row.data, i, stop) == 61:
        row.state[_AT] = i + 1


@njit(cache=True, nogil=True)
def _write_link(row: _Row, t: Int) -> None:
    """The label, or the target where there is none; nothing of files, categories and other languages."""
    match, pipe = _of(row, t, _MATCH), _of(row, t, _FIRST)
    if match < 0:
        _put_token(row, t)
        return
    pipe = pipe if pipe >= 0 else match
    start, target_end = row.start + _of(row, t, _END), row.start + _of(row, pipe, _START)
    colon = start
    while colon < target_end and colon - start < _NAME_BYTES and row.data[colon] != 58:
        colon += 1
    a, b = _trimmed(row.data, start, colon)
    if a < b and _at(row.data, colon, target_end) == 58 and _look_up(row, a, b, PREFIX) >= 0:
        _leave_out(row, t, CUT_MEDIA)
        return
    row.counts[LINKS] += 1
    if pipe < match and _of(row, pipe, _END) < _of(row, match, _START):
        _enter(row, match, match, 0)
        _go_behind(row, pipe)
    else:
        _enter(row, pipe, match, 0)
        row.state[_AT] += colon == start and colon < target_end


@njit(cache=True, nogil=True)
def _write_conversion(row: _Row, t: Int) -> None:
    """The first variant of a language conversion; nothing where its flags say that it is not shown."""
    match, pipe, last = _of(row, t, _MATCH), _of(row, t, _FIRST), _of(row, t, _LAST)
    if match < 0:
        _put_token(row, t)
        return
    if pipe >= 0 and (last < 0 or pipe < last):
        start, flags_end = row.start + _of(row, t, _END), row.start + _of(row, pipe, _START)
        if flags_end - start <= _FLAG_BYTES:
            for i in range(start, flags_end):
                if row.data[i] | 32 == 104 or row.data[i] | 32 == 116 or row.data[i] == 45:
                    _leave_out(row, t, -1)
                    return
            _go_behind(row, pipe)
    _pass_variant(row, row.state[_T])
    _enter(row, last if last >= 0 else match, match, 0)


@njit(cache=True, nogil=True)
def _pass_variant(row: _Row, t: Int) -> None:
    """Go behind ``zh-hans:`` or another variant's name behind token t."""
    stop = row.start + _of(row, t + 1, _START)
    first, _ = _trimmed(row.data, row.state[_AT], stop)
    i = first
    while i < stop and i - first < 16 and (97 <= row.data[i] | 32 <= 122 or row.data[i] == 45):
        i += 1
    if i > first and _at(row.data, i, stop) == 58:
        row.state[_AT] = i + 1


@njit(cache=True, nogil=True)
def _write_table(row: _Row, t: Int, jump: Int, in_table: Int) -> None:
    """Enter the table behind the line of its attributes, or leave it out; of one that does not end, that line."""
    match = _of(row, t, _MATCH)
    if match < 0:
        _jump_before(row, _next_line(row, t, jump), CUT_TABLES)
    elif not row.tables:
        _leave_out(row, t, CUT_TABLES)
    else:
        if in_table:
            _put_code(row, 32)
        else:
            _newline(row)
        _enter(row, match, match, _TABLE_TEXT)
        row.state[_CELL_START] = -1
        first = _next_line(row, t, match)
        row.state[_T] = first - 1
        row.state[_AT] = row.start + _of(row, first, _START)
    _remove(row)


@njit(cache=True, nogil=True)
def _write_row(row: _Row, t: Int, jump: Int, in_table: Int) -> None:
    """A line that is no text: attributes of a row; cells of a table that does not end."""
    _jump_before(row, _next_line(row, t, jump), CUT_TABLES)
    _remove(row)
    if in_table:
        _newline(row)
        _remove(row)
        row.state[_CELL_START] = -1


@njit(cache=True, nogil=True)
def _write_cell(row: _Row, t: Int) -> None:
    """Begin a cell: behind `` | `` if it is not the first of its line; one behind the caption begins a line."""
    state, out, base = row.state, row.out, row.base
    first, size = row.start + _of(row, t, _START), _of(row, t, _END) - _of(row, t, _START)
    is_caption = _of(row, t, _AUX)
    if is_caption or (state[_CAPTION] and not (row.data[first] == 124 and size == 2)):
        _newline(row)
    state[_CAPTION] = is_caption
    o = state[_OUT]
    while o > base and out[o - 1] == 32:
        o -= 1
    if o > base and out[o - 1] != 10:
        state[_BULLET] = o
        out[o], out[o + 1], out[o + 2] = 32, 124, 32
        o += 3
        state[_BULLET_END] = o
    state[_CELL_START] = state[_OUT] = o
    state[_PAREN] = -1
    _remove(row)


@njit(cache=True, nogil=True)
def _write_pipe(row: _Row, t: Int, between: Int) -> None:
    """The end of a cell's attributes, what stands between two arguments, or just a pipe."""
    state = row.state
    if between == _TABLE_TEXT and state[_CELL_START] >= 0:
        state[_OUT] = min(state[_CELL_START], state[_OUT])
        state[_PAREN] = state[_CELL_START] = -1
        _remove(row)
    elif between > 0:
        _put_code(row, between)
        _pass_number(row, t)
    else:
        _put_token(row, t)


@njit(cache=True, nogil=True)
def _write_tag(row: _Row, t: Int, in_table: Int) -> None:
    """A line break where the tag makes one; references and the like are left out."""
    state, aux, size = row.state, _of(row, t, _AUX), _of(row, t, _END) - _of(row, t, _START)
    do = aux & 255
    if do == BREAK or (do == BLOCK and _last_byte(row) != 10):
        if in_table or state[_IN_HEADING]:
            _put_code(row, 32)
        else:
            _newline(row)
        state[_REMOVED] = 1
    elif do == REFERENCE:
        row.counts[CUT_REFERENCES] += size
        row.counts[REFERENCES] += 1
        _remove(row)
    elif do == DROPPED and aux & _WITH_CONTENT:
        row.counts[CUT_MEDIA] += size
        _remove(row)


@njit(cache=True, nogil=True)
def _write_opaque(row: _Row, t: Int, is_formula: Int) -> None:
    """What stands between two tags: as it is, but for line feeds at its ends; or as a formula."""
    a, b = row.start + _of(row, t, _FIRST), row.start + _of(row, t, _LAST)
    if is_formula:
        a, b = _trimmed(row.data, a, b)
    while not is_formula and a < b and row.data[a] == 10:
        a += 1
    while not is_formula and a < b and row.data[b - 1] == 10:
        b -= 1
    if a == b:
        _remove(row)
        return
    row.state[_REMOVED] = 0
    if is_formula:
        _put_code(row, 36)
    _put(row, row.data, a, b)
    if is_formula:
        _put_code(row, 36)


@njit(cache=True, nogil=True)
def _write_item(row: _Row, width: Int, marker: Int) -> None:
    """A list item's indent and bullet or number. ``width``: depth of the list."""
    state, out = row.state, row.out
    level = min(width, _MOST_LEVELS)
    for deeper in range(level + 1, _MOST_LEVELS + 1):
        state[_COUNTER + deeper] = 0
    state[_REMOVED] = 1
    if marker != 42 and marker != 35:
        return
    o = state[_OUT]
    state[_BULLET] = o
    for _ in range(2 * (level - 1)):
        out[o] = 32
        o += 1
    state[_COUNTER + level] = 0 if marker == 42 else state[_COUNTER + level] + 1
    number = state[_COUNTER + level]
    if marker == 42:
        out[o] = 45
    else:
        size = np.int64(1)
        while number >= 10**size:
            size += 1
        for place in range(size):
            out[o + size - 1 - place] = 48 + number // 10**place % 10
        o += size
        out[o] = 46
    out[o + 1] = 32
    state[_OUT] = state[_BULLET_END] = o + 2


@njit(cache=True, nogil=True)
def _end_parenthesis(row: _Row, t: Int) -> None:
    """A closing parenthesis; the pair goes where a removal has left it hollow."""
    state, out = row.state, row.out
    o, opened = state[_OUT], state[_PAREN]
    state[_PAREN] = -1
    if opened >= 0 and state[_PAREN_REMOVED]:
        while o > opened and _HOLLOW[out[o - 1]]:
            o -= 1
        if o == opened:
            o -= 3 if out[opened - 1] >= 0x80 else 1
            if o > row.base and out[o - 1] == 32 and o > state[_BULLET_END]:
                o -= 1
            state[_OUT] = o
            _remove(row)
            return
        state[_OUT] = o
    _put_token(row, t)


@njit(cache=True, nogil=True)
def _write_newline(row: _Row, t: Int, in_table: Int) -> None:
    """A line feed, in tables a space; a line that is no list item ends all lists."""
    state = row.state
    if in_table:
        if _last_byte(row) != 10 and _last_byte(row) != 32:
            _put_code(row, 32)
        state[_REMOVED] = 1
        return
    _newline(row)
    if t + 1 == state[_N] or _of(row, t + 1, _KIND) != _LIST:
        for level in range(_MOST_LEVELS + 1):
            state[_COUNTER + level] = 0


@njit(cache=True, nogil=True)
def _write_small(row: _Row, t: Int, kind: Int, in_table: Int) -> None:
    """Tokens that neither open anything nor belong to tables."""
    aux, size = _of(row, t, _AUX), _of(row, t, _END) - _of(row, t, _START)
    if kind == _TAG:
        _write_tag(row, t, in_table)
    elif kind == _VERBATIM or kind == _FORMULA:
        _write_opaque(row, t, kind == _FORMULA)
    elif kind == _QUOTES:
        first = row.start + _of(row, t, _START)
        _put(row, row.data, first, first + (1 if size == 4 else max(size - 5, 0)))
    elif kind == _ENTITY:
        if aux < 0:
            _put_code(row, -aux)
        else:
            _put(row, row.strings, row.starts[aux], row.starts[aux + 1])
    elif kind == _HEADING:
        _heading_line(row, t)
    elif kind == _HEADING_END:
        row.state[_REMOVED] = 1
    elif kind == _LIST:
        if not in_table:
            _write_item(row, size, aux)
    elif kind == _PARENTHESIS:
        _put_token(row, t)
        row.state[_PAREN] = row.state[_OUT]
        row.state[_PAREN_REMOVED] = 0
    elif kind == _PARENTHESIS_END:
        _end_parenthesis(row, t)
    elif kind == _GONE:
        _remove(row)
    else:
        _put_token(row, t)


@njit(cache=True, nogil=True)
def _write_token(row: _Row, t: Int, jump: Int, between: Int) -> None:
    """Write what becomes of a token. ``jump``: where what was entered last is left."""
    kind = _of(row, t, _KIND)
    in_table = between == _TABLE_TEXT
    if kind == _NEWLINE:
        _write_newline(row, t, in_table)
    elif kind == _OPEN_TEMPLATE:
        _write_template(row, t)
    elif kind == _OPEN_LINK:
        _write_link(row, t)
    elif kind == _OPEN_CONVERSION:
        _write_conversion(row, t)
    elif kind == _OPEN_TABLE:
        _write_table(row, t, jump, in_table)
    elif kind == _ROW or kind == _JUNK or (kind == _CELL and not in_table):
        _write_row(row, t, jump, in_table)
    elif kind == _CELL:
        _write_cell(row, t)
    elif kind == _PIPE:
        _write_pipe(row, t, between)
    else:
        _write_small(row, t, kind, in_table)


@njit(cache=True, nogil=True)
def _write(row: _Row) -> Int:
    """The second pass: the end of the row's text in ``out``."""
    state, tokens = row.state, row.state[_N]
    for k in range(_STATE):
        state[k] = 0
    state[_N] = tokens
    state[_AT], state[_OUT] = row.start, row.base
    state[_PAREN] = state[_BULLET_END] = state[_CELL_START] = -1
    while state[_T] < tokens:
        t = state[_T]
        _put(row, row.data, state[_AT], row.start + _of(row, t, _START))
        state[_AT] = row.start + _of(row, t, _END)
        at = (state[_OPENED_DEPTH] - 1) * _OPENED
        jump = np.int64(row.opened[at + _JUMP_AT]) if at >= 0 else tokens
        if t == jump:
            _leave(row)
        else:
            _write_token(row, t, jump, np.int64(row.opened[at + _BETWEEN]) if at >= 0 else np.int64(0))
        state[_T] += 1
    _put(row, row.data, state[_AT], row.end)
    _newline(row)
    _drop_empty_headings(row, 0)
    o = state[_OUT]
    while o > row.base and (row.out[o - 1] == 32 or 9 <= row.out[o - 1] <= 13):
        o -= 1
    return o


@njit(cache=True, nogil=True)
def _most_tokens(data: Bytes, offsets: Int64s) -> Int:
    """How many tokens a row can have at most: one for a byte that may be markup, and four for the start of a line."""
    most = np.int64(0)
    for row in range(len(offsets) - 1):
        found = np.int64(8)
        for i in range(offsets[row], offsets[row + 1]):
            found += _SPECIAL[data[i]]
            found += 4 * (data[i] == 10)
        most = max(most, found)
    return most


@njit(cache=True, nogil=True)
def _convert(
    data: Bytes,
    offsets: Int64s,
    tables: bool,
    names: tuple[UInt64s, Int32s, Bytes, Int64s],
    scratch: tuple[Int32s, Int32s, Int32s, Int64s],
    out: Bytes,
    out_offsets: Int64s,
    counts: Int64s,
) -> None:
    """O(bytes). ``out`` has room for five times the input and some bytes a row; ``scratch`` for the longest row."""
    for number in range(len(offsets) - 1):
        row = _Row(
            flat(data),
            offsets[number],
            offsets[number + 1],
            flat(scratch[0]),
            flat(scratch[1]),
            flat(scratch[2]),
            flat(scratch[3]),
            flat(out),
            out_offsets[number],
            flat(counts[number]),
            tables,
            flat(names[0]),
            flat(names[1]),
            len(names[0]),
            flat(names[2]),
            flat(names[3]),
        )
        _tokenize(row)
        out_offsets[number + 1] = _write(row)


class PlainText(NamedTuple):
    """``view``: the text; ``counts``: int64[rows, COUNTS], bytes cut by reason, links kept, references left out."""

    view: TextView
    counts: Int64s


def plain_text(view: TextView, tables: bool, names: Names) -> PlainText:
    """Rows of wikitext as text. ``tables``: write them, a line for a row, cells with ``|`` between them."""
    rows = len(view.offsets) - 1
    most = _most_tokens(view.data, view.offsets)
    scratch = (
        np.empty(most * _TOKEN, np.int32),
        np.empty((most + 1) * _FRAME, np.int32),
        np.empty((most + 1) * _OPENED, np.int32),
        np.empty(_STATE, np.int64),
    )
    out = np.empty(5 * int(view.offsets[-1] - view.offsets[0]) + 16 * rows + 16, np.uint8)
    offsets = np.zeros(rows + 1, np.int64)
    counts = np.zeros((rows, COUNTS), np.int64)
    with np.errstate(over="ignore"):
        table = (names.hashes, names.values, names.strings, names.starts)
        _convert(view.data, view.offsets, tables, table, scratch, out, offsets, counts)
    return PlainText(read_only(out[: offsets[-1]].copy(), offsets), counts)
