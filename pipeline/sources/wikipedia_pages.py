"""Pages of a MediaWiki XML dump, found by their tags in bytes of any cut.

A dump's text and titles are escaped, so ``<page>`` and ``</page>`` are tags wherever they stand: a reader may begin
anywhere in the file, and a damaged page costs itself only. The parts of a page are found in the same way. No XML
parser is involved, hence no document type, no external and no expanding entities: only the five predefined ones and
numbers mean anything. What is not noticed is a page whose very start tag is damaged: it is no page then. Format:
mediawiki.org, "Help:Export", schema 0.11 and before.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.xml_text import unescaped

SITE_BYTES = 256 * 2**10
"""How far into a dump its site's description may go."""

_OPEN, _CLOSE = b"<page>", b"</page>"
_OVERLAP = len(_CLOSE) - 1
_TEXT = re.compile(rb"<text(?: [^>]*)?>")
_ROOT = re.compile(rb"<mediawiki[ >][^>]*>?")
_LANGUAGE = re.compile(rb'xml:lang="([A-Za-z0-9-]{1,30})"')


class Chunk(NamedTuple):
    """Bytes in order. ``owned``: pages that begin here are this reader's. ``offset``: of the first byte.

    ``fixed``: all pages that begin here have that offset (of a bzip2 stream) and not their own.
    """

    data: bytes
    owned: bool
    offset: int
    fixed: bool = False


class RawPage(NamedTuple):
    """``content``: from ``<page>`` through ``</page>``."""

    offset: int
    content: bytes


class _Window:
    """The bytes at hand, and which chunk each comes from."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.starts: list[int] = []
        self.chunks: list[Chunk] = []

    def add(self, chunk: Chunk) -> None:
        self.starts.append(len(self.data))
        self.chunks.append(chunk)
        self.data += chunk.data

    def chunk_at(self, place: int) -> tuple[Chunk, int]:
        """The chunk, and the offset that a page which begins at the place has."""
        index = bisect_right(self.starts, place) - 1
        chunk = self.chunks[index]
        return chunk, chunk.offset if chunk.fixed else chunk.offset + place - self.starts[index]

    def drop(self, count: int) -> None:
        """Forget the first bytes."""
        first = max(bisect_right(self.starts, count) - 1, 0)
        self.starts = [start - count for start in self.starts[first:]]
        self.chunks = self.chunks[first:]
        del self.data[:count]


def find_pages(chunks: Iterable[Chunk | Fault], max_page_bytes: int) -> Iterator[RawPage | Fault]:
    """Pages that begin in owned chunks, and what is no whole page. A fault among the chunks is a gap between them.

    Memory: one page, at most about ``max_page_bytes``; a longer one is passed over and reported as ``too_large``.
    """
    finder = _Finder(max_page_bytes)
    for chunk in chunks:
        if isinstance(chunk, Fault):
            yield from finder.torn("the file is damaged behind its beginning")
            finder = _Finder(max_page_bytes)
            yield chunk
            continue
        finder.window.add(chunk)
        yield from finder.found()
        if not (chunk.owned or finder.inside):
            return
    yield from finder.torn("the file ends before its end tag")


class _Finder:
    def __init__(self, max_page_bytes: int) -> None:
        self.max_page_bytes = max_page_bytes
        self.window = _Window()
        self.inside = False
        self.offset = 0
        self.searched = 0
        self.passed = 0
        self.raw = b""

    def found(self) -> Iterator[RawPage | Fault]:
        """Pages that are whole now. While ``inside``, the window begins with the page."""
        data = self.window.data
        while self.inside or self._begin():
            end = data.find(_CLOSE, self.searched)
            again = data.find(_OPEN, self.searched, len(data) if end < 0 else end)
            if again >= 0:
                yield from self.torn("another page begins before its end tag", again)
                self.window.drop(again)
            elif end >= 0:
                yield self._whole(end + len(_CLOSE))
                self.window.drop(end + len(_CLOSE))
            else:
                self._wait()
                return
            self.inside = False

    def _begin(self) -> bool:
        """Whether an owned page begins in the window; all before it is forgotten."""
        start = self.window.data.find(_OPEN)
        if start < 0:
            self.window.drop(max(len(self.window.data) - len(_OPEN) + 1, 0))
            return False
        chunk, self.offset = self.window.chunk_at(start)
        if not chunk.owned:
            return False
        self.window.drop(start)
        self.inside, self.searched, self.passed, self.raw = True, len(_OPEN), 0, b""
        return True

    def _wait(self) -> None:
        have = len(self.window.data)
        self.searched = max(have - _OVERLAP, self.searched)
        if self.passed + have > max(self.max_page_bytes, RAW_BYTES):
            if not self.passed:
                self.raw = bytes(self.window.data[:RAW_BYTES])
            count = have - _OVERLAP
            self.passed += count
            self.window.drop(count)
            self.searched = 0

    def _whole(self, size: int) -> RawPage | Fault:
        if self.passed + size > self.max_page_bytes:
            raw = self.raw or bytes(self.window.data[:RAW_BYTES])
            detail = f"a page of {self.passed + size:,} bytes; the limit is {self.max_page_bytes:,}"
            return Fault(self.offset, self.passed + size, "too_large", detail, raw)
        return RawPage(self.offset, bytes(self.window.data[:size]))

    def torn(self, why: str, size: int | None = None) -> Iterator[Fault]:
        """The page that has begun, if one has, without an end."""
        if self.inside:
            size = len(self.window.data) if size is None else size
            raw = self.raw or bytes(self.window.data[: min(size, RAW_BYTES)])
            yield Fault(self.offset, self.passed + size, "torn_page", why, raw)


@dataclass(frozen=True)
class Page:
    """``namespace``: 0 for articles. ``text`` is None if it was deleted. ``repaired``: it had numbers of none."""

    title: str
    namespace: int
    id: str | None
    redirect: bool
    date: str | None
    model: str
    text: bytes | None
    repaired: bool


class MalformedPage(ValueError):
    """A page that lacks a part or has one that cannot be read. ``reason``: for the quarantine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def parse_page(content: bytes) -> Page:
    """The page, of several revisions the last. Raises MalformedPage."""
    head_end = content.find(b"<revision>")
    head = content[: head_end if head_end >= 0 else len(content)]
    try:
        title, _ = unescaped(_element(head, b"title"))
        namespace, number = int(_element(head, b"ns", b"0")), _element(head, b"id", b"").decode() or None
        if head_end < 0:
            raise MalformedPage("malformed_page", "the page has no <revision>")
        revision = content[content.rfind(b"<revision>") :]
        text, repaired = _text(revision)
        if text is not None:
            text.decode()
        date = _element(revision, b"timestamp", b"").decode() or None
        model = _element(revision, b"model", b"wikitext").decode()
        redirect = b"<redirect" in head
        return Page(title.decode(), namespace, number, redirect, date, model, text, repaired)
    except UnicodeDecodeError as error:
        raise MalformedPage("invalid_utf8", str(error)) from error
    except MalformedPage:
        raise
    except ValueError as error:
        raise MalformedPage("malformed_page", str(error)) from error


