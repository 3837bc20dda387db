"""Wikitext as plain text by recursive descent: the twin of ``stages.kernels.wikitext``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.entities import html5

from stages.kernels.wikitext_names import (
    BLOCK,
    BREAK,
    CONSTANTS,
    DROPPED,
    FORMULA,
    PREFIXES,
    REFERENCE,
    TAGS,
    TEMPLATES,
    VERBATIM,
    folded,
)

SPACE = b" \t\n\v\f\r"
HOLLOW = b" \t,;:/"
TABLE = "table text"

_TAG = re.compile(rb"<(/?)([A-Za-z][A-Za-z0-9]{0,19})(?=[>/ \t\n\v\f\r])[^<>]*>")
_ENTITY = re.compile(rb"&(?:#([0-9]+)|#[xX]([0-9A-Fa-f]+)|([0-9A-Za-z]+));")
_URL = re.compile(rb"\[(?:https?://|ftp://|//|mailto:|news:|irc://)[^ \t\n\[\]<>\"{}|]*[ ]*", re.I)


@dataclass
class Node:
    """A piece of the row; with children where it is something that opens and closes."""

    kind: str
    start: int
    end: int
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    close: tuple[int, int] = (0, 0)
    matched: bool = False
    pipes: int = 0
    first: Node | None = None
    last: Node | None = None
    value: object = None
    content: tuple[int, int] = (0, 0)

    def ancestors(self) -> list[Node]:
        """Itself and what it is in, without the row."""
        return [] if self.parent is None else [self, *self.parent.ancestors()]


Signal = tuple[Node, bool] | None


class Parser:
    """Makes a tree of a row. A signal says which open node is closed (True) or to be gone back to (False)."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.pos = 0
        self.at_line = True
        self.external = -1
        self.header = False
        self.title: tuple[int, int] | None = None
        self.missing: set[bytes] = set()
        self.root = Node("row", 0, 0, close=(len(text), len(text)))
        self.body(self.root)

    def body(self, node: Node) -> Signal:
        while self.pos < len(self.text):
            signal = self.line_start(node) if self.at_line else self.step(node)
            if signal is not None and signal != (node, False):
                return signal
        return None

    def leaf(self, node: Node, kind: str, size: int, value: object = None) -> Node:
        last = node.children[-1] if node.children else None
        if last is not None and kind == last.kind == "text" and last.end == self.pos:
            last.end += size
            self.pos += size
            return last
        found = Node(kind, self.pos, self.pos + size, value=value)
        node.children.append(found)
        self.pos += size
        return found

    def open(self, node: Node, kind: str, size: int, value: object = None) -> Signal:
        child = Node(kind, self.pos, self.pos + size, node, value=value)
        self.pos += size
        signal = self.body(child)
        if signal == (child, True):
            child.matched = True
            node.children.append(child)
            return None
        node.children += [Node(kind if kind == "table" else "literal", child.start, child.end), *child.children]
        return signal

    def closed(self, node: Node, size: int) -> Signal:
        node.close = (self.pos, self.pos + size)
        self.pos += size
        return node, True

    def line_start(self, node: Node) -> Signal:
        text, line = self.text, self.text[self.pos :].split(b"\n")[0]
        self.at_line, self.header, self.external, self.title = False, False, -1, None
        level, title_end = heading(line)
        if level:
            self.title = (self.pos + title_end, self.pos + len(line))
            self.leaf(node, "heading", level, level).content = (self.pos + level, self.title[0])
            return None
        if run := re.match(rb"[*#:;]+", line):
            self.leaf(node, "list", run.end(), line[run.end() - 1 : run.end()])
        elif run := re.match(rb"-{4,}", line):
            self.leaf(node, "gone", run.end())
            return None
        spaces = len(re.match(rb" *", text[self.pos :]).group())  # type: ignore[union-attr]
        here = text[self.pos + spaces :]
        open_nodes = node.ancestors()
        if here.startswith(b"{|") and not here.startswith(b"{|}"):
            return self.open(node, "table", spaces + 2)
        if here.startswith(b"|") and not open_nodes:
            self.leaf(node, "junk", spaces + 1)
        elif here.startswith((b"|", b"!")):
            block = next((one for one in open_nodes if one.kind in ("template", "table")), None)
            if block is not None and block.kind == "table":
                if here.startswith(b"|}"):
                    return self.closed(block, spaces + 2)
                if here.startswith(b"|-"):
                    if block is not node:
                        self.at_line = True
                        return block, False
                    self.leaf(node, "row_start", spaces + 2)
                elif node.kind == "table":
                    caption = here.startswith(b"|+")
                    self.header = here.startswith(b"!")
                    self.leaf(node, "cell", spaces + 1 + caption, caption)
        return None

    def step(self, node: Node) -> Signal:
        text, pos = self.text, self.pos
        here = text[pos : pos + 200_000]
        if self.title is not None and pos == self.title[0]:
            self.leaf(node, "heading_end", self.title[1] - pos)
            self.title = None
        elif here.startswith(b"\n"):
            self.leaf(node, "newline", 1)
            self.at_line = True
        elif run := re.match(rb"'+", here):
            self.leaf(node, "quotes" if run.end() > 1 else "text", run.end())
        elif re.match(rb"\[\[(?!\[)", here):
            return self.open(node, "link", 2)
        elif url := _URL.match(here):
            self.leaf(node, "gone", url.end())
            self.external = len(node.ancestors())
        elif here.startswith(b"]") and self.external == len(node.ancestors()):
            self.leaf(node, "gone", 1)
            self.external = -1
        elif here.startswith(b"]]") and node.kind == "link":
            return self.closed(node, 2)
        elif run := re.match(rb"\{{2,}", here):
            odd = run.end() % 2 == 1
            return self.open(node, "template", 3 if odd else 2, None if odd else template(here[2:]))
        elif here.startswith(b"}}") and (found := [one for one in node.ancestors() if one.kind == "template"]):
            wide = found[0].end - found[0].start == 3 and here.startswith(b"}}}")
            return self.closed(found[0], 3 if wide else 2)
        elif here.startswith(b"}-") and node.kind == "conversion":
            return self.closed(node, 2)
        elif re.match(rb"-\{(?!\{)", here):
            return self.open(node, "conversion", 2)
        else:
            self.small(node, here)
        return None

    def small(self, node: Node, here: bytes) -> None:
        """Tokens that neither open nor close."""
        if node.kind == "table" and here.startswith((b"||", b"!!") if self.header else b"||"):
            self.leaf(node, "cell", 2, False)
        elif here.startswith(b"|") and node is not self.root:
            self.pipe(node, self.leaf(node, "pipe", 1))
        elif here.startswith(b";") and node.kind == "conversion" and node.last is None:
            node.last = self.leaf(node, "pipe", 1)
        elif (found := _ENTITY.match(here)) and (decoded := entity(found)) is not None:
            self.leaf(node, "entity", found.end(), decoded)
        elif run := re.match(rb"_+", here):
            word = re.match(rb"__(?!_)[A-Z]+__", here)
            self.leaf(node, "gone" if word else "text", word.end() if word else run.end())
        elif here.startswith(b"<!--"):
            end = self.text.find(b"-->", self.pos + 4)
            self.leaf(node, "gone", (len(self.text) if end < 0 else end + 3) - self.pos)
        elif (tag := _TAG.match(here)) and tag.group(2).lower().decode() in TAGS:
            self.tag(node, tag)
        elif mark := re.match(rb"[(]|\xef\xbc\x88", here):
            self.leaf(node, "parenthesis", mark.end())
        elif mark := re.match(rb"[)]|\xef\xbc\x89", here):
            self.leaf(node, "parenthesis_end", mark.end())
        else:
            self.leaf(node, "text", 1)

    def pipe(self, node: Node, pipe: Node) -> None:
        node.pipes += 1
        if isinstance(node.value, tuple):
            if node.pipes == node.value[0]:
                node.first = pipe
            if node.pipes == node.value[1] + 1:
                node.last = pipe
        elif node.kind in ("link", "conversion") and node.pipes == 1:
            node.first = pipe

    def tag(self, node: Node, tag: re.Match[bytes]) -> None:
        name = tag.group(2).lower()
        do = TAGS[name.decode()]
        starts = not tag.group(1) and not tag.group().endswith(b"/>")
        if do >= REFERENCE and starts and name not in self.missing:
            after = self.pos + tag.end()
            end = re.compile(rb"</" + name + rb"[ \t\n\v\f\r]*>", re.I).search(self.text, after)
            if end is not None:
                kind = {VERBATIM: "verbatim", FORMULA: "formula"}.get(do, "tag")
                self.leaf(node, kind, end.end() - self.pos, (do, True)).content = (after, end.start())
                return
            self.missing.add(name)
        self.leaf(node, "tag", tag.end(), (do, False))


