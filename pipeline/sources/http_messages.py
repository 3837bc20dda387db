"""HTTP responses as crawlers store them: status, header fields, and the body without its codings.

Crawlers differ: some take codings off and leave the header that names them, some write line feeds where CR LF belongs,
some keep the interim answers (100 Continue). So a coding is taken off where the body has it, not where the header says
so. Limits: no dictionaries shared between answers (``dcb``, ``dcz``), no ``compress``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.sources.compressed_units import CODECS, OUTPUT_BYTES, Decoder, decoders
from stages.kernels import http_chunks
from stages.kernels.utf8_survey import survey

Fields = Mapping[bytes, bytes]
Buffer = bytes | bytearray | memoryview

MAX_HEAD_BYTES = 2**20
"""A message whose header does not end within so many bytes is no HTTP."""

_STATUS = re.compile(rb"HTTP/\d(?:\.\d+)?[ \t]+(\d{3})(?!\d)")
_FIELD = re.compile(rb"^([^:\r\n]+):([^\n]*)", re.MULTILINE)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--|<(?:!doctype\s+html|html|head|body|script|iframe|h1|div|font|table|a|style|title"
    rb"|b|br|p|meta|link|center|frameset|noscript|span|ul|\?xml)[\s>/])",
    re.IGNORECASE,
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_STEP_BYTES = 16 * 2**10
_ZSTD_STEP_BYTES = 256
"""So little may stand for 8 MB, and its decoder gives all at once."""
_SAMPLE_BYTES = 4096


class Response(NamedTuple):
    """``body``: where it begins in the record's content."""

    status: int
    fields: Fields
    body: int


