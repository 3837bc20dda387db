"""Streams: compression, damage, and files that are not what they were."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import tracemalloc
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.sources import decompression
from pipeline.sources.decompression import Decompressed, Unit
from pipeline.sources.streams import (
    DamagedStream,
    compression_of,
    is_transport_error,
    open_raw,
    open_stream,
    open_units,
    read_head,
)

RANDOM = random.Random(1)
WORDS = [bytes(RANDOM.choices(range(97, 123), k=RANDOM.randrange(2, 9))) for _ in range(3000)]
CONTENT = b" ".join(RANDOM.choices(WORDS, k=60_000))


def zstd(content: bytes, *, checksum: bool = True, level: int = 3, window_log: int | None = None) -> bytes:
    """One frame that does not say how long its content is."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, write_checksum=checksum, write_content_size=False, **({"window_log": window_log} if window_log else {})
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(content)


def skippable(content: bytes, number: int = 0) -> bytes:
    """A frame of zstd or lz4 that decoders pass over, as pzstd writes them."""
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


def pieces(compress: Callable[[bytes], bytes]) -> bytes:
    """Many units."""
    return b"".join(compress(CONTENT[i : i + 7001]) for i in range(0, len(CONTENT), 7001))


def with_dictionary(*, compressed: bool) -> bytes:
    """Frames that need the dictionary in the first frame, as web archives have them."""
    words = zstandard.train_dictionary(4096, [CONTENT[i : i + 500] for i in range(0, len(CONTENT), 500)])
    content = zstandard.compress(words.as_bytes()) if compressed else words.as_bytes()
    return skippable(content, 13) + pieces(zstandard.ZstdCompressor(dict_data=words).compress)


def read(file: Path, step: int = 1000) -> tuple[bytes, DamagedStream | None]:
    """The whole stream in small reads, and the damage it ended in."""
    stream = open_stream(str(file), file.stat().st_size)
    out = bytearray()
    view = memoryview(bytearray(step))
    try:
        while got := stream.readinto(view):
            out += view[:got]
    except DamagedStream as damage:
        return bytes(out), damage
    finally:
        stream.close()
    return bytes(out), None


WHOLE: dict[str, Callable[[], bytes]] = {
    "plain": lambda: CONTENT,
    "gzip": lambda: gzip.compress(CONTENT),
    "gzip members": lambda: b"".join(gzip.compress(CONTENT[i : i + 7001]) for i in range(0, len(CONTENT), 7001)),
    "gzip and zeros": lambda: gzip.compress(CONTENT[:9]) + bytes(100_000) + gzip.compress(CONTENT[9:]) + bytes(1000),
    "gzip with empty members": lambda: gzip.compress(b"") + gzip.compress(CONTENT) + gzip.compress(b""),
    "zstd": lambda: zstd(CONTENT),
    "zstd with content size": lambda: zstandard.compress(CONTENT),
    "zstd frames": lambda: b"".join(zstd(CONTENT[i : i + 7001]) for i in range(0, len(CONTENT), 7001)),
    "zstd with skippable frames": lambda: skippable(b"x" * 9) + zstd(CONTENT) + skippable(b"") + zstd(b""),
    "zstd with a window of 2 GiB": lambda: zstd(CONTENT, window_log=31),
    "zstd with a dictionary": lambda: with_dictionary(compressed=False),
    "zstd with a compressed dictionary": lambda: with_dictionary(compressed=True),
    "zstd behind a frame like that of a dictionary": lambda: skippable(b"something else", 13) + zstd(CONTENT),
    "lz4": lambda: lz4.frame.compress(CONTENT, content_checksum=True),
    "lz4 frames": lambda: pieces(lz4.frame.compress),
    "lz4 with skippable frames": lambda: skippable(b"x" * 99_999) + lz4.frame.compress(CONTENT) + skippable(b""),
    "bzip2": lambda: bz2.compress(CONTENT),
    "bzip2 streams": lambda: bz2.compress(b"") + pieces(bz2.compress),
    "xz": lambda: lzma.compress(CONTENT),
    "xz streams": lambda: pieces(lzma.compress) + bytes(8),
}


