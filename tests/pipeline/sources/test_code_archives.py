"""Members of archives, honest and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline.sources import code_zip
from pipeline.sources.code_archives import Member, Skipped, is_archive, stem, unsafe
from pipeline.sources.code_trees import open_archive
from pipeline.sources.contract import Piece
from pipeline.sources.records import Fault

FILES = {
    "r/README": b"read me",
    "r/src/a.py": b"x = 1\n" * 500,
    "r/" + "d" * 120 + "/é中.c": b"int a;\n",
    "r/empty": b"",
}
Found = Member | Skipped | Fault


def tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def walk(
    folder: Path, content: bytes, name: str, limit: int = 10**6, max_bytes: int = 10**9
) -> Iterator[tuple[Found, Any]]:
    """What is found in an archive, with the content of members."""
    file = folder / name
    file.write_bytes(content)
    archive = open_archive(Piece(str(file), name, 0, len(content), len(content), ""), max_bytes)
    try:
        for found in archive.members():
            yield found, archive.read(limit) if isinstance(found, Member) else None
    finally:
        archive.close()


FORMS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a.tar": tar,
    "b.tar": lambda files: tar(files, tarfile.GNU_FORMAT),
    "c.tar": lambda files: tar({name: content for name, content in files.items()}, tarfile.USTAR_FORMAT),
    "a.tar.gz": lambda files: gzip.compress(tar(files)),
    "a.tgz": lambda files: gzip.compress(tar(files, tarfile.GNU_FORMAT)),
    "a.tar.zst": lambda files: zstandard.compress(tar(files)),
    "a.tar.bz2": lambda files: bz2.compress(tar(files), 1),
    "a.txz": lambda files: lzma.compress(tar(files)),
    "a.zip": zipped,
    "b.ZIP": lambda files: zipped(files, zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_archives(tmp_path: Path, name: str) -> None:
    """Every format gives the paths and contents that were put in; a limit cuts what is read, not what follows."""
    content = FORMS[name](FILES)
    found = list(walk(tmp_path, content, name))
    assert [(member.path, member.size, read) for member, read in found if isinstance(member, Member)] == [
        (path, len(text), text) for path, text in FILES.items()
    ]
    assert len(found) == len(FILES)
    assert [read for _, read in walk(tmp_path, content, name, limit=5)] == [text[:5] for text in FILES.values()]


def test_archives_under_wrong_names(tmp_path: Path) -> None:
    """The first bytes say what an archive is; of a kind that is not read, there is one fault and no error."""
    assert [read for _, read in walk(tmp_path, zipped({"a": b"1"}), "a.tar")] == [b"1"]
    assert [read for _, read in walk(tmp_path, gzip.compress(tar({"a": b"1"})), "a.tar")] == [b"1"]
    for content in (b"Rar!\x1a\x07\x00" + bytes(100), b"7z\xbc\xaf\x27\x1c" + bytes(100), b"no archive" * 100):
        (found,) = [one for one, _ in walk(tmp_path, content, "a.tar")]
        assert isinstance(found, Fault)
        assert (found.reason, found.size) == ("damaged_archive", len(content))


def test_names() -> None:
    """Archives are known by their names, and called what is before the suffix."""
    assert [stem(name) for name in ("x/a-1.0.tar.gz", "b.ZIP", "c.tar", "d.tar.zst", ".zip")] == [
        "a-1.0",
        "b",
        "c",
        "d",
        ".zip",
    ]
    assert is_archive("x/A.TGZ")
    assert not is_archive("a.gz")


EVIL = ["../x", "a/../../x", "/etc/passwd", "\\x", "C:\\x", "c:x", "..\\x", "a\nb", "a\x1b[2J", ".", "a" * 5000, "r/.."]


@pytest.mark.parametrize("path", EVIL)
@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_unsafe_paths(tmp_path: Path, name: str, path: str) -> None:
    """Paths that lead out, absolute ones, and such that a terminal obeys are faults; other members are read."""
    found = [one for one, _ in walk(tmp_path, FORMS[name]({"a": b"1", path: b"evil", "b": b"2"}), name)]
    assert [one.path for one in found if isinstance(one, Member)] == ["a", "b"]
    (fault,) = [one for one in found if isinstance(one, Fault)]
    assert (fault.reason, fault.size) == ("unsafe_path", 4)
    assert unsafe(path)
    assert "\n" not in fault.detail


def test_harmless_paths(tmp_path: Path) -> None:
    """Dots that lead nowhere go, as do doubled slashes; a name in no encoding is mended."""
    content = tar({"./a//./b.py": b"1", "..a/b..c": b"2"})
    assert [one.path for one, _ in walk(tmp_path, content, "a.tar") if isinstance(one, Member)] == [
        "a/b.py",
        "..a/b..c",
    ]
    raw = tar({"aXb": b"1"}, tarfile.USTAR_FORMAT)
    header = bytearray(raw[:512].replace(b"aXb", b"a\xffb"))
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 32)
    (found,) = [one for one, _ in walk(tmp_path, bytes(header) + raw[512:], "a.tar")]
    assert isinstance(found, Member)
    assert found.path == "a\ufffdb"


def test_links_and_devices(tmp_path: Path) -> None:
    """They are no files, and nothing is read through them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.BLKTYPE,
            tarfile.FIFOTYPE,
            tarfile.DIRTYPE,
        ):
            info = tarfile.TarInfo(f"x{kind.decode()}")
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
    found = [one for one, _ in walk(tmp_path, out.getvalue(), "a.tar")]
    assert found == [Skipped(reason, 0) for reason in ("link", "link", "special_file", "special_file", "special_file")]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        info_ = zipfile.ZipInfo("link")
        info_.create_system, info_.external_attr = 3, 0o120777 << 16
        packed.writestr(info_, "/etc/passwd")
        packed.writestr("folder/", "")
    assert [one for one, _ in walk(tmp_path, out.getvalue(), "a.zip")] == [Skipped("link", 11)]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.zst", "a.zip"])
