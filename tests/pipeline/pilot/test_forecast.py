"""A pilot of whole recipes: what it estimates, what it leaves alone, and what it warns of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import GristmillError
from pipeline.pilot import engine
from pipeline.pilot.forecast import forecast
from pipeline.pilot.outlook import Outlook
from pipeline.recipe.loader import load_recipe
from pipeline.runs import load_run, run_books
from tests.pipeline.corpora import RECIPE, run, text, write_corpus, write_jsonl, write_recipe

EXTRA = "tokenize: {}\nmix: {tokens: 20_000, weights: {web: 0.5, books: 0.5}}\n"
LOCAL = ["execution.executor=local"]


def planned(recipe: str, overrides: Sequence[str] = (), **options: Any) -> Outlook:
    return forecast(load_recipe(recipe, [*LOCAL, *overrides]), **options)


def warned(found: Outlook) -> list[str]:
    return [finding.message for finding in found.findings]


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outlook, Path]:
    """The forecast of a small corpus, and its folder, in which the recipe has been run since."""
    root = tmp_path_factory.mktemp("pilot")
    write_corpus(root, documents=60)
    recipe = write_recipe(root, extra=EXTRA)
    before = files(root)
    found = planned(recipe)
    assert files(root) == before, "a plan wrote something"
    run(recipe)
    return found, root


def test_input_that_is_read_whole_is_known_exactly(small: tuple[Outlook, Path]) -> None:
    """Where the pilot is the whole input, text, documents and tokens are those of the run, but for duplicates."""
    found, root = small
    stored = load_run(f"{root}/runs/small")
    books = run_books(stored)
    assert found.estimate is not None
    for source in found.estimate.sources:
        read = [e for e in books if (e.stage, e.kind, e.source) == ("read", "out", source.size.name)]
        assert source.documents.value == sum(entry.documents for entry in read)
        assert source.text_bytes.value == sum(entry.bytes for entry in read)
        assert source.documents.low == source.documents.high
    counted = sum(
        c.facts["counts"]["tokens"] for b in stored.blocks_of("tokenize") for c in b.open().read_many(b.units)
    )
    assert found.estimate.tokens is not None
    assert found.estimate.tokens.value == counted


def test_the_disk_of_each_phase(small: tuple[Outlook, Path]) -> None:
    """Estimated bytes of each phase are those that the run wrote, commits included; the store holds little else."""
    found, root = small
    blocks = load_run(f"{root}/runs/small").blocks
    assert [phase.estimate.kind for phase in found.phases] == [block.kind for block in blocks]
    for phase, block in zip(found.phases, blocks, strict=True):
        commits = list(block.open().read_many(block.units))
        wrote = sum(file.bytes for commit in commits for file in commit.files.values())
        wrote += sum(len(commit.to_json()) for commit in commits)
        assert phase.estimate.units == len(block.units)
        assert phase.disk.value == pytest.approx(wrote, rel=0.02)
    whole = sum(path.stat().st_size for path in (root / "store").rglob("*") if path.is_file())
    assert found.new_bytes.value == pytest.approx(whole, rel=0.05)


def test_what_is_in_the_store_is_subtracted(small: tuple[Outlook, Path]) -> None:
    """After the run nothing is left; with another last threshold the first blocks are there."""
    _, root = small
    assert planned(str(root / "recipe.yaml")).estimate is None
    changed = planned(str(root / "recipe.yaml"), ["length.max_words=40"])
    left = {(phase.estimate.kind, phase.estimate.name): phase.left for phase in changed.phases}
    assert left["ingest", ""] == left["link", "exact_dedup"] == 0
    assert left["rows", "length"] == left["tokenize", ""] == 1
    assert changed.new_bytes.value < changed.stored_bytes
    assert changed.seconds.value < sum(phase.estimate.seconds.value for phase in changed.phases) + 30


def test_no_pilot_reads_no_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--no-pilot`` looks at names and sizes only."""
    write_corpus(tmp_path, documents=20)
    monkeypatch.setattr(engine, "run_pilot", None)
    monkeypatch.setattr("pipeline.pilot.forecast.run_pilot", None)
    found = planned(write_recipe(tmp_path), pilot=False)
    assert found.estimate is None
    assert found.new_bytes.value > 0


