"""Head, middle and tail of two languages through one recipe, by models that it trains itself."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import gristmill
from pipeline.runs import Run, data_checksums, run_books
from tests.pipeline.corpora import WORDS, run, text, write_jsonl

RECIPE = """
name: buckets
store: {root}/store
sources:
  crawl: {{kind: jsonl, path: "{root}/in/crawl/*.jsonl"}}
  english: {{kind: jsonl, path: "{root}/in/english.jsonl"}}
  chinese: {{kind: jsonl, path: "{root}/in/chinese.jsonl"}}
fits:
  lm_en: {{kind: ngram_lm, from: {{source: english}}, order: 3, tokens: words}}
  lm_zh: {{kind: ngram_lm, from: {{source: chinese, sample: 0.9}}, order: 4, tokens: characters}}
{fits}
stages:
  - language: {{min_score: null, sure_score: null, min_letters: null, max_other_share: null}}
  - route:
      by: language
      en:
        - perplexity: {{name: ppl_en, model: lm_en, keep: [head, middle]{en}}}
      zh:
        - perplexity: {{name: ppl_zh, model: {{fit: lm_zh}}, keep: [head, middle]{zh}}}
execution: {{executor: local}}
"""
FROM_THE_RUN = """
  third_zh: {kind: percentile, from: run, signal: ppl_zh.perplexity, quantile: 0.3333}
  two_thirds_zh: {kind: percentile, from: run, signal: ppl_zh.perplexity, quantile: 0.6667}
"""


def noise(rng: random.Random, language: str) -> str:
    """Like a document, its words taken apart."""
    letters = list("".join(WORDS[language]))
    joiner = " " if language == "en" else ""
    return joiner.join("".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(40))


def write_corpus(root: Path) -> None:
    rng = random.Random(1)
    write_jsonl(root / "in/english.jsonl", [text(rng, "en") for _ in range(150)])
    write_jsonl(root / "in/chinese.jsonl", [text(rng, "zh") for _ in range(150)])
    for number in range(3):
        prose = [text(rng, rng.choice(["en", "zh"])) for _ in range(40)]
        write_jsonl(root / f"in/crawl/{number}.jsonl", [*prose, *(noise(rng, "zh") for _ in range(10))])


def start(root: Path, fits: str = "", en: str = "", zh: str = "", workers: int = 1) -> Run:
    path = root / "recipe.yaml"
    path.write_text(RECIPE.format(root=root, fits=fits, en=en, zh=zh))
    return run(str(path), workers=workers)


def executed(found: Run) -> dict[str, int]:
    """Phase → units that this start computed, for phases that computed any."""
    return {phase[3:]: count for phase, count in found.executed.items() if count}


def documents(root: Path) -> pa.Table:
    return gristmill.open(str(root / "runs/buckets")).documents().table()


def test_buckets_of_two_languages(tmp_path: Path) -> None:
    """Both languages are judged by models of their own; noise is tail and goes, and a mix can weigh what stays."""
    write_corpus(tmp_path)
    books = run_books(start(tmp_path))
    assert books.unbalanced() == []
    stages = {stage for stage in ("ppl_en[en]", "ppl_zh[zh]") if books.total("dropped", stage, reason="tail")[0] > 0}
    assert stages == {"ppl_en[en]", "ppl_zh[zh]"}
    kept = documents(tmp_path)
    assert set(kept.column("perplexity_bucket").to_pylist()) - {None} == {"head", "middle"}
    by_language = set(
        zip(kept.column("language").to_pylist(), kept.column("perplexity_bucket").to_pylist(), strict=True)
    )
    assert {("en", "head"), ("en", "middle"), ("zh", "head"), ("zh", "middle")} <= by_language


def test_a_second_run_reuses_the_models(tmp_path: Path) -> None:
    """Nothing is trained or scored again; another threshold scores again without training."""
    write_corpus(tmp_path)
    first = start(tmp_path)
    assert executed(first)["finish: lm_zh"] == 1
    assert executed(start(tmp_path)) == {}
    assert executed(start(tmp_path, en=", tail_percentile: 0.8")) == {"rows: language, ppl_en, ppl_zh": 5}


def test_another_reference_recomputes_what_depends_on_it(tmp_path: Path) -> None:
    """The changed reference's model is trained again, the other one is not; what they judge is judged again."""
    write_corpus(tmp_path)
    start(tmp_path)
    rng = random.Random(9)
    write_jsonl(tmp_path / "in/chinese.jsonl", [text(rng, "zh") for _ in range(151)])
    second = executed(start(tmp_path))
    assert second == {"summarize: lm_zh": 1, "finish: lm_zh": 1, "rows: language, ppl_en, ppl_zh": 5}


def test_two_trainings_give_the_same_bytes(tmp_path: Path) -> None:
    """Models and documents are the same in another store and with another number of workers."""
    found = []
    for name, workers in (("one", 1), ("two", 2)):
        write_corpus(tmp_path / name)
        found.append(data_checksums(start(tmp_path / name, workers=workers)))
    assert found[0] == found[1]


def test_percentiles_of_the_run(tmp_path: Path) -> None:
    """Fits of kind percentile take the ends from the documents of the run: a third is head, a third is tail."""
    write_corpus(tmp_path)
    ends = ", head: {fit: third_zh}, tail: {fit: two_thirds_zh}"
    books = run_books(start(tmp_path, FROM_THE_RUN, zh=ends))
    judged, dropped = (books.total(what, "ppl_zh[zh]")[0] for what in ("in", "dropped"))
    assert dropped == pytest.approx(judged / 3, abs=2)
    kept = documents(tmp_path).filter(pc.field("language") == "zh").column("perplexity_bucket").to_pylist()
    assert [kept.count("head"), kept.count("middle")] == [pytest.approx(judged / 3, abs=2)] * 2
