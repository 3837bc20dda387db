"""Whole runs: one corpus, cut in many ways, loses the same documents and the same lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipeline.runs import run_books
from tests.pipeline.corpora import run

RECIPE = """
name: first
store: {root}/store
sources:
  curated: {{kind: jsonl, path: "{root}/curated", split_bytes: {split_bytes}}}
  crawl: {{kind: jsonl, path: "{root}/crawl", split_bytes: {split_bytes}, ingest_above_bytes: 0}}
stages:
  - url_dedup
  - exact_dedup
  - line_dedup: {{compare: exact}}
  - minhash_dedup
exports:
  kept: {{format: jsonl, compression: none}}
execution: {{executor: local}}
"""
STAGES = ("url_dedup", "exact_dedup", "line_dedup", "minhash_dedup")
Row = dict[str, str]


def rows(source: str, count: int) -> list[Row]:
    """Documents of which some have the URL, some the text, some a line and some nearly all words of another."""
    made = []
    for number in range(count):
        kind, family = number % 5, number % 3
        words = " ".join(f"w{family}x{k}" for k in range(60))
        text = {0: f"the page {family}", 3: f"menu {family}\nown {source} {number}", 4: f"{words} {source} {number}"}
        url = f"https://example.org/{family if kind == 1 else f'{source}/{number}'}"
        own = f"{source} says {number}, and nobody else"
        made.append({"id": f"{source}{number}", "text": text.get(kind, own), "url": url})
    return made


def write(folder: Path, found: list[Row], files: int, packed: bool) -> None:
    """Files whose names are in the order of the rows."""
    folder.mkdir(parents=True)
    size = -(-len(found) // files)
    for number in range(files):
        content = "".join(json.dumps(row) + "\n" for row in found[number * size : (number + 1) * size]).encode()
        path = folder / (f"{number:03d}.jsonl" + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(content) if packed else content)


def kept(
    root: Path, files: int = 1, split_bytes: int = 2**20, packed: bool = False, workers: int = 1, turned: bool = False
) -> tuple[dict[str, str], list[int]]:
    """Own id → text of what is left, and documents that each stage drops or cuts."""
    for source in ("curated", "crawl"):
        found = rows(source, 60)
        write(root / source, found[::-1] if turned else found, files, packed and source == "crawl")
    (root / "recipe.yaml").write_text(RECIPE.format(root=root, split_bytes=split_bytes))
    done = run(str(root / "recipe.yaml"), workers=workers)
    left = [json.loads(line) for file in Path(done.folder).rglob("kept/**/*.jsonl") for line in file.open()]
    books = run_books(done)
    assert books.unbalanced() == []
    counts = [books.total(what, stage)[0] for stage in STAGES for what in ("dropped", "cut")]
    return {row["id"].rpartition("#")[2]: row["text"] for row in left}, counts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[int]]:
    return kept(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    "cut",
    [
        {"split_bytes": 700},
        {"files": 7},
        {"files": 4, "split_bytes": 300, "workers": 2},
        {"files": 3, "packed": True},
    ],
)
def test_cuts_do_not_matter(whole: tuple[dict[str, str], list[int]], tmp_path: Path, cut: dict[str, int]) -> None:
    """Other ranges, more files, compressed ones that are ingested first, two workers: the same documents and lines."""
    assert kept(tmp_path, **cut) == whole  # type: ignore[arg-type]  # ints and a bool


def test_the_source_that_is_listed_first_wins(whole: tuple[dict[str, str], list[int]]) -> None:
    """Every stage found something; what the sources share is left in the first one's first document that has it."""
    left, counts = whole
    assert all(counts[place] for place in (0, 2, 5, 6))
    shared = {name: text for name, text in left.items() if "the page" in text}
    assert shared == {"curated0": "the page 0", "curated5": "the page 2", "curated10": "the page 1"}
    assert {name for name, text in left.items() if "menu" in text} == {"curated3", "curated8", "curated13"}
    assert all(name.startswith("curated") for name in ("curated1", "curated6", "curated11") if name in left)


def test_documents_in_another_order(whole: tuple[dict[str, str], list[int]], tmp_path: Path) -> None:
    """Documents in the opposite order have other firsts, and as many: what is like what depends on no order."""
    left, counts = kept(tmp_path, turned=True)
    assert counts == whole[1] and len(left) == len(whole[0])
    assert sorted(text for text in left.values() if "the page" in text) == [f"the page {n}" for n in range(3)]
    assert "curated0" not in left
