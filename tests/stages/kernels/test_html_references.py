"""Character references against the standard library."""

from __future__ import annotations

from html.entities import html5

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.kernels.html_references import MAX_REFERENCE_BYTES, write_reference
from stages.kernels.html_tables import tables
from tests.reference.html_references import resolved
from tests.stages.hostile import TEXT


def from_kernel(text: str) -> str:
    """Text with each reference replaced by what the kernel writes for it."""
    data = np.frombuffer(text.encode(), np.uint8)
    out, found, at = np.zeros(8, np.uint8), bytearray(), 0
    while at < len(data):
        behind, end = write_reference(data, at, len(data), tables(), out, 0) if data[at] == 38 else (at, 0)
        found += out[:end].tobytes() if behind > at else data[at : at + 1].tobytes()
        at = max(behind, at + 1)
    return found.decode()


NAMED = st.sampled_from(sorted(html5)).map(lambda name: f"&{name}")
CUT = st.builds(lambda name, cut: f"&{name[:cut]}", st.sampled_from(sorted(html5)), st.integers(0, 12))
SPECIAL = [0, 9, 10, 11, 12, 13, 127, 128, 0x9F, 0xD800, 0xFDD0, 0xFFFE, 10**30]
NUMBERS = st.integers(0, 0x120000) | st.sampled_from(SPECIAL)
NUMERIC = st.builds(
    lambda number, form, end: form.format(number) + end,
    NUMBERS,
    st.sampled_from(["&#{}", "&#x{:x}", "&#X{:X}", "&#000{}"]),
    st.sampled_from([";", "", " ", "g"]),
)


@given(parts=st.lists(NAMED | CUT | NUMERIC | TEXT | st.sampled_from("&;#xX1a"), max_size=8))
def test_references_are_resolved_as_by_the_standard_library(parts: list[str]) -> None:
    """Names with and without semicolon, the longest first, and numbers in both bases equal ``html.unescape``."""
    text = "".join(parts)
    assert from_kernel(text) == resolved(text)


def test_each_name() -> None:
    """Each of the standard's names stands for its characters, before a letter, before ``;`` and at the end."""
    for name in html5:
        for text in (f"&{name}", f"&{name}z", f"&{name};", f"&{name[:-1]}"):
            assert from_kernel(text) == resolved(text), text


def test_what_a_reference_can_be() -> None:
    """The bounds that the kernels count with: no name is longer, and what it stands for has at most seven bytes."""
    assert max(len(name) + 1 for name in html5) < MAX_REFERENCE_BYTES
    assert max(len(characters.encode()) for characters in html5.values()) <= 7
