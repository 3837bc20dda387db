"""Encodings of pages: what is declared, what is believed, and what is guessed."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from io import TextIOWrapper
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.charset_detection import detect
from pipeline.sources.charsets import codec_of, header_charset, to_utf8

CHINESE = "我们在这里学习中文，这是一个关于国家的故事。"
JAPANESE = "これは日本語の文章です。カタカナもあります。"
KOREAN = "이것은 한국어로 쓴 글입니다. 그리고 우리는 오늘 학교에 갔습니다."
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Это простой пример текста."
FRENCH = "Le café est à côté de l’église où les élèves français étudient."
POLISH = "Zażółć gęślą jaźń, która się później zmieniła w coś innego."


def text_of(body: bytes, label: str = "") -> tuple[str, bool]:
    found = to_utf8(memoryview(body), label.encode())
    return bytes(found.text).decode(), found.replaced


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        (CHINESE, "gb18030", "gb2312"), (CHINESE, "gbk", "GBK"), ("中國與臺灣的歷史", "big5hkscs", "big5"),
        (JAPANESE, "cp932", "Shift_JIS"), (JAPANESE, "euc-jp", "euc-jp"), (JAPANESE, "iso2022-jp", "iso-2022-jp"),
        (KOREAN, "cp949", "euc-kr"), (RUSSIAN, "cp1251", "windows-1251"), (RUSSIAN, "koi8-r", "koi8-r"),
        (FRENCH, "cp1252", "iso-8859-1"), (FRENCH, "cp1252", "us-ascii"), (POLISH, "iso8859-2", "latin2"),
        (RUSSIAN, "utf-16-le", "utf-16"), (RUSSIAN, "utf-16-be", "utf-16be"), (CHINESE, "hz", "hz-gb-2312"),
        (CHINESE, "utf-8", "utf-8"), (FRENCH, "utf-8", "nonsense"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["header", "meta", "http-equiv", "xml"])
def test_declared_encodings(text: str, codec: str, label: str, place: str) -> None:
    """A declaration in any place is followed; labels mean what browsers take them for."""
    declared = {
        "header": "<p>{}</p>",
        "meta": f"<html><head><!-- <meta charset=koi8-u> --><meta charset='{label}'></head><p>{{}}</p>",
        "http-equiv": f'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset={label}"><p>{{}}</p>',
        "xml": f'<?xml version="1.0" encoding="{label}"?><html><p>{{}}</p>',
    }[place]
    page = declared.format(text)
    assert text_of(page.encode(codec), label if place == "header" else "") == (page, False)


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(codec: str) -> None:
    """They count more than any declaration, and are left out."""
    assert text_of(f"<meta charset=gbk>{CHINESE}".encode(codec), "big5") == (f"<meta charset=gbk>{CHINESE}", False)


@pytest.mark.parametrize("label", ["iso-8859-1", "gb2312", "windows-1251", "utf-16", "x-unknown", ""])
def test_utf8_is_utf8(label: str) -> None:
    """Bytes that are UTF-8 are taken for it, whatever they are said to be, and are not copied."""
    body = memoryview((CHINESE + FRENCH).encode())
    found = to_utf8(body, label.encode())
    assert found.text is body
    assert not found.replaced


def test_short_text_in_two_bytes() -> None:
    """A few characters may be valid in both; then the declaration counts."""
    assert b"\xd6\xa9".decode() == "\u05a9"
    assert text_of(b"<p>\xd6\xa9\xd6\xa9", "gbk") == ("<p>知知".replace("知", b"\xd6\xa9".decode("gbk")), False)
    assert text_of(b"<p>\xd6\xa9\xd6\xa9", "iso-8859-1") == ("<p>\u05a9\u05a9", False)


def test_servers_default_gives_way() -> None:
    """Where a server says windows-1252 and the page another encoding that fits, the page is believed."""
    page = f"<meta charset=windows-1251>{RUSSIAN}"
    assert text_of(page.encode("cp1251"), "iso-8859-1") == (page, False)


@pytest.mark.parametrize(
    ("body", "label", "expected"),
    [
        (b"caf\xe9 <p>", "utf-8", "café <p>"),
        (RUSSIAN.encode("cp1251"), "utf-8", RUSSIAN),
        (CHINESE.encode("gbk"), "x-unknown", CHINESE),
        (JAPANESE.encode("cp932"), "", JAPANESE),
        (KOREAN.encode("cp949"), "", KOREAN),
        (RUSSIAN.encode("koi8-r"), "utf-8", RUSSIAN),
        (POLISH.encode("cp1250"), "", POLISH),
        (f"<html><body><p>{RUSSIAN}".encode("utf-16-le"), "", f"<html><body><p>{RUSSIAN}"),
        (f"<html><body><p>{RUSSIAN}".encode("utf-16-be"), "utf-8", f"<html><body><p>{RUSSIAN}"),
    ],
)
def test_wrong_or_missing_declarations(body: bytes, label: str, expected: str) -> None:
    """A declaration that does not fit the bytes is not followed; the encoding is guessed, and nothing is replaced."""
    assert text_of(body, label) == (expected, False)


def test_replaced_sequences() -> None:
    """Of text that hardly leaves its encoding the odd bytes are replaced, and it is said so."""
    torn = (CHINESE * 9).encode()[:-1]
    assert text_of(torn, "utf-8") == (torn.decode("utf-8", "replace"), True)
    mixed = (CHINESE * 9).encode("gbk") + b"\xff" + (CHINESE * 9).encode("gbk")
    assert text_of(mixed, "gbk") == (CHINESE * 9 + "\ufffd" + CHINESE * 9, True)
    assert text_of(b"a\xe4", "utf-8") == ("a\ufffd", True)


def test_undefined_bytes_of_windows_1252() -> None:
    """They are controls, as in browsers, and nothing is replaced."""
    assert text_of(b"\x81\x8d \x80 \xe9", "windows-1252") == ("\x81\x8d € é", False)


@given(
    body=st.binary(max_size=300),
    label=st.sampled_from(["", "utf-8", "gbk", "utf-16", "iso-2022-jp", "windows-1253", "?"]),
)
def test_any_bytes_become_utf8(body: bytes, label: str) -> None:
    """Whatever comes in, UTF-8 comes out."""
    text_of(body, label)
    text_of(b"<meta charset=" + label.encode() + b">" + body)


def test_long_text_is_decoded_in_pieces() -> None:
    """A megabyte's end may fall into a character."""
    text = "x" + CHINESE * 60_000
    assert text_of(text.encode("gb18030"), "gbk") == (text, False)
    assert text_of(text.encode("utf-16-le"), "utf-16le")[0] == text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"text/html; charset=UTF-8", b"UTF-8"), (b'text/html;charset="gb2312"', b"gb2312"), (b"text/html", b""),
        (b"text/html; Charset = 'x-sjis'; a=b", b"x-sjis"), (b"text/html; charset=", b""),
    ],
)  # fmt: skip
def test_header_charsets(header: bytes, expected: bytes) -> None:
    """The parameter is found however it is written."""
    assert header_charset(header) == expected


