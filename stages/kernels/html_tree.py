"""HTML as a flat tree: one pass over the bytes of a page gives elements, runs of text and the order of both.

Follows the tokenizer and the tree construction of the HTML Living Standard (13.2.5, 13.2.6) as far as they
decide what text stands where: implied and stray end tags, raw text, void elements, scopes of tables and lists,
self-closing in SVG and MathML. What it leaves out has no part in that: formatting elements are not opened again in
the next block (but for links), text between table rows stays where it is written, ``<select>`` and ``<frameset>`` have
no modes of their own.

Nothing recurses; the stack of open elements is an array with links from each element to the one below it of
the same name, so that an end tag finds its start in one step. Time is linear in the bytes of the page: each byte is
looked at a bounded number of times, whatever is left open. Memory is bounded by ``MAX_NODES`` elements; the text of
what lies behind them is still read, its tags are not. One file of more than 300 lines, because Numba's cache of
a kernel does not see changes in other files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from stages.kernels.html_keywords import (
    W_DISPLAY, W_MATH, Automaton, automaton, value_table,
)  # fmt: skip
from stages.kernels.html_names import (
    A, ALT, ALTTEXT, ANNOTATION, ARIA_HIDDEN, ATTRIBUTES, BLOCK, BODY, BR, BUTTON, CAPTION, CLASS, CLOSES_P, CONTENT,
    DATA_LATEX, DATA_TEX, DATETIME, DD, DISPLAY, DL, DT, ENCODING, H1, HEADING, HIDDEN, HR, HREF, HTML, ID,
    IMG, ITEMPROP, LANG, LI, MATH, META, MODE, NAME, NEVER, OL, P, PROPERTY, RAW, ROLE, SELECT, INPUT, FOREIGNOBJECT, TABLE_PART, HTTP_EQUIV, HEAD, CELL, SCOPE, SCRIPT, SRC, START, STYLE,
    STYLE_ATTRIBUTE, SVG, TABLE, TAG_NUMBERS, TAGS, TBODY, TD, TFOOT, TH, THEAD, TIME, TITLE, TR, TYPE, UL,
    UNKNOWN_BUCKETS, VOID, XML_LANG, NameTable, attribute_table, meta_table, tag_kinds, tag_table,
)  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

PARENT, TAG, LAST, FLAGS, VALUE, VALUE_END, OPENED, CLOSED = range(8)
"""What ``nodes`` holds: parent; element number; last node below (itself if none); flags; bytes of the attribute or the
content that matters (link target, TeX source, MathML alttext, first number of a list); first and last event."""

F_HIDDEN, F_ARIA_HIDDEN, F_TEX, F_DISPLAY, F_LINK, F_LOCAL = (1 << bit for bit in range(6))
F_BOILERPLATE, F_MAIN, F_BODY, F_ARTICLE, F_COMMENT, F_TITLE, F_DATE, F_AUTHOR, F_DIALOG = (1 << b for b in range(8, 17))
"""F_TEX: the value is TeX (for an annotation: its content is). F_LOCAL: link into the page or to a script. From
F_BOILERPLATE on: role and itemprop, the bits of ``html_keywords.V_*`` shifted by 8."""

OPEN, CLOSE, TEXT, LINKED_TEXT = range(4)
BREAK, RULE, BOUNDARY = -1, -2, -3
"""Events: ``node << 2 | OPEN`` and so on, for text ``run << 2``; ``<br>``, ``<hr>`` and a block that
is never text (a video) are events without a node."""

(
    META_TITLE, META_OG_TITLE, META_LANGUAGE, META_LOCALE, META_PUBLISHED, META_DATE, META_AUTHOR, META_SITE,
    META_TIME, META_FIRST_TIME, META_JSON, META_JSON_2, META_JSON_3, META_JSON_4,
) = range(14)  # fmt: skip
META_ROWS = 14
"""Rows of ``meta``: where the page's title and so on stand, (0, 0) if nowhere; from META_OG_TITLE to META_SITE in the
order of ``html_names.META_FIELDS``. META_TIME: a ``<time>`` marked as date of publication. META_JSON: JSON-LD."""

MAX_NODES = 1 << 20
MAX_NAME_BYTES = 512
"""Bytes of a class, id or style attribute that are looked at; 99.99 % of those in html_gold are shorter."""

_NODES, _EVENTS, _RUNS, _DEPTH, _LINK, _LINK_OFF, _NEVER_AT, _SELF, _SEEN = range(9)
_STACK_NODE, _STACK_TAG, _STACK_SAME, _STACK_BLOCK, _STACK_SCOPE = range(5)
_STATE_FIELDS = 9
_LT, _GT, _SLASH, _EQUALS, _BANG, _QUESTION, _MINUS, _DOUBLE, _SINGLE = 60, 62, 47, 61, 33, 63, 45, 34, 39


class Names(NamedTuple):
    """The tables that :func:`parse` needs."""

    tags: NameTable
    attributes: NameTable
    values: NameTable
    kinds: Int32s
    meanings: Int32s
    meta: NameTable
    words: Automaton


class Tree(NamedTuple):
    """Room for one page. Offsets are relative to the first byte of the page.

    ``nodes``: int32[nodes, 8]. ``words``: int64[nodes], groups of ``html_keywords`` in class and id. ``events``:
    int32[events]. ``runs``: int32[runs, 2], start and end of text as written. ``meta``: int32[14, 2]. The rest is the
    parser's own: ``stack``, ``lowest`` (stack place of the innermost open element by name), ``attributes``, ``state``.
    """

    nodes: npt.NDArray[np.int32]
    words: Int64s
    events: Int32s
    runs: npt.NDArray[np.int32]
    meta: npt.NDArray[np.int32]
    stack: npt.NDArray[np.int32]
    lowest: Int32s
    attributes: npt.NDArray[np.int32]
    state: Int64s
    unclosed: Bytes


def names() -> Names:
    """The tables of ``html_names`` and ``html_keywords``."""
    values, meanings = value_table()
    return Names(tag_table(), attribute_table(), values, tag_kinds(), meanings, meta_table(), automaton())


def tree_for(page_bytes: int) -> Tree:
    """Room for a page of up to that many bytes; 240 bytes for each element it could have, 250 MB at most."""
    tags = page_bytes // 3 + 2
    nodes = min(tags, MAX_NODES)
    return Tree(
        nodes=np.empty((nodes, 8), np.int32),
        words=np.empty(nodes, np.int64),
        events=np.empty(2 * nodes + 2 * min(tags, 4 * MAX_NODES) + 2, np.int32),
        runs=np.empty((min(tags, 4 * MAX_NODES) + 1, 2), np.int32),
        meta=np.empty((META_ROWS, 2), np.int32),
        stack=np.empty((nodes + 1, 5), np.int32),
        lowest=np.empty(TAG_NUMBERS, np.int32),
        attributes=np.empty((len(ATTRIBUTES), 2), np.int32),
        state=np.empty(_STATE_FIELDS, np.int64),
        unclosed=np.empty(TAG_NUMBERS, np.uint8),
    )


_WORD_DISPLAY = np.frombuffer(b"display", np.uint8)
_WORD_VISIBILITY = np.frombuffer(b"visibility", np.uint8)
_WORD_NONE = np.frombuffer(b"none", np.uint8)
_WORD_HIDDEN = np.frombuffer(b"hidden", np.uint8)
_WORD_TRUE = np.frombuffer(b"true", np.uint8)
_WORD_BLOCK = np.frombuffer(b"block", np.uint8)
_WORD_TEX = np.frombuffer(b"tex", np.uint8)
_WORD_LATEX = np.frombuffer(b"latex", np.uint8)
_WORD_MATH_TEX = np.frombuffer(b"math/tex", np.uint8)
_WORD_LD_JSON = np.frombuffer(b"application/ld+json", np.uint8)
_WORD_JAVASCRIPT = np.frombuffer(b"javascript:", np.uint8)


@njit(cache=True, nogil=True, _nrt=False)
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 12


@njit(cache=True, nogil=True, _nrt=False)
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True, _nrt=False)
def _begins_with(data: Bytes, start: int, end: int, word: Bytes) -> bool:
    """Whether the bytes from ``start`` on are ``word`` (in lower case), letters in either case."""
    if end - start < len(word):
        return False
    for place in range(len(word)):
        if _lower(data[start + place]) != word[place]:
            return False
    return True


@njit(cache=True, nogil=True, _nrt=False)
def _contains(data: Bytes, start: int, end: int, word: Bytes) -> bool:
    """Whether ``word`` occurs. O((end - start) · len(word)); ``end - start`` is limited by the callers."""
    for at in range(start, end - len(word) + 1):
        if _begins_with(data, at, end, word):
            return True
    return False


@njit(cache=True, nogil=True, _nrt=False)
def _slot(first: int, second: int) -> int:
    mixed = (first * np.uint64(0x9E3779B97F4A7C15)) ^ (second * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(54))


@njit(cache=True, nogil=True, _nrt=False)
def _lookup(table: NameTable, first: int, second: int) -> int:
    """Number of a name, 0 if the table has none."""
    slot = _slot(first, second)
    while table.number[slot] != 0:
        if table.first[slot] == first and table.second[slot] == second:
            return table.number[slot]
        slot = (slot + 1) & 1023
    return 0


@njit(cache=True, nogil=True, _nrt=False)
def _name(data: Bytes, at: int, end: int, is_attribute: bool) -> tuple[int, int, int]:
    """Where a name ends, and its first 16 bytes in lower case as two words."""
    first, second = np.uint64(0), np.uint64(0)
    start = at
    while at < end:
        byte = np.uint64(data[at])
        if byte == _GT or byte == _SLASH or _is_space(byte) or (is_attribute and byte == _EQUALS and at > start):
            break
        if np.uint64(65) <= byte and byte <= np.uint64(90):
            byte |= np.uint64(32)
        place = np.uint64(at - start)
        if place < np.uint64(8):
            first |= byte << (place << np.uint64(3))
        elif place < np.uint64(16):
            second |= byte << ((place - np.uint64(8)) << np.uint64(3))
        at += 1
    return at, first, second


@njit(cache=True, nogil=True, _nrt=False)
def _long_name(data: Bytes, start: int, end: int, table: NameTable) -> int:
    """Number of a name of any length, by hash and length; 0 if the table has none."""
    value = np.uint64(0xCBF29CE484222325)
    for at in range(start, end):
        value = (value ^ np.uint64(_lower(data[at]))) * np.uint64(0x100000001B3)
    return _lookup(table, value, np.uint64(end - start))


@njit(cache=True, nogil=True, _nrt=False)
def words_of(data: Bytes, start: int, end: int, automaton: Automaton) -> int:
    """Bits of the words in a class or id. O(bytes), of which ``MAX_NAME_BYTES`` are looked at."""
    end = min(end, start + MAX_NAME_BYTES)
    found = np.int64(0)
    begin = automaton.step[0, 0]
    state, before, was_lower = begin, 0, False
    for at in range(start, end + 1):
        byte = 32 if at == end else data[at]
        symbol = automaton.symbol[byte]
        if symbol == 0:
            if before != 0:
                state = automaton.step[state, 0]
                found |= automaton.found[state]
            if _is_space(byte):
                state = begin
        else:
            if was_lower and byte <= 90:
                state = automaton.step[state, 0]
                found |= automaton.found[state]
            state = automaton.step[state, symbol]
            found |= automaton.found[state]
        before, was_lower = symbol, byte >= 97 and symbol != 0
    return found


@njit(cache=True, nogil=True, _nrt=False)
def _style_hides(data: Bytes, start: int, end: int) -> bool:
    """Whether a style attribute has ``display: none`` or ``visibility: hidden``."""
    end = min(end, start + MAX_NAME_BYTES)
    at = start
    while at < end:
        while at < end and (_is_space(data[at]) or data[at] == 59):
            at += 1
        display = _begins_with(data, at, end, _WORD_DISPLAY)
        if display or _begins_with(data, at, end, _WORD_VISIBILITY):
            at += 7 if display else 10
            while at < end and (_is_space(data[at]) or data[at] == 58):
                at += 1
            if _begins_with(data, at, end, _WORD_NONE if display else _WORD_HIDDEN):
                return True
        while at < end and data[at] != 59:
            at += 1
    return False


@njit(cache=True, nogil=True, _nrt=False)
def _meanings(data: Bytes, start: int, end: int, names: Names) -> int:
    """What the words of a role or itemprop say, as flags."""
    end = min(end, start + MAX_NAME_BYTES)
    flags = 0
    while start < end:
        if _is_space(data[start]):
            start += 1
            continue
        start, first, second = _name(data, start, end, False)
        flags |= names.meanings[_lookup(names.values, first, second)]
        start += 1
    return flags << 8


@njit(cache=True, nogil=True, _nrt=False)
def _attributes(data: Bytes, at: int, end: int, tree: Tree, names: Names) -> int:
    """Note where the values of known attributes are; returns the place behind ``>``, or -1 if the page ends before.

    The first of two attributes of one name counts. ``state[_SEEN]`` has a bit for each known attribute of the tag.
    """
    seen = 0
    tree.state[_SELF] = 0
    while at < end:
        byte = data[at]
        if byte == _GT:
            tree.state[_SEEN] = seen
            return at + 1
        if byte == _SLASH or _is_space(byte):
            tree.state[_SELF] = 1 if byte == _SLASH and at + 1 < end and data[at + 1] == _GT else 0
            at += 1
            continue
        at, first, second = _name(data, at, end, True)
        number = _lookup(names.attributes, first, second)
        while at < end and _is_space(data[at]):
            at += 1
        start = stop = at
        if at < end and data[at] == _EQUALS:
            at += 1
            while at < end and _is_space(data[at]):
                at += 1
            if at < end and (data[at] == _DOUBLE or data[at] == _SINGLE):
                quote = data[at]
                start = at + 1
                at = start
                while at < end and data[at] != quote:
                    at += 1
                stop = at
                at += 1
            else:
                start = at
                while at < end and data[at] != _GT and not _is_space(data[at]):
                    at += 1
                stop = at
        if number != 0 and (seen >> number) & 1 == 0:
            seen |= 1 << number
            tree.attributes[number, 0], tree.attributes[number, 1] = start, stop
    return -1


@njit(cache=True, nogil=True, _nrt=False)
def _has(tree: Tree, attribute: int) -> bool:
    return (tree.state[_SEEN] >> attribute) & 1 == 1


@njit(cache=True, nogil=True, _nrt=False)
def _flags(data: Bytes, tag: int, tree: Tree, names: Names) -> int:
    """What the attributes of a start tag say."""
    flags = 0
    ranges = tree.attributes
    if _has(tree, HIDDEN) or (
        _has(tree, STYLE_ATTRIBUTE)
        and _style_hides(data, ranges[STYLE_ATTRIBUTE, 0], ranges[STYLE_ATTRIBUTE, 1])
    ):
        flags |= F_HIDDEN
    if _has(tree, ARIA_HIDDEN) and _begins_with(data, ranges[ARIA_HIDDEN, 0], ranges[ARIA_HIDDEN, 1], _WORD_TRUE):
        flags |= F_ARIA_HIDDEN
    if _has(tree, ROLE):
        flags |= _meanings(data, ranges[ROLE, 0], ranges[ROLE, 1], names)
    if _has(tree, ITEMPROP):
        flags |= _meanings(data, ranges[ITEMPROP, 0], ranges[ITEMPROP, 1], names)
    if tag == A and _has(tree, HREF):
        start, end = ranges[HREF, 0], ranges[HREF, 1]
        flags |= F_LINK
        if (end > start and data[start] == 35) or _begins_with(data, start, end, _WORD_JAVASCRIPT):
            flags |= F_LOCAL
    return flags


@njit(cache=True, nogil=True, _nrt=False)
def _words(data: Bytes, tree: Tree, names: Names) -> int:
    found = np.int64(0)
    if _has(tree, CLASS):
        found |= words_of(data, tree.attributes[CLASS, 0], tree.attributes[CLASS, 1], names.words)
    if _has(tree, ID):
        found |= words_of(data, tree.attributes[ID, 0], tree.attributes[ID, 1], names.words)
    return found


@njit(cache=True, nogil=True, _nrt=False)
def _tex_flags(data: Bytes, tag: int, words: int, tree: Tree) -> tuple[int, int]:
    """Flags of an element that holds a formula, and the attribute that its value is (0 if none)."""
    ranges = tree.attributes
    shown = F_DISPLAY if words & W_DISPLAY else 0
    if tag == MATH:
        block = _has(tree, DISPLAY) and _begins_with(data, ranges[DISPLAY, 0], ranges[DISPLAY, 1], _WORD_BLOCK)
        mode = _has(tree, MODE) and _begins_with(data, ranges[MODE, 0], ranges[MODE, 1], _WORD_DISPLAY)
        return F_DISPLAY if block or mode else 0, ALTTEXT if _has(tree, ALTTEXT) else 0
    if tag == ANNOTATION and _has(tree, ENCODING):
        start, end = ranges[ENCODING, 0], min(ranges[ENCODING, 1], ranges[ENCODING, 0] + 64)
        return F_TEX if _contains(data, start, end, _WORD_TEX) else 0, 0
    if tag == IMG and _has(tree, ALT) and ranges[ALT, 1] > ranges[ALT, 0]:
        start, end = ranges[SRC, 0], min(ranges[SRC, 1], ranges[SRC, 0] + MAX_NAME_BYTES)
        if words & W_MATH or (_has(tree, SRC) and _contains(data, start, end, _WORD_LATEX)):
            return F_TEX | shown, ALT
    for attribute in (DATA_TEX, DATA_LATEX):
        if _has(tree, attribute) and ranges[attribute, 1] > ranges[attribute, 0]:
            return F_TEX | shown, attribute
    return 0, HREF if tag == A and _has(tree, HREF) else START if tag == OL and _has(tree, START) else 0


@njit(cache=True, nogil=True, _nrt=False)
def _event(tree: Tree, code: int) -> None:
    tree.events[tree.state[_EVENTS]] = code
    tree.state[_EVENTS] += 1


@njit(cache=True, nogil=True, _nrt=False)
def _node(data: Bytes, tag: int, parent: int, tree: Tree, names: Names) -> int:
    """A new element with its flags, words and value."""
    node = tree.state[_NODES]
    tree.state[_NODES] += 1
    words = _words(data, tree, names)
    flags, attribute = _tex_flags(data, tag, words, tree)
    row = tree.nodes[node]
    row[PARENT], row[TAG], row[LAST] = parent, tag, node
    row[FLAGS] = flags | _flags(data, tag, tree, names)
    row[VALUE] = tree.attributes[attribute, 0] if attribute else 0
    row[VALUE_END] = tree.attributes[attribute, 1] if attribute else 0
    row[OPENED] = row[CLOSED] = tree.state[_EVENTS]
    tree.words[node] = words
    _event(tree, node << 2 | OPEN)
    return node


@njit(cache=True, nogil=True, _nrt=False)
def _push(data: Bytes, tag: int, kind: int, tree: Tree, names: Names) -> None:
    """Open an element; inside of one that is never text it gets a place on the stack, but no node."""
    place = tree.state[_DEPTH]
    if place >= len(tree.stack):
        return
    above = tree.stack[place - 1]
    node = -1
    if kind & NEVER and tree.state[_NEVER_AT] < 0:
        tree.state[_NEVER_AT] = place
        if kind & BLOCK:
            _event(tree, BOUNDARY)
    if tree.state[_NEVER_AT] < 0:
        if tree.state[_NODES] >= len(tree.nodes):
            return
        node = _node(data, tag, above[_STACK_NODE], tree, names)
    row = tree.stack[place]
    row[_STACK_NODE] = node if node >= 0 else above[_STACK_NODE]
    row[_STACK_TAG] = tag
    row[_STACK_SAME] = tree.lowest[tag]
    row[_STACK_BLOCK] = place if kind & BLOCK else above[_STACK_BLOCK]
    row[_STACK_SCOPE] = place if kind & SCOPE else above[_STACK_SCOPE]
    tree.lowest[tag] = place
    tree.state[_DEPTH] += 1


@njit(cache=True, nogil=True, _nrt=False)
def _pop(tree: Tree) -> None:
    """Close the innermost element. A link that something else closes goes on in the next block."""
    place = tree.state[_DEPTH] - 1
    row = tree.stack[place]
    tag = row[_STACK_TAG]
    tree.lowest[tag] = row[_STACK_SAME]
    tree.state[_DEPTH] = place
    if tree.state[_LINK_OFF] == place:
        tree.state[_LINK_OFF] = -1
    if tree.state[_NEVER_AT] >= 0:
        if tree.state[_NEVER_AT] == place:
            tree.state[_NEVER_AT] = -1
        return
    node = row[_STACK_NODE]
    tree.nodes[node, LAST] = tree.state[_NODES] - 1
    tree.nodes[node, CLOSED] = tree.state[_EVENTS]
    _event(tree, node << 2 | CLOSE)
    if tag == A and tree.nodes[node, FLAGS] & F_LINK:
        tree.state[_LINK] = 1


@njit(cache=True, nogil=True, _nrt=False)
def _pop_to(tree: Tree, place: int) -> None:
    """Close everything down to that place of the stack, it included. Amortized O(1): each push is undone once."""
    while tree.state[_DEPTH] > place:
        _pop(tree)


@njit(cache=True, nogil=True, _nrt=False)
def _imply_ends(tag: int, kind: int, tree: Tree) -> None:
    """End what a start tag ends without saying so (13.2.6.4.7, 13.2.6.4.9 and after)."""
    lowest = tree.lowest
    top = tree.stack[tree.state[_DEPTH] - 1]
    scope = top[_STACK_SCOPE]
    if kind & CLOSES_P and lowest[P] > scope:
        _pop_to(tree, lowest[P])
    if tag == LI:
        if lowest[LI] > max(scope, lowest[UL], lowest[OL]):
            _pop_to(tree, lowest[LI])
    elif tag == DT or tag == DD:
        item = max(lowest[DT], lowest[DD])
        if item > max(scope, lowest[DL]):
            _pop_to(tree, item)
    elif tag == TD or tag == TH:
        cell = max(lowest[TD], lowest[TH])
        if cell > lowest[TABLE]:
            _pop_to(tree, cell)
    elif tag == TR:
        if lowest[TR] > lowest[TABLE]:
            _pop_to(tree, lowest[TR])
    elif tag == TBODY or tag == THEAD or tag == TFOOT:
        group = max(max(lowest[TBODY], lowest[THEAD]), max(lowest[TFOOT], lowest[CAPTION]))
        if group > lowest[TABLE]:
            _pop_to(tree, group)
    elif tag == BUTTON:
        if lowest[BUTTON] > scope:
            _pop_to(tree, lowest[BUTTON])
    elif tag == A:
        _end_link(tree)
    elif kind & HEADING and H1 <= top[_STACK_TAG] and top[_STACK_TAG] < H1 + 6:
        _pop(tree)
    if kind & CLOSES_P and lowest[SVG] > scope and lowest[FOREIGNOBJECT] < lowest[SVG]:
        _pop_to(tree, lowest[SVG])
    if kind & (CLOSES_P | CELL) or tag == INPUT:
        if lowest[SELECT] > scope:
            _pop_to(tree, lowest[SELECT])


@njit(cache=True, nogil=True, _nrt=False)
def _end_link(tree: Tree) -> None:
    """Text from here on is not linked. Where blocks are open inside of the link, it stays open, but says nothing."""
    tree.state[_LINK] = 0
    place = tree.lowest[A]
    if place >= 0:
        top = tree.stack[tree.state[_DEPTH] - 1]
        if place > top[_STACK_BLOCK]:
            _pop_to(tree, place)
            tree.state[_LINK] = 0
        elif place > top[_STACK_SCOPE]:
            tree.state[_LINK_OFF] = place


@njit(cache=True, nogil=True, _nrt=False)
def _end_tag(tag: int, kind: int, tree: Tree) -> None:
    """Close the element that an end tag means, if there is one in scope."""
    lowest = tree.lowest
    top = tree.stack[tree.state[_DEPTH] - 1]
    if tag == A:
        _end_link(tree)
        return
    place = lowest[tag]
    if kind & HEADING:
        for other in range(H1, H1 + 6):
            place = max(place, lowest[other])
    if place <= 0:
        return
    if tag == TABLE:
        bound = 0
    elif kind & (CELL | TABLE_PART):
        bound = lowest[TABLE]
    elif tag == LI:
        bound = max(top[_STACK_SCOPE], max(lowest[UL], lowest[OL]))
    elif kind & BLOCK:
        bound = top[_STACK_SCOPE]
    elif kind & NEVER:
        bound = 0
    else:
        bound = top[_STACK_BLOCK]
    if place > bound:
        _pop_to(tree, place)
        if kind & BLOCK:
            tree.state[_LINK] = 0


@njit(cache=True, nogil=True, _nrt=False)
def _copy_range(tree: Tree, row: int, attribute: int) -> None:
    tree.meta[row, 0], tree.meta[row, 1] = tree.attributes[attribute, 0], tree.attributes[attribute, 1]


@njit(cache=True, nogil=True, _nrt=False)
def _note_meta(data: Bytes, tree: Tree, names: Names) -> None:
    """Note the content of a ``<meta>`` that says what the page is; the first of each kind counts."""
    if not _has(tree, CONTENT) or tree.attributes[CONTENT, 0] == tree.attributes[CONTENT, 1]:
        return
    for attribute in (PROPERTY, NAME, ITEMPROP, HTTP_EQUIV):
        if _has(tree, attribute):
            start = tree.attributes[attribute, 0]
            end = min(tree.attributes[attribute, 1], start + MAX_NAME_BYTES)
            field = _long_name(data, start, end, names.meta)
            if field and tree.meta[field, 1] == 0:
                _copy_range(tree, field, CONTENT)


@njit(cache=True, nogil=True, _nrt=False)
def _note_attributes(tag: int, tree: Tree, flags: int) -> None:
    """Note what other elements say about the page: its language and ``<time>``."""
    if tag == HTML:
        for attribute in (LANG, XML_LANG):
            if _has(tree, attribute) and tree.meta[META_LANGUAGE, 1] == 0:
                _copy_range(tree, META_LANGUAGE, attribute)
    elif tag == TIME and _has(tree, DATETIME):
        row = META_TIME if flags & F_DATE else META_FIRST_TIME
        if tree.meta[row, 1] == 0:
            _copy_range(tree, row, DATETIME)


@njit(cache=True, nogil=True, _nrt=False)
def _raw_end(data: Bytes, at: int, end: int, start: int, length: int) -> int:
    """Where the ``<`` of the end tag named like the bytes from ``start`` on is, or -1."""
    while at < end:
        if data[at] == _LT and at + length + 2 <= end and data[at + 1] == _SLASH:
            place = 0
            while place < length and _lower(data[at + 2 + place]) == _lower(data[start + place]):
                place += 1
            behind = data[at + 2 + length] if at + 2 + length < end else _GT
            if place == length and (behind == _GT or behind == _SLASH or _is_space(behind)):
                return at
        at += 1
    return -1


@njit(cache=True, nogil=True, _nrt=False)
def _raw_content(data: Bytes, tag: int, start: int, end: int, tree: Tree, names: Names) -> None:
    """Note the content of an element whose content is not markup."""
    if tag == TITLE:
        if tree.meta[META_TITLE, 1] == 0 and tree.lowest[SVG] < 0:
            tree.meta[META_TITLE, 0], tree.meta[META_TITLE, 1] = start, end
    elif tag == SCRIPT and _has(tree, TYPE):
        first, last = tree.attributes[TYPE, 0], tree.attributes[TYPE, 1]
        if _begins_with(data, first, last, _WORD_MATH_TEX):
            if tree.state[_NEVER_AT] < 0 and tree.state[_NODES] < len(tree.nodes):
                shown = _contains(data, first, min(last, first + MAX_NAME_BYTES), _WORD_DISPLAY)
                node = _node(data, SCRIPT, tree.stack[tree.state[_DEPTH] - 1, _STACK_NODE], tree, names)
                tree.nodes[node, FLAGS] = F_TEX | (F_DISPLAY if shown else 0)
                tree.nodes[node, VALUE], tree.nodes[node, VALUE_END] = start, end
                tree.nodes[node, CLOSED] = tree.state[_EVENTS]
                _event(tree, node << 2 | CLOSE)
        elif _begins_with(data, first, last, _WORD_LD_JSON):
            for row in range(META_JSON, META_ROWS):
                if tree.meta[row, 1] == 0:
                    tree.meta[row, 0], tree.meta[row, 1] = start, end
                    break


@njit(cache=True, nogil=True, _nrt=False)
def _start_tag(data: Bytes, tag: int, kind: int, tree: Tree, names: Names) -> None:
    """Apply a start tag whose attributes have been read, but for raw text."""
    if tag == META:
        _note_meta(data, tree, names)
        return
    if tag == HTML or tag == BODY or tag == HEAD:
        _note_attributes(tag, tree, 0)
        return
    _imply_ends(tag, kind, tree)
    if kind & VOID:
        if tree.state[_NEVER_AT] < 0:
            if tag == BR or tag == HR:
                _event(tree, BREAK if tag == BR else RULE)
            elif tag == IMG and _has(tree, ALT) and tree.state[_NODES] < len(tree.nodes):
                node = _node(data, tag, tree.stack[tree.state[_DEPTH] - 1, _STACK_NODE], tree, names)
                tree.nodes[node, CLOSED] = tree.state[_EVENTS]
                _event(tree, node << 2 | CLOSE)
        return
    foreign = tree.lowest[SVG] >= 0 or tree.lowest[MATH] >= 0 or tag == SVG or tag == MATH
    _push(data, tag, kind, tree, names)
    if tag == TIME and tree.state[_NEVER_AT] < 0:
        _note_attributes(tag, tree, tree.nodes[tree.state[_NODES] - 1, FLAGS])
    if foreign and tree.state[_SELF]:
        _pop(tree)


@njit(cache=True, nogil=True, _nrt=False)
def _text(tree: Tree, start: int, end: int) -> None:
    """Note a run of text, linked or not."""
    if tree.state[_NEVER_AT] >= 0 or tree.state[_RUNS] >= len(tree.runs):
        return
    place = tree.lowest[A]
    linked = tree.state[_LINK] == 1
    if place >= 0 and tree.state[_LINK_OFF] != place:
        linked = linked or tree.nodes[tree.stack[place, _STACK_NODE], FLAGS] & F_LINK != 0
    run = tree.state[_RUNS]
    tree.runs[run, 0], tree.runs[run, 1] = start, end
    tree.state[_RUNS] += 1
    _event(tree, run << 2 | (LINKED_TEXT if linked else TEXT))


@njit(cache=True, nogil=True, _nrt=False)
def _skip_markup(data: Bytes, at: int, end: int) -> int:
    """Place behind a comment, doctype or processing instruction whose ``<`` is at ``at``."""
    if at + 3 < end and data[at + 1] == _BANG and data[at + 2] == _MINUS and data[at + 3] == _MINUS:
        at += 4
        if at < end and data[at] == _GT:
            return at + 1
        if at + 1 < end and data[at] == _MINUS and data[at + 1] == _GT:
            return at + 2
        while at < end:
            if data[at] == _GT and data[at - 1] == _MINUS and data[at - 2] == _MINUS:
                return at + 1
            if data[at] == _GT and data[at - 1] == _BANG and data[at - 2] == _MINUS and data[at - 3] == _MINUS:
                return at + 1
            at += 1
        return end
    while at < end and data[at] != _GT:
        at += 1
    return at + 1


@njit(cache=True, nogil=True, _nrt=False)
def _tag_number(first: int, second: int, table: NameTable) -> int:
    number = _lookup(table, first, second)
    return number if number else len(TAGS) + (_slot(first, second) & (UNKNOWN_BUCKETS - 1))


@njit(cache=True, nogil=True, _nrt=False)
def _reset(tree: Tree) -> None:
    tree.state[:] = 0
    tree.state[_LINK_OFF] = tree.state[_NEVER_AT] = -1
    tree.lowest[:] = -1
    tree.unclosed[:] = 0
    tree.meta[:] = 0
    for column in range(8):
        tree.nodes[0, column] = 0
    tree.nodes[0, PARENT] = -1
    tree.words[0] = 0
    tree.state[_NODES] = 1
    for column in range(5):
        tree.stack[0, column] = 0
    tree.stack[0, _STACK_SAME] = -1
    tree.state[_DEPTH] = 1
    _event(tree, OPEN)


@njit(cache=True, nogil=True, _nrt=False)
def _tag(data: Bytes, at: int, end: int, tree: Tree, names: Names) -> int:
    """Read one tag whose ``<`` is at ``at`` and apply it; returns the place behind it, or ``end`` if it has none."""
    is_end = data[at + 1] == _SLASH
    start = at + 2 if is_end else at + 1
    at, first, second = _name(data, start, end, False)
    length = at - start
    tag = _tag_number(first, second, names.tags)
    kind = names.kinds[tag]
    at = _attributes(data, at, end, tree, names)
    if at < 0:
        return end
    if is_end:
        if tag == BR:
            _start_tag(data, tag, kind, tree, names)
        else:
            _end_tag(tag, kind, tree)
        return at
    if kind & RAW and tree.unclosed[tag] == 0:
        close = _raw_end(data, at, end, start, length)
        if close < 0 and tag != SCRIPT and tag != STYLE:
            tree.unclosed[tag] = 1
            return at
        if close < 0:
            return end
        if kind & BLOCK and tree.state[_NEVER_AT] < 0:
            _event(tree, BOUNDARY)
        _raw_content(data, tag, at, close, tree, names)
        return close
    if kind & RAW == 0:
        _start_tag(data, tag, kind, tree, names)
    return at


@njit(cache=True, nogil=True, _nrt=False)
def parse(data: Bytes, tree: Tree, names: Names) -> tuple[int, int, int]:
    """Fill ``tree`` from a page; returns the numbers of nodes, events and runs. O(bytes).

    Node 0 is the document; elements follow in the order of their start tags, so that the descendants of node i are
    i + 1 … nodes[i, LAST].
    """
    _reset(tree)
    at, text, end = 0, 0, len(data)
    while at < end:
        if data[at] != _LT:
            at += 1
            continue
        following = data[at + 1] if at + 1 < end else 32
        is_end = following == _SLASH
        letter = _lower(data[at + 2]) if is_end and at + 2 < end else _lower(following)
        is_tag = 97 <= letter and letter <= 122
        if not (is_tag or is_end or following == _BANG or following == _QUESTION):
            at += 1
            continue
        if at > text:
            _text(tree, text, at)
        at = _tag(data, at, end, tree, names) if is_tag else _skip_markup(data, at, end)
        text = at
    if end > text:
        _text(tree, text, end)
    _pop_to(tree, 0)
    return tree.state[_NODES], tree.state[_EVENTS], tree.state[_RUNS]
