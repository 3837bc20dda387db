"""What a page says of itself: title, language, date, author.

Taken from ``<meta>``, ``<title>``, ``lang``, JSON-LD and ``<time>``, the first in the order of trust that is there;
nothing is guessed from the text. Values are cut behind ``FIELD_BYTES // 2`` bytes of HTML.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import kernel
from stages.kernels.html_references import write_code_point
from stages.kernels.html_tables import Tables
from stages.kernels.html_text import write_text
from stages.kernels.html_tree import (
    META_AT,
    META_AUTHOR,
    META_DATE,
    META_FIRST_TIME,
    META_JSON,
    META_LANGUAGE,
    META_LOCALE,
    META_OG_TITLE,
    META_PUBLISHED,
    META_ROWS,
    META_TIME,
    META_TITLE,
    Tree,
)  # fmt: skip

Bytes = npt.NDArray[np.uint8]

TITLE_FIELD, LANGUAGE_FIELD, DATE_FIELD, AUTHOR_FIELD = range(4)
FIELDS = 4
FIELD_BYTES = 512

_PUBLISHED = np.frombuffer(b'"datePublished"', np.uint8)
_AUTHOR = np.frombuffer(b'"author"', np.uint8)
_NAME = np.frombuffer(b'"name"', np.uint8)
_AUTHOR_SPAN = 600
_IS_PRE = np.bool_(False)
_QUOTE, _BACKSLASH, _COLON = 34, 92, 58


@kernel
def _find(data: Bytes, start: int, end: int, word: Bytes) -> int:
    """Place behind the first ``word``, which begins with a quote and has no other before its end, or -1."""
    at = start
    while at + len(word) <= end:
        if data[at] == _QUOTE:
            place = 1
            while place < len(word) and data[at + place] == word[place]:
                place += 1
            if place == len(word):
                return at + place
        at += 1
    return -1


@kernel
def _string_behind(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Range of the JSON string behind a key, (0, 0) if its value is no string."""
    while at < end and (data[at] <= 32 or data[at] == _COLON):
        at += 1
    if at >= end or data[at] != _QUOTE:
        return 0, 0
    start = at + 1
    at = start
    while at < end and data[at] != _QUOTE:
        at += 2 if data[at] == _BACKSLASH else 1
    return start, min(at, end)


@kernel
def _in_json(data: Bytes, tree: Tree, is_author: bool) -> tuple[int, int]:
    """Where the JSON-LD of the page has the date of publication or the author's name, (0, 0) if nowhere."""
    for row in range(META_JSON, META_ROWS):
        at, end = tree.state[META_AT + 2 * row], tree.state[META_AT + 2 * row + 1]
        behind = _find(data, at, end, _AUTHOR if is_author else _PUBLISHED)
        if behind < 0:
            continue
        start, stop = _string_behind(data, behind, end)
        if is_author and stop == 0:
            last = min(end, behind + _AUTHOR_SPAN)
            behind = _find(data, behind, last, _NAME)
            if behind >= 0:
                start, stop = _string_behind(data, behind, last)
        if stop > start:
            return start, stop
    return 0, 0


@kernel
def _range_of(data: Bytes, tree: Tree, field: int) -> tuple[int, int, bool]:
    """Where the value of a field stands, (0, 0) if nowhere, and whether it is a JSON string."""
    if field == DATE_FIELD or field == AUTHOR_FIELD:
        row = META_PUBLISHED if field == DATE_FIELD else META_AUTHOR
        if tree.state[META_AT + 2 * row + 1] == 0:
            start, end = _in_json(data, tree, field == AUTHOR_FIELD)
            if end > start:
                return start, end, True
    for turn in range(4):
        if field == TITLE_FIELD:
            row = META_OG_TITLE if turn == 0 else META_TITLE
        elif field == LANGUAGE_FIELD:
            row = META_LANGUAGE if turn == 0 else META_LOCALE
        elif field == AUTHOR_FIELD:
            row = META_AUTHOR
        else:
            early = META_PUBLISHED if turn == 0 else META_TIME
            row = early if turn < 2 else META_DATE if turn == 2 else META_FIRST_TIME
        start, end = tree.state[META_AT + 2 * row], tree.state[META_AT + 2 * row + 1]
        if end > start:
            return start, end, False
    return 0, 0, False


@kernel
def _hex(data: Bytes, at: int, end: int) -> np.int64:
    r"""Value of the four digits behind ``\u`` at ``at``, -1 if they are none."""
    if at + 6 > end or data[at] != _BACKSLASH or data[at + 1] != 117:
        return np.int64(-1)
    code = np.int64(0)
    for place in range(at + 2, at + 6):
        byte = np.int64(data[place])
        if 48 <= byte <= 57:
            code = code * 16 + byte - 48
        elif 97 <= (byte | 32) <= 102:
            code = code * 16 + (byte | 32) - 87
        else:
            return np.int64(-1)
    return code


@kernel
def _unescape(data: Bytes, start: int, end: int, out: Bytes, to: int) -> int:
    """Write what a JSON string stands for, at most as many bytes; controls become spaces, lone surrogates U+FFFD."""
    at = start
    while at < end:
        if data[at] != _BACKSLASH:
            out[to] = data[at]
            to, at = to + 1, at + 1
            continue
        code = _hex(data, at, end)
        if code < 0:
            is_control = at + 1 < end and data[at + 1] >= 97
            if at + 1 < end:
                out[to] = 32 if is_control else data[at + 1]
                to += 1
            at += 2
            continue
        at += 6
        low = _hex(data, at, end)
        if 0xD800 <= code < 0xDC00 <= low < 0xE000:
            code, at = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00, at + 6
        elif 0xD800 <= code < 0xE000:
            code = 0xFFFD
        to = write_code_point(code, out, to)
    return to


@kernel
def write_field(data: Bytes, tree: Tree, field: int, tables: Tables, out: Bytes, to: int) -> int:
    """Write a field as text; returns the place behind it. ``out`` needs room for ``FIELD_BYTES``."""
    start, end, is_json = _range_of(data, tree, field)
    end = min(end, start + FIELD_BYTES // 2)
    while end < len(data) and end > start and data[end] & 0xC0 == 0x80:
        end -= 1
    if is_json:
        behind = _unescape(data, start, end, out, to + FIELD_BYTES // 2)
        stop = write_text(out, to + FIELD_BYTES // 2, behind, _IS_PRE, tables, out, to, to)
    else:
        stop = write_text(data, start, end, _IS_PRE, tables, out, to, to)
    while stop > to and out[stop - 1] == 32:
        stop -= 1
    return stop
