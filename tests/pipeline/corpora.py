"""A small corpus and recipe for tests of whole runs: several files, kinds of partition, languages and fates."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

from pipeline.runs import Run, load_run

WORDS = {
    "en": [
        "the",
        "river",
        "carried",
        "old",
        "boats",
        "past",
        "a",
        "quiet",
        "village",
        "where",
        "people",
        "sold",
        "bread",
        "and",
        "talked",
        "about",
        "weather",
    ],
    "de": [
        "der",
        "Fluss",
        "trug",
        "alte",
        "Boote",
        "an",
        "einem",
        "stillen",
        "Dorf",
        "vorbei",
        "wo",
        "Menschen",
        "Brot",
        "verkauften",
        "und",
        "über",
        "Wetter",
        "sprachen",
    ],
    "zh": [
        "河流",
        "带着",
        "旧船",
        "经过",
        "安静",
        "的",
        "村庄",
        "人们",
        "在",
        "那里",
        "卖",
        "面包",
        "谈论",
        "天气",
        "和",
        "远方",
        "的",
        "山",
    ],
}

RECIPE = """
name: small
seed: 3
store: {root}/store
max_errors: 0.5
sources:
  news: {{kind: jsonl, path: "{root}/in/news/*.jsonl*", domain: web, ingest_above_bytes: 2000}}
  books: {{kind: jsonl, path: "{root}/in/books/*.jsonl", domain: books, split_bytes: 20000}}
fits:
  few: {{kind: percentile, from: run, signal: length.words, quantile: 0.1}}
stages:
  - normalize
  - language: {{min_score: 0.2}}
  - exact_dedup: {{scope: all}}
  - route:
      by: language
      zh:
        - word_count: {{min_words: 5}}
      default:
        - word_count: {{min_words: 8}}
  - word_count: {{name: length, min_words: {{fit: few}}, max_words: {max_words}}}
execution: {{executor: local}}
"""


def text(rng: random.Random, language: str) -> str:
    """A document of a few sentences."""
    words = WORDS[language]
    joiner = "" if language == "zh" else " "
    sentences = [joiner.join(rng.choices(words, k=rng.randint(1, 40))) for _ in range(rng.randint(1, 6))]
    return ("。\r\n" if language == "zh" else ".\n").join(sentences)


def write_jsonl(path: Path, texts: list[str], broken: bool = False) -> None:
    """Write documents, gzipped if the name says so, with a line that is no JSON in the middle if asked."""
    lines = [json.dumps({"id": f"{path.stem}-{i}", "text": text}, ensure_ascii=False) for i, text in enumerate(texts)]
    if broken:
        lines.insert(len(lines) // 2, '{"id": "torn", "text": "half of')
    content = ("\n".join(lines) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_corpus(root: Path, documents: int = 120, seed: int = 1) -> None:
    """Files of two sources below ``root/in``: plain, gzipped and damaged; a third of the texts are copies."""
    rng = random.Random(seed)
    pool = [text(rng, rng.choice(list(WORDS))) for _ in range(documents)]
    for name in ("news/a.jsonl", "news/b.jsonl.gz", "news/c.jsonl", "books/d.jsonl", "books/e.jsonl"):
        chosen = [
            rng.choice(pool) if rng.random() < 0.33 else text(rng, rng.choice(list(WORDS))) for _ in range(documents)
        ]
        write_jsonl(root / "in" / name, chosen, broken=name.endswith("c.jsonl"))


def write_recipe(root: Path, max_words: int = 150, extra: str = "", text: str = RECIPE) -> str:
    """Write the recipe; returns its path."""
    path = root / "recipe.yaml"
    path.write_text(text.format(root=root, max_words=max_words) + extra)
    return str(path)


def run(recipe: str, **options: Any) -> Run:
    """Run a recipe file; returns the run's record."""
    from pipeline.run_recipe import run_recipe

    return load_run(run_recipe(recipe, **options))
