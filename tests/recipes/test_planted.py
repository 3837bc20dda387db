"""The planted corpus is what its labels say."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.planted.damaged import DAMAGED
from benchmarks.planted.edits import jaccard, shingles, similarity
from benchmarks.planted.make import MOST_ALIKE, NEAR, write
from pipeline.recipe.loader import load_recipe
from pipeline.sources.jsonl import SOURCE as JSONL
from stages import catalogue
from stages.contract import CorpusStage, RowStage
from stages.kernels.words import count_words

NOT_CORPUS = ("labels", "benchmark", "damaged")
MADE_ELSEWHERE = ("README.md",)
KINDS = {
    "clean",
    "curated",
    "exact_duplicate",
    "near_duplicate",
    "boilerplate",
    "promotion",
    "repetitive",
    "garbled",
    "gibberish",
    "too_short",
    "personal_data",
    "benchmark_leak",
    "wrong_language",
    "mixed_language",
    "hostile",
}


@dataclass(frozen=True)
class Corpus:
    """Texts by id and labels, both in the order of the files."""

    records: dict[str, dict[str, Any]]
    labels: dict[str, dict[str, Any]]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        found = [label for label in self.labels.values() if label["kind"] == kind]
        assert found, f"no page is labelled {kind}"
        return found

    def text(self, page: str) -> str:
        return str(self.records[page]["text"])


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


@pytest.fixture(scope="module")
def corpus(planted: Path) -> Corpus:
    files = [path for path in sorted(planted.glob("*.jsonl")) if path.stem not in NOT_CORPUS]
    records = {record["id"]: record | {"file": path.name} for path in files for record in _lines(path)}
    return Corpus(records, {label["id"]: label for label in _lines(planted / "labels.jsonl")})


def test_making_it_again_gives_the_same_bytes(planted: Path, tmp_path: Path) -> None:
    """What is committed is what ``python -m benchmarks.planted.make`` writes, on any machine."""
    write(tmp_path)
    committed = {path.name: path.read_bytes() for path in planted.iterdir() if path.name not in MADE_ELSEWHERE}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == committed


def test_it_stays_small(planted: Path) -> None:
    """The corpus travels with the wheel: less than 1.5 MB in all."""
    assert sum(path.stat().st_size for path in planted.iterdir()) < 1_500_000


def test_every_page_has_one_label(corpus: Corpus) -> None:
    """Pages and labels match one to one, and a label names the page's file."""
    assert list(corpus.labels) and set(corpus.labels) == set(corpus.records)
    assert all(corpus.records[page]["file"] == label["file"] for page, label in corpus.labels.items())
    assert {label["kind"] for label in corpus.labels.values()} == KINDS


def test_all_languages_are_there(corpus: Corpus) -> None:
    """Eight languages have clean pages, Chinese more than any but English."""
    count = Counter(label["language"] for label in corpus.of_kind("clean"))
    assert [language for language, _ in count.most_common(2)] == ["en", "zh"]
    assert set(count) == {"en", "zh", "de", "fr", "es", "ja", "ar", "ru"} and min(count.values()) >= 25


def _row_stage(kind: str, text: list[str], **settings: Any) -> Any:
    """A row stage's output on these texts, and its config."""
    stage = catalogue.stage(kind)
    assert isinstance(stage, RowStage)
    config = stage.config(**settings)
    files = {name: str(path) for name, path in stage.resources(config).items()}
    columns = {"text": pa.array(text, pa.large_string()), "language": pa.array(["und"] * len(text), pa.string())}
    return stage.apply(pa.record_batch(columns), config, stage.load(config, files))


@pytest.fixture(scope="module")
def normalized(corpus: Corpus) -> dict[str, str]:
    """Texts by id after the stage ``normalize``."""
    done = _row_stage("normalize", [corpus.text(page) for page in corpus.records])
    return dict(zip(corpus.records, done.columns["text"].to_pylist(), strict=True))


def test_exact_duplicates_are_equal_after_normalize(corpus: Corpus, normalized: dict[str, str]) -> None:
    """Each labelled copy equals its original once normalized, some only then, and no other two pages are equal."""
    labelled = corpus.of_kind("exact_duplicate")
    for label in labelled:
        assert normalized[label["id"]] == normalized[label["duplicate_of"]]
        assert corpus.labels[label["duplicate_of"]]["kind"] == "clean"
    assert any(corpus.text(label["id"]) != corpus.text(label["duplicate_of"]) for label in labelled)
    assert any(label["file"] != corpus.labels[label["duplicate_of"]]["file"] for label in labelled)
    assert len(normalized) - len(set(normalized.values())) == len(labelled)


def test_originals_come_first(corpus: Corpus) -> None:
    """In a file the original stands before its copies, so that the copy is the one that goes."""
    place = {page: number for number, page in enumerate(corpus.records)}
    for label in [*corpus.of_kind("exact_duplicate"), *corpus.of_kind("near_duplicate")]:
        if label["file"] == corpus.labels[label["duplicate_of"]]["file"]:
            assert place[label["duplicate_of"]] < place[label["id"]]


