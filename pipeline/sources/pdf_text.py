"""From the lines of a PDF's pages to a text: words mended at line ends, running headers and footers left out.

A word is mended where a line ends in a letter and a hyphen and the next line begins with a small letter (or pdfium
marks the hyphen as one of a line's end): the hyphen and the line break go. So "well-" / "known" becomes "wellknown":
which hyphens belong to a word only a dictionary could tell, and line ends have many more of the other kind.

A running line is one of the two first or two last of a page that, digits aside, stands there on more than half of the
pages, and on three at least.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

EDGE_LINES = 2
_FEWEST_PAGES = 3

_LINE_END = re.compile(r"\r\n?")
_MARKED_HYPHEN = re.compile("[\ufffe\x02]\\s*\n\\s*|[\ufffe\x02]")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u2010]\n(?=[^\W\d_])(\S)")
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?'?)?")


def joined(pages: Sequence[str], running_lines_out: bool) -> str:
    """The document's text; pages are parted by an empty line, or not if a word goes over from one to the next."""
    lines = [[line.rstrip() for line in _LINE_END.sub("\n", page).split("\n")] for page in pages]
    lines = [_without_empty_ends(page) for page in lines]
    if running_lines_out:
        lines = _without_running_lines(lines)
    text = "\n\n".join("\n".join(page) for page in lines if page)
    return _mended(text)


def _mended(text: str) -> str:
    text = _MARKED_HYPHEN.sub("", text)
    return _HYPHEN.sub(lambda found: found.group(1) if found.group(1).islower() else found.group(), text)


def _without_empty_ends(lines: list[str]) -> list[str]:
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return lines[start:end]


def _without_running_lines(pages: Sequence[list[str]]) -> list[list[str]]:
    counts: Counter[tuple[bool, str]] = Counter()
    for page in pages:
        counts.update({(top, _key(page[place])) for top, place in _edges(page)})
    fewest = max(_FEWEST_PAGES, len(pages) // 2 + 1)
    kept = []
    for page in pages:
        out = {place for top, place in _edges(page) if counts[top, _key(page[place])] >= fewest}
        kept.append(_without_empty_ends([line for place, line in enumerate(page) if place not in out]))
    return kept


def _edges(page: Sequence[str]) -> list[tuple[bool, int]]:
    """(whether it is at the top, place) of the lines that can be running ones."""
    top = [(True, place) for place in range(min(EDGE_LINES, len(page)))]
    return top + [(False, place) for place in range(max(len(page) - EDGE_LINES, len(top)), len(page))]


def _key(line: str) -> str:
    return _DIGITS.sub("0", " ".join(line.split()))


def iso_date(value: str | None) -> str | None:
    """A PDF's date (ISO 32000-1, 7.9.4) as ISO 8601 writes it; other things as they are."""
    found = _DATE.fullmatch(value.strip()) if value else None
    if found is None:
        return value or None
    year, month, day, hour, minute, second, utc, sign, zone_hour, zone_minute = found.groups()
    date = "-".join(part for part in (year, month, day) if part)
    if hour is None:
        return date
    zone = "Z" if utc else f"{sign}{zone_hour}:{zone_minute or '00'}" if sign else ""
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{zone}"
