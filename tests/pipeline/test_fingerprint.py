"""Fingerprints tell settings apart and nothing else."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from importlib.metadata import PackageNotFoundError, version

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gristmill
from pipeline.fingerprint import digest, library_versions

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value: object) -> object:
    """The same value with the keys of all dictionaries in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_the_order_of_keys_does_not_count(value: object) -> None:
    """Two dictionaries with the same entries have one digest."""
    assert digest(shuffled(value)) == digest(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [([1, 2], [2, 1]), (["ab", "c"], ["a", "bc"]), (None, "null"), (1, "1"), (0.1, 0.10000000000000002), ([], {})],
)
def test_different_values_differ(one: object, other: object) -> None:
    """Order in lists, types and the last bit of a number count."""
    assert digest(one) != digest(other)


def test_the_digest_is_the_same_in_another_process() -> None:
    """No address, hash seed or environment goes in: 64 hex digits that are the same in a fresh process."""
    code = "from pipeline.fingerprint import digest; print(digest({'b': [1.5, None], 'a': '\\u4e2d'}))"
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=gristmill.ROOT,
            env={"PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    assert {run.stdout.strip() for run in found} == {digest({"a": "中", "b": [1.5, None]})}
    assert len(digest(1)) == 64


def test_nan_has_no_digest() -> None:
    """NaN is not JSON and never equal to itself; it is refused."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(float("nan"))


def test_lone_surrogates_have_a_digest() -> None:
    """A file name that is not UTF-8 reaches Python with surrogates, and is still a name."""
    assert digest("\udcff") != digest("\udcfe")


def test_library_versions() -> None:
    """Versions of the named distributions and of the Unicode tables, whatever the order."""
    found = library_versions(["pyarrow", "numpy", "pyarrow"])
    assert found == {
        "unicode": unicodedata.unidata_version,
        "numpy": version("numpy"),
        "pyarrow": version("pyarrow"),
    }
    with pytest.raises(PackageNotFoundError):
        library_versions(["no-such-distribution"])
