"""A unit exists once its commit does; what is read is what was committed, or an error that names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from pipeline import store as store_module
from pipeline.errors import StoreError
from pipeline.storage import Folder
from pipeline.store import FORMAT_VERSION, Attempt, BlockStore, ChecksumSink, Commit, DataFile
from tests.object_store import bucket

BATCH = pa.RecordBatch.from_pydict({"a": [1, 2, None], "b": ["x", "", "中😀\0"], "c": [b"1", b"2", b"3"]})


def store_in(folder: Path) -> BlockStore:
    return BlockStore(Folder(str(folder)))


def write(store: BlockStore, unit: str, batches: list[pa.RecordBatch], compression: str | None = "lz4") -> Commit:
    """Commit a unit with one Arrow file ``docs``."""
    attempt = Attempt(store, unit)
    with attempt.arrow("docs", batches[0].schema, compression) as sink:
        for batch in batches:
            sink.write(batch)
    return attempt.commit([["s", "news", "en", "in", "", 3, 30]], {"keys": [1, 2**64 - 1]}, {"read": 0.5})


def damage(store: BlockStore, file: DataFile, content: bytes | None) -> Path:
    """Replace a data file, or take it away."""
    path = Path(store.data.file(file.name))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    return path


def test_a_commit_comes_back(tmp_path: Path) -> None:
    """A commit is read as it was written; its unit is listed; its file holds the rows."""
    store = store_in(tmp_path)
    assert store.committed() == set()
    commit = write(store, "u1", [BATCH, BATCH])
    assert store.committed() == {"u1"}
    assert store.read("u1") == commit
    assert commit.files["docs"].rows == 6
    assert pa.Table.from_batches(store.batches(commit.files["docs"])) == pa.Table.from_batches([BATCH, BATCH])


def test_commits_come_in_the_asked_order(tmp_path: Path) -> None:
    """``read_many`` keeps the order of its keys."""
    store = store_in(tmp_path)
    for index in range(30):
        write(store, f"u{index}", [BATCH])
    keys = [f"u{index * 7 % 30}" for index in range(30)]
    assert [commit.unit for commit in store.read_many(keys)] == keys


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_checksum_and_length_are_those_of_the_file(tmp_path: Path, compression: str | None) -> None:
    """``checksum`` is xxh3-128 of the file's bytes and ``bytes`` their number."""
    store = store_in(tmp_path)
    file = write(store, "u1", [BATCH], compression).files["docs"]
    content = Path(store.data.file(file.name)).read_bytes()
    assert (file.bytes, file.checksum) == (len(content), xxhash.xxh3_128_hexdigest(content))
    assert store.read_bytes(file) == content


@given(st.lists(st.binary(max_size=50), max_size=10), st.integers(1, 7))
def test_short_writes_are_continued(chunks: list[bytes], at_most: int) -> None:
    """A system that takes a part of what it is given is given the rest: no byte is lost."""
    taken = bytearray()

    class Short:
        def write(self, view: memoryview) -> int:
            part = bytes(view[:at_most])
            taken.extend(part)
            return len(part)

    sink = ChecksumSink(Short())  # type: ignore[arg-type]  # all that the sink asks of a file
    for chunk in chunks:
        assert sink.write(pa.py_buffer(chunk)) == len(chunk)
    whole = b"".join(chunks)
    assert bytes(taken) == whole
    assert (sink.tell(), sink.checksum()) == (len(whole), xxhash.xxh3_128_hexdigest(whole))


def test_a_long_file_is_on_its_way_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is given what was written, each byte once and in order; what is left the flush at the end takes."""
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(store_module, "_WRITEBACK_BYTES", 10)
    monkeypatch.setattr(store_module, "begin_writeback", lambda _, offset, size: begun.append((offset, size)))
    attempt = Attempt(store_in(tmp_path), "u1")
    with attempt.create("docs") as sink:
        for size in (4, 7, 30, 9):
            sink.write(bytes(size))
    assert begun == [(0, 11), (11, 30)]
    assert attempt.commit([], {}, {}).files["docs"].bytes == 50


def test_attempts_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Two tries at a unit, interleaved, write two files with the same bytes; the commit names one of them."""
    store = store_in(tmp_path)
    one, other = Attempt(store, "u1"), Attempt(store, "u1")
    with one.arrow("docs", BATCH.schema) as first, other.arrow("docs", BATCH.schema) as second:
        first.write(BATCH)
        second.write(BATCH)
    committed = [attempt.commit([], {}, {}).files["docs"] for attempt in (one, other)]
    assert committed[0].name != committed[1].name
    assert committed[0].checksum == committed[1].checksum
    assert store.read("u1").files["docs"] == committed[1]
    assert len(store.data.names()) == 2


def test_an_attempt_that_fails_commits_nothing(tmp_path: Path) -> None:
    """An error while a file is open lists no file, and without a commit there is no unit."""
    store = store_in(tmp_path)
    attempt = Attempt(store, "u1")
    with pytest.raises(RuntimeError), attempt.arrow("docs", BATCH.schema) as sink:
        sink.write(BATCH)
        raise RuntimeError
    assert attempt.files == {}
    assert store.committed() == set()
    assert write(store, "u1", [BATCH]) == store.read("u1")


