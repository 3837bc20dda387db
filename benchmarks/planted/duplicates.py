"""Copies of clean articles: equal after ``normalize``, or nearly equal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

from benchmarks.planted.dice import Dice
from benchmarks.planted.edits import drop_sentence, replace_units, rewrap, similarity
from benchmarks.planted.pages import Page

Edit = Callable[[str], str]

_EXACT: Sequence[tuple[str, int, str, Edit]] = (
    ("en", 3, "the same bytes", lambda text: text),
    ("en", 17, "the same bytes", lambda text: text),
    ("en", 17, "the same bytes, a third time", lambda text: text),
    ("en", 41, "CRLF line breaks", lambda text: text.replace("\n", "\r\n")),
    ("en", 58, "a byte order mark in front", lambda text: "\ufeff" + text),
    ("zh", 5, "the same bytes", lambda text: text),
    ("zh", 22, "the same bytes", lambda text: text),
    ("zh", 37, "a byte order mark and CRLF", lambda text: "\ufeff" + text.replace("\n", "\r\n")),
    ("de", 8, "the same bytes", lambda text: text),
    ("de", 19, "Unicode NFD", lambda text: unicodedata.normalize("NFD", text)),
    ("fr", 11, "Unicode NFD", lambda text: unicodedata.normalize("NFD", text)),
    ("es", 4, "CR line breaks", lambda text: text.replace("\n", "\r")),
    ("ja", 9, "Unicode NFD", lambda text: unicodedata.normalize("NFD", text)),
    ("ru", 6, "a byte order mark in front", lambda text: "\ufeff" + text),
)
"""Language, number of the article, how the copy differs, and the change. In the file of the original."""

_SYNDICATED: Sequence[tuple[str, int]] = (
    ("en", 29),
    ("en", 71),
    ("en", 96),
    ("zh", 14),
    ("zh", 51),
    ("fr", 25),
    ("ar", 7),
)
"""Articles that stand in ``zz-syndicated.jsonl`` once more."""

_HEADER = "Home > News > Letters\nPrint this page | Send to a friend\n\n"
_FOOTER = {
    "en": "\n\nYou may also like: letters from the valley, the weather, last year's fair. All rights reserved.",
    "zh": "\n\n相关阅读：山谷来信、天气预报、去年的庙会。版权所有，转载请注明出处。",
}

_NEAR: Sequence[tuple[str, int, str]] = (
    ("en", 7, "2 words"),
    ("en", 13, "5 words"),
    ("en", 23, "9 words"),
    ("en", 34, "16 words"),
    ("en", 46, "7 words"),
    ("en", 52, "sentence"),
    ("en", 65, "rewrap"),
    ("en", 77, "frame"),
    ("en", 83, "title"),
    ("en", 17, "1 words"),
    ("zh", 3, "3 words"),
    ("zh", 11, "8 words"),
    ("zh", 19, "20 words"),
    ("zh", 28, "sentence"),
    ("zh", 44, "frame"),
    ("zh", 60, "title"),
    ("de", 3, "4 words"),
    ("de", 27, "sentence"),
    ("fr", 5, "4 words"),
    ("fr", 30, "sentence"),
    ("es", 12, "4 words"),
    ("es", 21, "rewrap"),
    ("ja", 4, "6 words"),
    ("ja", 20, "sentence"),
    ("ru", 10, "4 words"),
    ("ru", 24, "sentence"),
    ("ar", 5, "3 words"),
    ("ar", 18, "title"),
)
"""Language, number of the article, edit."""


_NOTES = {
    "sentence": "one sentence left out",
    "rewrap": "lines broken at 64 characters",
    "frame": "navigation in front and a footer behind",
    "title": "another title",
}


def exact_duplicates(clean: Mapping[str, Sequence[Page]]) -> list[Page]:
    """Copies that ``normalize`` makes equal to an article of the same language."""
    return [_copy(clean[language][number], note, change) for language, number, note, change in _EXACT]


def syndicated(clean: Mapping[str, Sequence[Page]]) -> list[Page]:
    """Copies for another file."""
    return [_copy(clean[language][number], "the same bytes, in another file", str) for language, number in _SYNDICATED]


def near_duplicates(clean: Mapping[str, Sequence[Page]], spare: Mapping[str, str]) -> list[Page]:
    """Edited articles with their true similarity. ``spare``: language → text that replaced words come from."""
    pages = []
    for language, number, edit in _NEAR:
        original = clean[language][number]
        text = _edited(original.text, language, edit, spare[language], Dice("near", language, number, edit))
        page = Page("near_duplicate", language, text, _NOTES.get(edit, f"{edit} replaced"), original=original)
        page.similarity = similarity(original.text, text, language)
        pages.append(page)
    return pages


def _edited(text: str, language: str, edit: str, spare: str, dice: Dice) -> str:
    match edit:
        case "sentence":
            return drop_sentence(text, dice)
        case "rewrap":
            return rewrap(text)
        case "frame":
            return _HEADER + text + _FOOTER[language]
        case "title":
            return spare.partition("\n")[0] + "\n" + text.partition("\n")[2]
    return replace_units(text, language, int(edit.split()[0]), spare, dice)


def _copy(original: Page, note: str, change: Edit) -> Page:
    return Page("exact_duplicate", original.language, change(original.text), note, original=original, similarity=1.0)