@pytest.mark.parametrize("form", list(WHOLE))
@pytest.mark.parametrize("step", [1, 997, 1 << 22])
def test_whole_streams(tmp_path: Path, form: str, step: int) -> None:
    """Every form of compression is told by its first bytes and gives back the content, in reads of any size."""
    file = tmp_path / "misleading.txt"
    file.write_bytes(WHOLE[form]())
    if step == 1 and len(CONTENT) > 50_000:
        assert read(file, 1 + len(CONTENT) // 50)[0] == CONTENT
    else:
        assert read(file, step) == (CONTENT, None)


@pytest.mark.parametrize("form", ["gzip", "zstd", "lz4", "bzip2", "xz", "gzip members", "zstd frames", "lz4 frames"])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 0.999])
def test_truncated_streams(tmp_path: Path, form: str, share: float) -> None:
    """All that the remaining bytes hold is delivered before the stream is said to be truncated."""
    whole = WHOLE[form]()
    file = tmp_path / "cut"
    file.write_bytes(whole[: int(len(whole) * share)])
    found, damage = read(file)
    assert damage is not None
    assert damage.reason == "truncated_stream"
    assert damage.unread_bytes == 0
    assert CONTENT.startswith(found)
    # A block of zstd holds up to 128 kB and cannot be read in part, one of bzip2 900 kB.
    block_bytes = {"zstd": 131_072, "lz4": 65_536 + 9_000, "bzip2": 900_000, "xz": 70_000}
    assert len(found) >= len(CONTENT) * share - block_bytes.get(form.split()[0], 9_000)


@pytest.mark.parametrize("form", ["gzip", "zstd", "lz4", "xz", "bzip2"])
def test_damage_in_the_middle(tmp_path: Path, form: str) -> None:
    """What comes before broken bytes is delivered, and the compressed bytes behind them are counted."""
    whole = bytearray(WHOLE[form]())
    whole[len(whole) // 2 : len(whole) // 2 + 400] = bytes(400)
    file = tmp_path / "broken"
    file.write_bytes(whole)
    found, damage = read(file)
    assert damage is not None
    assert damage.reason == "damaged_stream"
    assert 0 < damage.unread_bytes <= len(whole)
    common = next((i for i, (a, b) in enumerate(zip(found, CONTENT, strict=False)) if a != b), len(found))
    assert common >= (0 if form == "bzip2" else len(CONTENT) // 2 - 140_000)


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    """A gzip member whose content does not fit its checksum is delivered and then reported."""
    whole = bytearray(gzip.compress(CONTENT))
    whole[-8] ^= 1
    file = tmp_path / "a.gz"
    file.write_bytes(whole)
    found, damage = read(file)
    assert found == CONTENT
    assert damage is not None
    assert "incorrect data check" in damage.detail


@pytest.mark.parametrize("form", ["gzip", "zstd", "lz4", "bzip2", "xz"])
def test_something_else_behind_the_stream(tmp_path: Path, form: str) -> None:
    """Bytes that are no further member are damage, and they are counted."""
    file = tmp_path / "a"
    file.write_bytes(WHOLE[form]() + b"garbage")
    found, damage = read(file)
    assert found == CONTENT
    assert damage is not None
    assert (damage.reason, damage.unread_bytes) == ("damaged_stream", 7)


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"PK\x03\x04", "zip")],
)
def test_other_compressions_are_named(tmp_path: Path, head: bytes, name: str) -> None:
    """A compression that is not read is an error that says which it is and what to do."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(head)
    with pytest.raises(SourceError, match=f"compressed with {name}\n.*recompress"):
        open_stream(str(file))


@pytest.mark.parametrize("size", range(7))
def test_tiny_files(tmp_path: Path, size: int) -> None:
    """Files shorter than what tells compressions apart are read as they are."""
    file = tmp_path / "a"
    file.write_bytes(b"abcdefg"[:size])
    assert read(file) == (b"abcdefg"[:size], None)
    assert compression_of(read_head(str(file)), "a") is None


def test_a_bomb_is_unpacked_in_steps(tmp_path: Path) -> None:
    """Half a gigabyte of zeros in 16 kB of zstd, or in less of bzip2, never needs more than some steps' memory."""
    file = tmp_path / "bomb"
    zeros = bytes(2**27)
    bombs = [compress(zeros) for compress in (gzip.compress, lz4.frame.compress, bz2.compress, lzma.compress)]
    for content in (zstandard.ZstdCompressor(19).compress(bytes(2**29)), *bombs):
        file.write_bytes(content)
        stream = open_stream(str(file))
        view = memoryview(bytearray(2**20))
        tracemalloc.start()
        total = 0
        while got := stream.readinto(view):
            total += got
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total in (2**29, 2**27)
        assert peak < 300 * 2**20


def test_files_that_are_gone_or_changed(tmp_path: Path) -> None:
    """A file that vanished or grew since the run was planned stops the run with its name."""
    file = tmp_path / "a.jsonl"
    with pytest.raises(SourceError, match="cannot be read") as caught:
        open_raw(str(file))
    assert caught.value.where == str(file)
    file.write_bytes(b"12345")
    with pytest.raises(SourceError, match="had 4 bytes when the run was planned and has 5 now"):
        open_stream(str(file), 4)
    with open_raw(str(file), 5, 2) as stream:
        assert stream.read() == b"345"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(5, "Input/output error"), True),
        (OSError("When reading key 'a': AWS Error NETWORK_CONNECTION during GetObject"), True),
        (TimeoutError(110, "timed out"), True),
        (OSError("Couldn't deserialize thrift: TProtocolException"), False),
        (ValueError("AWS Error"), False),
    ],
)
def test_transport_errors_are_told_from_damage(error: Exception, expected: bool) -> None:
    """A failing disk or network is an error to retry, never a damaged file."""
    assert is_transport_error(error) is expected


