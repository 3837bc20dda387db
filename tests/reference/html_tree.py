"""Slow, obvious twin of ``stages.kernels.html_tree``: a tokenizer over a string and a tree of objects.

The page is one string with a character for each byte (Latin-1), so that places are those of the kernel. Every rule is
a search down a list of open elements. What an element is (block, void, never text, …) and what its names mean comes
from the tables that the kernel reads, too; nothing here has a bound on sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from stages.kernels import html_names as names
from stages.kernels import html_tree as kernel
from stages.kernels.html_keywords import (
    VALUES,
    W_BODY,
    W_CODE,
    W_DISPLAY,
    W_GUTTER,
    W_MATH,
    W_RENDERED_MATH,
    WORDS,
)

SPACE = " \t\n\r\f"
RAW_AND_KEPT_OPEN = ("script", "style")
GROUPS = ("tbody", "thead", "tfoot")
_NUMBERS = {name: number for number, name in reversed(list(enumerate(names.TAGS)))}
_LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(65, 91)})
Range = tuple[int, int]


def kind_of(tag: str) -> int:
    """Bits of ``html_names`` for an element, 0 for one that is not known."""
    return int(names.tag_kinds()[_NUMBERS[tag]]) if tag in _NUMBERS else 0


@dataclass
class Text:
    """A run of text as it is written."""

    start: int
    end: int
    linked: bool


@dataclass
class Mark:
    """``<br>`` (-1), ``<hr>`` (-2) or the border of a block that is never text (-3)."""

    code: int


@dataclass(eq=False)
class Element:
    """An element; ``values``: where the values of its attributes are; ``value``: the one that matters."""

    tag: str
    values: dict[str, Range] = field(default_factory=dict)
    words: int = 0
    flags: int = 0
    value: Range = (0, 0)
    parent: Element | None = None
    children: list[Element | Text | Mark] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kind = kind_of(self.tag)

    @property
    def is_block(self) -> bool:
        return self.parent is None or bool(self.kind & names.BLOCK)

    @property
    def holder(self) -> Element:
        """The innermost block that it is in, itself if it is one."""
        return self if self.is_block or self.parent is None else self.parent.holder

    def descendants(self) -> Iterator[Element]:
        """All elements below, in the order of their start tags."""
        todo = [child for child in reversed(self.children) if isinstance(child, Element)]
        while todo:
            element = todo.pop()
            yield element
            todo += [child for child in reversed(element.children) if isinstance(child, Element)]

    def ancestors(self) -> Iterator[Element]:
        """Parent, its parent, and so on."""
        element = self.parent
        while element is not None:
            yield element
            element = element.parent


@dataclass
class Page:
    """What came of a page. ``meta``: rows of the kernel's ``META_*`` to where they stand."""

    source: str
    root: Element
    meta: dict[int, Range]


def parse(page: bytes) -> Page:
    """The tree of a page."""
    parser = _Parser(page.decode("latin-1"))
    parser.run()
    for element in parser.root.descendants():
        if _numbers_lines(element, parser.page):
            element.flags |= kernel.F_HIDDEN
    return Page(parser.page, parser.root, parser.meta)


def words_in(name: str) -> int:
    """Groups of words in a class or an id."""
    found = 0
    for part in re.split(f"[{SPACE}]+", name[: kernel.MAX_NAME_BYTES]):
        parted = re.sub("([a-z])([A-Z])", r"\1-\2", part).translate(_LOWER)
        parted = re.sub("[^a-z]+", "-", parted)
        for bits, pattern in _patterns():
            if pattern.search(parted):
                found |= bits
    return found


@cache
def _patterns() -> list[tuple[int, re.Pattern[str]]]:
    """``|`` is a border, ``-`` a separator that may be missing; digits are separators in patterns as in names."""
    spelled = {bits: [re.escape(word) for word in words.split()] for bits, words in WORDS.items()}
    return [
        (bits, re.compile(re.sub("[0-9]+", "-", "|".join(words).replace(r"\-", "-?").replace(r"\|", "(?:^|-|$)"))))
        for bits, words in spelled.items()
    ]


