"""Groups depend on rows alone."""

from __future__ import annotations

import tempfile

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.blocks.rechunk import Rechunker
from pipeline.storage import Folder
from pipeline.store import Attempt, BlockStore
from tests.batches import CUTS, cut_at

TEXTS = st.lists(st.text("ab\0é中😀", max_size=12), max_size=40)


def table(texts: list[str]) -> pa.RecordBatch:
    """Texts beside columns whose validity bits do not begin on a byte when the batch is cut."""
    numbers = [None if len(text) % 3 == 0 else len(text) for text in texts]
    flags = pa.array([len(text) % 2 == 0 for text in texts], pa.bool_())
    arrays = [pa.array(texts, pa.large_string()), pa.array(numbers, pa.int32()), flags, pa.array(texts, pa.string())]
    return pa.RecordBatch.from_arrays(arrays, names=["text", "number", "flag", "id"])


def groups(batches: list[pa.RecordBatch], chunker: Rechunker) -> list[pa.RecordBatch]:
    """All groups of a stream."""
    found = [group for batch in batches for group in chunker.add(batch)]
    return [*found, *chunker.finish()]


def checksum(batches: list[pa.RecordBatch], chunker: Rechunker) -> str:
    """Of the file that the groups become."""
    with tempfile.TemporaryDirectory() as folder:
        attempt = Attempt(BlockStore(Folder(folder)), "unit")
        with attempt.arrow("docs", batches[0].schema) as sink:
            for group in groups(batches, chunker):
                sink.write(group)
        return attempt.files["docs"].checksum


def slow_groups(texts: list[str], max_rows: int, max_bytes: int) -> list[list[str]]:
    """Row by row: a group ends with the row that fills it."""
    found: list[list[str]] = []
    group: list[str] = []
    for text in texts:
        group.append(text)
        if len(group) == max_rows or sum(len(row.encode()) for row in group) >= max_bytes:
            found.append(group)
            group = []
    return [*found, group] if group else found


@given(TEXTS, CUTS, st.integers(1, 9), st.integers(1, 60))
def test_groups_are_those_of_the_slow_twin(texts: list[str], cuts: list[int], max_rows: int, max_bytes: int) -> None:
    """A group ends after ``max_rows`` rows or with the row that brings it to ``max_bytes``, wherever batches end."""
    found = groups(cut_at(table(texts), cuts), Rechunker(max_rows, max_bytes))
    assert [group.column("text").to_pylist() for group in found] == slow_groups(texts, max_rows, max_bytes)


@given(TEXTS, CUTS, st.integers(1, 9), st.integers(1, 60))
def test_bytes_do_not_depend_on_batches(texts: list[str], cuts: list[int], max_rows: int, max_bytes: int) -> None:
    """The file has the same bytes whatever batches the rows came in, and whatever lay behind them in memory."""
    whole = checksum([table(texts)], Rechunker(max_rows, max_bytes))
    behind = table([*texts, "behind", "this"]).slice(0, len(texts))
    assert checksum(cut_at(table(texts), cuts), Rechunker(max_rows, max_bytes)) == whole
    assert checksum(cut_at(behind, cuts), Rechunker(max_rows, max_bytes)) == whole


@given(TEXTS, CUTS, st.integers(1, 9))
def test_without_a_measured_column_only_rows_count(texts: list[str], cuts: list[int], max_rows: int) -> None:
    """``measure=None`` looks at the number of rows only."""
    found = groups(cut_at(table(texts), cuts), Rechunker(max_rows, 1, measure=None))
    assert [group.num_rows for group in found[:-1]] == [max_rows] * (len(found) - 1)
    assert sum(group.num_rows for group in found) == len(texts)


def test_a_huge_row_ends_its_group() -> None:
    """A row longer than ``max_bytes`` goes with the rows before it, and the next row begins a group."""
    texts = ["a", "b" * 50_000_000, "c", "d"]
    found = groups(cut_at(table(texts), [2]), Rechunker(max_rows=100))
    assert [group.num_rows for group in found] == [2, 2]
    assert found[0].column("text")[1].as_py() == texts[1]


def test_nothing_in_nothing_out() -> None:
    """No rows make no group, also where batches came."""
    assert groups([], Rechunker()) == []
    assert groups([table([]), table([])], Rechunker()) == []
