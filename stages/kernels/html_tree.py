"""HTML as a flat tree: one pass over the bytes of a page gives elements, runs of text and the order of both.

Follows the tokenizer and the tree construction of the HTML Living Standard (13.2.5, 13.2.6) as far as they
decide what text stands where: implied and stray end tags, raw text, void elements, scopes of tables and lists,
self-closing in SVG and MathML. What it leaves out has no part in that: formatting elements are not opened again in
the next block (but for links), text between table rows stays where it is written, ``<select>`` and ``<frameset>`` have
no modes of their own, ``<xmp>`` and ``<plaintext>`` are read as markup, ``<!--`` in a script hides no end tag, CDATA
sections are comments. Two rules are not the standard's, because broken pages would lose their text by it: what is left
open and has no text of the page in it (``<button>``, ``<svg>``, a ``<title>`` without an end) ends with the block
around it, and start tags in such an element end nothing outside of it.

Nothing recurses; the stack of open elements is an array with links from each element to the one below it of
the same name, so that an end tag finds its start in one step. Time is linear in the bytes of the page: each byte is
looked at a bounded number of times, whatever is left open. Memory is bounded by ``MAX_NODES`` elements and
``MAX_RUNS`` runs of text; behind the last element text is still read and tags mean nothing, behind the last run nothing
is read. One file of more than 300 lines, because Numba's cache of a kernel does not see changes in other files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.compiled import inlined, kernel
from stages.kernels.html_keywords import NAMES, W_BODY, W_CODE, W_DISPLAY, W_GUTTER, W_MATH, W_RENDERED_MATH
from stages.kernels.html_names import (
    ALT,
    ALTTEXT,
    ANNOTATION,
    ANNOTATION_XML,
    ARIA_HIDDEN,
    ATTRIBUTES,
    BLOCK,
    BODY,
    BR,
    BUTTON,
    CELL,
    CLASS,
    CLOSER,
    CLOSES_P,
    CODE,
    CONTENT,
    DATA_LATEX,
    DATA_TEX,
    DATETIME,
    DD,
    DISPLAY,
    DL,
    DT,
    ENCODING,
    FOREIGNOBJECT,
    H1,
    HEAD,
    HEADING,
    HIDDEN,
    HR,
    HREF,
    HTML,
    HTTP_EQUIV,
    ID,
    IMG,
    INPUT,
    ITEMPROP,
    LANG,
    LI,
    MATH,
    META,
    MFENCED,
    MJX_CONTAINER,
    MODE,
    MTEXT,
    NAME,
    NEVER,
    OL,
    OPENER,
    PRE,
    PROPERTY,
    RAW,
    ROLE,
    SCOPE,
    SCRIPT,
    SELECT,
    SRC,
    START,
    STYLE,
    STYLE_ATTRIBUTE,
    SVG,
    TABLE,
    TABLE_PART,
    TAG_NUMBERS,
    TAGS,
    TBODY,
    TD,
    TFOOT,
    TH,
    THEAD,
    TIME,
    TITLE,
    TR,
    TYPE,
    UL,
    UNKNOWN_BUCKETS,
    VOID,
    XML_LANG,
    A,
    P,
)  # fmt: skip
from stages.kernels.html_tables import K_ATTRIBUTE, K_META, K_TAG, K_VALUE, SLOT_BITS, SLOTS, Tables

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

PARENT, TAG, LAST, FLAGS, VALUE, VALUE_END, OPENED, CLOSED, HOLDER = range(9)
NODE_FIELDS = 9
"""What ``nodes`` holds: parent; element number; last node below (itself if none); flags; bytes of the attribute or the
content that matters (link target, TeX source, MathML alttext, first number of a list; of ``<mfenced>`` the first bytes
of ``open`` and of ``close``); first and last event; the innermost block element that holds it (itself if it is one)."""

F_HIDDEN, F_ARIA_HIDDEN, F_TEX, F_DISPLAY, F_LINK, F_LOCAL, F_PRE = (1 << bit for bit in range(7))
F_BOILERPLATE, F_MAIN, F_BODY, F_ARTICLE, F_COMMENT, F_TITLE, F_DATE, F_AUTHOR, F_DIALOG = (
    1 << b for b in range(8, 17)
)
"""F_HIDDEN: so marked, or the numbers of lines of code. F_TEX: the value is TeX (for an annotation: its content is).
F_LOCAL: link into the page or to a script. F_PRE: white space counts, though it is no ``<pre>``. From F_BOILERPLATE on:
role and itemprop, the bits of ``html_keywords.V_*`` shifted by 8."""

OPEN, CLOSE, TEXT, LINKED_TEXT = range(4)
BREAK, RULE, BOUNDARY = np.int64(-1), np.int64(-2), np.int64(-3)
"""Events: ``node << 2 | OPEN`` and so on, for text ``run << 2``; ``<br>``, ``<hr>`` and a block that
is never text (a video) are events without a node."""

(
    META_TITLE, META_OG_TITLE, META_LANGUAGE, META_LOCALE, META_PUBLISHED, META_DATE, META_AUTHOR, META_SITE,
    META_TIME, META_FIRST_TIME, META_JSON, META_JSON_2, META_JSON_3, META_JSON_4,
) = range(14)  # fmt: skip
META_ROWS = 14
"""Rows of ``meta``: where the page's title and so on stand, (0, 0) if nowhere; from META_OG_TITLE to META_SITE in the
order of ``html_names.META_FIELDS``. META_TIME: a ``<time>`` marked as date of publication. META_JSON: JSON-LD."""

MAX_NODES = 1 << 19
MAX_RUNS = 1 << 21
MAX_NAME_BYTES = 512
"""Bytes of a class, id or style attribute that are looked at; 99.99 % of those in html_gold are shorter."""

(
    _NODES, _EVENTS, _RUNS, _DEPTH, _LINK, _LINK_OFF, _NEVER_AT, _SELF, _SEEN, _MARKS, _IS_FULL, _GUTTERS, _LETTERS,
    _LOWEST,
) = range(14)  # fmt: skip
_STACK_NODE, _STACK_TAG, _STACK_SAME, _STACK_BLOCK, _STACK_SCOPE = range(5)
_UNCLOSED = _LOWEST + TAG_NUMBERS
_RANGES = _UNCLOSED + TAG_NUMBERS
META_AT = _RANGES + 2 * len(ATTRIBUTES)
STATE_FIELDS = META_AT + 2 * META_ROWS
"""Places in ``state``: numbers of nodes, events and runs; open elements; whether text is linked by an element closed
early; the link that says nothing more; the outermost open element that is never text; of the tag being read: ``/>``,
bits of its known attributes; events without a node; whether there is no room for more elements; open elements that may
hold numbers of lines; the last event of text that is no number. Then by element: stack place of the innermost open one,
whether its end tag is known to be missing; by attribute: where its value is; and the meta rows."""
_LT, _GT, _SLASH, _EQUALS, _BANG, _QUESTION, _MINUS, _DOUBLE, _SINGLE = 60, 62, 47, 61, 33, 63, 45, 34, 39


class Tree(NamedTuple):
    """Room for one page. Offsets are relative to the first byte of the page.

    ``nodes``: int32[nodes, 9]. ``words``: int64[nodes], groups of ``html_keywords`` in class and id. ``events``:
    int32[events]. ``runs``: int32[runs, 3], start and end of text as written and the innermost
    block element that holds it. ``stack``: int32[depth, 5] and ``state``:
    int64[STATE_FIELDS] are the parser's own, but for ``state[META_AT:]``, the rows META_TITLE and so on.
    """

    nodes: npt.NDArray[np.int32]
    words: Int64s
    events: Int32s
    runs: npt.NDArray[np.int32]
    stack: npt.NDArray[np.int32]
    state: Int64s


def tree_for(page_bytes: int) -> Tree:
    """Room for a page of up to that many bytes."""
    tags = page_bytes // 3 + 2
    nodes, runs = min(tags, MAX_NODES), min(tags, MAX_RUNS)
    return Tree(
        nodes=np.empty((nodes, NODE_FIELDS), np.int32),
        words=np.empty(nodes, np.int64),
        events=np.empty(2 * nodes + 2 * runs + 2, np.int32),
        runs=np.empty((runs, 3), np.int32),
        stack=np.empty((nodes + 1, 5), np.int32),
        state=np.empty(STATE_FIELDS, np.int64),
    )


_WORD_DISPLAY = np.frombuffer(b"display", np.uint8)
_WORD_VISIBILITY = np.frombuffer(b"visibility", np.uint8)
_WORD_WHITE_SPACE = np.frombuffer(b"white-space", np.uint8)
_WORD_PRE = np.frombuffer(b"pre", np.uint8)
_WORD_BLOB_CODE = np.frombuffer(b"blob-code", np.uint8)
_WORD_LINE_OF_CODE = np.frombuffer(b"hljs-ln-line", np.uint8)
_WORD_NONE = np.frombuffer(b"none", np.uint8)
_WORD_HIDDEN = np.frombuffer(b"hidden", np.uint8)
_WORD_TRUE = np.frombuffer(b"true", np.uint8)
_WORD_BLOCK = np.frombuffer(b"block", np.uint8)
_WORD_TEX = np.frombuffer(b"tex", np.uint8)
_WORD_LATEX = np.frombuffer(b"latex", np.uint8)
_WORD_MATH_TEX = np.frombuffer(b"math/tex", np.uint8)
_WORD_TEMPLATE = np.frombuffer(b"text/template", np.uint8)
_WORD_LD_JSON = np.frombuffer(b"application/ld+json", np.uint8)
_WORD_JAVASCRIPT = np.frombuffer(b"javascript:", np.uint8)


@kernel
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 12


@kernel
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@kernel
def _begins_with(data: Bytes, start: int, end: int, word: Bytes) -> bool:
    """Whether the bytes from ``start`` on are ``word`` (in lower case), letters in either case."""
    if end - start < len(word):
        return False
    for place in range(len(word)):
        if _lower(data[start + place]) != word[place]:
            return False
    return True


@kernel
def _contains(data: Bytes, start: int, end: int, word: Bytes) -> bool:
    """Whether ``word`` occurs. O((end - start) · len(word)); ``end - start`` is limited by the callers."""
    for at in range(start, end - len(word) + 1):
        if _begins_with(data, at, end, word):
            return True
    return False


@kernel
def _slot(first: int, second: int) -> np.int64:
    mixed = (first * np.uint64(0x9E3779B97F4A7C15)) ^ (second * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(64 - SLOT_BITS))


@kernel
def _lookup(tables: Tables, first: int, second: int, kind: int) -> np.int64:
    """Number of a name of that kind, 0 if there is none."""
    second ^= kind
    slot = _slot(first, second)
    while tables.numbers[slot] != 0:
        if tables.keys[0, slot] == first and tables.keys[1, slot] == second:
            return np.int64(tables.numbers[slot])
        slot = (slot + 1) & (SLOTS - 1)
    return np.int64(0)


@kernel
def _name(data: Bytes, at: int, end: int, is_attribute: bool) -> tuple[int, np.uint64, np.uint64]:
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


@kernel
def _meta_row(data: Bytes, start: int, end: int, tables: Tables) -> int:
    """Row of a name of ``<meta>``, 0 if it has none."""
    value = np.uint64(0xCBF29CE484222325)
    for at in range(start, end):
        value = (value ^ np.uint64(_lower(data[at]))) * np.uint64(0x100000001B3)
    return _lookup(tables, value, np.uint64(end - start), K_META)


@kernel
def words_of(data: Bytes, start: int, end: int, tables: Tables) -> np.int64:
    """Bits of the words in a class or id. O(bytes), of which ``MAX_NAME_BYTES`` are looked at."""
    end = min(end, start + MAX_NAME_BYTES)
    found = np.int64(0)
    begin = np.int64(tables.start[NAMES])
    state, before, was_lower = begin, 0, False
    for at in range(start, end + 1):
        byte = 32 if at == end else data[at]
        symbol = tables.symbol[NAMES, byte]
        if symbol == 0:
            if before != 0:
                state = np.int64(tables.step[state, 0])
                found |= tables.found[state]
            if _is_space(byte):
                state = begin
        else:
            if was_lower and byte <= 90:
                state = np.int64(tables.step[state, 0])
                found |= tables.found[state]
            state = np.int64(tables.step[state, symbol])
            found |= tables.found[state]
        before, was_lower = symbol, byte >= 97 and symbol != 0
    return found


@kernel
def _style_flags(data: Bytes, start: int, end: int) -> int:
    """What a style attribute says by ``display: none``, ``visibility: hidden`` and ``white-space: pre``."""
    end = min(end, start + MAX_NAME_BYTES)
    at, flags = start, 0
    while at < end:
        while at < end and (_is_space(data[at]) or data[at] == 59):
            at += 1
        display = _begins_with(data, at, end, _WORD_DISPLAY)
        white_space = _begins_with(data, at, end, _WORD_WHITE_SPACE)
        if display or white_space or _begins_with(data, at, end, _WORD_VISIBILITY):
            at += 7 if display else 11 if white_space else 10
            while at < end and (_is_space(data[at]) or data[at] == 58):
                at += 1
            if white_space:
                is_whole = at + 3 >= end or data[at + 3] == 59 or data[at + 3] == 33 or _is_space(data[at + 3])
                flags |= F_PRE if is_whole and _begins_with(data, at, end, _WORD_PRE) else 0
            elif _begins_with(data, at, end, _WORD_NONE if display else _WORD_HIDDEN):
                flags |= F_HIDDEN
        while at < end and data[at] != 59:
            at += 1
    return flags


@kernel
def _meanings(data: Bytes, start: int, end: int, tables: Tables) -> int:
    """What the words of a role or itemprop say, as flags."""
    end = min(end, start + MAX_NAME_BYTES)
    flags = 0
    while start < end:
        if _is_space(data[start]):
            start += 1
            continue
        start, first, second = _name(data, start, end, False)
        flags |= _lookup(tables, first, second, K_VALUE)
        start += 1
    return flags << 8


@kernel
def _attributes(data: Bytes, at: int, end: int, tree: Tree, tables: Tables) -> int:
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
        number = _lookup(tables, first, second, K_ATTRIBUTE)
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
            tree.state[_RANGES + 2 * number], tree.state[_RANGES + 2 * number + 1] = start, stop
    return -1


@inlined
def _has(tree: Tree, attribute: int) -> bool:
    return (tree.state[_SEEN] >> attribute) & 1 == 1


@kernel
def _flags(data: Bytes, tag: int, tree: Tree, tables: Tables) -> int:
    """What the attributes of a start tag say."""
    state = tree.state
    flags = F_HIDDEN if _has(tree, HIDDEN) else 0
    if _has(tree, STYLE_ATTRIBUTE):
        flags |= _style_flags(data, state[_RANGES + 2 * STYLE_ATTRIBUTE], state[_RANGES + 2 * STYLE_ATTRIBUTE + 1])
    if tag == TD and _has(tree, CLASS):
        start, end = state[_RANGES + 2 * CLASS], state[_RANGES + 2 * CLASS + 1]
        if _begins_with(data, start, end, _WORD_BLOB_CODE) or _begins_with(data, start, end, _WORD_LINE_OF_CODE):
            flags |= F_PRE
    if _has(tree, ARIA_HIDDEN) and _begins_with(
        data, state[_RANGES + 2 * ARIA_HIDDEN], state[_RANGES + 2 * ARIA_HIDDEN + 1], _WORD_TRUE
    ):
        flags |= F_ARIA_HIDDEN
    if _has(tree, ROLE):
        flags |= _meanings(data, state[_RANGES + 2 * ROLE], state[_RANGES + 2 * ROLE + 1], tables)
    if _has(tree, ITEMPROP):
        flags |= _meanings(data, state[_RANGES + 2 * ITEMPROP], state[_RANGES + 2 * ITEMPROP + 1], tables)
    if tag == A and _has(tree, HREF):
        start, end = state[_RANGES + 2 * HREF], state[_RANGES + 2 * HREF + 1]
        flags |= F_LINK
        if (end > start and data[start] == 35) or _begins_with(data, start, end, _WORD_JAVASCRIPT):
            flags |= F_LOCAL
    return flags


@kernel
def _words(data: Bytes, tag: int, tree: Tree, tables: Tables) -> np.int64:
    """Groups of words in class and id. MathJax's container of a formula holds its source, too: it is not the glyphs."""
    found = np.int64(0)
    if _has(tree, CLASS):
        found |= words_of(data, tree.state[_RANGES + 2 * CLASS], tree.state[_RANGES + 2 * CLASS + 1], tables)
    if _has(tree, ID):
        found |= words_of(data, tree.state[_RANGES + 2 * ID], tree.state[_RANGES + 2 * ID + 1], tables)
    return found & ~np.int64(W_RENDERED_MATH) if tag == MJX_CONTAINER else found


