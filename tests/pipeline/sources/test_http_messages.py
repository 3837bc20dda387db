"""HTTP messages: headers, and bodies without their codings."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from pipeline.sources.http_messages import BadMessage, decoded_body, end_of_head, parse_fields, parse_response

TEXT = b"Text that is long enough to be compressed. " * 200
LIMIT = 10**6


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def chunks(data: bytes, size: int = 1000) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def decoded(body: bytes, coding: str = "", *, cut: bool = False, limit: int = LIMIT, transfer: str = "") -> bytes:
    fields = {b"content-encoding": coding.encode(), b"transfer-encoding": transfer.encode()}
    return bytes(decoded_body(fields, memoryview(body), limit, cut=cut))


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
    "": bytes,
    "br, gzip": lambda data: gzip.compress(brotli.compress(data)),
    "gzip,gzip": lambda data: gzip.compress(gzip.compress(data)),
}


@pytest.mark.parametrize("coding", list(CODINGS))
@pytest.mark.parametrize("size", [1, 5, 1000, len(TEXT)])
def test_content_codings(coding: str, size: int) -> None:
    """Codings are taken off in the opposite order, under any chunks."""
    body = CODINGS[coding](TEXT[:size])
    assert decoded(body, coding) == TEXT[:size]
    assert decoded(chunks(body), coding, transfer="chunked") == TEXT[:size]


@pytest.mark.parametrize("coding", [*CODINGS, "utf-8", "none", "compress", "sdch"])
@pytest.mark.parametrize("body", [TEXT, b"<html><p>caf\xc3\xa9", "中文".encode() * 3000])
def test_codings_that_the_crawler_has_taken_off(coding: str, body: bytes) -> None:
    """A body that is text already is taken as it is, whatever the header says."""
    assert decoded(body, coding) == body
    assert decoded(body, coding, transfer="chunked") == body


def test_members_of_gzip() -> None:
    """A body may have many."""
    assert decoded(gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]), "gzip") == TEXT


def test_transfer_codings() -> None:
    """Compression as a transfer coding is taken off as well."""
    assert decoded(chunks(gzip.compress(TEXT)), transfer="gzip, chunked") == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "deflate ", "zstd", "br"])
def test_cut_bodies(coding: str) -> None:
    """A body that ends too early is an error, unless the crawler says that it has cut it: then its beginning counts."""
    body = CODINGS[coding](b"".join(b"%d " % (i * i) for i in range(300_000)))[:-9]
    with pytest.raises(BadMessage) as caught:
        decoded(body, coding, limit=10**8)
    assert caught.value.reason == "bad_encoding"
    found = decoded(body, coding, cut=True, limit=10**8)
    assert found.startswith(b"0 1 4 9 16 25 ")
    assert len(found) > 1_000_000


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_broken_bodies(coding: str) -> None:
    """Damage in a compressed body is an error that says where."""
    body = bytearray(CODINGS[coding](TEXT))
    body[len(body) // 2 :] = b"\xff\x00\x07" * 30
    with pytest.raises(BadMessage, match="bad_encoding"):
        decoded(bytes(body), coding)


def test_limits() -> None:
    """A body that expands over the limit is an error, and so much of it is never made."""
    for coding in ("gzip", "deflate", "br", "zstd"):
        with pytest.raises(BadMessage, match="too_large"):
            decoded(CODINGS[coding](bytes(50_000_000)), coding)


@pytest.mark.parametrize("body", [b"5\r\nhello\r\n9\r\nwor", b"5\r\nhello\r\nworld", b"5\r\nhello\r\n5"])
def test_broken_chunks(body: bytes) -> None:
    """Chunks that break off are an error, unless the crawler says that it has cut the body."""
    with pytest.raises(BadMessage, match="bad_chunking"):
        decoded(body, transfer="chunked")
    assert decoded(body, transfer="chunked", cut=True).startswith(b"hello")


def test_chunks_without_an_end() -> None:
    """A missing last chunk is what servers that close the connection leave; it is no error."""
    assert decoded(b"5\r\nhello\r\n", transfer="chunked") == b"hello"


@pytest.mark.parametrize(
    ("head", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nx", 200, b"x"),
        (b"HTTP/1.0 404\nA: b\n\nx", 404, b"x"),
        (b"HTTP/2 301 \r\n\r\n", 301, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx", 200, b"x"),
        (b"HTTP/1.1 200 OK\r\nA: b", 200, b""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 3000 + b"\r\nx", 200, b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 100, b""),
    ],
)  # fmt: skip
def test_responses(head: bytes, status: int, body: bytes) -> None:
    """Status and body are found, behind interim answers and with line feeds alone."""
    found = parse_response(memoryview(head))
    assert (found.status, head[found.body :]) == (status, body)


@pytest.mark.parametrize(
    "head", [b"", b"<html>", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n"]
)
def test_what_is_no_response(head: bytes) -> None:
    """Content without a status line is no HTTP; nor is a header without end."""
    with pytest.raises(BadMessage, match="bad_http"):
        parse_response(memoryview(head))
    with pytest.raises(BadMessage, match="more than 1,048,576 bytes"):
        parse_response(memoryview(b"HTTP/1.1 200 OK\r\n" + b"x" * 2**21))


def test_fields() -> None:
    """Names in small letters, folded lines joined, the first of several, nothing of lines without a colon."""
    lines = b"HTTP/1.1 200 OK\r\nA-b:  c \r\nA-B: d\r\nfolded: one\r\n  two\r\n\tthree\r\nnothing\r\nEmpty:\r\n\r\n"
    assert parse_fields(lines) == {b"a-b": b"c", b"folded": b"one two three", b"empty": b""}
    assert parse_fields(b"a: b:c\nd: e") == {b"a": b"b:c", b"d": b"e"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\r\n\r\nb", 5),
        (b"a\n\nb", 3),
        (b"a\r\n\nb", 4),
        (b"a\n\r\nb\n\n", 4),
        (b"a\n\nb\r\n\r\n", 3),
        (b"a\r\nb", -1),
    ],
)
def test_ends_of_heads(data: bytes, expected: int) -> None:
    """The first blank line counts, whichever line breaks there are."""
    assert end_of_head(data, 0, len(data)) == expected
