"""Near copies: verified, clustered and claimed as the definition says, however the work is cut."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks import corpus, merging, sorted_runs
from pipeline.blocks.near import claims, rounds, verify
from stages.contract import ADDRESS, ORDINAL_BITS
from tests import fake_stages
from tests.fake_corpus_stages import NearConfig
from tests.pipeline.blocks.near.corpus_fakes import (
    Phases,
    Stopped,
    by_address,
    expected,
    patches_of,
    split,
)

_OF_ROWS = ("sketch", "claim", "resolve")
"""Phases whose files have a line for each row and not for each pair."""
SETS = st.lists(st.sets(st.integers(0, 12), max_size=6), max_size=25)
THRESHOLDS = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])


@pytest.fixture(autouse=True, scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fake_stages.install(tmp_path_factory.mktemp("installed"), patch)
        yield


def words(sets: Sequence[set[int]]) -> list[str]:
    return [" ".join(map(str, sorted(one))) for one in sets]


def chain(length: int) -> list[str]:
    """Each text is like the next (Jaccard .82) and not like the one after that (.67)."""
    return [" ".join(map(str, range(first, first + 10))) for first in range(length)]


def small_units(patch: pytest.MonkeyPatch, rows: int = 5, fan_in: int = 3) -> None:
    """Have every phase cut its work small, and merge."""
    patch.setattr(corpus, "LINK_ROWS", rows)
    patch.setattr(corpus, "BUCKET_ROWS", rows)
    patch.setattr(verify, "JOIN_BYTES", 40 * rows)
    patch.setattr(verify, "EDGE_ROWS", rows)
    patch.setattr(rounds, "ROUND_ROWS", rows)
    patch.setattr(claims, "CLAIM_ROWS", rows)
    patch.setattr(corpus, "RESOLVE_ROWS", rows)
    patch.setattr(sorted_runs, "BATCH_ROWS", 4)
    patch.setattr(merging, "FAN_IN", fan_in)
    patch.setattr("pipeline.corpus_phases.FAN_IN", fan_in)


@settings(max_examples=40)
@given(SETS, THRESHOLDS, st.permutations(range(1, 5)), st.booleans(), st.booleans(), st.integers(0, 9))
def test_the_slow_twin_decides_the_same(
    sets: list[set[int]], threshold: float, numbers: list[int], tiny: bool, small: bool, seed: int
) -> None:
    """Who goes, for whom, how similar, and how many: as the definition says, in memory and by rounds, in any order."""
    texts = split(words(sets), lambda index: numbers[index % numbers[0]]) or {1: []}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if small:
            small_units(patch)
        config = NearConfig(threshold=threshold)
        found = patches_of(Path(folder), texts, config, Phases(seed), memory_bytes=1 if tiny else 2**40)
    want = expected(texts, threshold)
    rounded = {address: (row[0], float(np.float32(row[1])), row[2]) for address, row in want.items()}
    assert by_address(found) == rounded
    assert all(row["drop"] == (row["survivor"] != row[ADDRESS]) for row in found)


def test_a_chain_is_not_a_cluster(tmp_path: Path) -> None:
    """Of 2,000 texts, each like the next only, every second one stays, and each that goes is like its survivor."""
    found = patches_of(tmp_path, {1: chain(2000)})
    assert {row["cluster_size"] for row in found} == {2}
    assert sum(row["drop"] for row in found) == 1000
    assert all(row["similarity"] == (1 if not row["drop"] else np.float32(9 / 11)) for row in found)


def test_a_chain_by_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A component as long as 2,000 vertices takes few rounds, and comes to what union-find says."""
    small_units(monkeypatch, rows=500, fan_in=128)
    monkeypatch.setattr(sorted_runs, "BATCH_ROWS", 64)
    (tmp_path / "memory").mkdir()
    (tmp_path / "rounds").mkdir()
    texts = split(chain(2000), lambda index: 1 + (index * 7919) % 5)
    wanted = patches_of(tmp_path / "memory", texts)
    engine = Phases()
    assert patches_of(tmp_path / "rounds", texts, engine=engine, memory_bytes=1) == wanted
    assert engine.ran["large_star"] < 15 * len(engine.commits["large_star"])


def test_copies_take_linear_work(tmp_path: Path) -> None:
    """100,000 copies are one cluster of stars: each phase writes five times the rows and bytes of 20,000, not 25 times.

    The 5 · 10⁹ pairs of them would not be compared within the time that a test is given.
    """
    rows: dict[str, list[int]] = {}
    sizes: dict[str, list[int]] = {}
    for size in (20_000, 100_000):
        folder = tmp_path / str(size)
        folder.mkdir()
        texts = split(["1 2 3"] * size, lambda index: 1 + index % 2)
        engine = Phases()
        found = patches_of(folder, texts, engine=engine)
        assert len(found) == size and sum(row["drop"] for row in found) == size - 1
        assert {row["cluster_size"] for row in found} == {size}
        assert sum(commit.facts["candidates"] for commit in engine.commits["verify"]) == size - 1
        for kind, commits in engine.commits.items():
            files = [file for commit in commits for role, file in commit.files.items() if role != "signatures"]
            expected_rows = size if kind in _OF_ROWS else size - 1
            rows.setdefault(kind, []).append(sum(file.rows for file in files) - expected_rows)
            sizes.setdefault(kind, []).append(sum(file.bytes for file in files))
    assert rows == {kind: [40_000, 200_000] if kind == "sketch" else [0, 0] for kind in rows}
    assert all(many < 5.1 * few for few, many in sizes.values())


