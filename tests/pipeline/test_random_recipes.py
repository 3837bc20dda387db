"""Whatever the recipe: every document and byte is in the books, also after a run that stopped half-way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st

from pipeline import run_recipe as running
from pipeline.blocks.work import Unit, Work
from pipeline.errors import GristmillError
from pipeline.executors.local import LocalExecutor
from pipeline.runs import data_checksums, run_books
from pipeline.store import Commit
from tests.pipeline.corpora import run, write_corpus

HEAD = """
name: random
seed: {seed}
store: {root}/store
max_errors: 0.5
sources:
  news: {{kind: jsonl, path: "{root}/in/news/*.jsonl*", ingest_above_bytes: 2000, columns: {{snapshot: "2024-18"}},
    fields: {{language: lang}}}}
  books: {{kind: jsonl, path: "{root}/in/books/*.jsonl", domain: books, split_bytes: {split}}}
execution: {{executor: local}}
fits:
  few: {{kind: percentile, from: {origin}, signal: w0.words, quantile: {quantile}}}
stages:
"""

thresholds = st.integers(0, 120)


@st.composite
def stages(draw: st.DrawFn) -> list[str]:
    """Lines of a stage list; word counts have distinct names."""
    lines = []
    for index in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["normalize", "language", "dedup", "route", "words", "when"]))
        low = draw(thresholds)
        scope = draw(st.sampled_from(["all", "[source]", "[language]"]))
        by, value = draw(st.sampled_from([("language", "zh"), ("source", "books"), ("snapshot", "'2024-18'")]))
        lines += {
            "normalize": [f"  - normalize: {{name: n{index}, form: {draw(st.sampled_from(['NFC', 'NFKC']))}}}"],
            "language": [f"  - language: {{name: l{index}, min_score: {draw(st.sampled_from([0, 0.3, 0.9]))}}}"],
            "dedup": [f"  - exact_dedup: {{name: d{index}, scope: {scope}}}"],
            "route": [
                "  - route:",
                f"      by: {by}",
                f"      {value}: [{{word_count: {{name: r{index}, min_words: {low}}}}}]",
                f"      default: [{{word_count: {{name: r{index}, min_words: null, max_words: {low}}}}}]",
            ],
            "words": [
                f"  - word_count: {{name: x{index}, min_words: {low}, max_words: {low + draw(st.integers(0, 150))}}}"
            ],
            "when": [f"  - word_count: {{name: y{index}, min_words: {low}, when: {{source: [books]}}}}"],
        }[kind]
    lines.insert(draw(st.sampled_from([0, len(lines)])), "  - word_count: {name: w0, min_words: {fit: few}}")
    return lines


class Stops(Exception):
    """Stands for a kill in the middle."""


class FragileExecutor(LocalExecutor):
    """Dies after a number of units."""

    left = 5

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        for done in super().run(work, units):
            self.left -= 1
            if not self.left:
                raise Stops
            yield done


@pytest.mark.slow
@settings(max_examples=12, phases=[Phase.generate], deadline=None)
@given(
    lines=stages(),
    seed=st.integers(0, 5),
    split=st.sampled_from([3000, 10**6]),
    origin=st.sampled_from(["run", "{source: books, sample: 0.5}"]),
    quantile=st.sampled_from([0, 0.2, 0.9]),
)
def test_every_document_is_in_the_books(lines: list[str], seed: int, split: int, origin: str, quantile: float) -> None:
    """in = out + dropped + cut − added + quarantined for every stage, source and language; killing changes nothing."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_corpus(root, documents=30, seed=seed)
        head = HEAD.format(root=root, seed=seed, split=split, origin=origin, quantile=quantile)
        recipe = root / "recipe.yaml"
        recipe.write_text(head + "\n".join(lines) + "\n")
        try:
            whole = run(str(recipe))
        except GristmillError as error:  # rightly: earlier stages may leave a fit nothing to learn from
            assert "fit few" in str(error)
            reject()
        books = run_books(whole)
        assert books.unbalanced() == []
        assert books.total("in", "read")[0] == 151
        killed = root / "killed"
        recipe.write_text(recipe.read_text().replace(f"store: {root}/store", f"store: {killed}/store"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "make_executor", lambda *_: FragileExecutor(1))
            with pytest.raises(Stops):
                run(str(recipe))
        assert data_checksums(again := run(str(recipe))) == data_checksums(whole)
        assert run_books(again).rows() == books.rows()
