"""What is in an EPUB: the package document with metadata and spine, and its chapters, read from the zip in memory.

Nothing is unpacked to a disk: names in the archive are only looked up, so ``../`` and absolute paths lead nowhere. What
can be large is limited before it is read: the zip's directory, each part by its real length, the ratio of compression.
XML is parsed with expat, which fetches nothing; a document that declares entities is refused, and so is one that is
nested deeply. Format: EPUB 3.3 (W3C), "Open Container Format" and "Package document", and EPUB 2.
"""

from __future__ import annotations

import codecs
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import unquote
from xml.parsers import expat

MAX_DIRECTORY_BYTES = 4 * 2**20
"""Of the zip's list of files: some 40,000 of them."""
MAX_PART_BYTES = 16 * 2**20
"""Of the package document and other parts that are not text."""
MAX_RATIO = 250
"""Most that a part of more than 1 MB may be longer than in the archive; text takes 3 to 20."""

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_CHAPTER_TYPES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml")
_MAX_DEPTH, _MAX_ELEMENTS = 64, 200_000
_END_OF_DIRECTORY = b"PK\x05\x06"
_END_BYTES = 22
_LARGE_BYTES = 2**20

_SELF_CLOSED = re.compile(r"<([A-Za-z][A-Za-z0-9]*)(\s[^<>]*)?/>")
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
_BODY = re.compile(r"<body(?:\s[^<>]*)?>", re.I)
_BODY_END = re.compile(r"</body\s*>", re.I)
_DECLARED = re.compile(rb'^\s*<\?xml[^>]*?encoding\s*=\s*["\']([A-Za-z0-9._-]{1,40})["\']')


class BrokenBook(ValueError):
    """A book, or a part of one, that cannot be read. ``reason``: for the quarantine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Element:
    """An XML element: local name, attributes by local name, text directly in it."""

    name: str
    attributes: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Part:
    """A chapter's name in the archive and where it begins in the file; offset -1 if it is not there."""

    name: str
    offset: int


@dataclass(frozen=True)
class Book:
    """Dublin Core metadata by name, all values of each; chapters in the order of the spine."""

    metadata: Mapping[str, list[str]] = field(default_factory=dict)
    chapters: tuple[Part, ...] = ()

    def first(self, name: str) -> str | None:
        return next(iter(self.metadata.get(name, ())), None)


class Archive:
    """A zip whose parts can be read within limits. Raises BrokenBook."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        _check_directory(stream, size)
        try:
            self._zip = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, UnicodeDecodeError) as error:
            raise BrokenBook("malformed_archive", str(error)) from error
        self._parts = {part.filename: part for part in self._zip.infolist()}

    def offset(self, name: str) -> int:
        """Where the part begins in the file; -1 if there is none of that name."""
        return self._parts[name].header_offset if name in self._parts else -1

    def read(self, name: str, limit: int = MAX_PART_BYTES) -> bytes:
        """The part's bytes."""
        part = self._parts.get(name)
        if part is None:
            raise BrokenBook("missing_part", f"the archive has no {name}")
        if part.flag_bits & 1:
            raise BrokenBook("encrypted", f"{name} has a password")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BrokenBook("malformed_archive", f"{name} is packed by method {part.compress_type}; EPUB has 0 and 8")
        if part.file_size > limit:
            raise BrokenBook("too_large", f"{name} has {part.file_size:,} bytes; the limit is {limit:,}")
        if part.file_size > max(_LARGE_BYTES, MAX_RATIO * part.compress_size):
            raise BrokenBook("too_large", f"{name} expands over {MAX_RATIO} times")
        try:
            with self._zip.open(part) as stream:
                return stream.read(limit)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise BrokenBook("damaged_part", f"{name}: {error}") from error


def _check_directory(stream: IO[bytes], size: int) -> None:
    """Python reads the whole list of files; this looks how long it is."""
    stream.seek(max(size - _END_BYTES - 2**16, 0))
    tail = stream.read(_END_BYTES + 2**16)
    end = tail.rfind(_END_OF_DIRECTORY)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise BrokenBook("malformed_archive", "the file has no list of files at its end: no zip, or cut off")
    directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise BrokenBook("too_large", f"a list of files of {directory_bytes:,} bytes; limit {MAX_DIRECTORY_BYTES:,}")
    stream.seek(0)


