"""What is done to the text of Markdown: front matter read, comments and MDX imports left out, markup stripped.

Each is linear in the text, whatever stands in it. Front matter is YAML between lines of ``---`` (Jekyll, Hugo) or TOML
between lines of ``+++``; only the scalars at its top are looked at, as they are written, so that no YAML tag, anchor or
date is ever evaluated. Its size and depth are bounded, because the parser's time grows with the square of the depth.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

FRONT_MATTER_BYTES = 32 * 2**10
"""Longer front matter is taken for text, or for what does not end."""

_MAX_DEPTH = 32
_MAX_LEVEL = 200
_MAX_LEVEL = 200
_FENCES = {"---": ("---", "..."), "+++": ("+++",)}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class FrontMatter(NamedTuple):
    """``values``: key → scalar as it is written. ``body``: the text behind it. ``broken``: it cannot be parsed."""

    values: Mapping[str, str]
    body: str
    broken: bool = False


def front_matter(text: str) -> FrontMatter:
    """The text's front matter; without one, or with a broken one, the body is the whole text."""
    fence = text[:3]
    if fence not in _FENCES or text[3 : text.find("\n") if "\n" in text else None].strip():
        return FrontMatter({}, text)
    start = text.find("\n") + 1
    head = text[start : start + FRONT_MATTER_BYTES]
    ends = "|".join(re.escape(end) for end in _FENCES[fence])
    close = re.search(rf"^(?:{ends})[ \t]*\r?(?:\n|\Z)", head, re.MULTILINE) if start else None
    if close is None:
        return FrontMatter({}, text)
    body = text[start + close.end() :].lstrip("\r\n")
    try:
        inside = head[: close.start()]
        _check_depth(inside)
        values = _toml_scalars(inside) if fence == "+++" else _yaml_scalars(inside)
    except (ValueError, RecursionError):
        return FrontMatter({}, text, True)
    if values is None:
        return FrontMatter({}, text)
    return FrontMatter({key: _without_surrogates(value) for key, value in values.items()}, body)