def test_near_duplicates_are_as_near_as_said(corpus: Corpus) -> None:
    """The stored similarity is the true Jaccard index of 5-grams, and the corpus covers .5 to 1."""
    labels = corpus.of_kind("near_duplicate")
    for label in labels:
        original = corpus.text(label["duplicate_of"])
        assert label["similarity"] == similarity(original, corpus.text(label["id"]), label["language"])
    found = [label["similarity"] for label in labels]
    assert min(found) > 0.5 and max(found) == 1.0
    assert all(any(low <= value < low + 0.1 for value in found) for low in (0.5, 0.6, 0.7, 0.8, 0.9))


def test_clean_pages_are_not_near_duplicates(corpus: Corpus) -> None:
    """No two clean or curated pages are nearer than the corpus promises: a near-duplicate that is found was planted."""
    by_language: dict[str, list[frozenset[tuple[str, ...]]]] = {}
    for label in [*corpus.of_kind("clean"), *corpus.of_kind("curated")]:
        grams = shingles(corpus.text(label["id"]), label["language"])
        others = by_language.setdefault(label["language"], [])
        assert all(jaccard(grams, other) <= MOST_ALIKE for other in others)
        others.append(grams)


def test_clean_pages_are_articles(corpus: Corpus) -> None:
    """Clean and curated pages have 70 to 800 words, and no placeholder is left in them or in promotion."""
    texts = [corpus.text(label["id"]) for kind in ("clean", "curated") for label in corpus.of_kind(kind)]
    words = count_words(pa.array(texts, pa.large_string()))
    assert words.min() >= 70 and words.max() <= 800
    texts += [corpus.text(label["id"]) for label in corpus.of_kind("promotion")]
    assert not [text for text in texts if re.search(r"[{}\[\]|]|\d-\d+:", text)], "a phrase was not expanded"


def test_languages_are_plausible(corpus: Corpus, normalized: dict[str, str]) -> None:
    """lid.176 finds the labelled language of all clean pages, copies and stray languages."""
    kinds = ("clean", "curated", "promotion", "garbled", "exact_duplicate", "near_duplicate", "wrong_language")
    labels = [label for label in corpus.labels.values() if label["kind"] in kinds]
    found = _row_stage("language", [normalized[label["id"]] for label in labels]).columns["language"].to_pylist()
    assert found == [label["language"] for label in labels]


def test_personal_data_is_in_the_text_and_invented(corpus: Corpus) -> None:
    """Labelled values stand in the text as they are; e-mail and hosts use reserved names, addresses reserved ranges."""
    reserved = r"[\w.+/:-]*(@|//)?([\w-]+\.)*(example\.(org|com|net)|tansley\.example)(/\w+)?"
    ranges = {"ipv4": r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+", "ipv6": r"2001:db8:[0-9a-f:]+"}
    for label in corpus.of_kind("personal_data"):
        assert label["personal_data"]
        for entity in label["personal_data"]:
            assert entity["value"] in corpus.text(label["id"])
            if entity["type"] == "email":
                assert re.fullmatch(reserved, entity["value"])
            if entity["type"] in ranges:
                assert re.fullmatch(ranges[entity["type"]], entity["value"])


def test_leaks_hold_a_benchmark_item(corpus: Corpus, planted: Path) -> None:
    """Each leak holds question and answer of an item word for word, and no other page holds any."""
    items = _lines(planted / "benchmark.jsonl")
    leaks = {label["id"] for label in corpus.of_kind("benchmark_leak")}
    for page in corpus.records:
        held = [item for item in items if item["question"] in corpus.text(page) and item["answer"] in corpus.text(page)]
        assert len(held) == (page in leaks)


def test_arithmetic_of_the_benchmark_is_right(planted: Path) -> None:
    """Every ``a op b = c`` in the English answers holds, and the last number is the answer."""
    for item in _lines(planted / "benchmark.jsonl"):
        sums = re.findall(r"((?:\d+ [-+*/] )+\d+) = ([\d.]+\d|\d)", item["answer"])
        assert sums or item["language"] != "en"
        for left, right in sums:
            assert eval(left) == float(right), (item["item"], left)
        assert re.search(r"#### (\d+)$", item["answer"])


def test_expected_rules_are_those_of_the_quickstart(corpus: Corpus, planted: Path) -> None:
    """Every rule that a label names is one of the recipe's stages, and its thresholds are the ones labels go by."""
    recipe = load_recipe(planted.parent / "quickstart.yaml")
    uses = {use.name: use for use in recipe.uses()}
    for expected in {label["expected"] for label in corpus.labels.values()} - {None}:
        name, _, rule = expected.partition(":")
        stage: Any = catalogue.stage(uses[name].kind)
        rules = [stage.rule] if isinstance(stage, CorpusStage) else [one.name for one in stage.rules(uses[name].config)]
        assert rule in rules, expected
    near: Any = uses["minhash_dedup"].config
    assert near.threshold == NEAR


def test_damaged_lines_are_quarantined(planted: Path) -> None:
    """A reader keeps the good lines of ``damaged.jsonl`` and gives the reason for each other one."""
    config = JSONL.config.model_validate({"path": str(planted / "damaged.jsonl")})
    (partition,) = JSONL.split("damaged", config)
    batches = list(JSONL.read(partition, config))
    rows = [row for batch in batches for row in batch.rows.column("id").to_pylist()]
    records = [batch.quarantined.to_pylist() for batch in batches if batch.quarantined is not None]
    reasons = [record["reason"] for part in records for record in part]
    assert reasons == [reason for reason, _, _ in DAMAGED if reason]
    assert len(rows) == sum(1 for reason, line, _ in DAMAGED if line and not reason)