def _element(content: bytes, name: bytes, default: bytes | None = None) -> bytes:
    """Content of the first element of that name."""
    start = content.find(b"<" + name + b">")
    end = content.find(b"</" + name + b">", start)
    if start < 0 or end < 0:
        if default is None:
            raise MalformedPage("malformed_page", f"the page has no <{name.decode()}>")
        return default
    return content[start + len(name) + 2 : end].strip()


def _text(revision: bytes) -> tuple[bytes | None, bool]:
    tag = _TEXT.search(revision)
    if tag is None:
        raise MalformedPage("malformed_page", "the revision has no <text>")
    if b'deleted="deleted"' in tag.group():
        return None, False
    if tag.group().endswith(b"/>"):
        return b"", False
    end = revision.find(b"</text>", tag.end())
    if end < 0:
        raise MalformedPage("malformed_page", "<text> does not end")
    return unescaped(revision[tag.end() : end])


@dataclass(frozen=True)
class Site:
    """Where pages live. ``base``: URL of a page without its name, if the dump says it; ``language`` as it says it."""

    base: str | None
    language: str | None

    def url(self, title: str) -> str | None:
        """The page's URL, written as MediaWiki writes it."""
        return None if self.base is None else self.base + quote(title.replace(" ", "_"), safe="/:@!$()*,;~")


def parse_site(head: bytes) -> Site | None:
    """What a dump's beginning says of its site; None if it is no dump."""
    root = _ROOT.search(head)
    if root is None:
        return None
    language = _LANGUAGE.search(root.group())
    base = _element(head, b"base", b"").decode(errors="replace").rpartition("/")
    return Site(
        base[0] + base[1] if base[1] else None,
        language.group(1).decode().lower() if language else None,
    )
