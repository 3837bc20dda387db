"""Source files as UTF-8, whatever they were written in.

A byte order mark says the encoding. Else a file is UTF-8; if it is not, it is an old file in GB18030 (Chinese comments)
or in Latin-1 (everything else), and which is told by pairs: in GB18030 bytes over 127 come in twos, in Latin-1 an
accented letter stands between plain ones. Both are counted as repaired. Other old encodings (Shift JIS, KOI8-R, EUC-KR)
are taken for one of these, so their comments come out wrong; their code is ASCII.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.sources.transcoding import marked_encoding

_UTF8_MARK = b"\xef\xbb\xbf"
_PAIRED = 1.9


class Decoded(NamedTuple):
    """``text``: UTF-8. ``repaired``: the encoding that it was in, if not UTF-8."""

    text: bytes
    repaired: str | None = None


def decode(content: bytes) -> Decoded | None:
    """A file's text; None for what is no text in the encoding that its mark names, or holds NULs without one."""
    marked = marked_encoding(content[:4])
    if marked is not None:
        try:
            return Decoded(content.decode(marked).encode(), marked.replace("-", ""))
        except UnicodeError:
            return None
    content = content.removeprefix(_UTF8_MARK)
    if b"\0" in content:
        return None
    try:
        content.decode()
        return Decoded(content)
    except UnicodeDecodeError:
        return _old_text(content)


def _old_text(content: bytes) -> Decoded:
    try:
        text = content.decode("gb18030")
        high = sum(map((127).__lt__, content))
        wide = len(text) - sum(map(str.isascii, text))
        if high >= _PAIRED * wide:
            return Decoded(text.encode(), "gb18030")
    except UnicodeDecodeError:
        pass
    try:  # what Windows calls Latin-1 has dashes and quotes where Latin-1 has control characters
        return Decoded(content.decode("cp1252").encode(), "latin1")
    except UnicodeDecodeError:
        return Decoded(content.decode("latin-1").encode(), "latin1")
