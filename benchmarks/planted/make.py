"""Writes the planted corpus: ``python -m benchmarks.planted.make [FOLDER]``.

The result is the same byte for byte each time, and a test compares it with what is committed. What the labels mean
is said in ``recipes/planted/README.md``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.planted.bad_text import garbled, repetitive
from benchmarks.planted.damaged import damaged_file
from benchmarks.planted.dice import Dice
from benchmarks.planted.duplicates import exact_duplicates, near_duplicates, syndicated
from benchmarks.planted.edits import jaccard, shingles
from benchmarks.planted.grammar import article, read_phrases
from benchmarks.planted.hostile import NOT_WANTED, gibberish, hostile
from benchmarks.planted.pages import Page, read_pages, read_questions

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "planted"

ARTICLES: Mapping[str, int] = {"en": 120, "zh": 80, "de": 36, "fr": 36, "es": 36, "ja": 30, "ar": 26, "ru": 32}
"""Clean articles by language."""

SPARE = 10
"""Further articles of each language, for what is made of words without being a copy."""

CURATED: Mapping[str, int] = {"en": 60, "zh": 60}
"""Further articles by language, in files of their own: what the quickstart's models take for good text."""

GARBLED: Mapping[str, int] = {"en": 8, "zh": 8}
"""Articles by language that are planted with letters recognised wrongly."""

REPETITIVE: Mapping[str, int] = {"en": 4, "zh": 4}
"""Articles by language that are planted with paragraphs over and over."""

RAW: Mapping[str, int] = {"en": 60, "zh": 60}
"""Pages by language of advertising and the furniture of web sites, in files of their own: what the quickstart's
classifier takes for bad text."""

PROMOTION: Mapping[str, int] = {"en": 10, "zh": 8}
"""Further pages of that kind by language, between the articles."""

MOST_ALIKE = 0.25
"""Two articles are no nearer than this (Jaccard index of 5-grams), so that no threshold takes them for copies."""

NEAR = 0.7
"""Near-duplicates of this similarity to their original go: ``minhash_dedup.threshold`` of the quickstart."""

EXPECTED: Mapping[str, str] = {
    "exact_duplicate": "exact_dedup:duplicate",
    "garbled": "perplexity:tail",
    "mixed_language": "language:mixed",
    "promotion": "quality:low_score",
    "repetitive": "gopher_repetition:duplicate_lines",
    "too_short": "word_count:too_short",
    "wrong_language": NOT_WANTED,
}
"""Kind → the rule of ``recipes/quickstart.yaml`` that takes all of it away."""

_UNSEEN = re.compile(
    "[\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ue000-\uf8ff\ufeff\ufff0-\uffff\U000e0000-\U0010ffff]"
)
"""Controls, invisible marks, private use and noncharacters; a list of ranges, for categories change with Unicode."""


def different(name: str, language: str, wanted: int) -> list[str]:
    """Texts out of the phrase file of that name; one that is too near to an earlier one is thrown away."""
    phrases, attempt = read_phrases(name), 0
    texts: list[str] = []
    seen: list[frozenset[tuple[str, ...]]] = []
    while len(texts) < wanted:
        text = article(phrases, language, Dice("article", name, attempt))
        attempt += 1
        grams = shingles(text, language)
        if all(jaccard(grams, other) <= MOST_ALIKE for other in seen):
            seen.append(grams)
            texts.append(text)
    return texts


