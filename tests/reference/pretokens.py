"""Slow, obvious twin of ``stages.kernels.pretokens``: Qwen2's published regular expression."""

from __future__ import annotations

import regex

from pipeline.tokens.patterns import PATTERNS


def pretokens(text: str, max_bytes: int) -> list[bytes]:
    """Pre-tokens in order, longer ones cut at characters."""
    found: list[bytes] = []
    for piece in regex.findall(PATTERNS["qwen2"].regex, text):
        current = b""
        for character in piece:
            encoded = character.encode()
            if current and len(current) + len(encoded) > max_bytes:
                found.append(current)
                current = b""
            current += encoded
        found.append(current)
    return found
