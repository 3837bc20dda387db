"""Which copy stays, and which line is cut, is the same however the documents are cut into partitions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks import corpus, sorted_runs
from stages.contract import ADDRESS, ORDINAL_BITS, StageConfig
from stages.dedup.exact_dedup import ExactDedup
from stages.dedup.line_dedup import LineDedup
from stages.dedup.minhash_dedup import MinHashDedup
from stages.dedup.paragraph_dedup import ParagraphDedup
from tests.pipeline.blocks.near.corpus_fakes import Phases, patches_of

WORDS = "one two three four five six seven eight nine ten"
TEXT = st.sampled_from(["a", "b", "a\n\nb", "b\na\na", WORDS, f"{WORDS}, eleven", WORDS.title()])
TEXTS = st.lists(TEXT, max_size=12)
STAGES: list[tuple[str, StageConfig]] = [
    ("exact_dedup", ExactDedup(scope="all")),
    ("line_dedup", LineDedup(scope="all")),
    ("paragraph_dedup", ParagraphDedup(scope="all", keep="none")),
    ("minhash_dedup", MinHashDedup(scope="all", bands=4, rows=2, survivor=["first"])),
    ("minhash_dedup", MinHashDedup(scope="all", bands=4, rows=2)),
]


def decided(kind: str, config: StageConfig, texts: Sequence[str], cuts: Sequence[int], numbers: Sequence[int]) -> Any:
    """What the stage decides, rows named by their place in ``texts``; these cut into partitions before some places."""
    bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    ranges = list(zip(bounds, bounds[1:], strict=False))
    parts = {number: texts[start:end] for number, (start, end) in zip(numbers, ranges, strict=False)}
    first = {number: start for number, (start, _) in zip(numbers, ranges, strict=False)}
    with tempfile.TemporaryDirectory() as folder:
        rows = patches_of(Path(folder), parts, config, Phases(), kind=kind)

    def place(address: int) -> int:
        return first[address >> ORDINAL_BITS] + (address & (1 << ORDINAL_BITS) - 1)

    named = [{**row, ADDRESS: place(row[ADDRESS]), "survivor": place(row["survivor"])} for row in rows]
    return sorted(named, key=lambda row: (row[ADDRESS], row.get("start", 0)))


@pytest.mark.parametrize(("kind", "config"), STAGES)
@settings(max_examples=15)
@given(TEXTS, st.lists(st.integers(0, 12), min_size=4, max_size=4), st.permutations([1, 2, 3, 5, 2**40 - 1]))
def test_cuts_and_numbers_do_not_matter(
    kind: str, config: StageConfig, texts: list[str], cuts: list[int], numbers: list[int]
) -> None:
    """Five partitions, cut anywhere, with the numbers that chance gives files, decide as one does."""
    assert decided(kind, config, texts, cuts, numbers) == decided(kind, config, texts, [], [1])


@pytest.mark.parametrize(("kind", "config"), STAGES[:3])
@settings(max_examples=25)
@given(TEXTS, st.lists(st.integers(0, 12), min_size=4, max_size=4), st.permutations([1, 2, 3, 5, 2**40 - 1]))
def test_crowded_buckets(kind: str, config: StageConfig, texts: list[str], cuts: list[int], numbers: list[int]) -> None:
    """Where a bucket of three rows is too large for a task, and batches have two, it comes to the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "BUCKET_ROWS", 2)
        patch.setattr(sorted_runs, "BATCH_ROWS", 2)
        found = decided(kind, config, texts, cuts, numbers)
    assert found == decided(kind, config, texts, [], [1])


@pytest.mark.parametrize(("kind", "config"), STAGES[:4])
def test_the_first_one_stays(kind: str, config: StageConfig) -> None:
    """Of copies in three partitions that of the first in the recipe's order stays, though its number is the highest."""
    rows = decided(kind, config, [WORDS] * 3, [1, 2], [9, 4, 1])
    assert {row["survivor"] for row in rows} == {0}
    gone = {row[ADDRESS] for row in rows if row["drop"] or "start" in row}
    assert gone == ({0, 1, 2} if getattr(config, "keep", "first") == "none" else {1, 2})
