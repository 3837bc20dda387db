"""Archives that are cut into byte ranges: no record is lost or read twice."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import warc as module
from pipeline.sources.warc import SOURCE, WarcConfig
from tests.pipeline.sources.archives import PACKED, Found, answer, arc, arc_file, page, pages, read, warc

CUTTABLE = ("plain", "gzip by record", "zstd by record", "zstd with a dictionary", "lz4 by record")


def write(folder: Path, content: bytes) -> Path:
    file = folder / "a.warc"
    file.write_bytes(content)
    return file


def partitions(file: Path, split_bytes: int) -> list[tuple[int, int, bool]]:
    """(start, end, stream) of each."""
    settings = WarcConfig(path=str(file), split_bytes=split_bytes)
    return [(p.pieces[0].start, p.pieces[0].end, p.stream) for p in SOURCE.split("s", settings)]


@pytest.mark.parametrize("form", list(PACKED))
def test_which_files_are_cut(tmp_path: Path, form: str) -> None:
    """Plain files and those with a unit for each record are cut; other large files are streams; small ones neither."""
    file = write(tmp_path, PACKED[form](pages(20, 3000)))
    size = file.stat().st_size
    assert partitions(file, size) == [(0, size, False)]
    found = partitions(file, 1 + size // 3)
    if form in (*CUTTABLE, "zstd with a compressed dictionary", "lz4 behind a skippable frame"):
        assert [start for start, _, _ in found] == [0, 1 + size // 3, 2 + 2 * (size // 3)]
        assert not any(stream for _, _, stream in found)
    else:
        assert found == [(0, size, True)]


@pytest.mark.parametrize("form", CUTTABLE)
@pytest.mark.parametrize("kind", ["warc", "arc"])
def test_every_cut(tmp_path: Path, form: str, kind: str) -> None:
    """Ranges of any length, down to a byte, give what the whole file gives."""
    records = pages(6, 60)
    if kind == "arc":
        records = arc_file([arc(f"http://example.org/{n}", answer(page(n))) for n in range(6)])
    file = write(tmp_path, PACKED[form](records))
    size = file.stat().st_size
    expected = read(file)
    assert expected.records == len(records)
    for split_bytes in (*range(size // 3, size, 97), size // 7, size // 20, 13):
        assert read(file, split_bytes=split_bytes) == expected


def inner(count: int, first: int, form: str) -> bytes:
    """A record that holds an archive."""
    return warc(PACKED[form](pages(count, 300, first=first)), "resource", number=first, media="application/warc")


BROKEN = warc(answer(), length="77")
GARBAGE = b"\r\ngarbage without a header\r\n" * 9


@given(
    form=st.sampled_from(CUTTABLE),
    inner_form=st.sampled_from(["plain", "gzip by record", "zstd by record"]),
    kinds=st.lists(
        st.sampled_from(["page", "page", "page", "inner", "broken", "garbage", "torn"]), min_size=2, max_size=14
    ),
    seed=st.integers(0, 10**6),
    split_bytes=st.integers(50, 9000),
    look_back=st.sampled_from([0, 1000, 4000, 2**24]),
)
def test_cuts_never_lose_or_double_a_record(
    tmp_path_factory: pytest.TempPathFactory,
    form: str,
    inner_form: str,
    kinds: list[str],
    seed: int,
    split_bytes: int,
    look_back: int,
) -> None:
    """Archives with archives inside and with damage give the same in ranges as whole, or say that they cannot be cut.

    With a look back over the whole file they always can.
    """
    content = _random_archive(form, inner_form, kinds, random.Random(seed))
    file = write(tmp_path_factory.mktemp("cut"), content)
    expected = read(file, split_bytes=2**30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOOK_BACK_BYTES", look_back)
        patch.setattr(module, "_can_be_cut", lambda file: True)
        try:
            found = read(file, split_bytes=split_bytes)
        except SourceError as error:
            assert look_back < len(content)
            assert "split_bytes" in str(error.remedy)
        else:
            assert found == expected


def _random_archive(form: str, inner_form: str, kinds: list[str], chance: random.Random) -> bytes:
    pieces = []
    for number, kind in enumerate(kinds, 1):
        record = pages(1, chance.randrange(10, 1500), first=number)[0]
        if kind == "inner":
            record = inner(chance.randrange(1, 9), 100 * number, inner_form)
        packed = PACKED[form]([BROKEN if kind == "broken" else record])
        if form == "zstd with a dictionary" and number > 1:
            packed = packed[PACKED[form]([]).__len__() :]
        if kind == "garbage":
            packed = GARBAGE
        elif kind == "torn":
            packed = packed[: chance.randrange(len(packed))]
        pieces.append(packed)
    return b"".join(pieces)


def test_an_archive_in_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut inside a stored archive is no cut between records; if the look back is too short, that is an error.

    The inner members stand in the outer one as they are, because it is stored without compression.
    """
    members = [gzip.compress(record, mtime=0) for record in pages(40, 300, first=100)]
    outer = [warc(b"".join(members), "resource", media="application/warc")]
    before, behind = pages(3, 300), pages(3, 300, first=4)
    file = write(
        tmp_path, b"".join([*map(gzip.compress, before), gzip.compress(outer[0], 0), *map(gzip.compress, behind)])
    )
    assert members[20] in file.read_bytes()
    expected = read(file)
    assert (len(expected.rows), expected.skipped) == (6, {"not_html": 1})
    cut_inside = 1 + file.stat().st_size // 2
    assert read(file, split_bytes=cut_inside) == expected
    monkeypatch.setattr(module, "LOOK_BACK_BYTES", 0)
    with pytest.raises(SourceError, match="inside a record.*\n.*split_bytes"):
        read(file, split_bytes=cut_inside)


def test_damage_at_a_cut(tmp_path: Path) -> None:
    """A damaged record that reaches over a cut is quarantined once, and the record behind it is read once."""
    packed = [gzip.compress(record) for record in pages(9, 2000)]
    for broken in range(9):
        content = b"".join(data[:-20] + b"?" * 20 if n == broken else data for n, data in enumerate(packed))
        file = write(tmp_path, content)
        expected: Found = read(file)
        assert (len(expected.rows), len(expected.quarantined)) == (8, 1)
        for split_bytes in range(700, 3000, 171):
            assert read(file, split_bytes=split_bytes) == expected


def test_a_new_file_leaves_the_other_partitions_alone(tmp_path: Path) -> None:
    """Numbers and keys of the partitions of other files stay the same."""
    for name in ("b", "d"):
        (tmp_path / f"{name}.warc.gz").write_bytes(PACKED["gzip by record"](pages(9)))
    settings = WarcConfig(path=str(tmp_path), split_bytes=900)
    before = {(p.number, p.key) for p in SOURCE.split("s", settings)}
    for name in ("a", "c", "e"):
        (tmp_path / f"{name}.warc.gz").write_bytes(PACKED["gzip by record"](pages(9)))
    assert before < {(p.number, p.key) for p in SOURCE.split("s", settings)}


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file that has grown since it was split stops the run, because its ranges no longer fit."""
    file = write(tmp_path, b"".join(pages(3)))
    settings = WarcConfig(path=str(file))
    (partition,) = SOURCE.split("s", settings)
    file.write_bytes(b"".join(pages(4)))
    with pytest.raises(SourceError, match="start the run again"):
        list(SOURCE.read(partition, settings))