def read_book(archive: Archive) -> Book:
    """Metadata and chapters. Raises BrokenBook."""
    container = list(elements(archive.read(_CONTAINER)))
    package_name = next((one.attributes.get("full-path") for one in container if one.name == "rootfile"), None)
    if not package_name:
        raise BrokenBook("malformed_book", f"{_CONTAINER} names no package document")
    package = list(elements(archive.read(package_name)))
    folder = posixpath.dirname(package_name)
    chapters = tuple(Part(name, archive.offset(name)) for name in _spine(package, folder))
    if not chapters:
        raise BrokenBook("malformed_book", f"{package_name} has no chapters in its spine")
    locked = _encrypted(archive).intersection(part.name for part in chapters)
    if locked:
        raise BrokenBook("encrypted", f"{len(locked):,} of {len(chapters):,} chapters are encrypted (DRM)")
    return Book(_metadata(package), chapters)


def _spine(package: list[Element], folder: str) -> Iterator[str]:
    """Names in the archive, in reading order, without the table of contents."""
    items = {one.attributes.get("id"): one.attributes for one in package if one.name == "item"}
    for reference in package:
        item = items.get(reference.attributes.get("idref")) if reference.name == "itemref" else None
        if item is None or "href" not in item or item.get("media-type", _CHAPTER_TYPES[0]) not in _CHAPTER_TYPES:
            continue
        if "nav" not in item.get("properties", "").split():
            path = unquote(item["href"].partition("#")[0])
            yield posixpath.normpath(posixpath.join(folder, path))


def _metadata(package: list[Element]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in package:
        value = " ".join(one.text.split())
        if one.name in ("title", "creator", "language", "date", "rights", "source", "identifier") and value:
            found.setdefault(one.name, []).append(value)
    return found


def _encrypted(archive: Archive) -> set[str]:
    """Names of parts that are encrypted by more than the obfuscation of fonts, which is no protection of text."""
    if archive.offset(_ENCRYPTION) < 0:
        return set()
    found, method = set(), ""
    # Elements come in the order of their end tags: EncryptionMethod, CipherReference, EncryptedData.
    for one in elements(archive.read(_ENCRYPTION)):
        if one.name == "EncryptionMethod":
            method = one.attributes.get("Algorithm", "")
        elif one.name == "CipherReference" and method not in _FONT_OBFUSCATION:
            found.add(posixpath.normpath(unquote(one.attributes.get("URI", ""))))
        elif one.name == "EncryptedData":
            method = ""
    return found


def elements(content: bytes) -> list[Element]:
    """Elements of an XML document in the order of their ends. Raises BrokenBook."""
    found: list[Element] = []
    opened: list[tuple[str, dict[str, str], list[str]]] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(opened) >= _MAX_DEPTH or len(found) >= _MAX_ELEMENTS:
            raise BrokenBook("malformed_book", f"XML of over {_MAX_DEPTH} levels or {_MAX_ELEMENTS:,} elements")
        opened.append((_local(name), {_local(key): value for key, value in attributes.items()}, []))

    def end(name: str) -> None:
        local, attributes, parts = opened.pop()
        found.append(Element(local, attributes, "".join(parts)))

    def text(value: str) -> None:
        if opened:
            opened[-1][2].append(value)

    def entity(*declared: object) -> None:
        raise BrokenBook("malformed_book", f"the XML declares an entity ({declared[0]})")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = text, entity
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, BrokenBook):
            raise
        raise BrokenBook("malformed_book", f"no XML: {error}") from error
    return found


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def chapter_html(content: bytes) -> tuple[str, bool]:
    """What is in the body of an XHTML chapter, as HTML, and whether its bytes had to be mended.

    A browser takes ``<script/>`` and ``<title/>`` in HTML for the beginning of something that does not end.
    """
    text, repaired = _decoded(content)
    body = _BODY.search(text)
    ends = list(_BODY_END.finditer(text))
    text = text[body.end() if body else 0 : ends[-1].start() if ends else len(text)]
    return _SELF_CLOSED.sub(_opened_and_closed, text), repaired


def _opened_and_closed(tag: re.Match[str]) -> str:
    name = tag.group(1)
    return tag.group() if name.lower() in _VOID else f"<{name}{tag.group(2) or ''}></{name}>"


def _decoded(content: bytes) -> tuple[str, bool]:
    """By byte order mark, by what the XML declares, else UTF-8; bytes that are none become U+FFFD."""
    declared = _DECLARED.match(content[:200])
    name = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    elif declared and not content.startswith(codecs.BOM_UTF8):
        name = declared.group(1).decode()
    for encoding in (name, "utf-8-sig"):
        try:
            return content.decode(encoding), False
        except (UnicodeError, LookupError):
            continue
    return content.decode("utf-8", "replace"), True
