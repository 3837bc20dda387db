"""From a record of a web archive to a document, or to the reason why it is none.

Documents are responses of status 200 with a page (HTML, XHTML, plain text), and resources and conversions (WET files)
that are such text. Everything else is sound, and left out by a reason that says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from pipeline.sources.charsets import Buffer, header_charset, to_utf8
from pipeline.sources.http_messages import BadMessage, Fields, decoded_body, looks_like_markup, parse_response
from pipeline.sources.warc_records import Record

PAGES = ("text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml")
PLAIN = "text/plain"

_NO_DOCUMENT = ("warcinfo", "request", "metadata", "revisit", "continuation")
_INCOMPLETE = ((b"warc-truncated", "warc_truncated"), (b"warc-segment-number", "segmented"))
_UNKNOWN_MEDIA = ("", "unknown/unknown", "application/unknown", "*/*", "text/*", "content/unknown", "none")
_DATE = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?"
)
_OTHER_FORMATS = (
    b"%PDF-", b"\x89PNG", b"GIF87a", b"GIF89a", b"\xff\xd8\xff", b"PK\x03\x04", b"\x1f\x8b", b"\x7fELF",
    b"\xd0\xcf\x11\xe0", b"\x00\x00\x01\x00", b"\x00asm",
)  # fmt: skip
"""What files begin with that servers call HTML by mistake."""


class Document(NamedTuple):
    """``text`` may lie in the record's memory. ``repaired``: what was mended or is missing."""

    text: Buffer
    own_id: str
    url: str | None
    date: str | None
    media_type: str
    repaired: Sequence[str]


class Skipped(NamedTuple):
    """A sound record that is no document."""

    reason: str


def document(record: Record, max_bytes: int) -> Document | Skipped:
    """The record's document, of at most so many bytes. Raises BadMessage if it should have one that cannot be read."""
    fields = record.fields
    kind = _word(fields[b"warc-type"])
    if kind in _NO_DOCUMENT:
        return Skipped(kind)
    if kind not in ("response", "resource", "conversion"):
        return Skipped("unknown_type")
    content_type = fields.get(b"content-type", b"")
    media = _media_type(content_type)
    uri = fields.get(b"warc-target-uri", b"").lstrip(b"<")
    if media == "text/dns" or uri.startswith(b"dns:"):
        return Skipped("dns")
    if uri.startswith(b"metadata:"):  # wget's own log and list of arguments
        return Skipped("metadata")
    if kind == "response" and (media == "application/http" or _is_http(record.content)):
        return _answer(record, max_bytes)
    return _payload(record, content_type, record.content, max_bytes)


def _answer(record: Record, max_bytes: int) -> Document | Skipped:
    """An HTTP response."""
    if not len(record.content):
        return Skipped("no_payload")
    response = parse_response(record.content)
    if response.status != 200:
        return Skipped(_status_reason(response.status))
    body: Buffer = record.content[response.body :]
    content_type = response.fields.get(b"content-type", b"")
    media = _media_type(content_type)
    if not len(body):
        return Skipped("no_payload")
    if media not in _UNKNOWN_MEDIA and media not in PAGES and media != PLAIN:
        return Skipped("not_html")
    if record.whole:
        cut = b"warc-truncated" in record.fields or b"warc-segment-number" in record.fields
        body = decoded_body(response.fields, memoryview(body), max_bytes, cut=cut)
    return _payload(record, content_type, body, max_bytes)


def _status_reason(status: int) -> str:
    if 300 <= status < 400:
        return "redirect"
    return "http_error" if status >= 400 else "other_status"


def _payload(record: Record, content_type: bytes, body: Buffer, max_bytes: int) -> Document | Skipped:
    """A body without codings."""
    media = _media_type(content_type)
    if not len(body):
        return Skipped("no_payload")
    if media in _UNKNOWN_MEDIA:
        media = _sniffed(record.fields, body)
    if (media not in PAGES and media != PLAIN) or bytes(body[:8]).startswith(_OTHER_FORMATS):
        return Skipped("not_html")
    if not record.whole or len(body) > max_bytes:
        raise BadMessage("too_large", f"a document of more than {max_bytes:,} bytes")
    text, replaced = to_utf8(body, header_charset(content_type))
    if len(text) > max_bytes:
        raise BadMessage("too_large", f"a document of more than {max_bytes:,} bytes as UTF-8")
    if not len(text):
        return Skipped("no_payload")
    fields = record.fields
    return Document(
        text=text,
        own_id=_string(fields.get(b"warc-record-id", b"")).strip("<>"),
        url=_string(fields.get(b"warc-target-uri", b"")).strip("<>") or None,
        date=_date(fields),
        media_type=media,
        repaired=[*(name for field, name in _INCOMPLETE if field in fields), *["replaced_bytes"] * replaced],
    )


def _is_http(content: memoryview) -> bool:
    return bytes(content[:5]) == b"HTTP/"


@lru_cache(maxsize=128)
def _media_type(content_type: bytes) -> str:
    """In small letters, without parameters."""
    return _word(content_type.partition(b";")[0].partition(b",")[0])


def _sniffed(fields: Fields, body: Buffer) -> str:
    """What a body is of which the server does not say it: as the crawler found, or by its beginning."""
    if looks_like_markup(body):
        return PAGES[0]
    return _word(fields.get(b"warc-identified-payload-type", b""))


def _date(fields: Fields) -> str | None:
    """ISO 8601; WARC 1.1 lets parts be left out from the end."""
    date = _word(fields.get(b"warc-date", b"")).upper()
    return date if _DATE.fullmatch(date) else None


def _word(value: bytes) -> str:
    return value.strip().lower().decode("latin-1")


def _string(value: bytes) -> str:
    """Header values should be UTF-8; URLs of old crawlers are not always."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")