@kernel
def _names_tex(data: Bytes, start: int, end: int) -> bool:
    """Whether the name of an encoding is that of TeX: ``application/x-tex``, ``LaTeX``, but not ``text/plain``."""
    for at in range(start, min(end, start + 64)):
        if _begins_with(data, at, end, _WORD_TEX) and (at + 3 >= end or _lower(data[at + 3]) != 116):
            return True
    return False


@kernel
def _tex_flags(data: Bytes, tag: int, words: int, tree: Tree) -> tuple[int, int]:
    """Flags of an element that holds a formula, and the attribute that its value is (0 if none)."""
    state = tree.state
    shown = F_DISPLAY if words & W_DISPLAY else 0
    first, last = state[_RANGES + 2 * DISPLAY], state[_RANGES + 2 * DISPLAY + 1]
    if tag == MJX_CONTAINER:
        return F_DISPLAY if _has(tree, DISPLAY) and _begins_with(data, first, last, _WORD_TRUE) else 0, 0
    if tag == MATH:
        block = _has(tree, DISPLAY) and _begins_with(data, first, last, _WORD_BLOCK)
        mode = _has(tree, MODE) and _begins_with(
            data, state[_RANGES + 2 * MODE], state[_RANGES + 2 * MODE + 1], _WORD_DISPLAY
        )
        return F_DISPLAY if block or mode else 0, ALTTEXT if _has(tree, ALTTEXT) else 0
    if tag == ANNOTATION and _has(tree, ENCODING):
        is_tex = _names_tex(data, state[_RANGES + 2 * ENCODING], state[_RANGES + 2 * ENCODING + 1])
        return F_TEX if is_tex else 0, 0
    if tag == IMG and _has(tree, ALT) and state[_RANGES + 2 * ALT + 1] > state[_RANGES + 2 * ALT]:
        start, end = (
            state[_RANGES + 2 * SRC],
            min(state[_RANGES + 2 * SRC + 1], state[_RANGES + 2 * SRC] + MAX_NAME_BYTES),
        )
        if words & W_MATH or (_has(tree, SRC) and _contains(data, start, end, _WORD_LATEX)):
            return F_TEX | shown, ALT
    for attribute in (DATA_TEX, DATA_LATEX):
        if _has(tree, attribute) and state[_RANGES + 2 * attribute + 1] > state[_RANGES + 2 * attribute]:
            return F_TEX | shown, attribute
    return 0, HREF if tag == A and _has(tree, HREF) else START if tag == OL and _has(tree, START) else 0


