"""Source files as UTF-8."""

from __future__ import annotations

import codecs

import pytest

from pipeline.sources.code_text import Decoded, decode

CHINESE = "/* 计算两个数的和，返回结果。 */\nint add(int a, int b);\n"
FRENCH = "// été à la façon d'œuvre – “déjà”\nint a;\n"


@pytest.mark.parametrize(
    ("content", "text", "repaired"),
    [
        (b"", "", None),
        ("a 中 🙂\r\n".encode(), "a 中 🙂\r\n", None),
        (codecs.BOM_UTF8 + b"a", "a", None),
        (CHINESE.encode("utf-16"), CHINESE, "utf16"),
        (codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"), CHINESE, "utf16"),
        (CHINESE.encode("utf-32"), CHINESE, "utf32"),
        (CHINESE.encode("gb18030"), CHINESE, "gb18030"),
        (FRENCH.encode("cp1252"), FRENCH, "latin1"),
        ("é".encode("latin-1"), "é", "latin1"),
        (b"\x81 \xe9", "\x81 é", "latin1"),
    ],
)
def test_encodings(content: bytes, text: str, repaired: str | None) -> None:
    """The byte order mark says it, else UTF-8, else GB18030 where bytes come in pairs, else Latin-1."""
    assert decode(content) == Decoded(text.encode(), repaired)


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfea", codecs.BOM_UTF16_LE + b"\x00\xd8", bytes(10)])
def test_what_is_no_text(content: bytes) -> None:
    """NULs, and what is not in the encoding of its mark."""
    assert decode(content) is None
