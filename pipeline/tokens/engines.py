"""The libraries that turn text into ids, behind one signature: Arrow text → (uint32 ids, int64 offsets).

gigatoken takes Arrow buffers as they are and is the fastest; tiktoken and ``tokenizers`` go through Python
strings and stand in where gigatoken is not installed or does not give the same ids. One thread per call: the
executor owns the parallelism.

gigatoken remembers every pre-token that it has met and never forgets: about 1 MB for each MB of English or
2 MB of Chinese prose, 9 MB for each MB of random letters (measured, 0.10). So it is dropped and loaded anew (0.2 s)
once it has grown too far.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stages.kernels.arrow_text import text_view

Encoded = tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]

RENEW_GROWTH_BYTES = 256 * 2**20
RENEW_TEXT_BYTES = 64 * 2**20
"""gigatoken is loaded anew when it has seen this much text and the process has grown this much since it was loaded."""


class EncodingEngine(Protocol):
    """Encodes and decodes with one vocabulary."""

    def encode(self, text: pa.Array) -> Encoded:
        """Ids of every row: uint32[tokens], int64[rows + 1] from 0. ``text``: (large_)string without nulls."""

    def decode(self, ids: list[int]) -> bytes:
        """The bytes that ordinary ids stand for."""


class Gigatoken:
    """gigatoken from Arrow buffers. ``load`` makes its backend."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._backend = load()
        self._text_bytes = 0
        self._resident = _resident_bytes()

    def encode(self, text: pa.Array) -> Encoded:
        import awkward as ak
        from awkward.contents import ListOffsetArray, NumpyArray
        from awkward.index import Index64

        view = text_view(text)
        characters = NumpyArray(view.data, parameters={"__array__": "char"})
        rows = ListOffsetArray(Index64(view.offsets), characters, parameters={"__array__": "string"})
        layout = self._backend.encode_batch(ak.Array(rows), parallel=False).layout
        tokens, offsets = np.asarray(layout.content.data), np.asarray(layout.offsets.data)
        self._renew(int(view.offsets[-1] - view.offsets[0]))
        return tokens[offsets[0] : offsets[-1]], offsets - offsets[0]

    def decode(self, ids: list[int]) -> bytes:
        return bytes(self._backend.decode(ids))

    def _renew(self, text_bytes: int) -> None:
        self._text_bytes += text_bytes
        if self._text_bytes < RENEW_TEXT_BYTES:
            return
        resident = _resident_bytes()
        if resident and resident - self._resident < RENEW_GROWTH_BYTES:
            return
        del self._backend
        self._backend = self._load()
        self._text_bytes = 0
        self._resident = _resident_bytes()


class Tiktoken:
    """tiktoken's ``encode_ordinary``. ``ranks``: token → rank."""

    def __init__(self, regex: str, ranks: dict[bytes, int]) -> None:
        import tiktoken

        self._encoding = tiktoken.Encoding("ranks", pat_str=regex, mergeable_ranks=ranks, special_tokens={})

    def encode(self, text: pa.Array) -> Encoded:
        return _from_lists(self._encoding.encode_ordinary_batch(text.to_pylist(), num_threads=1))

    def decode(self, ids: list[int]) -> bytes:
        return self._encoding.decode_bytes(ids)


class HuggingFace:
    """Hugging Face's ``tokenizers`` on a ``tokenizer.json`` that has no added tokens."""

    def __init__(self, document: str) -> None:
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_str(document)

    def encode(self, text: pa.Array) -> Encoded:
        rows = self._tokenizer.encode_batch_fast(text.to_pylist(), add_special_tokens=False)
        return _from_lists([row.ids for row in rows])

    def decode(self, ids: list[int]) -> bytes:
        return bytes(self._tokenizer.decode(ids, skip_special_tokens=False).encode())


PROBE = (
    "",
    " ",
    "The quick  brown fox, it's 2024: don't\r\n\r\n\t stop!!! ",
    "def f(x):\n    return {'a': x[1:], \"b\": -0.5e10}\n\n\n",
    "<|endoftext|><|im_start|>system</s><s>[INST]<pad>",
    "中文没有空格，但是有标点。一二三123",
    "日本語とカタカナ 한국어 עברית العربية हिन्दी ไทย",
    "\u00e9 e\u0301 \u0301 ſ İ ǅ Ⅷ ² ½ ٣ \u3000\u00a0\u0085\u2028\u200d\ufeff",
    "😀👨\u200d👩\u200d👧 \0\x01\x7f \U0010ffff",
    " " * 100 + "x" + "\n" * 50 + "1" * 40 + "=" * 60,
    "I'LL WE'RE he'S camelCaseWord HTMLParser snake_case",
)
"""Text on which two engines must agree before the faster one is taken for a ``tokenizer.json``."""


def agree(one: EncodingEngine, other: EncodingEngine) -> bool:
    """Whether both give the same ids for :data:`PROBE`."""
    probe = pa.array(PROBE, pa.large_string())
    tokens, offsets = one.encode(probe)
    other_tokens, other_offsets = other.encode(probe)
    return np.array_equal(tokens, other_tokens) and np.array_equal(offsets, other_offsets)


def _from_lists(rows: list[list[int]]) -> Encoded:
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    tokens = np.fromiter((number for row in rows for number in row), np.uint32, int(offsets[-1]))
    return tokens, offsets


def _resident_bytes() -> int:
    """Memory of this process, 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