@kernel
def _event(tree: Tree, code: int) -> None:
    """Note an event. There is room for those of all elements and runs, and for as many others as runs."""
    if code < 0:
        if tree.state[_MARKS] >= len(tree.runs):
            return
        tree.state[_MARKS] += 1
    tree.events[tree.state[_EVENTS]] = code
    tree.state[_EVENTS] += 1


@kernel
def _node(data: Bytes, tag: int, kind: int, tree: Tree, tables: Tables) -> int:
    """A new element with its flags, words and value, below the innermost open one."""
    node = tree.state[_NODES]
    above = tree.state[_DEPTH] - 1
    parent = tree.stack[above, _STACK_NODE]
    tree.state[_NODES] += 1
    words = _words(data, tag, tree, tables)
    flags, attribute = _tex_flags(data, tag, words, tree)
    row = tree.nodes[node]
    row[PARENT], row[TAG], row[LAST] = parent, tag, node
    row[FLAGS] = flags | _flags(data, tag, tree, tables)
    row[VALUE] = tree.state[_RANGES + 2 * attribute] if attribute else 0
    row[VALUE_END] = tree.state[_RANGES + 2 * attribute + 1] if attribute else 0
    if tag == MFENCED:
        row[VALUE] = tree.state[_RANGES + 2 * OPENER] if _has(tree, OPENER) else 0
        row[VALUE_END] = tree.state[_RANGES + 2 * CLOSER] if _has(tree, CLOSER) else 0
    row[OPENED] = row[CLOSED] = tree.state[_EVENTS]
    row[HOLDER] = node if kind & BLOCK else tree.stack[tree.stack[above, _STACK_BLOCK], _STACK_NODE]
    tree.words[node] = words
    _event(tree, node << 2 | OPEN)
    return node


