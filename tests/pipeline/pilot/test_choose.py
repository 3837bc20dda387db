"""Which partitions a pilot reads."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.blocks.reading import SourceUnit
from pipeline.pilot.choose import BATCH_BYTES, LEAST_BYTES, choose, expected_text
from pipeline.sources.contract import Partition, Piece

MB = 2**20


def unit(name: str, *files: tuple[str, int]) -> SourceUnit:
    pieces = tuple(Piece(f"/in/{file}", file, 0, size, size, "1") for file, size in files)
    partition = Partition("news", pieces)
    return SourceUnit(f"key-{name}", partition.number, "news", partition)


def one_each(sizes: list[int]) -> list[SourceUnit]:
    return [unit(str(index), (f"{index:05d}.jsonl", size)) for index, size in enumerate(sizes)]


@given(st.lists(st.integers(1, 100 * MB), min_size=1, max_size=80), st.integers(0, 5))
def test_the_chosen_stand_for_everything(sizes: list[int], seed: int) -> None:
    """What the chosen partitions stand for adds up to the source's bytes; none stands for less than nothing."""
    chosen = choose(one_each(sizes), seed, 8 * MB, False)
    assert abs(sum(one.stands_for for one in chosen) - sum(sizes)) < 1e-6 * sum(sizes)
    assert all(one.stands_for > 0 for one in chosen)
    assert len({one.key for one in chosen}) == len(chosen)


@given(st.lists(st.integers(1, 100 * MB), min_size=1, max_size=80), st.integers(0, 5))
def test_the_choice_is_the_same_every_time(sizes: list[int], seed: int) -> None:
    """Seed and files alone decide."""
    assert choose(one_each(sizes), seed, 8 * MB, False) == choose(one_each(sizes), seed, 8 * MB, False)


def test_another_seed_looks_at_other_partitions() -> None:
    """A pilot that met an odd partition can be repeated elsewhere."""
    units = one_each([50 * MB] * 200)
    keys = [tuple(one.key for one in choose(units, seed, 8 * MB, False)) for seed in range(4)]
    assert len(set(keys)) > 1


def test_the_choice_is_spread_over_the_bytes() -> None:
    """One partition from each quarter of a source's bytes, whatever its files' sizes."""
    units = one_each([30 * MB] * 40)
    places = [[u.partition.key for u in units].index(one.key) for one in choose(units, 3, 8 * MB, False)]
    assert [place // 10 for place in places] == [0, 1, 2, 3]


def test_a_large_partition_stands_for_more() -> None:
    """A file that holds nearly all of a source is chosen once, for all of its bytes."""
    units = one_each([*[10] * 50, 10 * 2**30, *[10] * 50])
    [one] = choose(units, 0, 8 * MB, False)
    assert one.unit == units[50]
    assert (round(one.stands_for), one.text_bytes) == (10 * 2**30 + 1000, 8 * MB)


def test_more_partitions_where_they_are_small() -> None:
    """Four files of 10 kB say little of ten thousand."""
    assert len(choose(one_each([10_000] * 10_000), 0, 8 * MB, False)) == 32
    assert len(choose(one_each([64 * MB] * 1000), 0, 8 * MB, False)) == 4


def test_the_largest_source_gives_a_whole_batch() -> None:
    """Memory is set by a batch of 16 MB, so one partition has to give one."""
    units = one_each([64 * MB] * 10)
    assert sorted(one.text_bytes for one in choose(units, 0, 8 * MB, True)) == [*[2 * MB] * 3, BATCH_BYTES]
    assert [one.text_bytes for one in choose(units, 0, MB, False)] == [LEAST_BYTES] * 4


def test_some_files_of_a_partition_of_many() -> None:
    """A partition of many small files is read in part, evenly, and says how many bytes that is."""
    many = unit("many", *((f"{index:04d}.txt", 10_000) for index in range(4000)))
    [one] = choose([many], 0, 4 * MB, False)
    files = [int(piece.relative[:4]) for piece in one.unit.partition.pieces]
    assert one.expected_bytes == 10_000 * len(files)
    assert 3 * MB < one.expected_bytes < 5 * MB
    assert one.stands_for == 40_000_000
    assert max(after - before for before, after in zip(files, files[1:], strict=False)) <= 11


def test_a_file_that_several_partitions_read_is_shared() -> None:
    """Each has its part of the file's text, for ranges of bytes and for row groups alike; packed files hold more."""
    whole = Piece("/in/a.jsonl", "a.jsonl", 0, 3, 900, "1")
    first = SourceUnit("a", 1, "news", Partition("news", (whole,)))
    second = SourceUnit("b", 2, "news", Partition("news", (replace(whole, start=3, end=9),)))
    assert expected_text([first, second]) == [300, 600]
    assert expected_text([unit("c", ("c.jsonl.zst", 1000))])[0] == 3800


def test_packed_and_plain_files_are_looked_at_apart() -> None:
    """What a packed file holds is unlike what its size says, so each kind has partitions of its own."""
    units = [unit(str(n), (f"{n:03d}.jsonl{'.gz' if n % 5 == 0 else ''}", 20 * MB)) for n in range(100)]
    chosen = choose(units, 0, 8 * MB, False)
    packed = [one for one in chosen if one.unit.partition.pieces[0].uri.endswith(".gz")]
    assert len(packed) == len(chosen) - len(packed) == 4
    assert sum(one.stands_for for one in packed) == 20 * 20 * MB * 3.5
