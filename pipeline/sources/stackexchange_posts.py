"""Posts of Stack Exchange's dumps: one ``<row …/>`` a line, everything in its attributes.

Values are escaped, line breaks and quotation marks too, so a line is a row and ``name="value"`` is an attribute
wherever it stands. Licences by date are as Stack Exchange states them (stackoverflow.com/help/licensing); newer dumps
name the licence of each post, which goes before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pipeline.sources.xml_text import unescaped

QUESTION, ANSWER = 1, 2

_ATTRIBUTE = re.compile(rb'\s([A-Za-z]+)="([^"]*)"')
_INTEGER = re.compile(rb"-?[0-9]{1,18}")
_FRAME = re.compile(rb"(?:<\?xml[^>]*\?>|</?posts>)?")
_TAG = re.compile(r"[<|]([^<>|]+)(?=[>|])")
_LICENSES = (("2011-04-08", "CC-BY-SA-2.5"), ("2018-05-02", "CC-BY-SA-3.0"))
_NEWEST_LICENSE = "CC-BY-SA-4.0"
_SITE = re.compile(
    r"(?:^|[/-])((?:[a-z0-9-]+\.)*(?:stackexchange|stackoverflow|serverfault|superuser|askubuntu|mathoverflow|stackapps)"
    r"\.(?:com|net))(?=[/-])"
)


class MalformedRow(ValueError):
    """A line that is no post. ``reason``: for the quarantine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Post:
    """``kind``: 1 question, 2 answer, others. ``thread``: the question's number. ``body`` is HTML."""

    number: int
    kind: int
    thread: int
    score: int
    date: str | None
    license: str
    accepted: int | None
    title: str | None
    tags: str | None
    body: str
    repaired: bool


def is_frame(line: bytes) -> bool:
    """Whether the line has no row: blank, the XML declaration, the root element."""
    return _FRAME.fullmatch(line.strip()) is not None


def parse_post(line: bytes) -> Post:
    """The post. Raises MalformedRow."""
    row = line.strip()
    if not (row.startswith(b"<row ") and row.endswith(b"/>")):
        raise MalformedRow("malformed_row", "the line is no <row …/>")
    found = dict(_ATTRIBUTE.findall(row))
    try:
        number, kind = _number(found[b"Id"]), _number(found[b"PostTypeId"])
        thread = _number(found[b"ParentId"]) if kind == ANSWER else number
        score = _number(found.get(b"Score", b"0"))
        accepted = _number(found[b"AcceptedAnswerId"]) if b"AcceptedAnswerId" in found else None
        body, repaired = unescaped(found.get(b"Body", b""))
        title, tags, date, named = (
            _text(found.get(name)) for name in (b"Title", b"Tags", b"CreationDate", b"ContentLicense")
        )
        tags = None if tags is None else ",".join(_TAG.findall(tags))
        license_ = named.replace(" ", "-") if named else license_at(date)
        return Post(number, kind, thread, score, date, license_, accepted, title, tags, body.decode(), repaired)
    except KeyError as error:
        raise MalformedRow("malformed_row", f"the row has no {error.args[0].decode()}") from error
    except UnicodeDecodeError as error:
        raise MalformedRow("invalid_utf8", str(error)) from error


def _number(value: bytes) -> int:
    if not _INTEGER.fullmatch(value):
        raise MalformedRow("malformed_row", f"{value[:40]!r} is no number of at most 18 digits")
    return int(value)


def _text(value: bytes | None) -> str | None:
    return None if value is None else unescaped(value)[0].decode()


def license_at(date: str | None) -> str:
    """The licence of what was written on that day."""
    return next((name for before, name in _LICENSES if date is not None and date < before), _NEWEST_LICENSE)


def site_of(uri: str) -> str | None:
    """The site that a path names, as ``…/math.stackexchange.com/Posts.xml`` or ``stackoverflow.com-Posts.xml`` does."""
    found = _SITE.findall(uri.lower())
    return found[-1] if found else None


def answer_rank(question: Post, answer: Post) -> tuple[bool, int, int]:
    """Sorts answers: the accepted one first, then by score, then by number."""
    return answer.number != question.accepted, -answer.score, answer.number


def thread_html(question: Post, answers: Sequence[Post], answer_mark: str | None) -> str:
    """One page: title, question, answers with a mark before each."""
    mark = f"<p>{escape(answer_mark)}</p>\n" if answer_mark else ""
    parts = [f"<h1>{escape(question.title)}</h1>" if question.title else "", _part(question)]
    return "\n".join(part for part in [*parts, *(mark + _part(answer) for answer in answers)] if part)


def _part(post: Post) -> str:
    """A post that leaves tags open does not reach into the next one."""
    return f"<div>{post.body}</div>"


def licenses(posts: Sequence[Post]) -> str:
    """An SPDX expression of all posts' licences."""
    return " AND ".join(sorted({post.license for post in posts}))