def heading(line: bytes) -> tuple[int, int]:
    """Level and end of the title; level 0 if the line is no heading."""
    stop = len(line)
    while True:
        stop = len(line[:stop].rstrip(b" \t"))
        if stop < 7 or not line[:stop].endswith(b"-->"):
            break
        place = line[: stop - 3].rfind(b"<!--", 0, stop - 3)
        if place <= 0:
            break
        stop = place
    lead = len(line[:stop]) - len(line[:stop].lstrip(b"="))
    rest = line[lead:stop]
    level = min(lead, len(rest) - len(rest.rstrip(b"=")), 6)
    return level, stop - level


def template(text: bytes) -> object:
    """Bytes of a constant, (first argument, last, between), or None."""
    name = re.match(rb"[ \n]{0,64}([^|}{\n<\[]{0,64})", text).group(1).strip(SPACE)  # type: ignore[union-attr]
    if len(name) > 5 and re.match(rb"[lL]ang-", name):
        return 1, 1, " "
    known = {folded(key.encode()): value for key, value in TEMPLATES.items()}
    fixed = {folded(key.encode()): value.encode() for key, value in CONSTANTS.items()}
    return fixed.get(folded(name), known.get(folded(name)))


def entity(found: re.Match[bytes]) -> str | None:
    """What a character reference means."""
    decimal, hexadecimal, name = found.groups()
    if len(found.group()) > 35:
        return None
    if name is not None:
        return " " if name == b"nbsp" else html5.get(name.decode() + ";")
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    if code < 9 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return "\ufffd"
    return " " if code == 160 or code < 32 else chr(code)


