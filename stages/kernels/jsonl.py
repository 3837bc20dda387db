"""A validating JSON Lines scanner that puts the wanted values straight into Arrow buffers.

Two passes. :func:`scan` walks a buffer line by line, validates each line as a whole and notes where the wanted
values are and how many bytes they have once unescaped; :func:`gather` writes one column. A damaged line is
noticed before anything of it has been written, and a key that comes twice costs nothing (the last one wins).

What is accepted is what Python's ``json.loads(line.decode("utf-8"))`` accepts, but for: ``NaN`` and
``Infinity`` (refused: they are not JSON), more than 1,024 levels of nesting (refused; Python's limit depends on
its stack), integers of more than 4,300 digits (accepted; Python has a limit against slow conversions). Wanted
paths lead through objects, not into lists. A surrogate escape without its partner becomes U+FFFD; Python would
keep it, but no UTF-8 can.

Complexity: O(bytes); each key is compared with the wanted ones of the same length. One file of more than 300 lines,
because Numba's cache of a kernel does not see changes in other files. Grammar: RFC 8259; UTF-8: RFC 3629.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.byte_runs import PAD, copy_run, flat, plain_run, word_at
from stages.kernels.json_paths import (
    COLUMN,
    FIRST_CHILD,
    FIRST_COLUMN,
    LAST_COLUMN,
    NAME,
    NAME_BYTES,
    NODE,
    SIBLING,
    Paths,
)

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

MISSING, NULL, PLAIN, ESCAPED, REPAIRED, RAW = range(6)
"""What a cell is: no such key, null, string as written, string with escapes, string with a lone surrogate, and
a number, true, false, object or list, of which the JSON text is the value."""

START, LENGTH, SIZE, KIND = range(4)
"""What ``cells[row, column]`` holds: first byte in the buffer, bytes there, bytes once unescaped, kind."""
CELL = 4
"""Numbers in a cell."""

(
    OK,
    BAD_VALUE,
    BAD_CONTROL,
    BAD_ESCAPE,
    BAD_UTF8,
    BAD_NUMBER,
    BAD_KEY,
    BAD_COLON,
    BAD_COMMA,
    TRAILING,
    TOO_DEEP,
    NOT_FINITE,
    NOT_OBJECT,
    NO_TEXT,
    NULL_TEXT,
    TEXT_NOT_STRING,
    TOO_LARGE,
) = range(17)
"""What is wrong with a line; up to NOT_FINITE it is not JSON."""

REASONS = {
    **dict.fromkeys(range(BAD_VALUE, NOT_OBJECT), "malformed_json"),
    BAD_UTF8: "invalid_utf8",
    NOT_OBJECT: "not_an_object",
    NO_TEXT: "missing_text",
    NULL_TEXT: "null_text",
    TEXT_NOT_STRING: "text_not_a_string",
    TOO_LARGE: "too_large",
}
"""Under which name a refused line is quarantined."""

BAD_START, BAD_STOP, BAD_CODE, BAD_POSITION = range(4)
"""What ``bad`` holds of each refused line: first byte, newline, code, byte in the line where it was noticed."""

MAX_DEPTH = 1024

# A literal 0 is a type of its own, for which Numba would compile everything below a second time (11 s, not 7).
_ZERO: Any = np.int64(0)

_FIRST, _CLOSING, _NODE, _OWN = range(4)
_OPENED = 4

_NEWLINE, _QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _DOT = 10, 34, 92, 44, 58, 45, 46
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT, _U = 91, 93, 123, 125, 117
_TWO_WIDE, _TWO_WIDE_LEADS = np.uint64(0xC0C0F0C0C0F0), np.uint64(0x8080E08080E0)
_LEAD_BITS, _LEAD_0, _LEAD_D = np.uint64(15), np.uint64(0), np.uint64(13)
_SECOND_LEAD = np.uint64(24)

_HEX = np.full(256, -1, np.int32)
_HEX[48:58] = np.arange(10)
_HEX[65:71] = _HEX[97:103] = np.arange(10, 16)
_SIMPLE = np.zeros(256, np.uint8)
_SIMPLE[[34, 92, 47, 98, 102, 110, 114, 116]] = [34, 92, 47, 8, 12, 10, 13, 9]


@njit(cache=True, nogil=True)
def _skip_space(data: Bytes, i: int) -> int:
    while data[i] == 32 or data[i] == 9 or data[i] == 13:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _character_bytes(data: Bytes, i: int) -> int:
    """1 to 4, or 0 if no valid UTF-8 character begins at ``i``."""
    lead = data[i]
    if lead < 0x80:
        return 1
    if lead < 0xC2 or lead > 0xF4 or data[i + 1] & 0xC0 != 0x80:
        return 0
    if lead < 0xE0:
        return 2
    second = data[i + 1]
    if data[i + 2] & 0xC0 != 0x80 or (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return 0
    if lead < 0xF0:
        return 3
    if data[i + 3] & 0xC0 != 0x80 or (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return 0
    return 4


@njit(cache=True, nogil=True)
def _wide_run(data: Bytes, i: int) -> int:
    """First byte behind the valid characters of two bytes and more from ``i`` on.

    Two characters of three bytes at a time while none has a lead byte (E0, ED) that limits the next.
    """
    while True:
        word = word_at(data, i)
        lead, other = word & _LEAD_BITS, (word >> _SECOND_LEAD) & _LEAD_BITS
        if (
            word & _TWO_WIDE == _TWO_WIDE_LEADS
            and lead != _LEAD_0
            and lead != _LEAD_D
            and other != _LEAD_0
            and other != _LEAD_D
        ):
            i += 6
            continue
        if data[i] < 0x80:
            return i
        width = _character_bytes(data, i)
        if width == 0:
            return i
        i += width


@njit(cache=True, nogil=True)
def _hex4(data: Bytes, i: int) -> int:
    """The number that four hexadecimal digits mean; negative if they are none."""
    return (_HEX[data[i]] << 12) | (_HEX[data[i + 1]] << 8) | (_HEX[data[i + 2]] << 4) | _HEX[data[i + 3]]


@njit(cache=True, nogil=True)
def _escape(data: Bytes, i: int) -> tuple[int, int, int]:
    """Of the escape whose backslash is at ``i``: code point, bytes in the source (0: not valid), UTF-8 bytes."""
    if data[i + 1] != _U:
        simple = _SIMPLE[data[i + 1]]
        return int(simple), (2 if simple else 0), 1
    code = _hex4(data, i + 2)
    if code < 0:
        return 0, 0, 0
    if code < 0x80:
        return code, 6, 1
    if code < 0x800:
        return code, 6, 2
    if code < 0xD800 or code > 0xDFFF:
        return code, 6, 3
    if code < 0xDC00 and data[i + 6] == _BACKSLASH and data[i + 7] == _U:
        low = _hex4(data, i + 8)
        if 0xDC00 <= low <= 0xDFFF:
            return 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00, 12, 4
    return -1, 6, 3


@njit(cache=True, nogil=True)
def _string(data: Bytes, i: int) -> tuple[int, int, int]:
    """Of the string whose first byte is at ``i``: closing quote, bytes once unescaped, kind.

    Where it is not valid: the byte where that shows, 0, and minus the code.
    """
    start, saved, kind = i, 0, PLAIN
    while True:
        run = plain_run(data, i)
        i += run
        if run == PAD:
            continue
        byte = data[i]
        if byte == _QUOTE:
            return i, i - start - saved, kind
        if byte >= 0x80:
            i = _wide_run(data, i)
            if data[i] >= 0x80:
                return i, 0, -BAD_UTF8
        elif byte == _BACKSLASH:
            kind = max(kind, ESCAPED)
            while data[i] == _BACKSLASH:
                code, length, size = _escape(data, i)
                if length == 0:
                    return i, 0, -BAD_ESCAPE
                if code < 0:
                    kind = REPAIRED
                i += length
                saved += length - size
        else:
            return i, 0, -BAD_CONTROL


@njit(cache=True, nogil=True)
def _digits(data: Bytes, i: int) -> int:
    while 48 <= data[i] <= 57:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _number(data: Bytes, i: int) -> int:
    """First byte behind the number at ``i``, or -1."""
    if data[i] == _MINUS:
        i += 1
    whole = _digits(data, i)
    if whole == i or (data[i] == 48 and whole > i + 1):
        return -1
    i = whole
    if data[i] == _DOT:
        fraction = _digits(data, i + 1)
        if fraction == i + 1:
            return -1
        i = fraction
    if data[i] | 32 == 101:
        i += 2 if data[i + 1] == 43 or data[i + 1] == _MINUS else 1
        exponent = _digits(data, i)
        return -1 if exponent == i else exponent
    return i


@njit(cache=True, nogil=True)
def _scalar(data: Bytes, i: int) -> tuple[int, int]:
    """Of the number, true, false or null at ``i``: first byte behind it and kind, or ``i`` and minus the code."""
    byte = data[i]
    if byte == _MINUS or 48 <= byte <= 57:
        end = _number(data, i)
        if end >= 0:
            return end, RAW
        return i, -NOT_FINITE if data[i + 1] == 73 else -BAD_NUMBER
    if byte == 116 and data[i + 1] == 114 and data[i + 2] == 117 and data[i + 3] == 101:
        return i + 4, RAW
    if byte == 102 and data[i + 1] == 97 and data[i + 2] == 108 and data[i + 3] == 115 and data[i + 4] == 101:
        return i + 5, RAW
    if byte == 110 and data[i + 1] == 117 and data[i + 2] == 108 and data[i + 3] == 108:
        return i + 4, NULL
    return i, -NOT_FINITE if byte == 78 or byte == 73 else -BAD_VALUE


@njit(cache=True, nogil=True)
def _wide_out(code: int, size: int, out: Bytes, j: int) -> None:
    if size == 2:
        out[j] = 0xC0 | (code >> 6)
    elif size == 3:
        out[j] = 0xE0 | (code >> 12)
        out[j + 1] = 0x80 | ((code >> 6) & 0x3F)
    else:
        out[j] = 0xF0 | (code >> 18)
        out[j + 1] = 0x80 | ((code >> 12) & 0x3F)
        out[j + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[j + size - 1] = 0x80 | (code & 0x3F)


@njit(cache=True, nogil=True)
def _unescape(data: Bytes, i: int, stop: int, out: Bytes, j: int) -> int:
    """Write the validated string ``data[i:stop]`` from ``j`` on; the end of what was written."""
    while i < stop:
        run = min(copy_run(data, i, out, j), stop - i)
        i += run
        j += run
        while i < stop and data[i] == _BACKSLASH:
            code, length, size = _escape(data, i)
            if size == 1:
                out[j] = code
            else:
                _wide_out(code if code >= 0 else 0xFFFD, size, out, j)
            i += length
            j += size
    return j


@njit(cache=True, nogil=True)
def _same(data: Bytes, i: int, names: Bytes, j: int, length: int) -> bool:
    k = 0
    while k < length and data[i + k] == names[j + k]:
        k += 1
    return k == length


@njit(cache=True, nogil=True)
def _find(data: Bytes, start: int, end: int, size: int, kind: int, parent: int, names: Bytes, trie: Int64s) -> int:
    """The child of ``parent`` whose name the key is, or -1. ``names`` ends in room for one unescaped key."""
    node = trie[parent * NODE + FIRST_CHILD]
    while node >= 0:
        if trie[node * NODE + NAME_BYTES] == size and kind != REPAIRED:
            if kind == PLAIN:
                if _same(data, start, names, trie[node * NODE + NAME], size):
                    return node
            else:
                room = trie[NAME]
                _unescape(data, start, end, names, room)
                if _same(names, room, names, trie[node * NODE + NAME], size):
                    return node
        node = trie[node * NODE + SIBLING]
    return -1


@njit(cache=True, nogil=True)
def _key(
    data: Bytes, i: int, parent: int, names: Bytes, trie: Int64s, cells: Int64s, base: int
) -> tuple[int, int, int]:
    """Of the key at ``i``: first byte of its value, trie node, code. Forgets what an earlier key of that name had."""
    if data[i] != _QUOTE:
        return i, -1, BAD_KEY
    end, size, kind = _string(data, i + 1)
    if kind < 0:
        return end, -1, -kind
    node = -1
    if parent >= 0:
        node = _find(data, i + 1, end, size, kind, parent, names, trie)
        if node >= 0:
            for column in range(trie[node * NODE + FIRST_COLUMN], trie[node * NODE + LAST_COLUMN]):
                cells[base + column * CELL + KIND] = MISSING
    i = _skip_space(data, end + 1)
    if data[i] != _COLON:
        return i, -1, BAD_COLON
    return _skip_space(data, i + 1), node, OK


@njit(cache=True, nogil=True)
def _note(cells: Int64s, column: int, base: int, start: int, length: int, size: int, kind: int) -> None:
    if column >= 0:
        cell = base + column * CELL
        cells[cell + START] = start
        cells[cell + LENGTH] = length
        cells[cell + SIZE] = size
        cells[cell + KIND] = kind


@njit(cache=True, nogil=True)
def _leaf(data: Bytes, i: int, column: int, cells: Int64s, base: int) -> tuple[int, int]:
    """Of the value without brackets at ``i``: first byte behind it and OK, or where it goes wrong and the code."""
    if data[i] == _QUOTE:
        end, size, kind = _string(data, i + 1)
        if kind < 0:
            return end, -kind
        _note(cells, column, base, i + 1, end - i - 1, size, kind)
        return end + 1, OK
    end, kind = _scalar(data, i)
    if kind < 0:
        return end, -kind
    _note(cells, column, base, i, end - i, end - i, kind)
    return end, OK


@njit(cache=True, nogil=True)
def _open(data: Bytes, i: int, depth: int, node: int, column: int, stack: Int64s) -> None:
    stack[depth * _OPENED + _FIRST] = i
    stack[depth * _OPENED + _CLOSING] = data[i] + 2
    stack[depth * _OPENED + _NODE] = node if data[i] == _OPEN_OBJECT else -1
    stack[depth * _OPENED + _OWN] = column


@njit(cache=True, nogil=True)
def _close(data: Bytes, i: int, depth: int, cells: Int64s, base: int, stack: Int64s) -> tuple[int, int]:
    """Close the brackets that end at ``i``: first byte behind them (and blanks), and how many are still open."""
    while depth > 0:
        i = _skip_space(data, i)
        if data[i] != stack[(depth - 1) * _OPENED + _CLOSING]:
            break
        i += 1
        depth -= 1
        length = i - stack[depth * _OPENED + _FIRST]
        _note(cells, stack[depth * _OPENED + _OWN], base, stack[depth * _OPENED + _FIRST], length, length, RAW)
    return i, depth


@njit(cache=True, nogil=True)
def _member(
    data: Bytes, i: int, depth: int, names: Bytes, trie: Int64s, cells: Int64s, base: int, stack: Int64s
) -> tuple[int, int, int]:
    """Of the next value of the innermost bracket: its first byte, trie node, code."""
    if stack[(depth - 1) * _OPENED + _CLOSING] == _CLOSE_OBJECT:
        return _key(data, i, stack[(depth - 1) * _OPENED + _NODE], names, trie, cells, base)
    return i, -1, OK


@njit(cache=True, nogil=True)
def _value(data: Bytes, i: int, names: Bytes, trie: Int64s, cells: Int64s, base: int, stack: Int64s) -> tuple[int, int]:
    """Of the value at ``i``: first byte behind it and OK, or the byte where it goes wrong and the code.

    ``stack``: of every open bracket its position, closing bracket, trie node and column.
    """
    depth, node, code = _ZERO, _ZERO, _ZERO + OK
    while True:
        column = trie[node * NODE + COLUMN] if node >= 0 else -1
        if data[i] == _OPEN_OBJECT or data[i] == _OPEN_LIST:
            if depth == MAX_DEPTH:
                return i, TOO_DEEP
            _open(data, i, depth, node, column, stack)
            depth += 1
            i = _skip_space(data, i + 1)
            if data[i] != stack[(depth - 1) * _OPENED + _CLOSING]:
                i, node, code = _member(data, i, depth, names, trie, cells, base, stack)
                if code != OK:
                    return i, code
                continue
        else:
            i, code = _leaf(data, i, column, cells, base)
            if code != OK:
                return i, code
        i, depth = _close(data, i, depth, cells, base, stack)
        if depth == 0:
            return i, OK
        if data[i] != _COMMA:
            return i, BAD_COMMA
        i, node, code = _member(data, _skip_space(data, i + 1), depth, names, trie, cells, base, stack)
        if code != OK:
            return i, code


@njit(cache=True, nogil=True)
def _text_fault(cells: Int64s, column: int, base: int, max_bytes: int) -> int:
    kind = cells[base + column * CELL + KIND]
    if kind == MISSING:
        return NO_TEXT
    if kind == NULL:
        return NULL_TEXT
    if kind == RAW:
        return TEXT_NOT_STRING
    return TOO_LARGE if cells[base + column * CELL + SIZE] > max_bytes else OK


@njit(cache=True, nogil=True)
def _line(
    data: Bytes,
    i: int,
    text_column: int,
    max_text_bytes: int,
    names: Bytes,
    trie: Int64s,
    cells: Int64s,
    base: int,
    stack: Int64s,
) -> tuple[int, int]:
    """Of the line whose first byte that is not blank is at ``i``: its newline and OK, or where it goes wrong."""
    for column in range(trie[FIRST_COLUMN], trie[LAST_COLUMN]):
        cells[base + column * CELL + KIND] = MISSING
    end, code = _value(data, i, names, trie, cells, base, stack)
    if code != OK:
        return end, code
    end = _skip_space(data, end)
    if data[end] != _NEWLINE:
        return end, TRAILING
    if data[i] != _OPEN_OBJECT:
        return i, NOT_OBJECT
    code = _text_fault(cells, text_column, base, max_text_bytes)
    return (end, OK) if code == OK else (i, code)


@njit(cache=True, nogil=True)
def _refuse(data: Bytes, begin: int, i: int, code: int, bad: Int64s, number: int) -> int:
    """Book the line that begins at ``begin`` and goes wrong at ``i``; the first byte of the next line.

    Broken UTF-8 anywhere in the line is the reason if there is any: Python decodes before it parses.
    """
    stop = i
    while data[stop] != _NEWLINE:
        stop += 1
    if code <= NOT_FINITE:
        k = begin
        while k < stop:
            length = _character_bytes(data, k)
            if length == 0:
                code, i = BAD_UTF8, k
                break
            k += length
    bad[BAD_START, number] = begin
    bad[BAD_STOP, number] = stop
    bad[BAD_CODE, number] = code
    bad[BAD_POSITION, number] = i - begin
    return stop + 1


@njit(cache=True, nogil=True)
def _scan(
    content: Bytes,
    i: int,
    stop: int,
    text_column: int,
    max_text_bytes: int,
    key_names: Bytes,
    nodes: Int64s,
    records: Int64s,
    row_starts: Int64s,
    bad: Int64s,
) -> tuple[int, int, int]:
    open_brackets = np.empty(MAX_DEPTH * _OPENED, np.int64)
    data, names, trie, cells, stack = flat(content), flat(key_names), flat(nodes), flat(records), flat(open_brackets)
    record = records.shape[1] * CELL
    rows, refused = _ZERO, _ZERO
    while i < stop and rows < row_starts.shape[0] and refused < bad.shape[1]:
        begin = i
        i = _skip_space(data, i)
        if data[i] == _NEWLINE:
            i += 1
            continue
        i, code = _line(data, i, text_column, max_text_bytes, names, trie, cells, rows * record, stack)
        if code == OK:
            row_starts[rows] = begin
            rows += 1
            i += 1
        else:
            i = _refuse(data, begin, i, code, bad, refused)
            refused += 1
    return rows, refused, i


@njit(cache=True, nogil=True)
def _gather(content: Bytes, cells: Int64s, column: int, values: Bytes, offsets: Int64s) -> None:
    data, out = flat(content), flat(values)
    j = _ZERO
    offsets[0] = 0
    for row in range(cells.shape[0]):
        start, length, size, kind = cells[row, column]
        if kind in (ESCAPED, REPAIRED):
            _unescape(data, start, start + length, out, j)
        elif kind > NULL:
            for k in range(0, length, PAD):
                copy_run(data, start + k, out, j + k)
        if kind > NULL:
            j += size
        offsets[row + 1] = j


class Room(NamedTuple):
    """Where a scan writes. Made once per reader: fresh memory for each block costs as much as the scan itself.

    ``cells``: int64[rows, columns, 4]. ``row_starts``: int64[rows]. ``bad``: int64[4, refused lines].
    """

    cells: Int64s
    row_starts: Int64s
    bad: Int64s


class Lines(NamedTuple):
    """What a scan found; valid until the next scan into the same room.

    ``row_starts``: int64[rows], where the lines of the rows begin. ``cells``: int64[rows, columns, 4]. ``bad``:
    int64[4, refused lines]. ``next``: first byte that has not been looked at.
    """

    row_starts: Int64s
    cells: Int64s
    bad: Int64s
    next: int


def make_room(paths: Paths, max_rows: int) -> Room:
    """Room for scans of up to ``max_rows`` rows and as many refused lines."""
    cells = np.empty((max_rows, len(paths.columns), CELL), np.int64)
    return Room(cells, np.empty(max_rows, np.int64), np.empty((4, max_rows), np.int64))


def scan(data: Bytes, begin: int, stop: int, paths: Paths, text_column: int, max_text_bytes: int, room: Room) -> Lines:
    """Scan lines of ``data[begin:stop]`` until it ends or the room is full.

    ``data``: uint8, with PAD bytes of any content behind ``stop``; ``data[stop - 1]`` must be a newline. Blank
    lines are passed over. A line becomes a row if it is an object whose ``text_column`` is a string of at most
    ``max_text_bytes`` bytes (unescaped), and is refused otherwise. O(bytes).
    """
    if begin < stop and (data[stop - 1] != _NEWLINE or len(data) < stop + PAD):
        raise ValueError(f"lines must end in a newline and {PAD} spare bytes")
    rows, refused, position = _scan(data, begin, stop, text_column, max_text_bytes, paths.names, paths.trie, *room)
    return Lines(room.row_starts[:rows], room.cells[:rows], room.bad[:, :refused], position)


def gather(data: Bytes, cells: Int64s, column: int) -> tuple[Bytes, Int64s]:
    """The values of one column: UTF-8 bytes and int64[rows + 1] offsets.

    Missing and null are empty here; ``cells[:, column, KIND] > NULL`` tells what is a value. O(bytes).
    """
    total = int(cells[:, column, SIZE][cells[:, column, KIND] > NULL].sum())
    out = np.empty(total + PAD, np.uint8)
    offsets = np.empty(len(cells) + 1, np.int64)
    _gather(data, cells, column, out, offsets)
    return out[:total], offsets