@kernel
def _push(data: Bytes, tag: int, kind: int, tree: Tree, tables: Tables) -> bool:
    """Open an element; inside of one that is never text it gets a place on the stack, but no node.

    Returns whether there was room for it.
    """
    place = tree.state[_DEPTH]
    if place >= len(tree.stack):
        return False
    above = tree.stack[place - 1]
    node = -1
    if kind & NEVER and tree.state[_NEVER_AT] < 0:
        tree.state[_NEVER_AT] = place
        if kind & BLOCK:
            _event(tree, BOUNDARY)
    if tree.state[_NEVER_AT] < 0:
        if tree.state[_NODES] >= len(tree.nodes):
            tree.state[_IS_FULL] = 1
            return False
        node = _node(data, tag, kind, tree, tables)
        tree.state[_GUTTERS] += 1 if tree.words[node] & W_GUTTER else 0
    row = tree.stack[place]
    row[_STACK_NODE] = node if node >= 0 else above[_STACK_NODE]
    row[_STACK_TAG] = tag
    row[_STACK_SAME] = tree.state[_LOWEST + tag]
    row[_STACK_BLOCK] = place if kind & BLOCK else above[_STACK_BLOCK]
    row[_STACK_SCOPE] = place if kind & SCOPE else above[_STACK_SCOPE]
    tree.state[_LOWEST + tag] = place
    tree.state[_DEPTH] += 1
    return True


