"""How well a classifier, perplexity and their ensemble tell curated from raw text of sources that they have not seen.

A recipe fits all three on curated text (passages of 19th-century novels and modern web articles, half each) against
raw text (pages of html_gold with all that is on them, those in English), and scores other sources: curated ones (Brown
corpus, State of the Union and inaugural addresses, radio news) and raw ones (crawl text: Parquet samples, C4,
RedPajama, Dolma). Test texts are matched by length: of each pair of a curated and a raw text the longer is cut to the
length of the shorter, at a space. Also scored: DCLM's 281 web documents with a human 0 or 1, of which its repository
does not say what it means.

Printed: the area under the ROC curve of each score, on each curated source against the raw test texts and on the human
labels. 0.5 is chance. For perplexity lower counts as better.

    python -m benchmarks.quality_auc DATA
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import zstandard

import gristmill
from benchmarks.html_gold import read_pages
from benchmarks.rule_corpora import ARTICLES, batch_of, crawl, json_lines, novels
from classifiers.evaluation import auc
from classifiers.fasttext_model import lid176_path
from pipeline.run_recipe import run_recipe
from stages import language
from stages.contract import UNKNOWN_LANGUAGE

PASSAGE = 5_000
SHORTEST = 300
SCORES = {"classifier": "curated.score", "perplexity": "perplexity.perplexity", "max of ranks": "best.score",
          "mean of ranks": "mean.score"}  # fmt: skip

RECIPE = """
name: quality_auc
seed: 1
store: {folder}/store
sources:
  curated: {{kind: jsonl, path: {folder}/curated.jsonl}}
  raw: {{kind: jsonl, path: {folder}/raw.jsonl}}
  test: {{kind: jsonl, path: {folder}/test.jsonl, fields: {{of: of}}}}
fits:
  lm: {{kind: ngram_lm, from: {{source: curated}}, tokens: words, order: 5, prune: [0, 0, 1]}}
  model: {{kind: classifier, positive: {{source: curated}}, negative: {{source: raw}}, seed: 1}}
  by_classifier: {{kind: ranks, from: {{source: raw}}, signal: curated.score}}
  by_perplexity: {{kind: ranks, from: {{source: raw}}, signal: perplexity.perplexity}}
stages:
  - classifier: {{name: curated, model: model}}
  - perplexity: {{model: lm}}
  - ensemble: {{name: best, signals: &voices [
      {{signal: curated.score, ranks: by_classifier}},
      {{signal: perplexity.perplexity, ranks: by_perplexity, lower_is_better: true}}]}}
  - ensemble: {{name: mean, combine: weighted, signals: [
      {{signal: curated.score, ranks: by_classifier}},
      {{signal: perplexity.perplexity, ranks: by_perplexity, lower_is_better: true}}]}}
execution: {{executor: local}}
""".replace("&voices ", "")


def passages(texts: Sequence[str], count: int) -> list[str]:
    """The same passages each time, from all of the texts."""
    draw = random.Random(1)
    found = [text[at : at + PASSAGE] for text in texts for at in range(0, len(text), PASSAGE)]
    return draw.sample(found, min(count, len(found)))


def brown(data: Path) -> Iterator[str]:
    """The Brown corpus without its tags, each of its texts whole."""
    with zipfile.ZipFile(data / "nltk" / "brown.zip") as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(r"brown/c[a-r]\d\d", name):
                lines = archive.read(name).decode("utf-8", "replace").splitlines()
                words = [[token.rpartition("/")[0] for token in line.split()] for line in lines]
                yield "\n".join(" ".join(line) for line in words if line)


def plain(data: Path, name: str) -> Iterator[str]:
    """The texts of one of NLTK's archives."""
    with zipfile.ZipFile(data / "nltk" / f"{name}.zip") as archive:
        for member in sorted(archive.namelist()):
            if member.endswith(".txt"):
                yield archive.read(member).decode("utf-8", "replace")


def untokenized(text: str) -> str:
    """Punctuation joined to the words again, as other sources have it: a difference that nobody wants to be told."""
    text = re.sub(r"``\s*|\s*''", '"', text)
    return re.sub(r"\s+([.,;:?!)])", r"\1", text)


def all_text(page: str) -> str:
    """All text of a page, navigation and notices too, a line for each element; as WET files have it."""
    visible = re.sub(r"(?is)<(script|style|noscript|template)\b.*?</\1\s*>|<!--.*?-->|<head\b.*?</head\s*>", " ", page)
    lines = html.unescape(re.sub(r"(?s)<[^>]*>", "\n", visible)).split("\n")
    return "\n".join(line.strip() for line in lines if line.strip())


