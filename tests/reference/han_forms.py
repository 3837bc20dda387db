"""Slow, obvious twins of ``stages.kernels.han_forms``."""

from __future__ import annotations

from collections.abc import Mapping, Set


def replaced(text: str, pairs: Mapping[str, str]) -> str:
    """At each place the longest key that stands there is replaced."""
    longest = max(map(len, pairs), default=0)
    parts = []
    at = 0
    while at < len(text):
        keys = (text[at : at + size] for size in range(longest, 0, -1))
        key = next((key for key in keys if key in pairs), text[at])
        parts.append(pairs.get(key, key))
        at += len(key)
    return "".join(parts)


def counts(text: str, simplified: Set[str], traditional: Set[str]) -> list[int]:
    """Han, simplified only, traditional only, kana and Hangul syllables, compatibility ideographs."""
    compatibility = [c for c in text if "\uf900" <= c <= "\ufaff" or "\U0002f800" <= c <= "\U0002fa1f"]
    han = [c for c in text if "\u3400" <= c <= "\u4dbf" or "\u4e00" <= c <= "\u9fff" or c >= "\U00020000"]
    han = [c for c in han if c < "\U0003fffe"] + [c for c in compatibility if c <= "\uffff"]
    kana = [c for c in text if "\u3041" <= c <= "\u3096" or "\u30a1" <= c <= "\u30fa" or "\uff66" <= c <= "\uff9d"]
    hangul = [c for c in text if "\uac00" <= c <= "\ud7a3"]
    one_form = [sum(c in characters for c in text) for characters in (simplified, traditional)]
    return [len(han), *one_form, len(kana) + len(hangul), len(compatibility)]
