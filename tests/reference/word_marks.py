"""Slow, obvious twin of ``stages.kernels.word_marks``: regular expressions between the words and over addresses."""

from __future__ import annotations

import re

from tests.reference.word_spans import word_places

MARK = re.compile(r"[-.~|/\\]+|\S", re.DOTALL)
ADDRESS = re.compile(r"://(?=[\x21-\x7e])[\x21-\x7e]*[^).,\]>\"*;:\x00-\x20\x7f-\U0010ffff]")


def tokens(text: str) -> list[str]:
    found = []
    at = 0
    for start, end in [*word_places(text), (len(text), len(text))]:
        if start < at:
            continue
        found += MARK.findall(text[at:start])
        address = ADDRESS.match(text, end)
        at = end
        if address and address.end() > end + 3:
            at = address.end()
        found += [text[start:at]] if start < at else []
    return found