def english(texts: Sequence[str]) -> list[str]:
    """Those that the stage `language` says are English."""
    batch = batch_of(texts, UNKNOWN_LANGUAGE)
    config = language.LanguageConfig()
    model = language.load(config, {"model": lid176_path()})
    found = language.apply(batch, config, model).columns["language"].to_pylist()
    return [text for text, name in zip(texts, found, strict=True) if name == "en"]


def mixture(data: Path) -> list[str]:
    """Samples of crawls as other corpora have them: C4, RedPajama, Dolma."""
    names = ("redpajama-c4-refined", "redpajama-cc-2023-06-refined", "dolma_cc_en_head-0091", "dolma_cc_en_head-0174")
    found = []
    for name in names:
        with zstandard.open(data / "mixture_samples" / f"{name}.jsonl.zst", "rt", encoding="utf-8") as lines:
            found += [str(json.loads(line)["text"]) for line in lines]
    return found


def matched(good: Sequence[str], raw: Sequence[str]) -> tuple[list[str], list[str]]:
    """As many texts of both, in pairs of one length; by the order of their lengths, so that little is cut off."""
    count = min(len(good), len(raw))
    draw = random.Random(2)
    pairs = zip(*(sorted(draw.sample(list(texts), count), key=len) for texts in (good, raw)), strict=True)
    cut = [[_shortened(text, min(len(one), len(other))) for text in (one, other)] for one, other in pairs]
    kept = [pair for pair in cut if min(map(len, pair)) >= SHORTEST]
    return [pair[0] for pair in kept], [pair[1] for pair in kept]


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else text[:size].rsplit(None, 1)[0]


def human(data: Path) -> Iterator[tuple[str, int]]:
    """(text, label) of the labelled documents."""
    with zstandard.open(data / "quality_human" / "dclm_agreement_data.jsonl.zst", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["text"], int(row["label"])


def write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def prepare(data: Path, folder: Path) -> list[str]:
    """Write the sources; names of the curated test sources."""
    articles = [text for (_, text), _ in zip(json_lines(data / ARTICLES), range(1500), strict=False)]
    books = passages([text for _, text in novels(data)], 700)
    curated = [*books, *passages(articles, 700)]
    raw = english([all_text(page.html) for page in read_pages(data)])
    write(folder / "curated.jsonl", [{"text": text} for text in curated])
    write(folder / "raw.jsonl", [{"text": text[:50_000]} for text in raw])
    tests = {
        "Brown": [untokenized(text) for text in brown(data)],
        "State of the Union": passages(list(plain(data, "state_union")), 400),
        "inaugural addresses": passages(list(plain(data, "inaugural")), 400),
        "radio news (abc)": passages(list(plain(data, "abc")), 400),
    }
    pool = [text[:50_000] for text in [*english(crawl(data, 1500).texts), *mixture(data)]]
    rows = []
    for name, texts in tests.items():
        good, bad = matched(texts, pool)
        rows += [{"text": text, "of": f"{name}|1"} for text in good] + [
            {"text": text, "of": f"{name}|0"} for text in bad
        ]
    rows += [{"text": text, "of": f"human labels|{label}"} for text, label in human(data)]
    write(folder / "test.jsonl", rows)
    return [*tests, "human labels"]


def main() -> None:
    """Prepare, run the recipe, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tests = prepare(data, folder)
        (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
        run = gristmill.open(run_recipe(str(folder / "recipe.yaml")))
        documents = run.documents().table()
        signals = run.signals().table()
        of = dict(zip(documents.column("_address").to_pylist(), documents.column("of").to_pylist(), strict=True))
        places = [of.get(address) for address in signals.column("_address").to_pylist()]
        columns = {score: signals.column(column).to_numpy(zero_copy_only=False) for score, column in SCORES.items()}
        print(f"{'':20} {'texts':>7}  " + "  ".join(f"{score:>13}" for score in SCORES))
        for test in tests:
            rows = np.array([place is not None and place.rpartition("|")[0] == test for place in places])
            positive = np.array([place is not None and place.endswith("|1") for place in places])[rows]
            found = [auc(-values[rows] if score == "perplexity" else values[rows], positive)
                     for score, values in columns.items()]  # fmt: skip
            shown = "  ".join(f"{'none' if value is None else format(value, '.3f'):>13}" for value in found)
            print(f"{test:20} {int(rows.sum()):7,}  {shown}")


if __name__ == "__main__":
    main()