@kernel
def _numbers_lines(tree: Tree, node: int) -> bool:
    """Whether an element with such a name numbers lines of code: it has digits only, and is in code or beside it."""
    if tree.state[_LETTERS] >= tree.nodes[node, OPENED] or tree.nodes[node, TAG] == PRE:
        return False
    for inner in range(node + 1, min(tree.nodes[node, LAST], node + 3) + 1):
        if tree.nodes[inner, TAG] == PRE:
            return True
    for _ in range(8):
        node = max(tree.nodes[node, PARENT], 0)
        if tree.nodes[node, TAG] == PRE or tree.nodes[node, TAG] == CODE or tree.words[node] & W_CODE:
            return True
    return False


@kernel
def _pop(tree: Tree) -> None:
    """Close the innermost element. A link that something else closes goes on in the next block."""
    place = tree.state[_DEPTH] - 1
    row = tree.stack[place]
    tag = row[_STACK_TAG]
    tree.state[_LOWEST + tag] = row[_STACK_SAME]
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
    if tree.words[node] & W_GUTTER:
        tree.state[_GUTTERS] -= 1
        tree.nodes[node, FLAGS] |= F_HIDDEN if _numbers_lines(tree, node) else 0
    _event(tree, node << 2 | CLOSE)
    if tag == A and tree.nodes[node, FLAGS] & F_LINK:
        tree.state[_LINK] = 1


@kernel
def _pop_to(tree: Tree, place: int) -> None:
    """Close everything down to that place of the stack, it included. Amortized O(1): each push is undone once."""
    while tree.state[_DEPTH] > place:
        _pop(tree)


@kernel
def _break_out(tag: int, kind: int, tree: Tree) -> None:
    """End what has no such element in it: ``<select>`` and, but for their HTML parts, SVG and MathML (13.2.6.5)."""
    state = tree.state
    scope = tree.stack[state[_DEPTH] - 1, _STACK_SCOPE]
    if (kind & (CLOSES_P | CELL | TABLE_PART) or tag == INPUT) and state[_LOWEST + SELECT] > scope:
        _pop_to(tree, state[_LOWEST + SELECT])
    if kind & CLOSES_P:
        if state[_LOWEST + SVG] > max(scope, state[_LOWEST + FOREIGNOBJECT]):
            _pop_to(tree, state[_LOWEST + SVG])
        html = max(state[_LOWEST + MTEXT], state[_LOWEST + ANNOTATION_XML])
        if state[_LOWEST + MATH] > max(max(scope, state[_NEVER_AT]), html):
            _pop_to(tree, state[_LOWEST + MATH])


