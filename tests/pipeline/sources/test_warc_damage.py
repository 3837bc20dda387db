"""Damaged and hostile archives: what is sound is read, the rest is quarantined once and at its place."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from pipeline.sources import decompression
from pipeline.sources import warc as source
from tests.pipeline.sources.archives import PACKED, PAGE, answer, arc, page, pages, read, read_bytes, warc

GOOD = pages(3, 2000)
SIZE = len(GOOD[0])


def urls(numbers: list[int]) -> list[str]:
    return [f"http://example.org/{number}" for number in numbers]


def check(found: object, numbers: list[int], reasons: list[str]) -> None:
    rows, quarantined = found.rows, found.quarantined  # type: ignore[attr-defined]
    assert [row["url"] for row in rows] == urls(numbers)
    assert [bad["reason"] for bad in quarantined] == reasons
    assert all(bad["detail"] for bad in quarantined)


BAD_RECORDS = {
    "bad_header": warc(b"x").replace(b"WARC-Type: response\r\n", b""),
    "bad_length": warc(answer(), length=None),
    "bad_length ": warc(answer(), length="many"),
    "bad_length  ": warc(answer(), length="-5"),
    "bad_length   ": warc(answer(), length="99999999999999999999"),
    "bad_length too short": warc(answer(), length="30"),
    "bad_length too long": warc(answer(), length="1000"),
    "bad_header ": b"garbage\r\nmore garbage " + bytes(range(256)) * 20 + b"\n",
    "bad_http": warc(b"<html>no status line"),
    "bad_http ": warc(b"HTTP/1.1 OK\r\n\r\nx"),
    "bad_chunking": warc(answer(b"5\r\nhello\r\n5\r\nhe", fields=["Transfer-Encoding: chunked"])),
    "bad_chunking ": warc(answer(b"5\r\nhello\r\nhello", fields=["Transfer-Encoding: chunked"])),
    "bad_encoding": warc(answer(gzip.compress(PAGE)[:-12], fields=["Content-Encoding: gzip"])),
    "bad_encoding ": warc(answer(bytes(range(200)), fields=["Content-Encoding: sdch"])),
}


@pytest.mark.parametrize(
    "form", ["plain", "gzip by record", "gzip", "gzip of blocks", "zstd by record", "lz4", "bzip2"]
)
@pytest.mark.parametrize("mistake", list(BAD_RECORDS))
def test_a_bad_record(tmp_path: Path, mistake: str, form: str) -> None:
    """It is quarantined where it begins, with its bytes, and the next record is read."""
    bad = BAD_RECORDS[mistake]
    found = read_bytes(tmp_path, PACKED[form]([GOOD[0], bad, GOOD[1], GOOD[2]]))
    check(found, [1, 2, 3], [mistake.split()[0]])
    (record,) = found.quarantined
    assert record["raw"].rstrip(b"\r\n") in bad
    assert len(bad) - 1000 <= record["bytes"] <= len(bad)
    if form == "plain":
        assert record["offset"] == SIZE
    if form == "gzip by record":
        assert record["offset"] == len(gzip.compress(GOOD[0]))


@pytest.mark.parametrize(
    "form", ["plain", "gzip by record", "gzip", "zstd by record", "zstd", "lz4 by record", "bzip2 by record", "xz"]
)
def test_a_file_that_ends_too_early(tmp_path: Path, form: str) -> None:
    """The record in which it ends is quarantined; those before are rows."""
    content = PACKED[form](GOOD)
    whole = PACKED[form](GOOD[:2]) if "by record" in form else content
    found = read_bytes(tmp_path, content[: len(whole) + (len(content) - len(whole)) // 2 if whole != content else -200])
    assert found.reasons == ["truncated_record"]
    assert [row["url"] for row in found.rows] == urls([1, 2, 3][: len(found.rows)])
    assert len(found.rows) == (2 if "by record" in form or form in ("plain", "gzip") else len(found.rows))
    assert found.quarantined[0]["bytes"] > 0


@pytest.mark.parametrize("form", ["gzip by record", "zstd by record", "lz4 by record", "bzip2 by record"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
def test_damage_within_a_unit(tmp_path: Path, form: str, share: float) -> None:
    """The unit's record is quarantined at the unit's offset, and reading goes on at the next unit."""
    packed = [PACKED[form]([record]) for record in GOOD]
    at = int(len(packed[1]) * share)
    broken = bytearray(packed[1])
    broken[at : at + 12] = bytes(byte ^ 0xA5 for byte in broken[at : at + 12])
    found = read_bytes(tmp_path, packed[0] + bytes(broken) + packed[2])
    check(found, [1, 3], ["damaged_stream"])
    assert found.quarantined[0]["offset"] == len(packed[0])


def test_a_wrong_checksum(tmp_path: Path) -> None:
    """A record whose gzip member has a wrong checksum is no row, though all of it is there."""
    packed = [bytearray(gzip.compress(record)) for record in GOOD]
    packed[1][-8] ^= 1
    found = read_bytes(tmp_path, b"".join(packed))
    check(found, [1, 3], ["damaged_stream"])
    assert found.quarantined[0]["raw"] == GOOD[1]


@pytest.mark.parametrize("keep", [10, 400, -9, -3])
def test_a_member_that_was_cut_and_written_anew(tmp_path: Path, keep: int) -> None:
    """A crawler that died left half a member; what it wrote after its restart is read."""
    packed = [gzip.compress(record) for record in GOOD]
    found = read_bytes(tmp_path, packed[0] + packed[1][:keep] + packed[2])
    check(found, [1, 3], ["damaged_stream"])


@pytest.mark.parametrize("form", ["plain", "gzip by record", "zstd by record", "lz4 by record"])
def test_garbage_behind_the_last_record(tmp_path: Path, form: str) -> None:
    """It is one quarantine record; zeros behind gzip members are nothing."""
    content = PACKED[form](GOOD)
    found = read_bytes(tmp_path, content + b"garbage at the end of the file")
    check(found, [1, 2, 3], ["bad_header" if form == "plain" else "damaged_stream"])
    assert (found.quarantined[0]["offset"], found.quarantined[0]["bytes"]) == (len(content), 30)
    if "gzip" in form:
        assert read_bytes(tmp_path, content + bytes(1000)).records == 3


def test_lengths_that_leave_their_unit(tmp_path: Path) -> None:
    """Of records with gzip members of their own, one cannot swallow the next, however long it says that it is."""
    for length in ("3000", "5000", "99999999", "999999999999"):
        bad = warc(answer(), length=length)
        found = read_bytes(tmp_path, b"".join(map(gzip.compress, [GOOD[0], bad, GOOD[1], GOOD[2]])))
        check(found, [1, 2, 3], ["bad_length"])


def test_other_files(tmp_path: Path) -> None:
    """A file that is no archive is one quarantine record of all its bytes."""
    for content in (b"a,b\n1,2\n" * 1000, b"\n{}\n", bytes(5000)):
        found = read_bytes(tmp_path, content)
        assert (found.rows, found.reasons) == ([], ["bad_header"])
        assert found.quarantined[0]["bytes"] == len(content.lstrip(b"\n"))
        assert read_bytes(tmp_path, gzip.compress(content)).reasons == ["bad_header"]


def test_arc_files_go_on_too(tmp_path: Path) -> None:
    """The next header line of an ARC file is found behind garbage and wrong lengths."""
    records = [arc(f"http://example.org/{n}", answer(page(n))) for n in (1, 2, 3)]
    lying = arc("http://example.org/9", answer()).replace(b" %d\n" % len(answer()), b" 7\n", 1)
    found = read_bytes(tmp_path, records[0] + lying + records[1] + b"garbage\n" + records[2])
    check(found, [1, 2, 3], ["bad_length", "bad_header"])


def test_documents_over_the_limit(tmp_path: Path) -> None:
    """A document that is too long, in the record or once its codings are off, is quarantined; others are read."""
    large = page(1, 200_000)
    records = [
        GOOD[0],
        warc(answer(large)),
        warc(answer(gzip.compress(large), fields=["Content-Encoding: gzip"])),
        warc(answer(b"\xe9" * 30_000, media="text/plain; charset=latin1")),
        warc(answer(bytes(90_000_000), media="video/mp4")),
        GOOD[1],
    ]
    for form in ("plain", "gzip by record", "zstd"):
        found = read_bytes(tmp_path, PACKED[form](records), max_document_bytes=50_000)
        check(found, [1, 2], ["too_large"] * 3)
        assert found.skipped == {"not_html": 1}


@pytest.mark.parametrize("form", ["plain", "gzip by record", "gzip", "zstd by record"])
def test_long_records_that_are_damaged(tmp_path: Path, form: str) -> None:
    """Records over the limit that lack bytes, or whose length is wrong, are in the books once and with their size."""
    video = warc(answer(bytes(range(256)) * 12_000, media="video/mp4"), number=9)
    wrong = video.replace(b"Content-Length: 3", b"Content-Length: 2", 1)
    longer = video.replace(b"Content-Length: 3", b"Content-Length: 9", 1)
    ones = (wrong, longer) if form in ("plain", "gzip by record", "zstd by record") else (wrong,)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "SLACK_BYTES", 10_000)
        for one in ones:
            content = PACKED[form]([warc(answer()), one, warc(answer())])
            found = read_bytes(tmp_path, content, max_document_bytes=1000)
            assert (len(found.rows), found.reasons, found.skipped) == (2, ["bad_length"], {})
            assert len(one) - 4 <= found.quarantined[0]["bytes"] <= len(one)
        content = PACKED[form]([warc(answer()), video])[: -2000 if form == "plain" else -200]
        torn = read_bytes(tmp_path, content, max_document_bytes=1000)
        assert (len(torn.rows), torn.reasons) == (1, ["truncated_record"])
        assert len(video) // 3 <= torn.quarantined[0]["bytes"] < len(video) or "zstd" in form


def test_many_long_records(tmp_path: Path) -> None:
    """Lengths that lie, and lie again, cost no more than the file's length."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "SLACK_BYTES", 1000)
        one = warc(answer(), length="111111")
        lying = one.replace(b"111111", b"%06d" % (200 * len(one) + 30))
        found = read_bytes(tmp_path, lying * 1000 + b"".join(GOOD), max_document_bytes=10_000)
    check(found, [1, 2, 3], ["bad_length"] * 1000)


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies and records that expand without end need no more memory than the limit says."""
    monkeypatch.setattr(decompression, "_BOMB_BYTES", 2**24)
    zeros = zstandard.ZstdCompressor(level=1).compress(b"<p>" + bytes(2**28))
    bodies = [answer(zeros, fields=["Content-Encoding: zstd"])]
    bodies += [answer(gzip.compress(gzip.compress(bytes(2**26))), fields=["Content-Encoding: gzip, gzip"])]
    head = warc(answer(), length=str(2**40)).split(b"\r\n\r\n")[0] + b"\r\n\r\n"
    file = tmp_path / "bomb.warc"
    bomb = gzip.compress(head + bytes(2**26))
    file.write_bytes(
        gzip.compress(GOOD[0]) + b"".join(gzip.compress(warc(body)) for body in bodies) + bomb + gzip.compress(GOOD[2])
    )
    tracemalloc.start()
    found = read(file, max_document_bytes=2**22)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check(found, [1, 3], ["too_large"] * 3)
    assert peak < 250 * 2**20


def test_many_tiny_members(tmp_path: Path) -> None:
    """Empty members between records and within them change nothing."""
    empty = gzip.compress(b"")
    pieces = b"".join(gzip.compress(GOOD[1][at : at + 7]) + empty for at in range(0, SIZE, 7))
    check(read_bytes(tmp_path, empty * 50 + gzip.compress(GOOD[0]) + empty + pieces), [1, 2], [])


def test_lz4_without_checksums(tmp_path: Path) -> None:
    """Frames with linked blocks, checksums of blocks, and sizes are all read."""
    frames = [
        lz4.frame.compress(GOOD[0], block_linked=False, block_checksum=True),
        lz4.frame.compress(GOOD[1], content_checksum=True, store_size=False),
        lz4.frame.compress(GOOD[2], block_size=lz4.frame.BLOCKSIZE_MAX4MB, compression_level=9),
    ]
    check(read_bytes(tmp_path, b"".join(frames)), [1, 2, 3], [])
