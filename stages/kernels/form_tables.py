"""What Unicode normal forms need to know of code points, from this Python's ``unicodedata``."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.unicode_tables import CODE_POINTS, TwoStage, assigned, two_stage

Form = Literal["NFC", "NFKC"]

UInt16s = npt.NDArray[np.uint16]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

_ACTIVE = 0x100  # above the combining class: decomposes, or may compose with what is before it
_MEDIAL_JAMO = range(0x1161, 0x1176)
_FINAL_JAMO = range(0x11A8, 0x11C3)


class FormTables(NamedTuple):
    """What a normal form needs to know.

    ``classes``: uint16[0x110000], canonical combining classes. ``no``: code points that never occur in the form.
    ``maybe``: those that may compose with what is before them. ``pairs``: sorted (first << 21 | second) that
    compose, Hangul left out, and ``composites``, what they compose to. ``properties``: class, and _ACTIVE.
    ``entries``: code point → number of its full decomposition, 0 for none; decomposition k is
    ``parts[starts[k]:starts[k + 1]]``.
    """

    classes: UInt16s
    no: Int64s
    maybe: Int64s
    pairs: UInt64s
    composites: Int64s
    properties: TwoStage
    entries: TwoStage
    starts: Int64s
    parts: Int64s


@lru_cache(maxsize=2)
def form_tables(form: Form) -> FormTables:
    """The tables of a form, from this Python's ``unicodedata``; takes about a tenth of a second once."""
    classes = np.zeros(CODE_POINTS, np.uint16)
    decomposing = []
    for code in assigned():
        classes[code] = unicodedata.combining(chr(code))
        if unicodedata.decomposition(chr(code)):
            decomposing.append(code)
    no = [code for code in decomposing if unicodedata.normalize(form, chr(code)) != chr(code)]
    composed = _primary_composites(decomposing)
    maybe = [*{second for _, second in composed}, *_MEDIAL_JAMO, *_FINAL_JAMO]
    properties = classes.copy()
    properties[[*no, *maybe]] |= _ACTIVE
    pairs = sorted(composed)
    return FormTables(
        classes,
        np.array(no, np.int64),
        np.array(maybe, np.int64),
        np.array([first << 21 | second for first, second in pairs], np.uint64),
        np.array([composed[pair] for pair in pairs], np.int64),
        two_stage(properties),
        *_decompositions(form, decomposing),
    )


def _primary_composites(decomposing: list[int]) -> dict[tuple[int, int], int]:
    found = {}
    for code in decomposing:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and unicodedata.normalize("NFC", chr(code)) == chr(code) and not parts[0].startswith("<"):
            found[int(parts[0], 16), int(parts[1], 16)] = code
    return found


def _decompositions(form: Form, decomposing: list[int]) -> tuple[TwoStage, Int64s, Int64s]:
    entries = np.zeros(CODE_POINTS, np.uint16)
    starts, parts = [0, 0], list[int]()
    full: Literal["NFD", "NFKD"] = "NFD" if form == "NFC" else "NFKD"
    for code in decomposing:
        decomposed = unicodedata.normalize(full, chr(code))
        if decomposed != chr(code):
            parts.extend(map(ord, decomposed))
            entries[code] = len(starts) - 1
            starts.append(len(parts))
    return two_stage(entries), np.array(starts, np.int64), np.array(parts, np.int64)