def test_a_part_says_what_the_whole_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a fraction of many files, plain and packed, the true amounts lie in the range."""
    import random

    rng = random.Random(3)
    for index in range(40):
        texts = [text(rng, rng.choice(["en", "de"])) for _ in range(rng.randint(200, 300))]
        write_jsonl(tmp_path / f"in/news/{index:02d}.jsonl{'.gz' if index % 3 == 0 else ''}", texts)
    write_jsonl(tmp_path / "in/books/a.jsonl", [text(rng, "en") for _ in range(50)])
    for name in ("SOURCE_BYTES", "PILOT_BYTES"):
        monkeypatch.setattr(engine, name, 200_000)
    monkeypatch.setattr("pipeline.pilot.choose.BATCH_BYTES", 20_000)
    monkeypatch.setattr("pipeline.pilot.choose.LEAST_BYTES", 20_000)
    recipe = write_recipe(tmp_path)
    found = planned(recipe, ["sources.news.ingest_above_bytes=1000000"])
    assert found.estimate is not None
    news = found.estimate.sources[0]
    assert news.read_bytes < 0.5 * news.text_bytes.value
    books = run_books(run(recipe, overrides=[*LOCAL, "sources.news.ingest_above_bytes=1000000"]))
    read = [entry for entry in books if (entry.stage, entry.kind, entry.source) == ("read", "out", "news")]
    documents, n_bytes = sum(e.documents for e in read), sum(e.bytes for e in read)
    assert news.documents.low <= documents <= news.documents.high
    assert news.text_bytes.low <= n_bytes <= news.text_bytes.high
    assert news.documents.value == pytest.approx(documents, rel=0.15)


def test_time_grows_with_the_input_and_shrinks_with_workers(tmp_path: Path) -> None:
    """Twice the workers, less time, but no less than the largest unit; starting them costs."""
    write_corpus(tmp_path, documents=60)
    recipe = write_recipe(tmp_path)
    one, four = (planned(recipe, [f"execution.workers={count}"]) for count in (1, 4))
    assert one.estimate and four.estimate
    assert one.workers == 1 and four.workers == 4
    rows = [[p for p in found.phases if p.estimate.kind == "rows"][0].seconds.value for found in (one, four)]
    assert rows[1] < rows[0]
    assert four.estimate.start_seconds >= 1.5
    assert 10e6 < one.estimate.memory_bytes < 5e9


def test_greedy_rules_and_idle_branches_are_pointed_at(tmp_path: Path) -> None:
    """A rule that drops nearly all and a branch that nothing takes are named with their line."""
    write_corpus(tmp_path, documents=60)
    recipe = write_recipe(tmp_path, text=RECIPE.replace("      zh:\n", "      fr:\n        - word_count\n      zh:\n"))
    found = planned(recipe, ["word_count[zh].min_words=90000"])
    messages = {finding.message: finding for finding in found.findings}
    [greedy] = [m for m in messages if m.startswith("word_count[zh]:too_short would drop 100 %")]
    lines = (tmp_path / "recipe.yaml").read_text().splitlines()
    number = int(messages[greedy].where.rpartition(":")[2])
    assert lines[number - 1].strip().startswith("- word_count: {min_words: 5}")
    idle = "no document of the pilot takes the branch 'fr' of the route by language"
    assert "languages of the pilot: " in messages[idle].remedy
    assert lines[int(messages[idle].where.rpartition(":")[2]) - 1].strip() == "- word_count"


def test_a_fit_without_documents_is_a_warning(tmp_path: Path) -> None:
    """The pilot goes on without the threshold; a vocabulary that cannot be made ends it, and says so."""
    write_corpus(tmp_path, documents=30)
    recipe = write_recipe(
        tmp_path,
        extra="tokenize: {tokenizer: {fit: words}}\n",
        text=RECIPE.replace("fits:\n", "fits:\n  words: {{kind: bpe_tokenizer}}\n"),
    )
    found = planned(recipe, ["word_count[default].min_words=90000", "word_count[zh].min_words=90000"])
    assert "fit few has no documents to learn from in the pilot" in warned(found)
    assert found.estimate is not None
    assert str(found.estimate.pilot.stopped).startswith("fit words: ")
    kinds = [phase.estimate.kind for phase in found.phases]
    assert "tokenize" not in kinds and kinds.count("rows") == 3


def test_an_empty_source_and_unreadable_records(tmp_path: Path) -> None:
    """A source that gives nothing, and more bad records than the recipe allows, are said before the run."""
    write_corpus(tmp_path, documents=30)
    (tmp_path / "in/books/d.jsonl").write_text("")
    (tmp_path / "in/books/e.jsonl").write_text("")
    (tmp_path / "in/news/bad.jsonl").write_text(json.dumps({"text": "fine"}) + "\n" + "no json\n" * 500)
    found = planned(write_recipe(tmp_path), ["max_errors=0.01"])
    assert "source books gave no document in 2 of its partitions" in warned(found)
    [bad] = [message for message in warned(found) if "cannot be read" in message]
    assert bad.startswith("8") and "of source news" in bad and bad.endswith("the run would stop at 1 %")


def test_a_weight_that_no_document_fills(tmp_path: Path) -> None:
    """A key of the mix that the pilot's documents do not have is a warning where it may still come."""
    write_corpus(tmp_path, documents=30)
    extra = "tokenize: {}\nmix: {tokens: 2000, weights: {web.en: 0.5, web.fr: 0.5}}\n"
    assert "no document of the pilot counts as 'web.fr' in the mix" in warned(
        planned(write_recipe(tmp_path, extra=extra))
    )


def test_a_sample_is_planned_as_such(tmp_path: Path) -> None:
    """With a share of the documents less is written, but all of the input is read."""
    write_corpus(tmp_path, documents=300)
    recipe = write_recipe(tmp_path)
    whole, tenth = planned(recipe), planned(recipe, sample=0.1)
    assert whole.estimate and tenth.estimate
    assert tenth.estimate.sources[0].documents == whole.estimate.sources[0].documents
    rows = [[p for p in found.phases if p.estimate.kind == "rows"][0].disk.value for found in (whole, tenth)]
    assert rows[1] < 0.5 * rows[0]


def test_a_bug_stops_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would stop the run an hour later stops the plan now."""
    from tests import fake_stages

    fake_stages.install(tmp_path, monkeypatch)
    write_corpus(tmp_path, documents=10)
    recipe = write_recipe(tmp_path, text=RECIPE.replace("  - normalize\n", "  - fake_nan_signal\n"))
    with pytest.raises(GristmillError, match="NaN"):
        planned(recipe)


def test_room_on_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little disk or memory is said before the run."""
    from pipeline import machine

    write_corpus(tmp_path, documents=30)
    monkeypatch.setattr(machine, "disk", lambda path: machine.Disk(path, 10**6, 1000, 0, 0))
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(10**6, 10**6))
    found = planned(write_recipe(tmp_path))
    assert found.warnings == (
        "the disk of the store is too small for what the run writes",
        "1 worker may need more memory than is free here",
    )
