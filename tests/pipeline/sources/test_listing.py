"""Which files a path means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.sources.listing import list_files
from pipeline.sources.streams import open_raw

TREE = [
    "a.jsonl",
    "b.jsonl.gz",
    "c.txt",
    ".hidden.jsonl",
    "sub/a.jsonl",
    "sub/deep/d.jsonl",
    ".git/x.jsonl",
    "sub/[x].jsonl",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with some files, each of which holds its own name."""
    for name in TREE:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


def names(
    path: str | list[str], exclude: list[str] | None = None, suffixes: tuple[str, ...] | None = None
) -> list[str]:
    """Relative names of what is found."""
    return [file.relative for file in list_files(path, exclude or [], suffixes)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.jsonl", ["a.jsonl"]),
        ("*.jsonl", ["a.jsonl"]),
        ("*.jsonl*", ["a.jsonl", "b.jsonl.gz"]),
        ("**/*.jsonl", ["a.jsonl", "sub/[x].jsonl", "sub/a.jsonl", "sub/deep/d.jsonl"]),
        ("sub/**", ["[x].jsonl", "a.jsonl", "deep/d.jsonl"]),
        ("**/deep/*", ["sub/deep/d.jsonl"]),
        ("{a,sub/a}.jsonl", ["a.jsonl", "sub/a.jsonl"]),
        ("{**,sub}/a.jsonl", ["a.jsonl", "sub/a.jsonl"]),
        ("sub/[[]x].jsonl", ["[x].jsonl"]),
        (".hidden*", [".hidden.jsonl"]),
        ("?.txt", ["c.txt"]),
        ("*/a.jsonl", ["sub/a.jsonl"]),
        ("", ["a.jsonl", "b.jsonl.gz", "c.txt", "sub/[x].jsonl", "sub/a.jsonl", "sub/deep/d.jsonl"]),
    ],
)
def test_patterns(tree: Path, pattern: str, expected: list[str]) -> None:
    """A pattern finds the files that it matches; names are relative to what comes before the first wildcard."""
    assert names(f"{tree}/{pattern}") == expected


def test_what_a_file_is(tree: Path) -> None:
    """Size and modification time are the file's, and the URI opens it."""
    (file,) = list_files(str(tree / "a.jsonl"))
    status = (tree / "a.jsonl").stat()
    assert (file.size, file.stamp) == (status.st_size, str(status.st_mtime_ns))
    (same,) = list_files(f"{tree}/a*")
    assert same == file
    with open_raw(file.uri, file.size) as stream:
        assert stream.read() == b"a.jsonl"


def test_relative_and_home_paths(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths relative to the working directory or to the home folder, and file URIs, mean the same files."""
    monkeypatch.chdir(tree)
    monkeypatch.setenv("HOME", str(tree))
    expected = list_files(f"{tree}/sub/*.jsonl")
    assert list_files("sub/*.jsonl") == expected
    assert list_files("~/sub/*.jsonl") == expected
    assert list_files(f"file://{tree}/sub/*.jsonl") == expected
    assert names("*.txt") == ["c.txt"]


def test_folders_by_suffix(tree: Path) -> None:
    """Of a folder only files with the wanted endings count; a file named outright counts whatever its ending."""
    assert names(str(tree), suffixes=(".jsonl.gz",)) == ["b.jsonl.gz"]
    assert names(f"{tree}/", suffixes=(".TXT".lower(),)) == ["c.txt"]
    assert names(str(tree / "c.txt"), suffixes=(".jsonl",)) == ["c.txt"]


def test_exclude(tree: Path) -> None:
    """Excluded files are left out, by path or, for globs without a slash, by name."""
    assert names(f"{tree}/**/*.jsonl", ["sub/deep/**", "[[]*"]) == ["a.jsonl", "sub/a.jsonl"]
    assert names(f"{tree}/**/*.jsonl", ["a.jsonl"]) == ["sub/[x].jsonl", "sub/deep/d.jsonl"]
    with pytest.raises(SourceError, match="`exclude` leaves none of its 1 files"):
        names(f"{tree}/*.jsonl", ["*"])


def test_a_file_that_two_patterns_find_counts_once(tree: Path) -> None:
    """The first pattern names it."""
    twice = [f"{tree}/sub/deep/d.jsonl", f"{tree}/**/[ad].*"]
    assert names(twice) == ["a.jsonl", "d.jsonl", "sub/a.jsonl"]


def test_two_files_of_one_name(tree: Path) -> None:
    """Ids are made of relative names, so two files of the same one are refused, with the way out."""
    with pytest.raises(SourceError, match="both called 'a.jsonl'.*\n.*one glob from a folder above"):
        names([f"{tree}/a.jsonl", f"{tree}/sub/a.jsonl"])
    assert names(f"{tree}/{{a,sub/a}}.jsonl") == ["a.jsonl", "sub/a.jsonl"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*.json", r"no file matches\n.* has a\.jsonl, .*c\.txt"),
        ("a.json", r"no file matches\n.* has a\.jsonl, "),
        ("subb/*.jsonl", r"no file matches\n.* has sub/, "),
        ("no/such/place/*.x", r"no file matches\n.* has "),
        ("sub/deep/*.x", r"no file matches\n.*deep has d\.jsonl$"),
    ],
)
def test_nothing_found(tree: Path, pattern: str, message: str) -> None:
    """The error names the pattern and what there is in the nearest folder, names like the wanted one first."""
    with pytest.raises(SourceError, match=message) as caught:
        names(f"{tree}/{pattern}")
    assert caught.value.where == f"{tree}/{pattern}"


def test_folders_without_wanted_files(tree: Path) -> None:
    """An empty folder and one without the wanted endings say so."""
    (tree / "empty").mkdir()
    with pytest.raises(SourceError, match="the folder has no files\n.*empty is empty"):
        names(str(tree / "empty"))
    with pytest.raises(SourceError, match=r"ends in \.parquet\n.* has a\.jsonl"):
        names(str(tree), suffixes=(".parquet",))


def test_links_that_lead_back_are_not_followed(tree: Path) -> None:
    """Links to folders are followed, but not in circles."""
    (tree / "sub" / "up").symlink_to(tree)
    (tree / "one").mkdir()
    (tree / "two").mkdir()
    (tree / "one" / "f.txt").write_text("")
    (tree / "one" / "x").symlink_to(tree / "two")
    (tree / "two" / "y").symlink_to(tree / "one")
    assert names(f"{tree}/one/**/*.txt") == ["f.txt", "x/y/f.txt"]
    assert "sub/up/a.jsonl" not in names(f"{tree}/**")


def test_names_that_are_not_utf8(tree: Path) -> None:
    """A file whose name cannot go into an id is refused before the run."""
    with open(os.fsencode(tree) + b"/\xff.txt", "w"):
        pass
    with pytest.raises(SourceError, match="name is not UTF-8"):
        names(f"{tree}/*.txt")
    assert names(f"{tree}/*.txt", ["[!a-z].txt"]) == ["c.txt"]


def test_ten_thousand_files(tmp_path: Path) -> None:
    """10,000 files come in the order of their names."""
    for number in range(10_000):
        (tmp_path / f"{number}.jsonl").touch()
    found = names(f"{tmp_path}/*.jsonl")
    assert found == sorted(found)
    assert len(found) == 10_000