def _meaning(values: str) -> int:
    """Bits of roles and itemprops, as flags."""
    found = 0
    for value in re.split(f"[{SPACE}/>]+", values[: kernel.MAX_NAME_BYTES]):
        for bits, known in VALUES.items():
            if value.translate(_LOWER)[:16].rstrip("\0") in [name[:16] for name in known.split()]:
                found |= bits
    return found << 8


def _style(style: str) -> int:
    found = 0
    for declaration in style[: kernel.MAX_NAME_BYTES].translate(_LOWER).split(";"):
        declared = declaration.strip(SPACE)
        if re.match(f"display[{SPACE}:]*none|visibility[{SPACE}:]*hidden", declared):
            found |= kernel.F_HIDDEN
        if re.match(f"white-space[{SPACE}:]*pre([{SPACE}!]|$)", declared):
            found |= kernel.F_PRE
    return found


def _numbers_lines(element: Element, page: str) -> bool:
    """Whether it is a column or a number of lines: digits only, so named, and in code or around a ``<pre>``."""
    if not element.words & W_GUTTER or element.tag in ("pre", "img", "script"):
        return False
    below = [element, *element.descendants()]
    text = "".join(page[c.start : c.end] for part in below for c in part.children if isinstance(c, Text))
    if re.fullmatch(f"[0-9{SPACE}]*", text) is None:
        return False
    near = list(element.ancestors())[:8]
    return any(part.tag == "pre" for part in below[1:4]) or any(
        part.tag in ("pre", "code") or part.words & W_CODE for part in near
    )


