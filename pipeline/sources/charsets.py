"""Bytes of web pages as UTF-8, whatever they are in.

What is UTF-8 is taken for UTF-8, whatever the page says: text in another encoding is hardly ever valid by chance. Else
the first declaration counts by which the bytes can be decoded: byte order mark, HTTP header, ``<meta>``, XML
declaration; windows-1252 last, because servers say it by default and every byte can be decoded by it. Labels mean what
the WHATWG's Encoding Standard says (``iso-8859-1`` is windows-1252, ``gb2312`` is gb18030). Where no declaration fits,
``charset_detection`` guesses. Sequences that cannot be decoded become U+FFFD, and the caller is told.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.sources.charset_detection import detect
from stages.kernels.utf8_survey import Survey, survey

Buffer = bytes | bytearray | memoryview

_LABELS = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e"
    " iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7"
    " iso_8859-7:1987 sun_eu_greek",
    "iso8859-8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8"
    " iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1"
    " iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5"
    " windows-1254 x-cp1254",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030",
    "hz": "hz-gb-2312",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc-jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022-jp": "csiso2022jp iso-2022-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601"
    " windows-949",
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
}
"""Python's codec → labels, as the Encoding Standard has them (section 4.2), and hz, which it leaves undecoded."""

_CODECS: Mapping[str, str] = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_WITH_TABLE = re.compile(r"cp(125\d|874|866)|iso8859|koi8|mac-")
_UTF16 = {"utf-16-le", "utf-16-be"}
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

_HEAD_BYTES = 16 * 2**10
_SAMPLE_BYTES = 256 * 2**10
_STEP_BYTES = 2**20
_FEW_REPLACED = 0.02
_UNDEFINED = "\ufffe"
_CHANCE_SEQUENCES = 8
"""So many sequences of UTF-8 are no chance: a character of GB 2312 is valid UTF-8 in about 15 % of cases."""

_TAG = re.compile(rb"<[a-zA-Z!/]")
"""What text in UTF-16 cannot contain."""
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']", re.IGNORECASE)
_HEADER = re.compile(rb"\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


class Decoded(NamedTuple):
    """``text``: UTF-8. ``replaced``: whether some of the bytes had to become U+FFFD."""

    text: Buffer
    replaced: bool


def codec_of(label: bytes) -> str | None:
    """Python's codec for a label of the web; None for an unknown one."""
    return _CODECS.get(label.strip().lower().decode("latin-1"))


def header_charset(content_type: bytes) -> bytes:
    """The charset that a Content-Type header names, empty if it names none."""
    found = _HEADER.search(content_type)
    return found[1] if found else b""


def to_utf8(body: Buffer, label: bytes = b"") -> Decoded:
    """The body as UTF-8, without byte order mark. ``label``: what the HTTP header says.

    A body that is UTF-8 already is not copied.
    """
    begins = bytes(body[:3])
    for mark, codec in _MARKS:
        if begins.startswith(mark):
            body = memoryview(body)[len(mark) :]
            if codec != "utf-8":
                return _replacing(body, codec)
            break
    found = survey(np.frombuffer(body, np.uint8))
    if not found.broken and found.sequences >= _CHANCE_SEQUENCES:
        return Decoded(body, False)
    head = bytes(body[:_HEAD_BYTES])
    if not found.broken and not _may_be_another(head, found):
        return Decoded(body, False)
    declared = _declared(head, label)
    for codec in declared:
        text = _strictly(body, codec) if _fits(codec, found) else None
        if text is not None:
            return Decoded(text, False)
    if not found.broken:
        return Decoded(body, False)
    return _best(body, declared, found)


def _may_be_another(head: bytes, found: Survey) -> bool:
    """Whether valid UTF-8 may yet mean something else: encodings of seven bits, UTF-16, very short text."""
    return found.sequences > 0 or b"\x1b$" in head or b"~{" in head or _has_nulls(head)


def _has_nulls(head: bytes) -> bool:
    """As markup in UTF-16 has."""
    return head.count(0) * 8 > len(head)


def _fits(codec: str, found: Survey) -> bool:
    """Whether a declaration can be right: bytes that are valid UTF-8 are not one byte a character by chance."""
    if codec == "utf-8":
        return not found.broken
    return bool(found.broken) or _WITH_TABLE.match(codec) is None


def _declared(head: bytes, label: bytes) -> list[str]:
    """Codecs that the page is said to be in, or that its form shows, in the order in which they count."""
    metas = (_META.search(_COMMENT.sub(b"", head)), _XML.match(head))
    labels = [label, *(found[1] for found in metas if found)]
    codecs_ = [codec for word in labels if (codec := codec_of(word))]
    if _TAG.search(head):
        codecs_ = [codec for codec in codecs_ if codec not in _UTF16]
    if _has_nulls(head) and not _UTF16.intersection(codecs_):
        codecs_ = ["utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"]
    if b"\x1b$" in head:
        codecs_.append("iso2022-jp")
    return sorted(dict.fromkeys(codecs_), key=lambda codec: codec == "cp1252")


def _best(body: Buffer, declared: list[str], found: Survey) -> Decoded:
    """Bytes that fit no declaration: the encoding that leaves least to replace."""
    if found.sequences >= 4 * found.broken or ("utf-8" in declared and _ends_torn(body)):
        return _replacing(body, "utf-8")
    sample = bytes(body[:_SAMPLE_BYTES])
    for codec in declared:
        if codec != "utf-8" and _share_replaced(sample, codec) < _FEW_REPLACED:
            return _replacing(body, codec)
    codec = detect(sample)
    text = _strictly(body, codec)
    return _replacing(body, codec) if text is None else Decoded(text, False)


def _ends_torn(body: Buffer) -> bool:
    """Whether nothing but the last character is broken."""
    return not survey(np.frombuffer(body[:-3], np.uint8)).broken


def _share_replaced(sample: bytes, codec: str) -> float:
    """Of the characters beyond ASCII, how many the codec would have to replace."""
    text = _transcoded(sample, codec, "replace").decode()
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") / max(beyond, 1)


def _strictly(body: Buffer, codec: str) -> bytearray | None:
    try:
        return _transcoded(body, codec, "strict")
    except UnicodeError:
        return None


def _replacing(body: Buffer, codec: str) -> Decoded:
    text = _transcoded(body, codec, "replace")
    return Decoded(text, True if codec == "utf-8" else b"\xef\xbf\xbd" in text)


def _transcoded(body: Buffer, codec: str, errors: str) -> bytearray:
    """As UTF-8, a megabyte at a time, because a str may take four bytes a character."""
    made = bytearray()
    decoder = None if _WITH_TABLE.match(codec) else codecs.getincrementaldecoder(codec)(errors)
    for start in range(0, len(body), _STEP_BYTES):
        piece = bytes(body[start : start + _STEP_BYTES])
        if decoder is None:
            text = codecs.charmap_decode(piece, errors, _table(codec))[0]
        else:
            text = decoder.decode(piece, start + _STEP_BYTES >= len(body))
        made += text.encode()
    return made


@lru_cache(maxsize=64)
def _table(codec: str) -> str:
    """The character of each byte. What Python leaves open below 0xA0 are controls in the Encoding Standard."""
    known = bytes(range(256)).decode(codec, "replace")
    filled = (chr(byte) if byte < 0xA0 and known[byte] == "\ufffd" else known[byte] for byte in range(256))
    return "".join(filled).replace("\ufffd", _UNDEFINED)