def _without_surrogates(text: str) -> str:
    """Pairs that stand for a character become it, others U+FFFD: YAML can write both."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _check_depth(text: str) -> None:
    """Raises ValueError for deep nesting; brackets in strings count too, which real front matter bears."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if bracket.group() in "[{" else max(depth - 1, 0)
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")


def _yaml_scalars(text: str) -> dict[str, str] | None:
    """Scalars of the mapping that the text is; None if it is something else. Raises ValueError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import (
        CollectionEndEvent,
        CollectionStartEvent,
        DocumentStartEvent,
        MappingStartEvent,
        NodeEvent,
        ScalarEvent,
        StreamStartEvent,
    )

    found: dict[str, str] = {}
    key: str | None = None
    depth = 0
    keys = True
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, StreamStartEvent | DocumentStartEvent):
                continue
            if depth == 0 and not isinstance(event, MappingStartEvent):
                return {} if not text.strip() else None if isinstance(event, NodeEvent) else found
            if depth == 1 and isinstance(event, NodeEvent):
                if keys:
                    key = event.value if isinstance(event, ScalarEvent) else None
                elif key is not None and isinstance(event, ScalarEvent):
                    is_null = event.style is None and event.value in _NULLS
                    found.pop(key, None) if is_null else found.update({key: event.value})
                keys = not keys
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
    except YAMLError as error:
        raise ValueError("not YAML") from error
    return found


def _toml_scalars(text: str) -> dict[str, str]:
    import tomllib

    return {key: str(value) for key, value in tomllib.loads(text).items() if not isinstance(value, dict | list)}


_PLACES = re.compile(
    r"^ {0,3}(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})|(?P<ticks>`+)|(?P<comment><!--)|(?P<code>^(?: {4}|\t).*$)"
    r"|(?P<module>^(?:import\s*(?:[\"'{]|\*\s|[\w$]+(?:\s*,[^\n]*)?\s+from\s)"
    r"|export\s+(?:const|let|var|function|default|class|async)\b|export\s*[{*]))",
    re.MULTILINE,
)
_BLANK_LINE = re.compile(r"\n[ \t\r]*(?:\n|\Z)")


def without_comments(text: str, mdx: bool) -> str:
    """The text without HTML comments, and for MDX without its import and export statements.

    Code (fenced, indented, or between backticks) is left as it is. A statement ends at the next blank line, as MDX has
    it. A line that held nothing else goes as a whole.
    """
    if not mdx and "<!--" not in text:  # nearly all text, and the search below reads 15 MB/s
        return text
    return "".join(_kept(text, mdx))


def _kept(text: str, mdx: bool) -> Iterator[str]:
    ticks = _Ticks(text)
    comments_end = True
    kept = at = 0
    while place := _PLACES.search(text, at):
        kind, start = place.lastgroup, place.start()
        at = place.end()
        if kind == "fence":
            at = _fence_end(text, place.group("fence"), at)
        elif kind == "ticks":
            at = ticks.span_end(start, at)
        elif kind == "comment" and comments_end:
            end = text.find("-->", start + 2)
            comments_end = end >= 0
            if comments_end:
                cut_start, at = _whole_lines(text, start, end + 3)
                yield text[kept:cut_start]
                kept = at
        elif kind == "module" and mdx and _begins_block(text, start, kept):
            blank = _BLANK_LINE.search(text, start)
            yield text[kept:start]
            kept = at = blank.end() if blank else len(text)
    yield text[kept:]


def _begins_block(text: str, start: int, kept: int) -> bool:
    return start == kept or not text[kept:start].rpartition("\n")[0].rpartition("\n")[2].strip()


def _fence_end(text: str, fence: str, at: int) -> int:
    """Behind the line that closes the fence, or the end of the text."""
    close = re.compile(rf"^ {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t\r]*$", re.MULTILINE).search(text, at)
    return close.end() if close else len(text)


def _whole_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """The range, widened over its line end if nothing else stands in its lines."""
    line_start = text.rfind("\n", max(start - 4, 0), start) + 1
    line_end = text.find("\n", end, end + 100)
    line_end = len(text) if line_end < 0 and len(text) <= end + 100 else line_end
    alone = (line_start or start < 4) and not text[line_start:start].strip()
    if not alone or line_end < 0 or text[end:line_end].strip():
        return start, end
    return line_start, min(line_end + 1, len(text))


class _Ticks:
    """Runs of backticks, to find where a code span ends in time that does not grow with the runs between."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.runs: dict[int, list[int]] = defaultdict(list)
        for run in re.finditer("`+", text):
            self.runs[len(run.group())].append(run.start())
        self.blank = -1

    def span_end(self, start: int, at: int) -> int:
        """Behind the code span that begins with the run ``[start, at)``, or ``at`` if none does in its paragraph."""
        if self.blank < at:
            blank = _BLANK_LINE.search(self.text, at)
            self.blank = blank.start() if blank else len(self.text)
        runs = self.runs[at - start]
        later = bisect_right(runs, start)
        close = runs[later] if later < len(runs) else len(self.text)
        return close + at - start if close < self.blank else at


def plain_text(text: str) -> str | None:
    """Markdown (CommonMark and tables) without its markup: what a reader sees, and code as it is.

    Headings, paragraphs and code are set off by blank lines, items of lists begin with ``-`` or their number, cells of
    a table are joined by ``|``, a link is its text and an image its description. Tags of HTML are left out. None for
    blocks nested deeper than 200 levels, of which the parser would lose what is inside.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": _MAX_LEVEL}).enable("table")
    tokens = parser.parse(text)
    if any(token.level >= _MAX_LEVEL - 1 for token in tokens):
        return None
    blocks = _Plain()
    for token in tokens:
        blocks.take(token)
    return blocks.text()


class _Plain:
    """Collects the blocks of a parsed text. ``lists``: next number of each open list, None for bullets."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.lists: list[int | None] = []
        self.marker = ""
        self.cells: list[str] | None = None

    def text(self) -> str:
        return "\n".join(self.lines).strip("\n") + "\n" if self.lines else ""

    def take(self, token: Any) -> None:
        kind = token.type
        if kind in ("ordered_list_open", "bullet_list_open"):
            self.lists.append(int(token.attrs.get("start", 1)) if kind == "ordered_list_open" else None)
        elif kind in ("ordered_list_close", "bullet_list_close"):
            self.lists.pop()
            if not self.lists:
                self._part()
        elif kind == "list_item_open":
            self._begin_item()
        elif kind == "tr_open":
            self.cells = []
        elif kind == "tr_close":
            self._add(" | ".join(self.cells or ()))
            self.cells = None
        elif kind == "inline" and self.cells is not None:
            self.cells.append("".join(_inline_text(token.children or ())))
        elif kind == "inline":
            self._add("".join(_inline_text(token.children or ())))
        elif kind in ("fence", "code_block"):
            self._add(token.content.rstrip("\n"))
            self._part()
        elif kind == "html_block":
            self._add(_without_tags(token.content).strip())
            self._part()
        elif kind in ("heading_close", "table_close") or (kind == "paragraph_close" and not token.hidden):
            self._part()

    def _begin_item(self) -> None:
        number = self.lists[-1]
        self.marker = "- " if number is None else f"{number}. "
        if number is not None:
            self.lists[-1] = number + 1

    def _add(self, text: str) -> None:
        """Lines of a block, behind the marker of the list's item if they are the first in it."""
        indent = "  " * max(len(self.lists) - 1, 0)
        for line in text.split("\n") if text else ():
            self.lines.append((indent + self.marker + line).rstrip() if self.lists else line)
            self.marker = " " * len(self.marker) if self.marker else "  "

    def _part(self) -> None:
        """A blank line, where there is none yet."""
        if self.lines and self.lines[-1]:
            self.lines.append("")


def _inline_text(children: Sequence[Any]) -> Iterator[str]:
    for child in children:
        if child.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif child.type in ("text", "code_inline"):
            yield child.content
        elif child.type == "image":
            yield from _inline_text(child.children or ())
        elif child.type == "html_inline" and child.content[:3].lower() == "<br":
            yield "\n"


def _without_tags(html: str) -> str:
    return re.sub(r"<[^<>]*>", "", html)
