"""Text that breaks things, and Arrow arrays of it, for the tests of stages and kernels."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numba import config

from stages.contract import Applied

CHARACTERS = (
    "abzAZ 019_'’.,;:-\t\n\r\v\f\0\x1b\x7f\x80\x85\x9f\u2028\u2029\ufeff\u200b\u200c\u200d\ufdd0\ufffe\uffff\U0001ffff"
    "éßœſİ\u0301\u0316\u0323\u031b\u0345ụÅ\u212b½ﬁ²Ⅷ"
    "дЖ中文々〇、。，か゛がカガｶﾞー한ᄒ\u1161\u11ab각"
    "שָׁلاम\u093c\u0958বো\u09c7\u09beเกำ้ປກ្\u17d2កမြ\u1039မ"
    "😀👩🏽\u200d🚀🇩🇪\U0001d15e\U00020bb7\U0010ffff\u00ad\u202e"
)
"""ASCII with controls, noncharacters, decomposed and composed letters, CJK, Hangul, right to left, Indic and
South-East Asian scripts, emoji, astral planes."""

ROWS: list[str] = [
    "",
    " ",
    "\n",
    "\r\n",
    "\0",
    "\u0301",
    "\ufeff",
    "e\u0301",
    "\0\u0301\u0316a\r",
    "中文,混排 text。",
    "שלום עולם",
    "مرحبا بالعالم",
    "👩🏽\u200d🚀 emoji",
    "ภาษาไทย ខ្មែរ မြန်မာ ລາວ",
    "the quick brown fox " * 40,
]

TEXT = st.text(st.sampled_from(CHARACTERS), max_size=24) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
)


def long_bytes() -> int:
    """Bytes of the long row: 50 MB, and few without a compiler, where a kernel takes a second for 100 kB."""
    return 20_000 if config.DISABLE_JIT else 50_000_000  # type: ignore[attr-defined]


def arrays(texts: st.SearchStrategy[str] = TEXT) -> st.SearchStrategy[pa.Array]:
    """Arrays of both text types, whole and as slices."""
    return st.builds(
        lambda rows, kind, skip, drop: pa.array(rows, kind)[skip : max(len(rows) - drop, skip)],
        st.lists(texts, max_size=6),
        st.sampled_from([pa.string(), pa.large_string()]),
        st.integers(0, 2),
        st.integers(0, 1),
    )


def random_rows(count: int, seed: int, longest: int = 60) -> list[str]:
    """The same rows for the same seed."""
    draw = random.Random(seed)
    return ["".join(draw.choices(CHARACTERS, k=draw.randint(0, longest))) for _ in range(count)]


def batch(texts: Sequence[str], language: str = "und") -> pa.RecordBatch:
    """A batch with the columns that the row stages here read."""
    return pa.record_batch({"text": pa.array(texts, pa.large_string()), "language": pa.array([language] * len(texts))})


def values(outcome: Applied) -> dict[str, list[Any]]:
    """Everything that a stage gave, as Python values, to compare batch against batch."""
    found: dict[str, list[Any]] = {}
    for kind, arrays_ in (("column", outcome.columns), ("signal", outcome.signals), ("cut", outcome.cut)):
        for name, array in arrays_.items():
            found[f"{kind} {name}"] = array.tolist() if isinstance(array, np.ndarray) else array.to_pylist()
    return found


def chunked(rows: pa.RecordBatch, sizes: Sequence[int], apply: Callable[[pa.RecordBatch], Applied]) -> Applied:
    """Applies the stage to the batch cut at the sizes, over and over, and puts the pieces together."""
    pieces = []
    at = turn = 0
    while at < rows.num_rows:
        size = sizes[turn % len(sizes)]
        pieces.append(apply(rows.slice(at, size)))
        at += size
        turn += 1
    return Applied(
        columns={name: pa.concat_arrays([p.columns[name] for p in pieces]) for name in pieces[0].columns},
        signals={name: pa.concat_arrays([_array(p.signals[name]) for p in pieces]) for name in pieces[0].signals},
        cut={name: np.concatenate([p.cut[name] for p in pieces]) for name in pieces[0].cut},
    )


def _array(signal: pa.Array | np.ndarray) -> pa.Array:
    return signal if isinstance(signal, pa.Array) else pa.array(signal)