class Writer:
    """Writes a tree as text."""

    def __init__(self, text: bytes, tables: bool, sections: set[bytes], prefixes: set[bytes]) -> None:
        self.text = text
        self.tables = tables
        self.sections = sections
        self.prefixes = prefixes
        self.out = b""
        self.removed = self.line_removed = self.paren_removed = self.in_heading = False
        self.paren = self.bullet_end = self.cell = -1
        self.bullet = 0
        self.caption = False
        self.pending: list[tuple[int, int]] = []
        self.counters = [0] * 17
        self.cut = dict.fromkeys(("templates", "tables", "references", "sections", "media"), 0)
        self.links = self.references = 0

    def finish(self, root: Node) -> bytes:
        self.render(root, 0, len(root.children), None)
        self.newline()
        self.drop_headings(0)
        return self.out.rstrip(SPACE)

    def put(self, span: bytes) -> None:
        if self.removed:
            if len(self.out) == self.paren:
                span = span.lstrip(HOLLOW)
            elif not self.out or self.out.endswith((b" ", b"\n")):
                span = span.lstrip(b" ")
            if span[:1] and span[:1] in b",.;:)!?" and len(self.out) > self.bullet_end:
                self.out = self.out.rstrip(b" ")
        if span:
            self.literal(span)

    def literal(self, span: bytes) -> None:
        self.out += span
        self.removed = False
        if not self.in_heading:
            self.pending = []

    def remove(self) -> None:
        self.removed = self.line_removed = self.paren_removed = True

    def newline(self) -> None:
        out = self.out.rstrip(b" \t")
        if self.bullet_end > len(out):
            out = out[: self.bullet] if self.bullet <= len(out) else self.out[: self.bullet]
            self.line_removed = True
        if out and (not out.endswith(b"\n") or (not self.line_removed and len(out) > 1 and not out.endswith(b"\n\n"))):
            out += b"\n"
        self.out = out
        self.removed = self.line_removed = self.paren_removed = self.in_heading = False
        self.paren = self.bullet_end = -1

    def drop_headings(self, level: int) -> None:
        while self.pending and self.pending[-1][0] >= level:
            self.out = self.out[: self.pending.pop()[1]]

    def position(self, node: Node, index: int) -> int:
        return node.children[index].start if index < len(node.children) else node.close[0]

    def next_line(self, node: Node, index: int, limit: int) -> int:
        return next((i for i in range(index + 1, limit) if node.children[i].kind == "newline"), limit)

    def render(self, node: Node, index: int, limit: int, between: str | None) -> None:
        while index < limit:
            index = self.one(node, index, limit, between) + 1

    def one(self, node: Node, index: int, limit: int, between: str | None) -> int:
        """Write a child; the index of the last one that is done with it."""
        child = node.children[index]
        span = self.text[child.start : child.end]
        in_table = between == TABLE
        if child.kind in ("template", "link", "conversion", "table"):
            return self.opened(node, index, limit, in_table)
        if child.kind in ("text", "literal"):
            self.put(span)
        elif child.kind == "newline" and in_table:
            if self.out and not self.out.endswith((b"\n", b" ")):
                self.literal(b" ")
            self.removed = True
        elif child.kind == "newline":
            self.newline()
            if index + 1 >= len(node.children) or node.children[index + 1].kind != "list":
                self.counters = [0] * 17
        elif child.kind in ("row_start", "junk") or (child.kind == "cell" and not in_table):
            line = self.next_line(node, index, limit)
            self.cut["tables"] += self.position(node, line) - child.start
            self.remove()
            if in_table:
                self.newline()
                self.remove()
                self.cell = -1
            return line - 1
        elif child.kind == "cell":
            self.begin_cell(child, span)
        elif child.kind == "pipe":
            self.pipe(node, index, between)
        elif child.kind == "heading" and node.parent is None:
            return self.heading(node, index, limit)
        elif child.kind == "heading_end":
            self.removed = True
        elif child.kind == "list" and not in_table:
            self.item(len(span), span[-1:])
        elif child.kind == "gone":
            self.remove()
        else:
            self.small(child, span, in_table)
        return index

    def small(self, child: Node, span: bytes, in_table: bool) -> None:
        content = self.text[slice(*child.content)]
        if child.kind == "tag":
            self.tag(child, in_table)
        elif child.kind in ("verbatim", "formula"):
            content = content.strip(SPACE if child.kind == "formula" else b"\n")
            if content:
                self.literal(b"$" + content + b"$" if child.kind == "formula" else content)
            else:
                self.remove()
        elif child.kind == "quotes":
            self.put(b"'" * (1 if len(span) == 4 else max(len(span) - 5, 0)))
        elif child.kind == "entity":
            assert isinstance(child.value, str)
            (self.literal if span.startswith(b"&#") else self.put)(child.value.encode())
        elif child.kind == "parenthesis":
            self.put(span)
            self.paren, self.paren_removed = len(self.out), False
        elif child.kind == "parenthesis_end":
            self.end_parenthesis(span)

    def end_parenthesis(self, span: bytes) -> None:
        if self.paren >= 0 and self.paren_removed:
            self.out = self.out[: max(self.paren, len(self.out.rstrip(HOLLOW)))]
            if len(self.out) == self.paren:
                self.out = self.out[: -3 if self.out[-1] >= 0x80 else -1]
                if self.out.endswith(b" ") and len(self.out) > self.bullet_end:
                    self.out = self.out[:-1]
                self.paren = -1
                self.remove()
                return
        self.paren = -1
        self.put(span)

    def tag(self, child: Node, in_table: bool) -> None:
        assert isinstance(child.value, tuple)
        do, whole = child.value
        if do == BREAK or (do == BLOCK and self.out and not self.out.endswith(b"\n")):
            if in_table or self.in_heading:
                self.literal(b" ")
            else:
                self.newline()
            self.removed = True
        elif do == REFERENCE:
            self.cut["references"] += child.end - child.start
            self.references += 1
            self.remove()
        elif do == DROPPED and whole:
            self.cut["media"] += child.end - child.start
            self.remove()

    def begin_cell(self, child: Node, span: bytes) -> None:
        if child.value or (self.caption and span != b"||"):
            self.newline()
        self.caption = bool(child.value)
        self.out = self.out.rstrip(b" ")
        if self.out and not self.out.endswith(b"\n"):
            self.bullet = len(self.out)
            self.out += b" | "
            self.bullet_end = len(self.out)
        self.cell = len(self.out)
        self.paren = -1
        self.remove()

    def pipe(self, node: Node, index: int, between: str | None) -> None:
        if between == TABLE and self.cell >= 0:
            self.out = self.out[: self.cell]
            self.paren = self.cell = -1
            self.remove()
        elif between is not None and between != TABLE:
            self.literal(between.encode())
            self.without_number(node, index + 1)
        else:
            self.put(b"|" if self.text[node.children[index].start] == 124 else b";")

    def without_number(self, node: Node, index: int) -> None:
        self.strip(node, index, rb"[ \t\n\v\f\r]*[0-9]{1,3}=")

    def strip(self, node: Node, index: int, pattern: bytes) -> None:
        """Take what matches away from the beginning of a piece of text."""
        if index < len(node.children) and node.children[index].kind == "text":
            child = node.children[index]
            if found := re.match(pattern, self.text[child.start : child.end]):
                child.start += found.end()

    def heading(self, node: Node, index: int, limit: int) -> int:
        child = node.children[index]
        level = child.value
        assert isinstance(level, int)
        if folded(self.text[slice(*child.content)].strip(SPACE)) in self.sections:
            ends = (i for i in range(index + 1, limit) if self.ends_section(node.children[i], level))
            end = next(ends, limit)
            self.cut["sections"] += self.position(node, end) - child.start
            return end - 1
        self.drop_headings(level)
        self.pending.append((level, len(self.out)))
        if self.out and not self.out.endswith(b"\n"):
            self.out += b"\n"
        if self.out and not self.out.endswith(b"\n\n"):
            self.out += b"\n"
        self.in_heading = self.removed = True
        return index

    def ends_section(self, child: Node, level: int) -> bool:
        return child.kind == "heading" and isinstance(child.value, int) and child.value <= level

    def item(self, width: int, marker: bytes) -> None:
        level = min(width, 16)
        self.counters[level + 1 :] = [0] * (16 - level)
        self.removed = True
        if marker in b"*#":
            self.bullet = len(self.out)
            self.counters[level] = 0 if marker == b"*" else self.counters[level] + 1
            self.out += b"  " * (level - 1) + (b"- " if marker == b"*" else b"%d. " % self.counters[level])
            self.bullet_end = len(self.out)

    def opened(self, node: Node, index: int, limit: int, in_table: bool) -> int:
        child = node.children[index]
        size = child.close[1] - child.start
        if child.kind == "table":
            return self.table(node, index, limit, in_table)
        if child.kind == "conversion":
            self.conversion(child)
        elif child.kind == "link":
            self.link(child)
        elif isinstance(child.value, bytes):
            self.put(child.value)
        elif isinstance(child.value, tuple) and child.first is not None:
            first = child.children.index(child.first) + 1
            self.without_number(child, first)
            last = len(child.children) if child.last is None else child.children.index(child.last)
            self.render(child, first, last, child.value[2])
        else:
            self.cut["templates"] += size
            self.remove()
        return index

    def link(self, child: Node) -> None:
        pipe = len(child.children) if child.first is None else child.children.index(child.first)
        target = self.text[child.end : self.position(child, pipe)]
        prefix, colon, _ = target.partition(b":")
        if colon and len(prefix) < 64 and folded(prefix.strip(SPACE)) in self.prefixes:
            self.cut["media"] += child.close[1] - child.start
            self.remove()
            return
        self.links += 1
        if child.first is not None and child.first.end < child.close[0]:
            self.render(child, pipe + 1, len(child.children), None)
        else:
            self.strip(child, 0, rb":")
            self.render(child, 0, pipe, None)

    def conversion(self, child: Node) -> None:
        first = -1 if child.first is None else child.children.index(child.first)
        last = len(child.children) if child.last is None else child.children.index(child.last)
        if 0 <= first < last and child.children[first].start - child.end <= 16:
            if re.search(rb"[hHtT-]", self.text[child.end : child.children[first].start]):
                self.remove()
                return
        else:
            first = -1
        self.strip(child, first + 1, rb"[ \t\n\v\f\r]*[A-Za-z-]{1,16}:")
        self.render(child, first + 1, last, None)

    def table(self, node: Node, index: int, limit: int, in_table: bool) -> int:
        child = node.children[index]
        if not child.matched:
            line = self.next_line(node, index, limit)
            self.cut["tables"] += self.position(node, line) - child.start
            self.remove()
            return line - 1
        if not self.tables:
            self.cut["tables"] += child.close[1] - child.start
            self.remove()
            return index
        if in_table:
            self.literal(b" ")
        else:
            self.newline()
        self.cell = -1
        self.remove()
        first = self.next_line(child, -1, len(child.children))
        self.render(child, first, len(child.children), TABLE)
        self.cell = -1
        self.newline()
        return index


def plain_text(
    text: str, tables: bool, sections: tuple[str, ...], prefixes: tuple[str, ...] = ()
) -> tuple[str, list[int]]:
    """Text, and what the kernel counts."""
    source = text.encode()
    names = {folded(name.encode()) for name in sections}
    known = {folded(name.encode()) for name in (*PREFIXES, *prefixes)}
    writer = Writer(source, tables, names, known)
    out = writer.finish(Parser(source).root)
    return out.decode(), [*writer.cut.values(), writer.links, writer.references]
