"""Slow, obvious twins of ``stages.kernels.normalize``: ``unicodedata`` and regular expressions."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

LINE_BREAK = re.compile("\r\n|[\v\f\r\x85\u2028\u2029]")


def is_removed(character: str) -> bool:
    """Controls but tab, line feed and line breaks; the byte order mark; noncharacters."""
    code = ord(character)
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    control = unicodedata.category(character) == "Cc" and character not in "\t\n\v\f\r\x85"
    return control or noncharacter or character == "\ufeff"


def narrowed(text: str, width: str) -> str:
    """Width forms made what Unicode says that they stand for; voicing marks go into the kana before them."""
    found: list[str] = []
    for character in text:
        kind, _, code = unicodedata.decomposition(character).partition(" ")
        in_block = character == "\u3000" or "\uff00" <= character <= "\uffef"
        kept = width == "narrow" and character in "！（），：；？"
        if not in_block or kept or kind not in ("<wide>", "<narrow>"):
            found.append(character)
            continue
        usual = chr(int(code, 16))
        if character in "ﾞﾟ" and found and "\u3040" <= found[-1] < "\u3100":
            usual = unicodedata.normalize("NFC", found.pop() + usual)
        found.extend(usual)
    return "".join(found)


def normalized(
    text: str, form: Literal["NFC", "NFKC"] | None, newlines: bool, controls: bool, width: str = "keep"
) -> tuple[str, dict[str, int]]:
    """(text, bytes cut per reason)."""
    cut = {}
    for reason, wanted in (
        ("newlines", newlines),
        ("controls", controls),
        ("width", width != "keep"),
        ("form", form),
    ):
        before = len(text.encode())
        if reason == "newlines" and wanted:
            text = LINE_BREAK.sub("\n", text)
        if reason == "controls" and wanted:
            text = "".join(character for character in text if not is_removed(character))
        if reason == "width" and wanted:
            text = narrowed(text, width)
        if reason == "form" and form:
            text = unicodedata.normalize(form, text)
        cut[reason] = max(0, before - len(text.encode()))
    return text, cut
