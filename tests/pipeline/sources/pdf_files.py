"""PDF files written by hand, and processes that misbehave on them."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from pipeline.sources import pdf_child

CRASH, HANG, GARBAGE = b"% crash", b"% hang", b"% exit"
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def pdf(pages: Sequence[Sequence[str]], info: Mapping[str, str] | None = None, password: bytes | None = None) -> bytes:
    """A file with these lines on its pages; with a password, its strings and streams are encrypted (40 bits, RC4)."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for lines in pages:
        shown = b"".join(b"(" + _escaped(line) + b") Tj T*\n" for line in lines)
        stream = b"BT /F1 12 Tf 14 TL 50 780 Td\n" + shown + b"ET" if lines else b""
        objects.append(b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
        resources = b"<< /Font << /F1 3 0 R >> >>"
        contents = len(objects)
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 820] /Resources %s /Contents %d 0 R >>"
            % (resources, contents)
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    trailer = b"/Root 1 0 R"
    if info:
        items = b" ".join(b"/%s (%s)" % (name.encode(), _escaped(value)) for name, value in info.items())
        objects.append(b"<< " + items + b" >>")
        trailer += b" /Info %d 0 R" % len(objects)
    if password is not None:
        objects.append(_encryption(password))
        trailer += b" /Encrypt %d 0 R /ID [<00112233> <00112233>]" % len(objects)
    return _file(objects, trailer)


def _escaped(line: str) -> bytes:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")


def _file(objects: Sequence[bytes], trailer: bytes) -> bytes:
    content = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, len(content))
    return content + head + table + end


def _encryption(password: bytes) -> bytes:
    """The dictionary of the standard security handler, revision 2 (ISO 32000-1, 7.6.3)."""
    padded = (password + _PADDING)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    permissions = (-4).to_bytes(4, "little", signed=True)
    key = hashlib.md5(padded + owner + permissions + bytes.fromhex("00112233")).digest()[:5]
    user = _rc4(key, _PADDING)
    return b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >>" % (owner.hex().encode(), user.hex().encode())


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def main() -> None:
    """The process, but that it dies, hangs or leaves on files that say so."""
    honest = pdf_child.text_of

    def text_of(content: bytes, max_pages: int, max_bytes: int) -> dict[str, object]:
        if content.endswith(CRASH):
            os.kill(os.getpid(), signal.SIGSEGV)
        if content.endswith(HANG):
            time.sleep(1000)
        if content.endswith(GARBAGE):
            sys.exit(3)
        return honest(content, max_pages, max_bytes)

    pdf_child.text_of = text_of
    pdf_child.main()
