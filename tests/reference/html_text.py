"""Slow, obvious twin of ``stages.kernels.html_text``: the text of a page by walking down the twin's tree.

Nothing is left out as boilerplate. First the tree is cut into blocks, then each block is written as a string of its
own, then the strings are put one behind the other. It covers where ``html_blocks`` cuts and what ``html_choice`` says
about lists and tables, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

from stages.kernels import html_tree as kernel
from stages.kernels.html_keywords import W_DISPLAY, W_RENDERED_MATH
from tests.reference import html_math
from tests.reference.html_references import resolved
from tests.reference.html_tree import Element, Mark, Page, Text, parse

HIDING = kernel.F_HIDDEN | kernel.F_ARIA_HIDDEN | kernel.F_DIALOG
LISTS, ITEMS, CELLS = ("ul", "ol", "dl"), ("li", "dt", "dd"), ("td", "th")
MOST_INDENTED = 8


@dataclass
class Block:
    """A paragraph, an item, a cell. ``parts``: text as in the page, formulas, line breaks."""

    owner: Element
    hidden: bool
    pre: bool
    parts: list[Text | Element | Mark] = field(default_factory=list)


def visible(page: bytes) -> str:
    """The text of a page, without what it hides."""
    parsed = parse(page)
    return _Renderer(parsed).write()


def source_of(page: Page, text: Text) -> str:
    """A run of text as it is written."""
    return page.source[text.start : text.end].encode("latin-1").decode("utf-8", "surrogateescape")


def is_formula(element: Element) -> bool:
    """Whether an element is written as TeX."""
    return element.tag in ("math", "script") or bool(element.flags & kernel.F_TEX)


class _Cutter:
    """Cuts a page into blocks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.blocks: list[Block] = []
        self.current: Block | None = None
        self.breaks = 0

    def weighs(self, text: Text) -> bool:
        """Whether anything of a text can be seen."""
        return re.search("[^\0\t-\r \xa0\xad]", resolved(source_of(self.page, text))) is not None

    def border(self) -> None:
        if self.current is not None:
            parts = [part for part in self.current.parts if not isinstance(part, Mark)]
            if any(isinstance(part, Element) or self.weighs(part) for part in parts):
                self.blocks.append(self.current)
        self.current, self.breaks = None, 0

    def add(self, part: Text | Element, owner: Element, hidden: bool, pre: bool) -> None:
        if self.current is None:
            self.current = Block(owner, hidden, pre)
        self.current.parts.append(part)
        if isinstance(part, Element) or self.weighs(part):
            self.breaks = 0

    def walk(self, element: Element, hidden: bool, pre: bool) -> None:
        for child in element.children:
            if isinstance(child, Text):
                blank = re.fullmatch("[\0\t-\r ]*", self.page.source[child.start : child.end])
                if self.current is not None or pre or not blank:
                    self.add(child, element.holder, hidden, pre)
            elif isinstance(child, Mark):
                self.mark(child, pre)
            elif is_formula(child):
                self.add(child, child.holder, hidden, pre)
            elif not child.is_block:
                if not child.flags & HIDING and not child.words & W_RENDERED_MATH:
                    self.walk(child, hidden, pre)
            else:
                self.border()
                inside = child.tag == "pre" or bool(child.flags & kernel.F_PRE)
                self.walk(child, hidden or bool(child.flags & HIDING), pre or inside)
                self.border()

    def mark(self, mark: Mark, pre: bool) -> None:
        if mark.code != kernel.BREAK:
            self.border()
            return
        self.breaks += 1
        if self.current is not None:
            self.current.parts.append(mark)
        if self.breaks >= 2 and not pre:
            self.border()


