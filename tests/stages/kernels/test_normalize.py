"""Cleaning of line breaks and controls against its twin."""

from __future__ import annotations

from unicodedata import normalize

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.form_tables import Form
from stages.kernels.normalize import CLEAN, NOTHING, clean, scan, scan_cleaned
from stages.kernels.widths import Width
from tests.reference.normalize import narrowed, normalized
from tests.stages.hostile import CHARACTERS, arrays, long_bytes

WIDE = st.text(st.sampled_from("ＡＺｚ０９＆～，？（）　ｶﾊｳﾜｦﾞﾟｰ｡･カはかガゝ\u3099￦￠￣ﾡ￨" + CHARACTERS), max_size=24)


@given(array=arrays(), newlines=st.booleans(), controls=st.booleans())
def test_cleaning_is_that_of_the_twin(array: pa.Array, newlines: bool, controls: bool) -> None:
    """Text and bytes cut per reason equal the twin's, on slices and hostile text; rows in order are not marked."""
    view = text_view(array)
    todo = scan(view, None, newlines, controls)
    cleaned = clean(view, todo, newlines, controls)
    expected = [normalized(text, None, newlines, controls) for text in array.to_pylist()]
    assert text_array(*cleaned.view).to_pylist() == [text for text, _ in expected]
    assert cleaned.newlines.tolist() == [cut["newlines"] for _, cut in expected]
    assert cleaned.controls.tolist() == [cut["controls"] for _, cut in expected]
    changed = [text != before for (text, _), before in zip(expected, array.to_pylist(), strict=True)]
    assert (todo == CLEAN).tolist() == changed


@given(array=arrays(), form=st.sampled_from(["NFC", "NFKC", None]))
def test_cleaned_rows_are_looked_at_again(array: pa.Array, form: Form | None) -> None:
    """After cleaning, the second look gives the rows to compose that one look at the cleaned text gives."""
    view = text_view(array)
    todo = scan(view, form, newlines=True, controls=True)
    cleaned = clean(view, todo, newlines=True, controls=True).view
    assert scan_cleaned(cleaned, todo, form).tolist() == scan(cleaned, form, False, False).tolist()


@given(array=arrays(WIDE), width=st.sampled_from(["narrow", "narrow_punctuation"]), controls=st.booleans())
def test_widths_are_those_of_the_twin(array: pa.Array, width: Width, controls: bool) -> None:
    """Text and bytes cut for width equal the twin's, next to controls that go and on slices."""
    view = text_view(array)
    todo = scan(view, None, True, controls, width)
    cleaned = clean(view, todo, True, controls, width)
    expected = [normalized(text, None, True, controls, width) for text in array.to_pylist()]
    assert text_array(*cleaned.view).to_pylist() == [text for text, _ in expected]
    assert cleaned.width.tolist() == [cut["width"] for _, cut in expected]
    changed = [text != before for (text, _), before in zip(expected, array.to_pylist(), strict=True)]
    assert (todo == CLEAN).tolist() == changed


def test_every_form_is_what_compatibility_makes_of_it() -> None:
    """Each character of the block, narrowed and normalized by compatibility, is what NFKC alone makes of it."""
    forms = [chr(code) for code in (0x3000, *range(0xFF00, 0xFFF0))]
    view = text_view(pa.array(forms))
    cleaned = clean(view, scan(view, None, False, False, "narrow_punctuation"), False, False, "narrow_punctuation")
    found = text_array(*cleaned.view).to_pylist()
    assert [normalize("NFKC", form) for form in found] == [normalize("NFKC", form) for form in forms]
    assert sum(one != other for one, other in zip(found, forms, strict=True)) == 226
    assert found == [narrowed(form, "narrow_punctuation") for form in forms]


def test_a_long_row() -> None:
    """A long row of line ends loses exactly their carriage returns, and its neighbours nothing."""
    lines = long_bytes() // 10
    view = text_view(pa.array(["a", "12345678\r\n" * lines, "b\0"], pa.large_string()))
    todo = scan(view, "NFC", newlines=True, controls=True)
    assert todo.tolist() == [NOTHING, CLEAN, CLEAN]
    cleaned = clean(view, todo, newlines=True, controls=True)
    assert text_array(*cleaned.view).to_pylist() == ["a", "12345678\n" * lines, "b"]
    assert cleaned.newlines.tolist() == [0, lines, 0]


def test_bytes_that_are_not_utf8_stay() -> None:
    """Characters that the row's end cuts off are copied as they are, and nothing of the next row is taken for them."""
    rows = [b"\r\xe4\xb8", b"\xad\r\n\x98\xf0\x9f\x98", b"\x80\r\xff\xc2", b"\r"]
    view = text_view(pa.array(rows, pa.large_binary()))
    todo = scan(view, None, newlines=True, controls=True)
    cleaned = clean(view, todo, newlines=True, controls=True).view
    expected = [row.replace(b"\r\n", b"\n").replace(b"\r", b"\n") for row in rows]
    assert cleaned.data.tobytes() == b"".join(expected)
