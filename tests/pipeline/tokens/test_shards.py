"""The reader of token shards."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from pipeline.errors import StoreError
from pipeline.tokens import row_groups, shards
from pipeline.tokens.shards import TokenShards
from tests.pipeline.tokens.corpus import documents, part, write_shards

TEXTS = [f"document {number} {'word ' * (number % 7)}" for number in range(40)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two shards with row groups of 8 documents."""
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 8)
    batch = documents(TEXTS)
    write_shards(tmp_path, [part([batch.slice(0, 20)]), part([batch.slice(20)])], target_bytes=1)
    return tmp_path


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_is_named(folder: Path) -> None:
    """One flipped bit: first touch and ``verify`` name shard, row group, documents and remedy; others still read."""
    opened = TokenShards.open(str(folder))
    start, size = opened._index["offset"][4], opened._index["bytes"][4]
    flip(folder / "shard-00001.arrow", int(start + size - 1))
    opened = TokenShards.open(str(folder))
    assert opened.read(0).size and opened.read(20).size
    with pytest.raises(StoreError, match=r"shard-00001.arrow, row group 1 \(documents 28–35\).*CRC(.|\n)*delete"):
        opened.read(30)
    problems = list(TokenShards.open(str(folder)).verify())
    assert len(problems) == 1 and "row group 1" in problems[0]


def test_every_byte_of_a_group_is_covered(folder: Path) -> None:
    """The CRC covers each byte of a row group, its Arrow header included."""
    opened = TokenShards.open(str(folder))
    start, size = int(opened._index["offset"][1]), int(opened._index["bytes"][1])
    shard = folder / "shard-00000.arrow"
    for at in range(start, start + size, 37):
        flip(shard, at)
        assert len(list(TokenShards.open(str(folder)).verify())) == 1
        flip(shard, at)
    assert list(TokenShards.open(str(folder)).verify()) == []


def test_a_group_is_checked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CRC is computed at the first touch of a row group only."""
    calls: list[int] = []
    real = TokenShards._check

    def counted(self: TokenShards, number: int, message: pa.Buffer) -> None:
        calls.append(number)
        real(self, number, message)

    monkeypatch.setattr(TokenShards, "_check", counted)
    opened = TokenShards(str(folder / "index.arrow"), max_groups=1)
    for _ in range(3):
        for document in (0, 1, 9, 30):
            opened.read(document)
    assert calls == [0, 1, 4]


def test_opening_reads_only_the_index(folder: Path) -> None:
    """Shards may be missing until one of their documents is read; then the error names the file."""
    (folder / "shard-00001.arrow").unlink()
    opened = TokenShards.open(str(folder))
    assert opened.documents == 40 and opened.read(3).size
    with pytest.raises(StoreError, match=r"shard-00001.arrow"):
        opened.read(39)


def test_a_shard_that_ends_early(folder: Path) -> None:
    """A truncated shard is an error with the row group, not a crash."""
    shard = folder / "shard-00000.arrow"
    opened = TokenShards.open(str(folder))
    shard.write_bytes(shard.read_bytes()[: int(opened._index["offset"][2]) + 50])
    with pytest.raises(StoreError, match=r"ends early|damaged"):
        TokenShards.open(str(folder)).read(18)


def test_other_files_and_formats_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no index, and an index of another format version, are refused with a remedy."""
    monkeypatch.setattr(shards, "FORMAT_VERSION", 99)
    with pytest.raises(StoreError, match="token format 1, this is 99"):
        TokenShards.open(str(folder))
    (folder / "index.arrow").write_bytes(b"not arrow at all")
    with pytest.raises(StoreError, match="not an Arrow file"):
        TokenShards.open(str(folder))
    with pytest.raises(StoreError, match="no such file"):
        TokenShards.open(str(folder / "nowhere"))


def test_reading_through_a_file_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be memory-mapped (an object store) gives the same tokens, and damage is found too."""
    remote = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
    local = TokenShards.open(str(folder))
    monkeypatch.setattr(shards, "_filesystem", lambda path: (remote, "index.arrow"))
    opened = TokenShards.open("s3://bucket")
    for document in range(40):
        assert np.array_equal(opened.read(document), local.read(document))
    flip(folder / "shard-00000.arrow", int(local._index["offset"][0]) + 600)
    assert len(list(TokenShards.open("s3://bucket").verify())) == 1


def test_rows_are_located(folder: Path) -> None:
    """``locate`` and ``group`` find the Arrow row of every document number; outside numbers are an IndexError."""
    opened = pickle.loads(pickle.dumps(TokenShards.open(str(folder))))
    group, row = opened.locate(np.arange(40))
    ids = [opened.group(int(g)).column("id")[int(r)].as_py() for g, r in zip(group, row, strict=True)]
    assert ids == [f"doc{number}" for number in range(40)]
    with pytest.raises(IndexError):
        opened.read(40)


def test_reading_needs_numpy_and_pyarrow_only() -> None:
    """The reader and the mix import nothing of the engine, no Numba, Ray, pydantic or tokenizer library."""
    code = (
        "import sys, pipeline.tokens.mix.sequences\n"
        "print([name for name in ('numba', 'ray', 'pydantic', 'torch', 'tiktoken', 'awkward', 'stages', 'pandas')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tokens_are_a_view(folder: Path) -> None:
    """Reading copies nothing: tokens are a read-only view of the mapped file."""
    tokens = TokenShards.open(str(folder)).read(5)
    assert not tokens.flags.owndata and not tokens.flags.writeable