@kernel
def _clear_table(tag: int, kind: int, tree: Tree) -> None:
    """End the cells, rows and groups that the start of another part of the innermost table ends (13.2.6.4.9 to .14)."""
    state = tree.state
    floor = max(state[_NEVER_AT], 0)
    table = state[_LOWEST + TABLE]
    if table <= floor:
        same = max(state[_LOWEST + TD], state[_LOWEST + TH]) if kind & CELL else state[_LOWEST + tag]
        if same > floor:
            _pop_to(tree, same)
        return
    if tag == TR or kind & CELL:
        table = max(max(table, state[_LOWEST + TBODY]), max(state[_LOWEST + THEAD], state[_LOWEST + TFOOT]))
    if kind & CELL:
        table = max(table, state[_LOWEST + TR])
    _pop_to(tree, table + 1)


@kernel
def _imply_ends(tag: int, kind: int, tree: Tree) -> None:
    """End what a start tag ends without saying so (13.2.6.4.7)."""
    state = tree.state
    if state[_IS_FULL] and state[_NEVER_AT] < 0:
        return
    _break_out(tag, kind, tree)
    scope = tree.stack[state[_DEPTH] - 1, _STACK_SCOPE]
    floor = max(scope, state[_NEVER_AT])
    if kind & CLOSES_P and state[_LOWEST + P] > floor:
        _pop_to(tree, state[_LOWEST + P])
    if tag == LI:
        if state[_LOWEST + LI] > max(floor, max(state[_LOWEST + UL], state[_LOWEST + OL])):
            _pop_to(tree, state[_LOWEST + LI])
    elif tag == DT or tag == DD:
        item = max(state[_LOWEST + DT], state[_LOWEST + DD])
        if item > max(floor, state[_LOWEST + DL]):
            _pop_to(tree, item)
    elif kind & (CELL | TABLE_PART):
        _clear_table(tag, kind, tree)
    elif tag == BUTTON:
        if state[_LOWEST + BUTTON] > scope and state[_LOWEST + BUTTON] >= state[_NEVER_AT]:
            _pop_to(tree, state[_LOWEST + BUTTON])
    elif tag == A:
        if state[_NEVER_AT] < 0 or state[_LOWEST + A] > state[_NEVER_AT]:
            _end_link(tree)
    elif kind & HEADING:
        top = tree.stack[state[_DEPTH] - 1]
        if H1 <= top[_STACK_TAG] < H1 + 6:
            _pop(tree)


@kernel
def _end_link(tree: Tree) -> None:
    """Text from here on is not linked. Where blocks are open inside of the link, it stays open, but says nothing."""
    tree.state[_LINK] = 0
    place = tree.state[_LOWEST + A]
    if place >= 0:
        top = tree.stack[tree.state[_DEPTH] - 1]
        if place > top[_STACK_BLOCK]:
            _pop_to(tree, place)
            tree.state[_LINK] = 0
        elif place > top[_STACK_SCOPE]:
            tree.state[_LINK_OFF] = place


@kernel
def _end_tag(tag: int, kind: int, tree: Tree) -> None:
    """Close the element that an end tag means, if there is one in scope."""
    state = tree.state
    top = tree.stack[tree.state[_DEPTH] - 1]
    place = state[_LOWEST + tag]
    if state[_IS_FULL] and (state[_NEVER_AT] < 0 or place < state[_NEVER_AT]):
        return
    if tag == A:
        _end_link(tree)
        return
    if kind & HEADING:
        for other in range(H1, H1 + 6):
            place = max(place, state[_LOWEST + other])
    if place <= 0:
        return
    if tag == TABLE:
        bound = 0
    elif kind & (CELL | TABLE_PART):
        bound = state[_LOWEST + TABLE]
    elif tag == LI:
        bound = max(top[_STACK_SCOPE], max(state[_LOWEST + UL], state[_LOWEST + OL]))
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


@kernel
def _copy_range(tree: Tree, row: int, attribute: int) -> None:
    tree.state[META_AT + 2 * row], tree.state[META_AT + 2 * row + 1] = (
        tree.state[_RANGES + 2 * attribute],
        tree.state[_RANGES + 2 * attribute + 1],
    )


@kernel
def _note_meta(data: Bytes, tree: Tree, tables: Tables) -> None:
    """Note the content of a ``<meta>`` that says what the page is; the first of each kind counts."""
    if not _has(tree, CONTENT) or tree.state[_RANGES + 2 * CONTENT] == tree.state[_RANGES + 2 * CONTENT + 1]:
        return
    for attribute in (PROPERTY, NAME, ITEMPROP, HTTP_EQUIV):
        if _has(tree, attribute):
            start = tree.state[_RANGES + 2 * attribute]
            end = min(tree.state[_RANGES + 2 * attribute + 1], start + MAX_NAME_BYTES)
            field = _meta_row(data, start, end, tables)
            if field and tree.state[META_AT + 2 * field + 1] == 0:
                _copy_range(tree, field, CONTENT)