class BadMessage(Exception):
    """The message cannot be read: ``bad_http``, ``bad_chunking``, ``bad_encoding`` or ``too_large``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def end_of_head(data: bytes | bytearray, start: int, stop: int) -> int:
    """Behind the blank line that ends a header in ``data[start:stop]``, lines ended by CR LF or LF; -1: not there."""
    found = data.find(b"\n\r\n", start, stop)
    bare = data.find(b"\n\n", start, stop if found < 0 else found + 1)
    if bare >= 0:
        return bare + 2
    return found + 3 if found >= 0 else -1


def parse_fields(lines: bytes) -> dict[bytes, bytes]:
    """Name in small letters → value of header lines; folded lines are joined, of a repeated name the first counts."""
    if b"\n " in lines or b"\n\t" in lines:
        lines = _FOLD.sub(b" ", lines)
    return {name.strip().lower(): value.strip() for name, value in reversed(_FIELD.findall(lines))}


def parse_response(content: memoryview) -> Response:
    """Status and fields of the answer; interim ones (1xx) before it are passed over. Raises BadMessage."""
    start = 0
    while True:
        head = bytes(content[start : start + _SAMPLE_BYTES])
        status = _STATUS.match(head)
        if status is None:
            raise BadMessage("bad_http", "no status line of HTTP")
        end = end_of_head(head, 0, len(head))
        if end < 0:
            head = bytes(content[start : start + MAX_HEAD_BYTES])
            end = end_of_head(head, 0, len(head))
        if end < 0 and len(head) == MAX_HEAD_BYTES:
            raise BadMessage("bad_http", f"a header of more than {MAX_HEAD_BYTES:,} bytes")
        end = len(head) if end < 0 else end  # nothing but a header
        if not (status[1].startswith(b"1") and start + end < len(content)):
            return Response(int(status[1]), parse_fields(head[:end]), start + end)
        start += end


def looks_like_markup(body: Buffer) -> bool:
    """Whether the body begins as HTML does: with a comment or one of the tags that pages begin with."""
    return _MARKUP.match(bytes(body[:512])) is not None


def decoded_body(fields: Fields, body: memoryview, limit: int, *, cut: bool) -> Buffer:
    """The body without transfer and content codings, at most ``limit`` bytes.

    ``cut``: the crawler says that the body is incomplete, so what there is of it is taken. Raises BadMessage.
    """
    content: Buffer = body
    transfer = fields.get(b"transfer-encoding", b"").lower()
    if b"chunked" in transfer:
        content = _without_chunks(body, cut=cut)
    codings = fields.get(b"content-encoding", b"") + b"," + transfer
    for coding in reversed([word.strip().lower() for word in codings.split(b",")]):
        if coding not in (b"", b"identity", b"chunked"):
            content = _without_coding(coding, content, limit, cut=cut)
    return content


def _without_chunks(body: memoryview, *, cut: bool) -> Buffer:
    found = http_chunks.dechunk(np.frombuffer(body, np.uint8))
    if found.end == http_chunks.BROKEN and not found.whole:
        return body  # the crawler took them off and left the header
    if found.end in (http_chunks.ENDED, http_chunks.NO_LAST) or cut:
        return found.content.data
    detail = "the body ends inside a chunk" if found.end == http_chunks.CUT else "no chunk begins here"
    raise BadMessage("bad_chunking", f"{detail}, at byte {found.place:,} of the body")


def _without_coding(coding: bytes, content: Buffer, limit: int, *, cut: bool) -> Buffer:
    """The content without one coding, or as it is where the crawler has taken it off."""
    if not len(content) or looks_like_markup(content):
        return content
    name = coding[:40].decode("latin-1")
    trouble = f"content coding {name!r}, which is not read"
    for start in _starts(coding, bytes(content[:4])):
        made, damage = _unpacked(start, content, limit)
        if not damage or (cut and made):
            return made
        trouble = f"{name}: {damage}, after {len(made):,} bytes"
    if _is_text(content):
        return content
    raise BadMessage("bad_encoding", trouble)


def _is_text(content: Buffer) -> bool:
    """Whether it can be read as it is: no control characters at its beginning, and UTF-8 but for a torn end."""
    sample = bytes(content[:_SAMPLE_BYTES])
    if _CONTROL.search(sample):
        return False
    return survey(np.frombuffer(sample, np.uint8)).broken <= 1


_Start = Callable[[], Decoder]


def _starts(coding: bytes, head: bytes) -> Sequence[_Start]:
    """Decoders to try; none if the coding is unknown or the body does not have it."""
    if coding in (b"gzip", b"x-gzip"):
        return [decoders("gzip")] if head.startswith(CODECS["gzip"].magic) else []
    if coding == b"deflate":  # by the standard in zlib's format, which many servers leave out
        has_header = len(head) > 1 and head[0] & 15 == 8 and (head[0] * 256 + head[1]) % 31 == 0
        return [_zlib, _deflate] if has_header else [_deflate]
    if coding == b"br":
        return [_Brotli]
    if coding == b"zstd":
        return [decoders("zstd")] if head.startswith(CODECS["zstd"].magic) else []
    return []


def _unpacked(start: _Start, content: Buffer, limit: int) -> tuple[bytearray, str]:
    """What a decoder makes of the content, and what is wrong with it. Raises BadMessage beyond the limit."""
    made, decoder, at = bytearray(), start(), 0
    step = _ZSTD_STEP_BYTES if bytes(content[:4]) == CODECS["zstd"].magic else _STEP_BYTES
    while not decoder.eof:
        data = bytes(content[at : at + step]) if decoder.needs_input else b""
        at += len(data)
        try:
            piece = decoder.decompress(data, OUTPUT_BYTES)
        except MemoryError:
            raise
        except Exception as error:  # the codecs' errors have nothing else in common
            return made, str(error)
        if not data and not piece:
            return made, "the body ends before its content does"
        made += piece
        if len(made) > limit:
            raise BadMessage("too_large", f"a body of more than {limit:,} bytes, from {len(content):,} compressed ones")
        if decoder.eof and (decoder.unused_data or b"").startswith(CODECS["gzip"].magic):
            at -= len(decoder.unused_data)
            decoder = start()
    return made, ""


def _zlib() -> Decoder:
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB)


def _deflate() -> Decoder:
    from isal import igzip_lib

    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)


class _Brotli:
    unused_data = b""

    def __init__(self) -> None:
        import brotli

        self._decoder = brotli.Decompressor()

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._decoder.process(data, output_buffer_limit=max_length)

    @property
    def eof(self) -> bool:
        return self._decoder.is_finished()

    @property
    def needs_input(self) -> bool:
        return self._decoder.can_accept_more_data()
