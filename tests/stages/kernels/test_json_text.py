"""JSON Lines against the standard library."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.json_text import HEX, JSON, TEXT, Column, json_lines
from tests.reference.json_text import json_lines as reference
from tests.stages.hostile import CHARACTERS, ROWS, arrays, long_bytes
from tests.stages.hostile import TEXT as TEXTS

CONTROLS = "".join(map(chr, range(0x21))) + '"\\/\x7f\u2028\u2029'


def column(key: str, array: pa.Array, form: int, valid: npt.NDArray[np.bool_] | None = None) -> Column:
    view = text_view(array)
    return Column(key, view.data, view.offsets, np.ones(len(array), np.bool_) if valid is None else valid, form)


@given(array=arrays(TEXTS | st.text(st.sampled_from(CONTROLS + "aé中😀"), max_size=60)), key=st.text(max_size=8))
def test_text_is_escaped_like_the_standard_library_does(array: pa.Array, key: str) -> None:
    """Quotation marks, backslashes and controls are escaped, nothing else; whole arrays and slices, both text types."""
    key = key.encode(errors="replace").decode()
    assert json_lines([column(key, array, TEXT)], len(array)).tobytes() == reference(
        {key: array.to_pylist()}, len(array)
    )


@given(rows=st.lists(st.tuples(TEXTS | st.none(), st.binary(max_size=20) | st.none(), st.integers()), max_size=6))
def test_rows_of_several_columns(rows: list[tuple[str | None, bytes | None, int]]) -> None:
    """Every object has all keys in their order; nulls are null whatever bytes they own; bytes are hexadecimal."""
    n = len(rows)
    texts, blobs, numbers = ([row[place] for row in rows] for place in range(3))
    columns = [
        column("text", pa.array([t or "x\n" for t in texts], pa.large_string()), TEXT, _valid(texts)),
        column("hash", pa.array([b or b"\0" for b in blobs], pa.binary()), HEX, _valid(blobs)),
        column("n", pa.array([str(number) for number in numbers], pa.string()), JSON),
    ]
    wanted = {
        "text": [t if t is None else t or "x\n" for t in texts],
        "hash": [b if b is None else b or b"\0" for b in blobs],
        "n": numbers,
    }
    assert json_lines(columns, n).tobytes() == reference(wanted, n)


def _valid(values: list[Any]) -> npt.NDArray[np.bool_]:
    return np.array([value is not None for value in values], np.bool_)


def test_hostile_rows() -> None:
    """Rows that break things come back as they were."""
    rows = [*ROWS, CHARACTERS, CONTROLS, CONTROLS * 9]
    lines = json_lines([column("text", pa.array(rows), TEXT)], len(rows)).tobytes().decode()
    assert [json.loads(line)["text"] for line in lines.split("\n")[:-1]] == rows


def test_no_rows_and_no_columns() -> None:
    """Nothing gives nothing; rows without columns are empty objects."""
    assert json_lines([column("a", pa.array([], pa.string()), TEXT)], 0).tobytes() == b""
    assert json_lines([], 2).tobytes() == b"{}\n{}\n"


@pytest.mark.parametrize("position", range(0, 40, 3))
def test_an_escape_anywhere_in_a_step(position: int) -> None:
    """Runs are copied in steps; what has to be escaped is found wherever in a step it stands."""
    text = "a" * position + '"' + "b" * (40 - position)
    assert json.loads(json_lines([column("t", pa.array([text]), TEXT)], 1).tobytes()) == {"t": text}


def test_a_long_row() -> None:
    """A row of 50 MB, every second byte to be escaped."""
    text = "a\n" * (long_bytes() // 2)
    out = json_lines([column("t", pa.array([text], pa.large_string()), TEXT)], 1)
    assert len(out) == len('{"t":""}\n') + long_bytes() // 2 * 3
    assert json.loads(out.tobytes()) == {"t": text}
