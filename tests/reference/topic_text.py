"""Obvious twin of :mod:`stages.kernels.topic_text`: regular expressions and strings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

SPACES = " \t\v\f\r"
WORD = re.compile("[A-Za-z\u00c0-\u07ff]+")
FORMULA = re.compile(
    r"(?<![A-Za-z0-9:])\\[A-Za-z]{2}|[\^_]\{|[\u2200-\u22ff\u2a00-\u2aff]|[\U0001d400-\U0001d7ff]", re.ASCII
)
CURRENCY = "[$£¥￥\u20a0-\u20bf]"
PRICE = re.compile(f"{CURRENCY}(?= ?[0-9])|(?<=[0-9]){CURRENCY}|(?<=[0-9] ){CURRENCY}")
CALL = re.compile(r"=|[A-Za-z_]\(")
SIGNS = set("{}<>=;&\\^~$")


def head(text: str, limit: int) -> str:
    """The first bytes, to the end of a character."""
    return text.encode()[:limit].decode(errors="ignore")


def lower(text: str) -> str:
    """ASCII in lower case."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def is_code(line: str, starts: Collection[str]) -> bool:
    """Whether a line, as it stands between line feeds, looks like code."""
    body = line.strip(SPACES)
    size = len(body.encode())
    if body[-1] in ";{}" or body.endswith("):"):
        return size <= 400
    signs = sum(c in SIGNS for c in body)
    if signs >= 2 and 16 * signs >= size:
        return True
    if CALL.search(body) and len(line) - len(line.lstrip(SPACES)) >= 2:
        return True
    first = WORD.match(body)
    return bool(first) and lower(first[0]) in starts and size <= 100 and body[-1] != "."  # type: ignore[index]


def lines(text: str) -> Iterable[str]:
    """Lines that are not blank."""
    return [line for line in text.split("\n") if line.strip(SPACES)]


def phrases(line: str) -> list[str]:
    """Words, and pairs of them with nothing but white space and hyphens between."""
    words = list(WORD.finditer(line))
    found = [lower(word[0]) for word in words]
    for one, two in zip(words, words[1:], strict=False):
        if not line[one.end() : two.start()].strip(SPACES + "-"):
            found.append(f"{lower(one[0])} {lower(two[0])}")
    return found


def topic_text(
    rows: list[str], limit: int, topics: int, entries: list[tuple[str, int, int]], starts: Collection[str]
) -> list[list[int]]:
    """Counts of each row: words, bytes, bytes of code, formulas, prices, and for each topic hits and kinds."""
    return [_row(lines(head(row, limit)), topics, entries, starts) for row in rows]


def _row(rows: Iterable[str], topics: int, entries: list[tuple[str, int, int]], starts: Collection[str]) -> list[int]:
    bodies = [line.strip(SPACES) for line in rows]
    found = [phrase for body in bodies for phrase in phrases(body)]
    han = sum(0x3000 <= ord(c) <= 0x9FFF for body in bodies for c in body)
    counts = [
        sum(" " not in phrase for phrase in found) + han // 2,
        sum(len(body.encode()) for body in bodies),
        sum(len(line.strip(SPACES).encode()) for line in rows if is_code(line, starts)),
        sum(len(FORMULA.findall(body)) for body in bodies),
        sum(len(PRICE.findall(body)) for body in bodies),
    ]
    for topic in range(topics):
        hits = [(kind, _occurrences(entry, found, bodies)) for entry, of, kind in entries if of == topic]
        counts += [sum(count for _, count in hits), len({kind for kind, count in hits if count})]
    return counts


def _occurrences(entry: str, found: list[str], bodies: list[str]) -> int:
    if "\u3000" <= entry[0] <= "\u9fff":
        return sum(body.startswith(entry, at) for body in bodies for at in range(len(body)))
    return found.count(entry.replace("-", " "))
