"""``whatif`` is what a run with those thresholds would have been: exactly where it says so, within bounds elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.books import Books, Entry
from pipeline.errors import GristmillError
from pipeline.reports.replayed_rules import replay_rules
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.whatif import WhatIf, what_if
from pipeline.runs import load_run, run_books
from tests.pipeline.corpora import RECIPE, run, write_corpus
from tests.pipeline.reports.finished_runs import small_run, stored
from tests.pipeline.test_random_recipes import HEAD, stages

FIXED = RECIPE.replace("{{fit: few}}", "5").replace("  few:", "  unused:")
"""The recipe without a fit that would learn something else."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whatif")
    small_run(root, recipe=FIXED, documents=120)
    return root


@pytest.fixture(scope="module")
def before(root: Path) -> StoredRun:
    return stored(root)


def real(root: Path, *thresholds: str) -> Books:
    """The books of a real run with other thresholds."""
    found = run(str(root / "recipe.yaml"), overrides=["name=real", *thresholds])
    return run_books(load_run(found.folder))


def same(found: WhatIf, books: Books) -> None:
    assert found.after.rows() == books.rows()


def judged(books: Books) -> list[Entry]:
    return [entry for entry in books if entry.kind in ("in", "out", "dropped") and entry.stage != "read"]


def test_the_runs_own_thresholds_give_the_runs_own_books(before: StoredRun) -> None:
    """Rules judged again on stored signals are the rules of the run: every line, in documents and bytes."""
    again = replay_rules(before.rows, [rows.steps for rows in before.rows])
    assert list(again.books) == judged(before.books())
    assert not again.unknown


@pytest.mark.parametrize("words", [149, 60, 12, 5])
def test_tightening_in_the_last_block_is_exact(root: Path, before: StoredRun, words: int) -> None:
    """The books are those of a real run, line by line."""
    found = what_if(before, [f"length.max_words={words}"])
    assert found.exact
    same(found, real(root, f"length.max_words={words}"))
    assert found.after.unbalanced() == []


def test_several_thresholds_of_the_last_block_are_exact(root: Path, before: StoredRun) -> None:
    """Rules of two stages of the last block, one of them in a route."""
    thresholds = ["length.max_words=100", "word_count[zh].min_words=30", "word_count[default].min_words=20"]
    found = what_if(before, thresholds)
    assert found.exact
    assert [str(change) for change in found.changes] == [
        "word_count[zh].min_words: 5.0 → 30.0",
        "word_count[default].min_words: 8.0 → 20.0",
        "length.max_words: 150.0 → 100.0",
    ]
    same(found, real(root, *thresholds))


def test_loosening_the_last_stage_is_exact(root: Path, before: StoredRun) -> None:
    """No stage follows, so every signal that matters was measured."""
    found = what_if(before, ["length.max_words=100000", "length.min_words=1"])
    assert found.exact
    same(found, real(root, "length.max_words=100000", "length.min_words=1"))


def test_a_rule_can_be_switched_off(root: Path, before: StoredRun) -> None:
    """``null`` as a threshold is no threshold."""
    found = what_if(before, ["length.max_words=null"])
    same(found, real(root, "length.max_words=null"))
    assert not found.after.total("dropped", reason="too_long")[0]


def test_loosening_an_earlier_stage_of_the_block_has_bounds(root: Path, before: StoredRun) -> None:
    """Rows that later stages never saw are unknown, and the real run lies between none and all of them."""
    found = what_if(before, ["word_count[default].min_words=0"])
    assert not found.exact
    assert found.released
    low, high = found.kept_bounds()
    books = real(root, "word_count[default].min_words=0")
    kept = books.total("out", "length")[0]
    assert low <= kept <= high
    assert high - low == sum(documents for documents, _ in found.released.values())
    block = [entry for entry in found.after if entry.stage == "word_count[default]"]
    assert block == [entry for entry in books if entry.stage == "word_count[default]"]


@pytest.mark.parametrize("score", [0.3, 0.6, 0.95])
def test_tightening_before_a_corpus_stage(root: Path, before: StoredRun, score: float) -> None:
    """Copies have the same text and score, so they go together: exact, and the real run says the same."""
    found = what_if(before, [f"language.min_score={score}"])
    assert found.exact
    same(found, real(root, f"language.min_score={score}"))


def test_loosening_before_a_corpus_stage_has_bounds(root: Path, tmp_path: Path) -> None:
    """Released rows may be copies, or take the place of one."""
    small_run(tmp_path, recipe=FIXED.replace("min_score: 0.2", "min_score: 0.9"))
    found = what_if(stored(tmp_path), ["language.min_score=0"])
    assert found.before_corpus
    low, high = found.kept_bounds()
    assert low <= real(tmp_path, "language.min_score=0").total("out", "length")[0] <= high
    assert low < high


