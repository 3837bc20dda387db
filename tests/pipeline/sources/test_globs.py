"""Globs."""

from __future__ import annotations

import pytest

from pipeline.sources.globs import expand_braces, name_pattern, path_pattern


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("a", ["a"]),
        ("a.{x,y}", ["a.x", "a.y"]),
        ("{a,b}/{c,d}", ["a/c", "a/d", "b/c", "b/d"]),
        ("{a,b{1,2}}", ["a", "b1", "b2"]),
        ("{a,}z", ["az", "z"]),
        ("{a}", ["a"]),
        ("{a,b", ["{a,b"]),
        ("a}b", ["a}b"]),
    ],
)
def test_braces_are_written_out(glob: str, names: list[str]) -> None:
    """Braces stand for each of their choices; one without its partner stands for itself."""
    assert expand_braces(glob) == names


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.jsonl", ["a.jsonl", "a.b.jsonl", ".jsonl"[1:] + ".jsonl"], ["a.json", ".a.jsonl", "a.jsonl.gz"]),
        ("?.txt", ["a.txt", "中.txt"], [".txt", "ab.txt"]),
        ("[a-c]*", ["a", "bx"], ["d", "A"]),
        ("[!a-c]*", ["d"], ["a", ".d"]),
        ("[]x]", ["]", "x"], ["y"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("[", ["["], ["a"]),
        (".*", [".hidden"], ["a"]),
        ("a+(b)|c", ["a+(b)|c"], ["aab", "c"]),
    ],
)
def test_names(glob: str, yes: list[str], no: list[str]) -> None:
    """Wildcards match within a name; names that begin with a dot only match globs that do."""
    assert [name for name in yes + no if name_pattern(glob).match(name)] == yes


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.bak", ["a.bak", "x/y/a.bak"], ["a.bak/b"]),
        ("x/*.bak", ["x/a.bak"], ["a.bak", "x/y/a.bak", "z/x/a.bak"]),
        ("x/**", ["x/a", "x/y/a"], ["x", "y/a"]),
        ("**/y/*", ["y/a", "x/y/a"], ["y/z/a"]),
        ("{x,y}/*.{a,b}", ["x/1.a", "y/2.b"], ["z/1.a", "x/1.c"]),
        ("**", ["a", "x/a"], []),
    ],
)
def test_relative_paths(glob: str, yes: list[str], no: list[str]) -> None:
    """A glob without a slash looks at the name alone; ``**`` goes over folders, ``*`` does not."""
    assert [path for path in yes + no if path_pattern(glob).match(path)] == yes
