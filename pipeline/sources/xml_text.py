"""Escaped text of XML files whose records are found without an XML parser."""

from __future__ import annotations

import re

_NUMERIC = re.compile(rb"&#(?:([0-9]{1,9})|[xX]([0-9A-Fa-f]{1,8}));")
_ENTITIES = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&apos;", b"'"), (b"&amp;", b"&"))
_REPLACEMENT = "\ufffd".encode()


def unescaped(content: bytes) -> tuple[bytes, bool]:
    """What the text means; whether a number in it was no character, which becomes U+FFFD.

    Only the five predefined entities and numbers mean anything; what a document type declares stays as it is written.
    """
    if b"&" not in content:
        return content, False
    repaired = False

    def character(found: re.Match[bytes]) -> bytes:
        nonlocal repaired
        code = int(found.group(1)) if found.group(1) else int(found.group(2), 16)
        if code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000:
            return b"&amp;" if code == 38 else chr(code).encode()
        repaired = True
        return _REPLACEMENT

    content = content.replace(b"&#xA;", b"\n").replace(b"&#xD;", b"\r")
    if b"&#" in content:
        content = _NUMERIC.sub(character, content)
    for written, meant in _ENTITIES:
        content = content.replace(written, meant)
    return content, repaired