def test_labels() -> None:
    """Every label leads to a codec that Python has, and unknown ones (or names of other codecs) to none."""
    assert codec_of(b" Latin1 ") == "cp1252"
    assert codec_of(b"SHIFT-JIS") == "cp932"
    for label in (b"rot13", b"base64", b"utf-7", b"idna", b"unicode_escape", b"", b"\xff"):
        assert codec_of(label) is None


def test_empty_and_ascii() -> None:
    """There is nothing to guess."""
    assert text_of(b"") == ("", False)
    assert text_of(b"plain", "gbk") == ("plain", False)
    assert detect(b"") == "cp1252"


_LANGUAGES = {
    "cp1252": "fr de pt it sv da fi is nl ca nb sq",
    "cp1250": "pl cs sk hu ro hr sl",
    "iso8859-2": "pl cs sk hu ro hr",
    "cp1254": "tr",
    "cp1257": "lt lv et",
    "cp1251": "ru uk bg sr be mk",
    "koi8-r": "ru",
    "koi8-u": "uk",
    "cp866": "ru",
    "iso8859-5": "ru",
    "cp1253": "el",
    "cp1255": "he",
    "cp1256": "ar fa",
    "cp1258": "vi",
    "cp874": "th",
    "gb18030": "zh",
    "big5hkscs": "zh",
    "cp932": "ja",
    "euc-jp": "ja",
    "cp949": "ko",
}


@pytest.mark.data
def test_detection_on_real_sentences(real_data: Path) -> None:
    """Five sentences of 36 languages in their old encodings are read as they were written in 98 % of cases."""
    sentences = _sentences(real_data)
    chance = random.Random(1)
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for codec, languages in _LANGUAGES.items():
        for language in languages.split():
            for _ in range(10):
                page = f"<p>{' '.join(chance.sample(sentences[language], 5))}</p>".encode(codec, "ignore")
                if not page.isascii():
                    found = page.decode(detect(page), "replace")
                    right[language, codec].append(found == page.decode(codec))
    assert sum(map(sum, right.values())) >= 0.98 * sum(map(len, right.values()))
    assert all(sum(found) >= 0.7 * len(found) for found in right.values()), right


def _sentences(real_data: Path) -> dict[str, list[str]]:
    found = defaultdict(list)
    with open(real_data / "lang_labelled/lingua_testdata.jsonl.zst", "rb") as file:
        for line in TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), encoding="utf-8"):
            row = json.loads(line)
            if row["kind"] == "sentences" and len(row["text"]) > 30:
                found[row["lang"]].append(row["text"].replace("ș", "ş").replace("ț", "ţ"))
    return found
