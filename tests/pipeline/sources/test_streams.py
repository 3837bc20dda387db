"""Streams: compression, damage, and files that are not what they were."""

from __future__ import annotations

import gzip
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pipeline.errors import SourceError
from pipeline.sources.streams import (
    DamagedStream,
    compression_of,
    is_transport_error,
    open_raw,
    open_stream,
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


def skippable(content: bytes) -> bytes:
    """A zstd frame that decoders pass over, as pzstd writes them."""
    return struct.pack("<II", 0x184D2A50, len(content)) + content


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


@pytest.mark.parametrize("form", ["gzip", "zstd", "gzip members", "zstd frames"])
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
    # A zstd block holds up to 128 kB and cannot be read in part.
    assert len(found) >= len(CONTENT) * share - (131_072 if "zstd" in form else 9_000)


@pytest.mark.parametrize("form", ["gzip", "zstd"])
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
    assert common >= len(CONTENT) // 2 - 140_000


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


@pytest.mark.parametrize("form", ["gzip", "zstd"])
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
    [(b"BZh91AY", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip"), (b"\x04\x22\x4d\x18", "lz4")],
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
    """A gigabyte of zeros in 33 kB of zstd, or in a megabyte of gzip, never needs more than some steps' memory."""
    file = tmp_path / "bomb"
    for content in (zstandard.ZstdCompressor(19).compress(bytes(2**29)), gzip.compress(bytes(2**27))):
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