def test_bombs(tmp_path: Path, name: str) -> None:
    """What is read of an archive is bounded, however small it is packed; what is before the bound is found."""
    content = FORMS[name]({"a": b"first", **{f"{i}": bytes(1_000_000) for i in range(50)}, "z": b"last"})
    assert len(content) < 100_000
    found = [one for one, _ in walk(tmp_path, content, name, max_bytes=5_000_000)]
    assert isinstance(found[0], Member)
    assert isinstance(found[-1], Fault)
    assert found[-1].reason == "too_large"
    assert 4 < len(found) < 9


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    """An extended header is not taken into memory on its word."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = b"x", 8 * 2**30
    found = [one for one, _ in walk(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + bytes(1000), "a.tar")]
    assert [one.reason for one in found if isinstance(one, Fault)] == ["damaged_archive"]
    assert len(found) == 1


def test_a_directory_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a zip with too many members the directory is not read."""
    monkeypatch.setattr(code_zip, "_DIRECTORY_LIMIT", 1000)
    (found,) = [one for one, _ in walk(tmp_path, zipped({f"{i}": b"" for i in range(100)}), "a.zip")]
    assert isinstance(found, Fault)
    assert found.reason == "damaged_archive"


@pytest.mark.parametrize("name", list(FORMS))
def test_a_truncated_archive(tmp_path: Path, name: str) -> None:
    """Members before the cut are found, the torn one is a fault; of a zip the directory is lost."""
    draw = random.Random(3)
    files = {f"r/{i}": draw.randbytes(20_000) for i in range(40)}
    content = FORMS[name](files)
    found = list(walk(tmp_path, content[: len(content) * 2 // 3], name))
    assert isinstance(found[-1][0], Fault)
    assert [one for one, _ in found].count(found[-1][0]) == 1
    if name.lower().endswith(".zip"):
        assert len(found) == 1
        return
    whole = [(one.path, read) for one, read in found[:-1] if isinstance(one, Member)]
    assert 15 < len(whole) < 30
    assert whole[:-1] == list(files.items())[: len(whole) - 1]
    assert whole[-1] in (list(files.items())[len(whole) - 1], (f"r/{len(whole) - 1}", None))
    assert found[-1][0].reason == "truncated_stream"


def test_members_that_are_not_read(tmp_path: Path) -> None:
    """Encrypted members, other compression, and broken checksums are faults of that member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("good", b"1")
        archive.writestr("lzma", b"2" * 100, zipfile.ZIP_LZMA)
        archive.writestr("stored", b"broken checksum")
        archive.writestr("secret", b"3")
    content = out.getvalue().replace(b"broken checksum", b"Broken checksum")
    place = content.rindex(b"PK\x01\x02")  # the directory's entry of the last member
    content = content[: place + 8] + bytes([content[place + 8] | 1]) + content[place + 9 :]
    found = list(walk(tmp_path, content, "a.zip"))
    reasons = [one.reason if isinstance(one, Fault) else getattr(read, "reason", read) for one, read in found]
    assert reasons == [b"1", "unsupported_member", "damaged_archive", "unsupported_member"]


@pytest.mark.parametrize("name", list(FORMS))
def test_random_damage(tmp_path: Path, name: str) -> None:
    """Random bytes changed never raise, and never make a path that leads out."""
    draw = random.Random(name)
    original = FORMS[name](FILES)
    for _ in range(150):
        content = bytearray(original)
        for _ in range(draw.randrange(1, 8)):
            content[draw.randrange(len(content))] = draw.choice((0, 0x37, 0x80, 0xFF, draw.randrange(256)))
        for found, read in walk(tmp_path, bytes(content), name, max_bytes=10**7):
            assert not isinstance(found, Member) or (unsafe(found.path) is None and not found.path.startswith("/"))
            assert read is None or isinstance(read, bytes | Fault)
