"""Slow, obvious twin of ``stages.kernels.english_tokens``, on Python strings."""

from __future__ import annotations

import re
import unicodedata

from stages.kernels.english_tokens import ABBREVIATIONS

_FRONT = set("%=,:;!?()[]{}<>_#*&'\"`$")
_END = set(",:;!?()[]{}<>_#*&'\"`")
_QUOTES = "'’"
_SCHEME = re.compile(r"(?!\.)(?:[A-Za-z0-9-]|(?<!\.)\.){2,}://.", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?=(?:[0-9-]*[a-z]){2})[a-z0-9-]+(?:/|\Z)")
_CONTRACTION = re.compile(
    rf"(?<=[^\0])(?:(?<=.)n[{_QUOTES}]t|[{_QUOTES}](?:re|ve|ll|d|m))\Z", re.IGNORECASE | re.DOTALL
)


def english_tokens(text: str) -> list[str]:
    """The tokens of a text."""
    return [token for chunk in _chunks(text) for token in _tokens(chunk)]


def _chunks(text: str) -> list[str]:
    return "".join(" " if character.isspace() else character for character in text).split(" ")


def _is_sign(character: str) -> bool:
    return ord(character) > 127 and unicodedata.category(character)[0] in "PS"


def _front(chunk: str) -> int:
    if run := re.match(r"\.{2,}", chunk):
        return len(run.group())
    if chunk[0] == "+":
        return 0 if re.match(r"\+[0-9]", chunk) else 1
    return int(chunk[0] in _FRONT or _is_sign(chunk[0]))


def _end(chunk: str) -> int:
    if chunk[-1] == ".":
        return _stops(chunk)
    if chunk[-1] in "sS":
        return 2 if len(chunk) > 2 and chunk[-2] in _QUOTES else 0
    return int(bool(re.search(r"[0-9][%KMGTgmt]\Z", chunk)) or chunk[-1] in _END or _is_sign(chunk[-1]))


def _stops(chunk: str) -> int:
    word = chunk.rstrip(".")
    if len(chunk) - len(word) > 1:
        return len(chunk) - len(word)
    if not word or word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return 0
    if word[-1].isupper():
        return int(word[-2:-1].isupper())
    return int(word[-1] not in "/\\")


def _tokens(chunk: str) -> list[str]:
    front: list[str] = []
    while chunk and (size := _front(chunk)):
        front.append(chunk[:size])
        chunk = chunk[size:]
    tail = ""
    while chunk and (size := _end(chunk)):
        chunk, tail = chunk[:-size], chunk[-size:] + tail
    return [*front, *_core(chunk), *re.findall(rf"\.+|[{_QUOTES}][sS]|.", tail, re.DOTALL)]


def _core(core: str) -> list[str]:
    if _SCHEME.match(core) or _HOST.match(core):
        return [core]
    found: list[str] = []
    start = at = 0
    while at < len(core):
        size = _separator(core, at) if at > start else 0
        if size:
            found += [*_parts(core[start:at]), core[at : at + size]]
            start = at = at + size
        else:
            at += 1
    return [*found, *_parts(core[start:])]


def _separator(core: str, at: int) -> int:
    before, sign = core[at - 1], core[at]
    run = next((k for k in range(at, len(core)) if core[k] != sign), len(core)) - at if sign in ".-~–—" else 1
    if sign == "…" or (sign == "." and run > 1):
        return run
    after = core[at + run : at + run + 1]
    if not after or sign.isalpha() or sign.isdecimal():
        return 0
    if sign == ".":
        return int(before.islower() and after.isupper())
    if sign == ",":
        return int(before.isalpha() and after.isalpha())
    if sign in "+-*^" and before.isdecimal() and after.isdecimal():
        return 1
    if (before.isalpha() or before.isdecimal()) and after.isalpha():
        return run if sign in "-~–—" else int(sign in ":<>=/")
    return 0


def _parts(word: str) -> list[str]:
    match = _CONTRACTION.search(word)
    return [word[: match.start()], word[match.start() :]] if match and match.start() else [word] if word else []
