"""Parts, shards and the merged index."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StoreError
from pipeline.tokens import row_groups
from pipeline.tokens.documents import with_eos
from pipeline.tokens.shard_writer import TokenCounts, compact_parts, merge_indexes, plan_shards, write_token_part
from pipeline.tokens.shards import SHARD_SCHEMA, TokenShards
from tests.pipeline.tokens.corpus import BYTES, EOS, Buffer, documents, part, write_shards

HOSTILE = ["", "plain", "😀👨‍👩‍👧", "中文没有空格", "שלום", "e\u0301\u0301", "\0\0", "<|endoftext|>", "x" * 3000]


def recut(batch: pa.RecordBatch, cuts: list[int]) -> list[pa.RecordBatch]:
    bounds = [0, *sorted(min(cut, batch.num_rows) for cut in cuts), batch.num_rows]
    return [batch.slice(start, end - start) for start, end in pairwise(bounds)]


@given(
    texts=st.lists(st.text(max_size=12), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    rows=st.integers(1, 7),
    tokens=st.integers(1, 30),
)
def test_bytes_do_not_depend_on_batches(texts: list[str], cuts: list[int], rows: int, tokens: int) -> None:
    """A part's bytes are the same however its documents were cut into batches, empty batches included."""
    batch = documents(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "GROUP_ROWS", rows)
        patch.setattr(row_groups, "GROUP_TOKENS", tokens)
        assert part(recut(batch, cuts)) == part([batch])


@given(lengths=st.lists(st.integers(0, 12), max_size=40), rows=st.integers(1, 7), tokens=st.integers(1, 30), eos=...)
def test_groups_close_before_they_overflow(lengths: list[int], rows: int, tokens: int, eos: bool) -> None:
    """A row group has at most GROUP_ROWS rows and GROUP_TOKENS tokens, unless one document alone has more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "GROUP_ROWS", rows)
        patch.setattr(row_groups, "GROUP_TOKENS", tokens)
        reader = pa.ipc.open_file(part([documents(["a" * length for length in lengths])], append_eos=eos))
    groups = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    sizes = [[len(row) for row in group.column("tokens").to_pylist()] for group in groups]
    assert [size for group in sizes for size in group] == [length + eos for length in lengths]
    assert all(len(group) <= rows and (sum(group) <= tokens or len(group) == 1) for group in sizes)
    for group, following in pairwise(sizes):
        assert len(group) == rows or sum(group) + following[0] > tokens


@given(texts=st.lists(st.text(max_size=8), max_size=12))
def test_eos_ends_every_row(texts: list[str]) -> None:
    """``with_eos`` puts one end-of-document id after each row, empty rows included."""
    rows = [list(text.encode()) for text in texts]
    offsets = np.cumsum([0, *map(len, rows)])
    ids, ends = with_eos(np.array(sum(rows, []), np.uint32), offsets, EOS)
    assert [ids[a:b].tolist() for a, b in pairwise(ends)] == [[*row, EOS] for row in rows]


def test_counts_by_domain_and_language() -> None:
    """``TokenCounts`` has documents, bytes of text and tokens (with their ends) for every domain and language."""
    batch = documents(["abc", "中", "de"], domain=["web", "web", "code"], language=["en", "zh", "en"])
    counts = write_token_part(recut(batch, [1, 2]), BYTES, Buffer())
    assert counts == TokenCounts(3, 11, 8, [["code", "en", 1, 2, 3], ["web", "en", 1, 3, 4], ["web", "zh", 1, 3, 4]])
    assert TokenCounts.from_json(counts.to_json()) == counts


def test_columns_travel() -> None:
    """Provenance, quality and cluster size reach the shard; missing ones are null and 1."""
    extra = {"quality": pa.array([0.5, None], pa.float64()), "cluster_size": pa.array([7, None], pa.uint32())}
    rows = pa.ipc.open_file(part([documents(["a", "b"], **extra)])).get_batch(0).to_pylist()
    assert [(row["quality"], row["cluster_size"], row["license"]) for row in rows] == [
        (0.5, 7, "CC0"),
        (None, 1, "CC0"),
    ]
    bare = pa.ipc.open_file(part([documents(["a"])])).get_batch(0)
    assert bare.schema.equals(SHARD_SCHEMA)
    assert bare.to_pylist()[0]["tokens"] == [97, EOS]
    assert (bare.to_pylist()[0]["quality"], bare.to_pylist()[0]["cluster_size"]) == (None, 1)


@given(sizes=st.lists(st.integers(0, 50), max_size=20), target=st.integers(1, 100))
def test_shards_are_consecutive_parts(sizes: list[int], target: int) -> None:
    """``plan_shards`` covers all parts in order; a shard is within the target unless one part alone is larger."""
    shards = plan_shards(sizes, target)
    assert [number for shard in shards for number in shard] == list(range(len(sizes)))
    totals = [sum(sizes[number] for number in shard) for shard in shards]
    assert all(total <= target or len(shard) == 1 for total, shard in zip(totals, shards, strict=True))
    for total, following in zip(totals, shards[1:], strict=False):
        assert total + sizes[following[0]] > target


@given(cuts=st.lists(st.integers(0, 40), max_size=4), target=st.integers(500, 20_000))
def test_shards_hold_what_went_in(cuts: list[int], target: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the parts and shards, reading gives every document's tokens, key and order back."""
    texts = [f"{number} {'word ' * (number % 9)}" for number in range(40)] + HOSTILE
    domains = ["web" if number % 3 else "code" for number in range(len(texts))]
    parts = [part([piece]) for piece in recut(documents(texts, domain=domains), cuts)]
    shards = write_shards(tmp_path_factory.mktemp("shards"), parts, target)
    assert [bytes(shards.read(n)[:-1].astype(np.uint8)).decode() for n in range(shards.documents)] == texts
    assert [shards.keys[code][0] for code in shards.key] == domains
    assert shards.length.tolist() == [len(text.encode()) + 1 for text in texts]
    assert shards.tokens == int(shards.length.sum())
    assert all(shards.read(n)[-1] == EOS for n in range(shards.documents))


