"""Columns of Arrow batches as text."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline.sources.columns import Faults, as_text, leaves, pick

BATCH = pa.RecordBatch.from_pylist(
    [
        {"a": {"b": {"c": 1}, "d.e": "x"}, "f.g": {"h": True}},
        {"a": None, "f.g": None},
        {"a": {"b": None, "d.e": None}, "f.g": None},
    ]
)


def test_leaves() -> None:
    """Structs are entered, in the order of the columns; lists are leaves."""
    schema = pa.schema([("x", pa.list_(pa.int8())), *BATCH.schema])
    assert list(leaves(schema)) == ["x", "a.b.c", "a.d.e", "f.g.h"]


@pytest.mark.parametrize(("column", "expected"), [("a.b.c", [1, None, None]), ("f.g.h", [True, None, None])])
def test_paths(column: str, expected: list[Any]) -> None:
    """A dotted name leads into structs, also where a name has a dot itself; below a null struct all is null."""
    assert pick(BATCH, column).to_pylist() == expected


def test_a_path_that_leads_nowhere() -> None:
    """It is a KeyError: which columns there are has been checked before."""
    with pytest.raises(KeyError):
        pick(BATCH, "z.b")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, -3]), ["1", None, "-3"]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array(["x", None, "é"]).dictionary_encode(), ["x", None, "é"]),
        (pa.array([b"x", None, "中".encode()], pa.large_binary()), ["x", None, "中"]),
        (pa.array(["x", None, "🙂"], pa.string_view()), ["x", None, "🙂"]),
        (pa.nulls(3), [None, None, None]),
        (pa.array(["no", "x", None, "é", "no"])[1:4], ["x", None, "é"]),
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_values(values: pa.Array, expected: list[Any], kind: pa.DataType) -> None:
    """Whatever the type, slices too, the text is that of the value, and nulls stay."""
    faults = Faults(3)
    found = as_text(values, kind, "x", faults)
    assert (found.type, found.to_pylist()) == (kind, expected)
    assert not faults.reasons


def test_the_first_fault_counts() -> None:
    """A row has one fault, the first that was found; a row without one has none."""
    faults = Faults(3)
    text = as_text(pa.array([b"\xff", b"ok", b"\xfe"]), pa.large_string(), "x", faults)
    faults.add(pa.array([True, None, False]), "later", "not counted for the first row")
    found = faults.records(text, 10)
    assert [(fault.offset, fault.size, fault.reason, fault.raw) for fault in found] == [
        (10, 1, "invalid_utf8", b"\xff"),
        (12, 1, "invalid_utf8", b"\xfe"),
    ]
