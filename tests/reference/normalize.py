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


def normalized(
    text: str, form: Literal["NFC", "NFKC"] | None, newlines: bool, controls: bool
) -> tuple[str, dict[str, int]]:
    """(text, bytes cut per reason)."""
    cut = {}
    for reason, wanted in (("newlines", newlines), ("controls", controls), ("form", form)):
        before = len(text.encode())
        if reason == "newlines" and wanted:
            text = LINE_BREAK.sub("\n", text)
        if reason == "controls" and wanted:
            text = "".join(character for character in text if not is_removed(character))
        if reason == "form" and form:
            text = unicodedata.normalize(form, text)
        cut[reason] = max(0, before - len(text.encode()))
    return text, cut