def test_compaction_forgets_part_boundaries() -> None:
    """A shard's row groups are those of its documents, not of the parts that they came in."""
    batch = documents([f"text {number}" for number in range(30)])
    one, many = Buffer(), Buffer()
    compact_parts([part([batch])], one, Buffer())
    compact_parts([part([piece]) for piece in recut(batch, [7, 7, 19])], many, Buffer())
    assert one.content == many.content


def test_empty_partitions(tmp_path: Path) -> None:
    """A partition that lost all its documents makes a valid part; a corpus of none opens with 0 documents."""
    shards = write_shards(tmp_path, [part([]), part([documents([])])])
    assert (shards.documents, shards.tokens, shards.groups) == (0, 0, 0)
    mixed = write_shards(tmp_path / "mixed", [part([]), part([documents(["a"])]), part([])], target_bytes=1)
    assert mixed.read(0).tolist() == [97, EOS]


def test_different_tokenizers_are_refused() -> None:
    """Parts written with different settings are not joined, and the error says which."""
    with pytest.raises(StoreError, match="append_eos"):
        compact_parts([part([]), part([], append_eos=False)], Buffer(), Buffer())


def test_no_documents_is_an_error() -> None:
    """An index of no shards says that nothing is left, and what to do."""
    with pytest.raises(StoreError, match="loosen"):
        merge_indexes([], Buffer())


def test_split_is_a_function_of_content(tmp_path: Path) -> None:
    """The split number depends on the text alone, and splits as uniformly as asked."""
    texts = [f"document {number}" for number in range(20_000)]
    shards = write_shards(tmp_path / "a", [part([documents(texts)])])
    again = write_shards(tmp_path / "b", [part([documents(texts[::-1], domain="code")])])
    assert shards.split.tolist() == again.split[::-1].tolist()
    share = float((shards.split < 0.01 * 65536).mean())
    assert 0.007 < share < 0.013


def test_index_takes_nine_bytes_a_document(tmp_path: Path) -> None:
    """The index stays small: 9 bytes a document, a few more per row group and shard."""
    texts = ["x"] * 50_000
    write_shards(tmp_path, [part([documents(texts)])], 2**30)
    assert (tmp_path / "index.arrow").stat().st_size < 9 * len(texts) + 6000
    assert TokenShards.open(str(tmp_path)).groups == 7