class _Parser:
    """Reads a page from left to right. ``open``: the open elements, the outermost first."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.root = Element("")
        self.open = [self.root]
        self.meta: dict[int, Range] = {}
        self.never_closed: set[str] = set()
        self.loose_link = False
        self.silent: Element | None = None

    # Tokens

    def run(self) -> None:
        at = text = 0
        while at < len(self.page):
            markup = re.compile(r"</?[a-zA-Z]|</|<!|<\?").match(self.page, at)
            if markup is None:
                at += 1
                continue
            self.text(text, at)
            at = text = self.tag(at) if markup[0][-1].isalpha() else self.skip(at)
        self.text(text, len(self.page))

    def skip(self, at: int) -> int:
        """Place behind a comment or another declaration."""
        if self.page.startswith("<!--", at):
            comment = re.compile("<!--(?:-?>|.*?(?:-->|--!>))", re.DOTALL).match(self.page, at)
            return comment.end() if comment else len(self.page)
        end = self.page.find(">", at)
        return end + 1 if end >= 0 else len(self.page)

    def tag(self, at: int) -> int:
        """Read a tag, apply it, and return the place behind it."""
        is_end = self.page[at + 1] == "/"
        name_match = re.compile(f"[^{SPACE}/>]*").match(self.page, at + 1 + is_end)
        assert name_match is not None
        written = name_match[0]
        tag = written[:16].rstrip("\0").translate(_LOWER)
        tag = next((known for known in names.TAGS if known[:16] == tag and known != "?"), tag)
        read = self.attributes(name_match.end())
        if read is None:
            return len(self.page)
        values, closes_itself, at = read
        if is_end and tag != "br":
            self.end_tag(tag)
        elif kind_of(tag) & names.RAW:
            return self.raw(tag, written, values, at)
        else:
            self.start_tag(tag, values, closes_itself)
        return at

    def attributes(self, at: int) -> tuple[dict[str, Range], bool, int] | None:
        """Values by name, whether the tag ends in ``/>``, the place behind it; None where the page ends before."""
        values: dict[str, Range] = {}
        slash = False
        while at < len(self.page):
            character = self.page[at]
            if character == ">":
                return values, slash, at + 1
            if character in SPACE or character == "/":
                slash = character == "/" and self.page[at + 1 : at + 2] == ">"
                at += 1
                continue
            name = re.compile(f"[^{SPACE}/>][^{SPACE}/>=]*").match(self.page, at)
            assert name is not None
            value = re.compile(f"[{SPACE}]*=[{SPACE}]*(?:([\"'])(.*?)\\1|(?![\"'])([^{SPACE}>]*))", re.DOTALL).match(
                self.page, name.end()
            )
            equals = re.compile(f"[{SPACE}]*=").match(self.page, name.end())
            at = re.compile(f"[{SPACE}]*").match(self.page, name.end()).end()  # type: ignore[union-attr]
            span = (at, at)
            if value is not None:
                span = value.span(2) if value[1] else value.span(3)
                at = value.end()
            elif equals is not None:
                return None
            known = name[0].translate(_LOWER)[:16].rstrip("\0")
            values.setdefault(known, span)
        return None

    def raw(self, tag: str, written: str, values: dict[str, Range], at: int) -> int:
        """Read an element whose content is no markup."""
        if tag == "script" and self.holds_article(values):
            return at
        if tag in self.never_closed:
            return at
        found = re.compile(f"</{re.escape(written.translate(_LOWER))}(?=[{SPACE}/>]|$)").search(
            self.page.translate(_LOWER), at
        )
        if found is None and tag not in RAW_AND_KEPT_OPEN:
            self.never_closed.add(tag)
            return at
        if found is None:
            return len(self.page)
        if kind_of(tag) & names.BLOCK:
            self.mark(kernel.BOUNDARY)
        self.note_raw(tag, values, at, found.start())
        return found.start()

    # Elements

    def place(self, *tags: str) -> int:
        """Place of the innermost open element of these names, -1 if there is none."""
        return max((place for place, element in enumerate(self.open) if place and element.tag in tags), default=-1)

    def place_of_kind(self, kind: int) -> int:
        """Place of the innermost open element of that kind, 0 (the document) if there is none."""
        return max((place for place, element in enumerate(self.open) if place and element.kind & kind), default=0)

    @property
    def never(self) -> int:
        """Place of the outermost open element that is never text, -1 if there is none."""
        return next((place for place, element in enumerate(self.open) if element.kind & names.NEVER), -1)

    def start_tag(self, tag: str, values: dict[str, Range], closes_itself: bool) -> None:
        if tag == "meta":
            self.note_meta(values)
            return
        if tag in ("html", "head", "body"):
            self.note_language(tag, values)
            return
        self.imply_ends(tag)
        if kind_of(tag) & names.VOID:
            if tag in ("br", "hr"):
                self.mark(kernel.BREAK if tag == "br" else kernel.RULE)
            elif tag == "img" and "alt" in values and self.never < 0:
                self.add(tag, values)
            return
        foreign = self.place("svg", "math") >= 0 or tag in ("svg", "math")
        if self.never < 0 and not kind_of(tag) & names.NEVER:
            element = self.add(tag, values)
            if tag == "time":
                self.note_time(element)
        else:
            if self.never < 0 and kind_of(tag) & names.BLOCK:
                self.mark(kernel.BOUNDARY)
            element = Element(tag)
        self.open.append(element)
        if foreign and closes_itself:
            self.close_from(len(self.open) - 1)

    def imply_ends(self, tag: str) -> None:
        kind = kind_of(tag)
        self.break_out(tag)
        scope = self.place_of_kind(names.SCOPE)
        floor = max(scope, self.never)
        if kind & names.CLOSES_P and self.place("p") > floor:
            self.close_from(self.place("p"))
        if tag == "li" and self.place("li") > max(floor, self.place("ul", "ol")):
            self.close_from(self.place("li"))
        if tag in ("dt", "dd") and self.place("dt", "dd") > max(floor, self.place("dl")):
            self.close_from(self.place("dt", "dd"))
        if kind & (names.CELL | names.TABLE_PART):
            self.clear_table(tag)
        if tag == "button" and self.place("button") > scope and self.place("button") >= self.never:
            self.close_from(self.place("button"))
        if tag == "a" and (self.never < 0 or self.place("a") > self.never):
            self.end_link()
        if kind & names.HEADING and self.open[-1].kind & names.HEADING:
            self.close_from(len(self.open) - 1)

    def break_out(self, tag: str) -> None:
        kind = kind_of(tag)
        scope = self.place_of_kind(names.SCOPE)
        select = self.place("select")
        if (kind & (names.CLOSES_P | names.CELL | names.TABLE_PART) or tag == "input") and select > scope:
            self.close_from(select)
        if kind & names.CLOSES_P and self.place("svg") > max(scope, self.place("foreignobject")):
            self.close_from(self.place("svg"))
        html = max(scope, self.never, self.place("mtext", "annotation-xml"))
        if kind & names.CLOSES_P and self.place("math") > html:
            self.close_from(self.place("math"))

    def clear_table(self, tag: str) -> None:
        floor = max(self.never, 0)
        cell = tag in ("td", "th")
        if self.place("table") <= floor:
            same = self.place("td", "th") if cell else self.place(tag)
            if same > floor:
                self.close_from(same)
            return
        stays = ["table"]
        if cell or tag == "tr":
            stays += GROUPS
        if cell:
            stays.append("tr")
        self.close_from(self.place(*stays) + 1)

    def end_tag(self, tag: str) -> None:
        if tag == "a":
            self.end_link()
            return
        kind = kind_of(tag)
        place = self.place(tag)
        if kind & names.HEADING:
            place = self.place("h1", "h2", "h3", "h4", "h5", "h6")
        if kind & (names.CELL | names.TABLE_PART):
            bound = self.place("table")
        elif tag == "li":
            bound = max(self.place_of_kind(names.SCOPE), self.place("ul", "ol"))
        elif kind & names.BLOCK and tag != "table":
            bound = self.place_of_kind(names.SCOPE)
        elif kind & names.NEVER or tag == "table":
            bound = 0
        else:
            bound = self.place_of_kind(names.BLOCK)
        if place > max(bound, 0):
            self.close_from(place)
            if kind & names.BLOCK:
                self.loose_link = False

    def end_link(self) -> None:
        self.loose_link = False
        place = self.place("a")
        if place > self.place_of_kind(names.BLOCK):
            self.close_from(place)
            self.loose_link = False
        elif place > self.place_of_kind(names.SCOPE):
            self.silent = self.open[place]

    def close_from(self, place: int) -> None:
        """Close the open elements from that place on, the innermost first."""
        while len(self.open) > place:
            is_text = self.never < 0
            element = self.open.pop()
            if element is self.silent:
                self.silent = None
            if is_text and element.tag == "a" and element.flags & kernel.F_LINK:
                self.loose_link = True

    # Content

    def mark(self, code: np.int64) -> None:
        if self.never < 0:
            self.open[-1].children.append(Mark(int(code)))

    def text(self, start: int, end: int) -> None:
        if end <= start or self.never >= 0:
            return
        link = self.open[self.place("a")] if self.place("a") >= 0 else None
        in_link = link is not None and link is not self.silent and bool(link.flags & kernel.F_LINK)
        self.open[-1].children.append(Text(start, end, self.loose_link or in_link))

    def add(self, tag: str, values: dict[str, Range]) -> Element:
        element = Element(tag, values, parent=self.open[-1])
        element.words = words_in(self.value(values, "class")) | words_in(self.value(values, "id"))
        if tag == "mjx-container":
            element.words &= ~W_RENDERED_MATH
        element.flags = self.flags_of(element) | self.formula(element)
        if tag == "mfenced":
            element.value = values.get("open", (0, 0))[0], values.get("close", (0, 0))[0]
        self.open[-1].children.append(element)
        return element

    def value(self, values: dict[str, Range], name: str) -> str:
        start, end = values.get(name, (0, 0))
        return self.page[start:end]

    def flags_of(self, element: Element) -> int:
        values = element.values
        found = kernel.F_HIDDEN if "hidden" in values else 0
        found |= _style(self.value(values, "style"))
        if element.tag == "td" and re.match("blob-code|hljs-ln-line", self.value(values, "class").translate(_LOWER)):
            found |= kernel.F_PRE
        if self.value(values, "aria-hidden").translate(_LOWER).startswith("true"):
            found |= kernel.F_ARIA_HIDDEN
        found |= _meaning(self.value(values, "role")) | _meaning(self.value(values, "itemprop"))
        if element.tag == "a" and "href" in values:
            local = re.match("#|javascript:", self.value(values, "href").translate(_LOWER))
            found |= kernel.F_LINK | (kernel.F_LOCAL if local else 0)
        return found

    def formula(self, element: Element) -> int:
        """Flags of formulas; sets the value that matters."""
        values, shown = element.values, kernel.F_DISPLAY if element.words & W_DISPLAY else 0
        lower = {name: self.value(values, name).translate(_LOWER) for name in values}
        if element.tag == "mjx-container":
            return kernel.F_DISPLAY if lower.get("display", "").startswith("true") else 0
        if element.tag == "math":
            element.value = values.get("alttext", (0, 0))
            block = lower.get("display", "").startswith("block") or lower.get("mode", "").startswith("display")
            return kernel.F_DISPLAY if block else 0
        if element.tag == "annotation" and "encoding" in values:
            encoding = lower["encoding"]
            places = [found.start() for found in re.finditer("(?=tex(?!t))", encoding)]
            return kernel.F_TEX if any(place < 64 for place in places) else 0
        if (
            element.tag == "img"
            and self.value(values, "alt")
            and (element.words & W_MATH or "latex" in lower.get("src", "")[: kernel.MAX_NAME_BYTES])
        ):
            element.value = values["alt"]
            return kernel.F_TEX | shown
        for name in ("data-tex", "data-latex"):
            if self.value(values, name):
                element.value = values[name]
                return kernel.F_TEX | shown
        if element.tag == "a":
            element.value = values.get("href", (0, 0))
        elif element.tag == "ol":
            element.value = values.get("start", (0, 0))
        return 0

    # What the page says of itself

    def note(self, row: int, span: Range) -> None:
        if self.meta.get(row, (0, 0))[1] == 0:
            self.meta[row] = span

    def note_meta(self, values: dict[str, Range]) -> None:
        if not self.value(values, "content"):
            return
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            name = self.value(values, attribute).translate(_LOWER)[: kernel.MAX_NAME_BYTES]
            for row, known in enumerate(names.META_FIELDS.values(), 1):
                if name in known.split():
                    self.note(row, values["content"])

    def note_language(self, tag: str, values: dict[str, Range]) -> None:
        for attribute in ("lang", "xml:lang") if tag == "html" else ():
            if attribute in values:
                self.note(kernel.META_LANGUAGE, values[attribute])

    def note_time(self, element: Element) -> None:
        if "datetime" in element.values:
            row = kernel.META_TIME if element.flags & kernel.F_DATE else kernel.META_FIRST_TIME
            self.note(row, element.values["datetime"])

    def holds_article(self, values: dict[str, Range]) -> bool:
        """Whether a script is the text of an article for a script to show. ``open`` may end in what is never text."""
        body = next(element for element in reversed(self.open) if element is self.root or element.parent is not None)
        is_body = body.flags & kernel.F_BODY or body.words & W_BODY
        return bool(is_body) and self.value(values, "type").translate(_LOWER).startswith("text/template")

    def note_raw(self, tag: str, values: dict[str, Range], start: int, end: int) -> None:
        kind = self.value(values, "type").translate(_LOWER)
        if tag == "title" and self.place("svg") < 0:
            self.note(kernel.META_TITLE, (start, end))
        elif tag == "script" and kind.startswith("math/tex") and self.never < 0:
            element = self.add(tag, values)
            element.flags = kernel.F_TEX | (kernel.F_DISPLAY if "display" in kind[: kernel.MAX_NAME_BYTES] else 0)
            element.value = (start, end)
        elif tag == "script" and kind.startswith("application/ld+json"):
            free = [row for row in range(kernel.META_JSON, kernel.META_ROWS) if self.meta.get(row, (0, 0))[1] == 0]
            if free:
                self.meta[free[0]] = (start, end)