def corpus() -> dict[str, list[Page]]:
    """Pages by file name (without ending), in order, with their ids."""
    articles = {language: iter(different(language, language, _articles(language))) for language in ARTICLES}
    clean = _pages("clean", ARTICLES, articles)
    rest = {language: list(islice(texts, SPARE)) for language, texts in articles.items()}
    spare = {language: texts[0] for language, texts in rest.items()}
    scraps = {name: iter(different(f"raw_{name}", name, RAW[name] + PROMOTION[name])) for name in RAW}
    files = {language: list(pages) for language, pages in clean.items()}
    files["odd"] = [*gibberish(spare), *hostile(rest["en"][1:], rest["ar"][1])]
    files["zz-syndicated"] = syndicated(clean)
    files |= {f"curated-{language}": pages for language, pages in _pages("curated", CURATED, articles).items()}
    files |= {f"raw-{language}": pages for language, pages in _pages("promotion", RAW, scraps).items()}
    bad = [
        *(page for pages in _pages("promotion", PROMOTION, scraps).values() for page in pages),
        *(garbled(page) for pages in _pages("garbled", GARBLED, articles).values() for page in pages),
        *(repetitive(page) for pages in _pages("repetitive", REPETITIVE, articles).values() for page in pages),
    ]
    for page in [*read_pages(), *exact_duplicates(clean), *near_duplicates(clean, spare), *bad]:
        _insert(files[page.language if page.language in clean else "odd"], page)
    for name, pages in files.items():
        for number, page in enumerate(pages, 1):
            page.id, page.file = f"{name}-{number:04d}", f"{name}.jsonl"
            page.expected = page.expected or _expected(page)
    return files


def _articles(language: str) -> int:
    """How many articles are made of a language."""
    return SPARE + sum(counts.get(language, 0) for counts in (ARTICLES, CURATED, GARBLED, REPETITIVE))


def _pages(kind: str, counts: Mapping[str, int], texts: Mapping[str, Iterator[str]]) -> dict[str, list[Page]]:
    """Language → the next texts as pages of that kind."""
    return {name: [Page(kind, name, text) for text in islice(texts[name], count)] for name, count in counts.items()}


def _expected(page: Page) -> str | None:
    if page.kind == "near_duplicate":
        return "minhash_dedup:near_duplicate" if (page.similarity or 0) >= NEAR else None
    return EXPECTED.get(page.kind)


def record(page: Page) -> dict[str, str]:
    """What stands in a file: the text with some provenance, and nothing about what was planted."""
    dice = Dice("record", page.id)
    host = "syndicate.example.net" if page.file == "zz-syndicated.jsonl" else "valley.example.org"
    return {
        "id": page.id,
        "url": f"https://{host}/{page.id.replace('-', '/')}",
        "date": f"2024-{1 + dice.below(12):02d}-{1 + dice.below(28):02d}",
        "license": "Apache-2.0",
        "text": page.text,
    }


def label(page: Page) -> dict[str, Any]:
    """What is to be known about a page."""
    return {
        "id": page.id,
        "file": page.file,
        "kind": page.kind,
        "language": page.language,
        "duplicate_of": page.original.id if page.original else None,
        "similarity": page.similarity,
        "expected": page.expected,
        "personal_data": [{"type": kind, "value": value} for kind, value in page.personal_data],
        "note": page.note,
    }


def write(folder: Path) -> None:
    """Write all files of the corpus but the README."""
    folder.mkdir(parents=True, exist_ok=True)
    files = corpus()
    for name, pages in files.items():
        (folder / f"{name}.jsonl").write_bytes(_lines(record(page) for page in pages))
    (folder / "labels.jsonl").write_bytes(_lines(label(page) for pages in files.values() for page in pages))
    (folder / "benchmark.jsonl").write_bytes(_lines(vars(question) for question in read_questions()))
    (folder / "damaged.jsonl").write_bytes(damaged_file())


def _insert(pages: list[Page], page: Page) -> None:
    """Put the page somewhere, behind the one that it was made from."""
    first = pages.index(page.original) + 1 if page.original else 0
    place = first + Dice("place", page.kind, page.language, len(pages)).below(len(pages) - first + 1)
    pages.insert(place, page)


def _lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON lines; characters that cannot be seen are written as escapes."""
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    return "".join(f"{_UNSEEN.sub(_escape, line)}\n" for line in lines).encode()


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