def test_copies_of_what_would_go_may_return(tmp_path: Path) -> None:
    """A survivor that goes alone leaves copies whose fate is unknown: bounds, and the real run lies within."""
    recipe = FIXED.replace(
        "  - normalize\n", "  - word_count: {{name: first, min_words: 1, when: {{source: [news]}}}}\n"
    )
    small_run(tmp_path, recipe=recipe)
    found = what_if(stored(tmp_path), ["first.min_words=40"])
    assert found.returning > 0
    assert not found.exact
    low, high = found.kept_bounds()
    assert low < real(tmp_path, "first.min_words=40").total("out", "length")[0] <= high


def test_bytes_cut_later_are_net_where_rows_differ(root: Path, tmp_path: Path) -> None:
    """Behind a changed rule cuts are known in sum only, and the books balance."""
    recipe = FIXED.replace("  - normalize\n", "  - word_count: {{name: first, min_words: 1}}\n  - normalize\n")
    small_run(tmp_path, recipe=recipe)
    found = what_if(stored(tmp_path), ["first.min_words=40"])
    books = real(tmp_path, "first.min_words=40")
    assert found.after.unbalanced() == []
    net = found.after.total("cut", "normalize")[1] - found.after.total("added", "normalize")[1]
    assert net == books.total("cut", "normalize")[1] - books.total("added", "normalize")[1] > 0
    assert judged(found.after) == judged(books)


def test_routes_by_other_columns_can_be_judged(tmp_path: Path) -> None:
    """A column that decides the branch is kept beside the signals."""
    recipe = FIXED.replace("by: language\n      zh:", "by: snapshot\n      '2024':").replace(
        "domain: web, ingest", 'domain: web, columns: {{snapshot: "2024"}}, ingest'
    )
    small_run(tmp_path, recipe=recipe)
    found = what_if(stored(tmp_path), ["word_count['2024'].min_words=40".replace("'", "")])
    same(found, real(tmp_path, "word_count[2024].min_words=40"))


def test_fits_keep_the_values_of_the_run(tmp_path: Path) -> None:
    """A fit behind the changed stage is not learned anew, and that is said."""
    small_run(tmp_path)
    found = what_if(stored(tmp_path), ["word_count[default].min_words=40"])
    assert found.fits == ["few"]
    assert what_if(stored(tmp_path), ["length.max_words=40"]).fits == []


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("normalize.form=NFKC", "changes what is measured"),
        ("exact_dedup.scope=[source]", "changes what is measured"),
        ("word_count[zh].when={source: [news]}", "changes what is measured"),
        ("name=other", "thresholds of stages only"),
        ("sources.news.domain=x", "thresholds of stages only"),
        ("length.max_words=150", "nothing differs"),
        ("length.max_words={fit: unused}", "give a number"),
        ("length.max_wrds=5", "max_words"),
        ("nothing.max_words=5", "nothing"),
    ],
)
def test_only_thresholds_can_be_varied(before: StoredRun, setting: str, said: str) -> None:
    """Anything else is refused, and it is said why or what was meant."""
    with pytest.raises(GristmillError) as error:
        what_if(before, [setting])
    assert said in str(error.value)


def test_an_unfinished_run_is_refused(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no last block to judge."""
    from pipeline.engine import Engine

    def stop(*_: object) -> None:
        raise RuntimeError("stopped")

    monkeypatch.setattr(Engine, "_run_corpus", stop)
    with pytest.raises(RuntimeError, match="stopped"):
        small_run(tmp_path)
    with pytest.raises(GristmillError, match="not finished"):
        what_if(stored(tmp_path), ["length.max_words=5"])


@pytest.mark.slow
@settings(max_examples=10, phases=[Phase.generate], deadline=None)
@given(lines=stages(), seed=st.integers(0, 5))
def test_any_recipe_is_judged_again_as_it_was(lines: list[str], seed: int) -> None:
    """Stored signals give the run's own books for random recipes, or are refused where rows' ways are not stored."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, documents=30, seed=seed)
        head = HEAD.format(root=folder, seed=seed, split=3000, origin="run", quantile=0.2)
        (folder / "recipe.yaml").write_text(head + "\n".join(lines) + "\n")
        found = StoredRun.open(run(str(folder / "recipe.yaml")).folder)
        try:
            again = replay_rules(found.rows, [rows.steps for rows in found.rows])
        except GristmillError as error:
            assert "all write the language" in str(error)
        else:
            assert list(again.books) == judged(found.books())
            assert not again.unknown