@kernel
def _note_attributes(tag: int, tree: Tree, flags: int) -> None:
    """Note what other elements say about the page: its language and ``<time>``."""
    if tag == HTML:
        for attribute in (LANG, XML_LANG):
            if _has(tree, attribute) and tree.state[META_AT + 2 * META_LANGUAGE + 1] == 0:
                _copy_range(tree, META_LANGUAGE, attribute)
    elif tag == TIME and _has(tree, DATETIME):
        row = META_TIME if flags & F_DATE else META_FIRST_TIME
        if tree.state[META_AT + 2 * row + 1] == 0:
            _copy_range(tree, row, DATETIME)


@kernel
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


@kernel
def _raw_content(data: Bytes, tag: int, start: int, end: int, tree: Tree, tables: Tables) -> None:
    """Note the content of an element whose content is not markup."""
    if tag == TITLE:
        if tree.state[META_AT + 2 * META_TITLE + 1] == 0 and tree.state[_LOWEST + SVG] < 0:
            tree.state[META_AT + 2 * META_TITLE], tree.state[META_AT + 2 * META_TITLE + 1] = start, end
    elif tag == SCRIPT and _has(tree, TYPE):
        first, last = tree.state[_RANGES + 2 * TYPE], tree.state[_RANGES + 2 * TYPE + 1]
        if _begins_with(data, first, last, _WORD_MATH_TEX):
            if tree.state[_NEVER_AT] < 0 and tree.state[_NODES] < len(tree.nodes):
                shown = _contains(data, first, min(last, first + MAX_NAME_BYTES), _WORD_DISPLAY)
                node = _node(data, tag, np.int64(0), tree, tables)
                tree.nodes[node, FLAGS] = F_TEX | (F_DISPLAY if shown else 0)
                tree.nodes[node, VALUE], tree.nodes[node, VALUE_END] = start, end
                tree.nodes[node, CLOSED] = tree.state[_EVENTS]
                _event(tree, node << 2 | CLOSE)
        elif _begins_with(data, first, last, _WORD_LD_JSON):
            for row in range(META_JSON, META_ROWS):
                if tree.state[META_AT + 2 * row + 1] == 0:
                    tree.state[META_AT + 2 * row], tree.state[META_AT + 2 * row + 1] = start, end
                    break


@kernel
def _start_tag(data: Bytes, tag: int, kind: int, tree: Tree, tables: Tables) -> None:
    """Apply a start tag whose attributes have been read, but for raw text."""
    if tag == META:
        _note_meta(data, tree, tables)
        return
    if tag == HTML or tag == BODY or tag == HEAD:
        _note_attributes(tag, tree, np.int64(0))
        return
    _imply_ends(tag, kind, tree)
    if kind & VOID:
        if tree.state[_NEVER_AT] < 0:
            if tag == BR or tag == HR:
                _event(tree, BREAK if tag == BR else RULE)
            elif tag == IMG and _has(tree, ALT) and tree.state[_NODES] < len(tree.nodes):
                node = _node(data, tag, kind, tree, tables)
                tree.nodes[node, CLOSED] = tree.state[_EVENTS]
                _event(tree, node << 2 | CLOSE)
        return
    foreign = tree.state[_LOWEST + SVG] >= 0 or tree.state[_LOWEST + MATH] >= 0 or tag == SVG or tag == MATH
    if not _push(data, tag, kind, tree, tables):
        return
    if tag == TIME and tree.state[_NEVER_AT] < 0:
        _note_attributes(tag, tree, np.int64(tree.nodes[tree.state[_NODES] - 1, FLAGS]))
    if foreign and tree.state[_SELF]:
        _pop(tree)


@kernel
def _is_number(data: Bytes, start: int, end: int) -> bool:
    """Whether text has digits and white space only."""
    for at in range(start, end):
        if not (48 <= data[at] <= 57 or _is_space(data[at])):
            return False
    return True


@kernel
def _text(data: Bytes, tree: Tree, start: int, end: int) -> None:
    """Note a run of text, linked or not."""
    if tree.state[_NEVER_AT] >= 0 or tree.state[_RUNS] >= len(tree.runs):
        return
    place = tree.state[_LOWEST + A]
    linked = tree.state[_LINK] == 1
    if place >= 0 and tree.state[_LINK_OFF] != place:
        linked = linked or tree.nodes[tree.stack[place, _STACK_NODE], FLAGS] & F_LINK != 0
    run = tree.state[_RUNS]
    tree.runs[run, 0], tree.runs[run, 1] = start, end
    tree.runs[run, 2] = tree.stack[tree.stack[tree.state[_DEPTH] - 1, _STACK_BLOCK], _STACK_NODE]
    tree.state[_RUNS] += 1
    if tree.state[_GUTTERS] > 0 and not _is_number(data, start, end):
        tree.state[_LETTERS] = tree.state[_EVENTS]
    _event(tree, run << 2 | (LINKED_TEXT if linked else TEXT))


