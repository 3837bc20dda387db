"""Text of strangers, made safe to look at: no terminal escapes, no hidden direction changes, no markup.

A crawled page may hold ``ESC ]`` sequences that rename a window or write to the clipboard, bidirectional
overrides that make a line read other than it is (CVE-2021-42574), and script tags. Control characters are shown as
their pictures (␛), direction marks as their code points, so that what is there can still be seen.
"""

from __future__ import annotations

import html
import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def inert(text: str) -> str:
    """The text with everything visible that a terminal or browser would obey; line feeds and tabs stay."""
    return _HIDDEN.sub(_visible, text)


def one_line(text: str, width: int = 200) -> str:
    """:func:`inert` text on one line, cut to ``width`` characters."""
    flat = inert(text[: 4 * width]).replace("\t", " ").replace("\n", "⏎")
    return flat if len(flat) <= width and len(text) <= 4 * width else flat[: width - 1] + "…"


def escaped(text: str) -> str:
    """:func:`inert` text for HTML, in an element or an attribute."""
    return html.escape(inert(text), quote=True)


def _visible(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"