class _Renderer:
    """Writes blocks one behind the other."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.marked: set[Element] = set()

    def write(self) -> str:
        cutter = _Cutter(self.page)
        cutter.walk(self.page.root, False, False)
        cutter.border()
        out, before = "", None
        for block in cutter.blocks:
            if block.hidden:
                continue
            parted, mark, start = self.parted(before, block.owner), "", ""
            if in_row(block.owner):
                cell = cell_of(block.owner)
                if cell is not None and not parted.endswith(" "):
                    start = "| " * (number_of(cell) - 1)
            elif not block.pre:
                mark = self.mark(block.owner)
            text = self.block(block)
            if text:
                out, before = out + parted + start + mark + text, block.owner
                item = nearest(block.owner, *ITEMS)
                if item is not None and not block.pre and not in_row(block.owner):
                    self.marked.add(item)
        return out

    def parted(self, before: Element | None, owner: Element) -> str:
        """What stands between the texts of two elements."""
        if before is None:
            return ""
        if in_row(owner) and nearest(owner, "table") is nearest(before, "table"):
            if row_of(owner) is not row_of(before):
                return "\n"
            here, last = cell_of(owner), cell_of(before)
            if here is last:
                return " "
            return " | " * (number_of(here) - number_of(last) if here and last else 1)
        code = outermost_code(owner)
        if code is not None and code is outermost_code(before):
            return "\n"
        outer = outermost(owner, *LISTS)
        return "\n" if outer is not None and outer is outermost(before, *LISTS) else "\n\n"

    def mark(self, owner: Element) -> str:
        """Indentation and mark of an item."""
        depth, item = len([part for part in around(owner) if part.tag in LISTS]), nearest(owner, *ITEMS)
        if depth == 0 or item is None or item.parent is None:
            return ""
        indent = "  " * (min(depth, MOST_INDENTED) - 1)
        if item.tag in ("dt", "dd"):
            return indent
        if item in self.marked:
            return indent + "  "
        if item.parent.tag != "ol":
            return indent + "- "
        start = self.page.source[slice(*item.parent.value)]
        first = int(start) if re.fullmatch("[0-9]{1,6}", start) else 1
        siblings = [child for child in item.parent.children if isinstance(child, Element) and child.tag == "li"]
        return f"{indent}{first + siblings.index(item)}. "

    def block(self, block: Block) -> str:
        """The text of one block."""
        out = ""
        for part in block.parts:
            if isinstance(part, Mark):
                if in_row(block.owner):
                    out = folded(out, " ")
                elif block.pre:
                    out += "\n"
                else:
                    out = out.rstrip(" ")
                    out += "\n" if out else ""
            elif isinstance(part, Element):
                out += self.formula(part)
            else:
                out = self.text(source_of(self.page, part), block.pre, out)
        out = out.rstrip(" \n\t")
        return re.sub(r"\A(?:[ \t]*\n)+", "", out) if block.pre else out

    def text(self, source: str, pre: bool, out: str) -> str:
        """What has been written with text of the page behind it."""
        kept = re.sub("\r(?!\n)", "\n", source) if pre else source
        for piece in re.split("(&[#a-zA-Z0-9]+;?)", kept):
            clean = re.sub("[\x80-\x9f\xad\ufeff]", "", resolved(piece)).replace("\xa0", " ")
            if pre:
                out += re.sub("[\0-\x08\x0b-\x1f\x7f]", "", clean)
            else:
                out = folded(out, re.sub("[\0-\x08\x0e-\x1f\x7f]", "", clean))
        return out

    def formula(self, element: Element) -> str:
        """A formula with its dollars."""
        display = any(
            bool(part.flags & kernel.F_DISPLAY) or (part is not element and bool(part.words & W_DISPLAY))
            for part in [element, *element.ancestors()][:4]
        )
        source = self.page.source[slice(*element.value)].encode("latin-1").decode("utf-8", "surrogateescape")
        if element.tag == "script":
            return html_math.formula(re.sub("[\0-\x1f]", " ", source), display)
        if element.tag in ("math", "annotation"):
            for part in [element, *element.descendants()]:
                if part.tag == "annotation" and part.flags & kernel.F_TEX:
                    below = [part, *part.descendants()]
                    texts = [text for inner in below for text in inner.children if isinstance(text, Text)]
                    texts.sort(key=lambda text: text.start)
                    return html_math.formula(html_math.folded("".join(map(self.decoded, texts))), display)
        if element.tag == "math" and not source:
            return html_math.formula(html_math.latex(self.mathml(element)), display)
        return html_math.formula(html_math.folded(resolved(source)), display)

    def decoded(self, text: Text) -> str:
        return resolved(source_of(self.page, text))

    def mathml(self, element: Element) -> ElementTree.Element:
        """The same element for ``xml.etree``."""
        made = ElementTree.Element(element.tag)
        for name, place in zip(("open", "close"), element.value, strict=True):
            if element.tag == "mfenced" and place:
                found = re.compile("[^\0- \"'>]*").match(self.page.source, place)
                made.set(name, resolved(found[0] if found else ""))
        for child in element.children:
            if isinstance(child, Element):
                made.append(self.mathml(child))
            elif isinstance(child, Text):
                text = self.decoded(child).replace(html_math.RUN_END, " ")
                if len(made):
                    made[-1].tail = (made[-1].tail or "") + text + html_math.RUN_END
                else:
                    made.text = (made.text or "") + text + html_math.RUN_END
        return made


def folded(out: str, text: str) -> str:
    """What has been written with a text behind it whose white space is folded."""
    for piece in re.split("([\t-\r ]+)", text):
        blank = piece.strip("\t\n\v\f\r ") == ""
        if not blank:
            out += piece
        elif piece and out and out[-1] not in " \n":
            out += " "
    return out


# Where an element is


def around(element: Element) -> list[Element]:
    """The element and those around it, from the inside out."""
    return [element, *element.ancestors()]


def nearest(element: Element, *tags: str) -> Element | None:
    """The innermost of these names, itself included."""
    return next((part for part in around(element) if part.tag in tags), None)


def outermost(element: Element, *tags: str) -> Element | None:
    """The outermost of these names, itself included."""
    return next((part for part in reversed(around(element)) if part.tag in tags), None)


def outermost_code(element: Element) -> Element | None:
    """What parts lines of code by line breaks only: a ``<pre>``, or the table that a line of code is in."""
    found = None
    for part in reversed(around(element)):
        if part.tag == "td" and part.flags & kernel.F_PRE:
            found = nearest(part, "table")
        elif found is None and (part.tag == "pre" or part.flags & kernel.F_PRE):
            found = part
    return found


def row_of(element: Element) -> Element | None:
    """The row that an element is in, of its innermost table."""
    found = nearest(element, "tr", "table")
    return found if found is not None and found.tag == "tr" else None


def cell_of(element: Element) -> Element | None:
    """The cell that an element is in, of its row."""
    found = nearest(element, "td", "th", "tr", "table")
    return found if found is not None and found.tag in CELLS else None


def number_of(cell: Element) -> int:
    """Which cell of its row it is, from 1 on."""
    row = row_of(cell)
    assert row is not None
    cells = [part for part in row.descendants() if part.tag in CELLS and row_of(part) is row]
    return 1 + cells.index(cell)


def in_row(element: Element) -> bool:
    """Whether an element is in a row of a data table."""
    table = nearest(element, "table")
    if table is None or row_of(element) is None:
        return False
    inside = [part for part in table.descendants() if nearest(part.parent or part, "table") is table]
    if any(part.tag == "table" or (part.tag == "td" and part.flags & kernel.F_PRE) for part in inside):
        return False
    cells = sum({"td": 1, "th": 100, "caption": 100}.get(part.tag, 0) for part in inside)
    rows = sum(part.tag == "tr" for part in inside)
    return rows > 1 and cells >= 4 and cells >= 2 * rows