@kernel
def _skip_markup(data: Bytes, at: int, end: int) -> int:
    """Place behind a comment, doctype or processing instruction whose ``<`` is at ``at``."""
    if at + 3 < end and data[at + 1] == _BANG and data[at + 2] == _MINUS and data[at + 3] == _MINUS:
        at += 4
        if at < end and data[at] == _GT:
            return at + 1
        if at + 1 < end and data[at] == _MINUS and data[at + 1] == _GT:
            return at + 2
        first = at
        while at < end:
            if data[at] == _GT and at >= first + 2:
                if data[at - 1] == _MINUS and data[at - 2] == _MINUS:
                    return at + 1
                is_old = data[at - 1] == _BANG and data[at - 2] == _MINUS and data[at - 3] == _MINUS
                if is_old and at >= first + 3:
                    return at + 1
            at += 1
        return end
    while at < end and data[at] != _GT:
        at += 1
    return at + 1


@kernel
def _tag_number(first: int, second: int, tables: Tables) -> int:
    number = _lookup(tables, first, second, K_TAG)
    return number if number else len(TAGS) + (_slot(first, second) & (UNKNOWN_BUCKETS - 1))


@kernel
def _reset(tree: Tree) -> None:
    for place in range(STATE_FIELDS):
        tree.state[place] = -1 if _LOWEST <= place < _UNCLOSED else 0
    tree.state[_LINK_OFF] = tree.state[_NEVER_AT] = tree.state[_LETTERS] = -1
    for column in range(NODE_FIELDS):
        tree.nodes[0, column] = 0
    tree.nodes[0, PARENT] = -1
    tree.words[0] = 0
    for column in range(5):
        tree.stack[0, column] = 0
    tree.stack[0, _STACK_SAME] = -1
    tree.state[_NODES] = tree.state[_DEPTH] = 1
    _event(tree, np.int64(OPEN))


@kernel
def _is_written_template(data: Bytes, tree: Tree) -> bool:
    """Whether a script is the text of an article that the page shows by script, as Blogger's themes have it."""
    if not _has(tree, TYPE):
        return False
    first, last = tree.state[_RANGES + 2 * TYPE], tree.state[_RANGES + 2 * TYPE + 1]
    node = tree.stack[tree.state[_DEPTH] - 1, _STACK_NODE]
    is_body = tree.nodes[node, FLAGS] & F_BODY or tree.words[node] & W_BODY
    return is_body != 0 and _begins_with(data, first, last, _WORD_TEMPLATE)


@kernel
def _tag(data: Bytes, at: int, end: int, tree: Tree, tables: Tables) -> int:
    """Read one tag whose ``<`` is at ``at`` and apply it; returns the place behind it, or ``end`` if it has none."""
    is_end = data[at + 1] == _SLASH
    start = at + 2 if is_end else at + 1
    at, first, second = _name(data, start, end, False)
    length = at - start
    tag = _tag_number(first, second, tables)
    kind = np.int64(tables.kinds[tag])
    at = _attributes(data, at, end, tree, tables)
    if at < 0:
        return end
    if is_end:
        if tag == BR:
            _start_tag(data, tag, kind, tree, tables)
        else:
            _end_tag(tag, kind, tree)
        return at
    if tag == SCRIPT and _is_written_template(data, tree):
        return at
    if kind & RAW and tree.state[_UNCLOSED + tag] == 0:
        close = _raw_end(data, at, end, start, length)
        if close < 0 and tag != SCRIPT and tag != STYLE:
            tree.state[_UNCLOSED + tag] = 1
            return at
        if close < 0:
            return end
        if kind & BLOCK and tree.state[_NEVER_AT] < 0:
            _event(tree, BOUNDARY)
        _raw_content(data, tag, at, close, tree, tables)
        return close
    if kind & RAW == 0:
        _start_tag(data, tag, kind, tree, tables)
    return at


@kernel
def parse(data: Bytes, tree: Tree, tables: Tables) -> tuple[int, int, int]:
    """Fill ``tree`` from a page; returns the numbers of nodes, events and runs. O(bytes).

    Node 0 is the document; elements follow in the order of their start tags, so that the descendants of node i are
    i + 1 … nodes[i, LAST].
    """
    _reset(tree)
    at, text, end = np.int64(0), np.int64(0), np.int64(len(data))
    while at < end:
        if data[at] != _LT:
            at += 1
            continue
        following = data[at + 1] if at + 1 < end else 32
        is_end = following == _SLASH
        letter = _lower(data[at + 2]) if is_end and at + 2 < end else _lower(following)
        is_tag = 97 <= letter <= 122
        if not (is_tag or is_end or following == _BANG or following == _QUESTION):
            at += 1
            continue
        if at > text:
            _text(data, tree, text, at)
        at = _tag(data, at, end, tree, tables) if is_tag else _skip_markup(data, at, end)
        text = at
    if end > text:
        _text(data, tree, text, end)
    _pop_to(tree, np.int64(0))
    return tree.state[_NODES], tree.state[_EVENTS], tree.state[_RUNS]