def test_a_killed_commit_is_no_unit(tmp_path: Path) -> None:
    """A temporary file left beside the commits is not taken for one."""
    store = store_in(tmp_path)
    write(store, "u1", [BATCH])
    Path(store.commits.file("u2.json.1a2b3c4d.tmp")).write_bytes(b'{"format"')
    assert store.committed() == {"u1"}


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A commit of another format version is refused by version, not guessed at."""
    store = store_in(tmp_path)
    write(store, "u1", [BATCH])
    record = json.loads(store.commits.read("u1.json"))
    store.commits.write("u1.json", json.dumps({**record, "format": FORMAT_VERSION + 1, "new": {}}).encode())
    with pytest.raises(StoreError, match=f"format {FORMAT_VERSION + 1}, this is {FORMAT_VERSION}") as caught:
        store.read("u1")
    assert str(caught.value.where).endswith("commits/u1.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"7", b"null", b"{}", b'{"format": 1}', b'{"format": 1, "files": {"docs": 3}}',
     b'{"format": 1, "unit": "u1", "files": {}, "surprise": 1}'],
)  # fmt: skip
def test_a_damaged_commit_is_refused(tmp_path: Path, content: bytes) -> None:
    """A commit that is no record is a StoreError with its path and what to do."""
    store = store_in(tmp_path)
    store.commits.write("u1.json", content)
    with pytest.raises(StoreError, match="damaged commit") as caught:
        store.read("u1")
    assert str(caught.value.where).endswith("commits/u1.json")
    assert "delete" in str(caught.value.remedy)


def test_a_missing_commit_is_named(tmp_path: Path) -> None:
    """Reading a unit that is not there is a StoreError with the path."""
    with pytest.raises(StoreError, match=r"commits/u9\.json: no such commit"):
        store_in(tmp_path).read("u9")


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: None, "is gone"),
        (half, "the commit says"),
        (lambda content: b"", "0 bytes, the commit says"),
        (lambda content: bytes(len(content)), "damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: Any, message: str) -> None:
    """A data file that is gone, cut or overwritten is a StoreError with its path and what to do."""
    store = store_in(tmp_path)
    file = write(store, "u1", [BATCH]).files["docs"]
    path = damage(store, file, change(Path(store.data.file(file.name)).read_bytes()))
    for read in (store.open, lambda file: list(store.batches(file, ["a"])), store.read_bytes):
        with pytest.raises(StoreError) as caught:
            read(file)
        assert caught.value.where == str(path)
        assert "delete the block's folder" in str(caught.value.remedy)
    with pytest.raises(StoreError, match=message):
        store.open(file)


def test_one_wrong_bit_fails_the_checksum(tmp_path: Path) -> None:
    """``read_bytes`` verifies the checksum."""
    store = store_in(tmp_path)
    file = write(store, "u1", [BATCH]).files["docs"]
    content = bytearray(store.read_bytes(file))
    content[len(content) // 2] ^= 1
    damage(store, file, bytes(content))
    with pytest.raises(StoreError, match="checksum"):
        store.read_bytes(file)


def test_only_the_asked_columns_are_read(tmp_path: Path) -> None:
    """``columns`` reads those columns, in the file's order."""
    store = store_in(tmp_path)
    file = write(store, "u1", [BATCH, BATCH]).files["docs"]
    found = list(store.batches(file, ["c", "a"]))
    assert [batch.schema.names for batch in found] == [["a", "c"]] * 2
    assert found[0] == BATCH.select(["a", "c"])


def test_an_empty_file_has_its_schema(tmp_path: Path) -> None:
    """A unit without rows keeps the schema."""
    store = store_in(tmp_path)
    attempt = Attempt(store, "u1")
    with attempt.arrow("docs", BATCH.schema):
        pass
    file = attempt.commit([], {}, {}).files["docs"]
    assert (file.rows, store.open(file).schema, list(store.batches(file, ["a"]))) == (0, BATCH.schema, [])


def test_a_block_is_described_once(tmp_path: Path) -> None:
    """``block.json`` says what the block is and is not written again."""
    store = store_in(tmp_path)
    store.describe({"kind": "rows", "name": "größe"})
    store.describe({"kind": "rows", "name": "another"})
    assert json.loads((tmp_path / "block.json").read_text()) == {
        "format": FORMAT_VERSION,
        "kind": "rows",
        "name": "größe",
    }


def test_a_plain_file_is_listed(tmp_path: Path) -> None:
    """``create`` writes bytes that are not Arrow."""
    store = store_in(tmp_path)
    attempt = Attempt(store, "u1")
    with attempt.create("artifact.json") as sink:
        sink.write(b"{}")
    file = attempt.commit([], {}, {}).files["artifact.json"]
    assert file.name.endswith(".artifact.json")
    assert (file.bytes, file.rows, store.read_bytes(file)) == (2, 0, b"{}")
    assert os.path.getsize(store.data.file(file.name)) == 2


@pytest.mark.s3
def test_a_store_on_an_object_store() -> None:
    """Commits, checksums, projections and damage are the same on S3 as on a disk."""
    with bucket() as uri:
        store = BlockStore(Folder(uri).child("store").child("b"))
        assert store.committed() == set()
        store.describe({"kind": "rows"})
        commit = write(store, "u1", [BATCH, BATCH])
        assert store.read("u1") == commit and store.committed() == {"u1"}
        file = commit.files["docs"]
        assert xxhash.xxh3_128_hexdigest(store.read_bytes(file)) == file.checksum
        assert [batch.schema.names for batch in store.batches(file, ["b"])] == [["b"]] * 2
        store.data.write(file.name, b"short")
        with pytest.raises(StoreError, match="5 bytes, the commit says"):
            store.open(file)
        store.data.delete(file.name)
        with pytest.raises(StoreError, match="is gone"):
            store.open(file)
        with pytest.raises(StoreError, match="is gone"):
            store.read_bytes(file)
        with pytest.raises(StoreError, match="no such commit"):
            store.read("u2")