def test_one_number_in_all_texts(tmp_path: Path) -> None:
    """Rows that share a part only are candidates, one a row and not all pairs, and none is verified."""
    engine = Phases()
    texts = [f"0 {i}1 {i}2 {i}3" for i in range(1, 5001)]
    assert patches_of(tmp_path, {1: texts}, engine=engine) == []
    [commit] = engine.commits["verify"]
    assert commit.facts["candidates"] == 4999 and commit.facts["verified"] == 0
    assert "claim" not in engine.ran and "resolve" not in engine.ran


def test_nothing_to_compare(tmp_path: Path) -> None:
    """Empty texts, a single row, and no rows at all come to nothing and stop nothing."""
    for number, texts in enumerate([["", "", " "], ["1 2"], []]):
        folder = tmp_path / str(number)
        folder.mkdir()
        engine = Phases()
        assert patches_of(folder, {1: texts, 2: []}, engine=engine) == []
        assert set(engine.ran) == {"sketch", "link"}


def drawn(seed: int = 3, size: int = 400) -> list[str]:
    """Texts of which many are near copies of others."""
    rng = random.Random(seed)
    bases = [rng.sample(range(1000), 10) for _ in range(60)]
    kept = [rng.choice(bases)[rng.choice([0, 0, 1, 2]) :] for _ in range(size)]
    return [" ".join(map(str, [*numbers, rng.randrange(1000)])) for numbers in kept]


def by_text(parts: Mapping[int, Sequence[str]], rows: Sequence[Mapping[str, Any]]) -> set[tuple[int, int, float, int]]:
    """Patches with rows named by their place in the whole corpus, partition after partition."""
    places: dict[int, int] = {}
    for number in parts:
        for ordinal in range(len(parts[number])):
            places[number << ORDINAL_BITS | ordinal] = len(places)
    return {(places[r[ADDRESS]], places[r["survivor"]], r["similarity"], r["cluster_size"]) for r in rows}


def test_partitions_order_and_budget_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows in 1, 3 or 40 partitions, units in any order, in memory or by rounds: the same decisions.

    Partitions have numbers in no order, as those of files have.
    """
    texts = drawn()
    found = []
    for case, (size, tiny, seed) in enumerate([(400, False, None), (134, True, 1), (10, False, 2), (10, True, 3)]):
        folder = tmp_path / str(case)
        folder.mkdir()
        parts = split(texts, lambda index, size=size: 7919 * (1 + index // size) % 997)  # type: ignore[misc]
        with monkeypatch.context() as patch:
            if case:
                small_units(patch, rows=50 * case, fan_in=4)
            rows = patches_of(folder, parts, None, Phases(seed), memory_bytes=1 if tiny else 2**40)
        found.append(by_text(parts, rows))
    assert len(found[0]) > 100
    assert found[1:] == [found[0]] * 3


@pytest.mark.parametrize("tiny", [False, True])
def test_a_stop_in_any_phase_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: bool) -> None:
    """Stopped after every unit in turn and begun again, it computes each unit once and decides the same."""
    small_units(monkeypatch, rows=60, fan_in=3)
    budget = 1 if tiny else 2**40
    parts = split(drawn(size=120), lambda index: 1 + index // 30)
    (tmp_path / "whole").mkdir()
    undisturbed = Phases()
    wanted = patches_of(tmp_path / "whole", parts, None, undisturbed, budget)
    (tmp_path / "stopped").mkdir()
    total: dict[str, int] = {}
    for _ in range(sum(undisturbed.ran.values()) + 1):
        engine = Phases(stop_after=1)
        try:
            found = patches_of(tmp_path / "stopped", parts, None, engine, budget)
            break
        except Stopped:
            pass
        finally:
            for kind, count in engine.ran.items():
                total[kind] = total.get(kind, 0) + count
    assert found == wanted
    assert total == undisturbed.ran
    phases = {"sketch", "link", "merge", "gather", "verify", "label", "claim", "resolve"}
    assert set(total) == phases | ({"spread", "large_star", "small_star"} if tiny else {"components"})


def test_a_new_partition_is_sketched_alone(tmp_path: Path) -> None:
    """Sketches of the others are there already; what sees the whole corpus is computed anew."""
    parts = split(drawn(size=120), lambda index: 1 + index // 30)
    patches_of(tmp_path, parts)
    engine = Phases()
    more = {**parts, 9: ["1 2 3 4 5"]}
    found = patches_of(tmp_path, more, engine=engine)
    assert engine.ran["sketch"] == 1
    (tmp_path / "fresh").mkdir()
    assert patches_of(tmp_path / "fresh", more) == found


def test_commits_count_candidates_and_verified(tmp_path: Path) -> None:
    """For each verify unit: pairs that shared a key, pairs that are kept, and how similar all were."""
    engine = Phases()
    patches_of(tmp_path, {1: ["1 2 3 4", "1 2 3 4", "1 2 3", "1 9"]}, NearConfig(threshold=0.9), engine)
    [commit] = engine.commits["verify"]
    assert (commit.facts["candidates"], commit.facts["verified"]) == (3, 1)
    histogram = commit.facts["similarities"]
    assert sum(histogram) == 3
    assert [place for place, count in enumerate(histogram) if count] == [10, 37, 49]


def test_equal_unit_keys_are_not_shared_between_corpora(tmp_path: Path) -> None:
    """Another corpus in the same block's folder has units of its own."""
    assert patches_of(tmp_path, {1: ["1 2", "1 2"]})
    assert patches_of(tmp_path, {1: ["1 2", "1 2"], 2: ["7 8", "7 8"]})[-1]["survivor"] == 2 << ORDINAL_BITS