def units(file: Path, codec: str) -> tuple[Decompressed, deque[Unit]]:
    """A stream that says where its units begin."""
    stream = open_units(str(file), file.stat().st_size, codec)
    assert stream.units is not None
    return stream, stream.units


def take(stream: Decompressed, count: int = 2**30) -> bytes:
    """Up to so many bytes, fewer before damage."""
    out = bytearray()
    view = memoryview(bytearray(2**16))
    try:
        while len(out) < count and (got := stream.readinto(view[: count - len(out)])):
            out += view[:got]
    except DamagedStream:
        pass
    return bytes(out)


@pytest.mark.parametrize("codec", ["gzip", "zstd", "lz4", "bzip2", "xz"])
def test_places_of_units(tmp_path: Path, codec: str) -> None:
    """A reader learns where each unit begins, in the file and in the stream, and can begin at any of them."""
    compress = {
        "gzip": gzip.compress,
        "zstd": zstd,
        "lz4": lz4.frame.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
    }
    parts = [compress[codec](CONTENT[i : i + 7001]) for i in range(0, len(CONTENT), 7001)]
    file = tmp_path / "a"
    file.write_bytes(b"".join(parts))
    stream, found = units(file, codec)
    assert take(stream) == CONTENT
    offsets = [sum(map(len, parts[:i])) for i in range(len(parts))]
    assert list(found) == [Unit(i * 7001, offset) for i, offset in enumerate(offsets)]
    found.clear()
    stream.go_to(offsets[5])
    assert take(stream, 100) == CONTENT[5 * 7001 :][:100]
    assert found[0] == Unit(len(CONTENT), offsets[5])
    assert stream.find_unit(offsets[5] + 1, lambda head: True) == offsets[6]
    assert stream.find_unit(1, lambda head: head.startswith(CONTENT[9 * 7001 :][:50])) == offsets[9]
    assert stream.find_unit(offsets[-1] + 1, lambda head: len(head) > 0) is None
    stream.close()


def test_a_magic_number_that_begins_no_unit(tmp_path: Path) -> None:
    """A unit is found by what it holds: 4 kB of it, or all if it is shorter."""
    file = tmp_path / "a"
    fake = b"\x1f\x8b\x08\x00" + bytes(30) + b"\x1f\x8b" * 500
    file.write_bytes(fake + gzip.compress(b"short") + fake + gzip.compress(b"x" * 9000))
    stream, _ = units(file, "gzip")
    heads: list[bytes] = []
    assert stream.find_unit(0, lambda head: bool(heads.append(head))) is None  # type: ignore[func-returns-value]
    assert [head for head in heads if head] == [b"short", b"x" * 4096]
    stream.close()


def test_units_that_expand_beyond_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader asked for it, a unit over a gigabyte and 250 times its size is damage; the next can be read."""
    monkeypatch.setattr(decompression, "_BOMB_BYTES", 2**20)
    file = tmp_path / "a"
    bomb = gzip.compress(bytes(2**26))
    file.write_bytes(bomb + gzip.compress(b"next"))
    stream, _ = units(file, "gzip")
    assert 2**20 <= len(take(stream)) < 2**24
    with pytest.raises(DamagedStream, match="too_large"):
        stream.readinto(memoryview(bytearray(9)))
    stream.go_to(len(bomb))
    assert take(stream) == b"next"
    stream.close()


def test_igzip_is_as_strict_as_zlib(tmp_path: Path) -> None:
    """Any changed byte of a gzip file has the outcome that zlib has, to the last byte delivered.

    But igzip does not mind reserved bits in the header; content is checked all the same.
    """
    whole = gzip.compress(CONTENT[:3000], mtime=0)
    file = tmp_path / "a"
    for place in range(2, len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 0x41
        decoder = zlib.decompressobj(31)
        expected = bytearray()
        try:
            for byte in broken:
                expected += decoder.decompress(bytes([byte]))
            outcome = None if decoder.eof else "truncated_stream"
        except zlib.error:
            outcome = "damaged_stream"
        file.write_bytes(broken)
        found, damage = read(file)
        if damage is None:
            assert found == CONTENT[:3000]
            assert place < 10
        elif not decoder.unused_data:
            assert (found, damage.reason) == (bytes(expected), outcome), place
