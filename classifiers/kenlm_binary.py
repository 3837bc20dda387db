"""KenLM's binary files, as ``build_binary`` makes them: what kind they are, and the tables of probing models.

A probing model's tables are looked up as they are in the file. A file of up to a gigabyte is copied by each worker into
large pages, in which looking all over it is faster; a larger one is mapped, and all workers share its pages.

The format is that of KenLM's source (``lm/binary_format.cc``, ``lm/vocab.cc``, ``lm/search_hashed.hh``), version 5:
test values, the order, buckets for each entry, the kind, how many n-grams of each length there are, the tables, and
the words, each with a NUL behind it.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from classifiers.errors import ModelError
from stages.kernels.ngram_table import MAX_ORDER, NgramTable, has_word, kenlm_shape, table_in, vocabulary_header

Kind = Literal["probing", "rest_probing", "trie", "quantized trie", "array trie", "quantized array trie"]

_MAGIC = b"mmap lm http://kheafield.com/code"
_VERSION = _MAGIC + b" format version 5\n\0"
_HEADER = struct.Struct("<56s3f3IQB3xfI?3xI")
_TEST_VALUES = (0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
_COUNT_BYTES = 8
COPIED_BYTES = 1 << 30
"""Largest file that each worker copies."""
_PART = 1 << 12
_UNKNOWN = b"<unk>\0"


class Header(NamedTuple):
    """counts: n-grams of 1, 2 … words. space: buckets for each entry. words: whether they stand at the end."""

    kind: Kind
    counts: tuple[int, ...]
    space: float
    words: bool
    size: int


def is_binary(path: str | Path) -> bool:
    """Whether a file begins as KenLM's binaries do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_header(path: str | Path) -> Header:
    """What stands at the head of a binary. Raises ModelError."""
    with open(path, "rb") as file:
        data = file.read(_HEADER.size + _COUNT_BYTES * MAX_ORDER)
    if not data.startswith(_VERSION):
        said = data[: len(_VERSION)].split(b"\n")[0].decode("ascii", "replace")
        raise ModelError(f"{path} begins with {said!r}, expected {_VERSION[:-2].decode()!r}: build it again")
    if len(data) < _HEADER.size:
        raise _damaged(path, f"it ends after {len(data)} bytes")
    _, *values, order, space, kind, words, version = _HEADER.unpack_from(data)
    if tuple(values) != _TEST_VALUES:
        raise _damaged(path, "its test values are wrong")
    kinds = get_args(Kind)
    if not (1 <= order <= MAX_ORDER and 1 <= space <= 1000 and kind < len(kinds)):
        raise _damaged(path, f"it says order {order}, {space:g} buckets for each entry, kind {kind}")
    counts = np.frombuffer(data[_HEADER.size :].ljust(_COUNT_BYTES * order, b"\0"), "<u8", order)
    return Header(kinds[kind], tuple(counts.tolist()), space, words, -(-(_HEADER.size + _COUNT_BYTES * order) // 8) * 8)


def read_probing(path: str | Path) -> NgramTable:
    """The model of a binary of kind ``probing``. Raises ModelError."""
    header = read_header(path)
    shape = kenlm_shape(header.counts, header.space, header.size)
    memory = _memory(path)
    if len(memory) < shape.ends[-1]:
        raise _damaged(path, f"it is {len(memory):,} bytes, the counts at its head make {shape.ends[-1]:,}")
    table = table_in(memory, shape)
    version, words = vocabulary_header(table).tolist()
    if version != 0 or not 1 <= words <= header.counts[0] + 1:
        raise _damaged(path, f"its vocabulary says version {version} and {words:,} words")
    _check_tables(path, table, words)
    end = memory[shape.ends[-1] :]
    if header.words and not (end[: len(_UNKNOWN)].tobytes() == _UNKNOWN and np.count_nonzero(end == 0) == words):
        raise _damaged(path, f"the {words:,} words do not stand at its end")
    for marker in ("<s>", "</s>"):
        if not has_word(table, marker.encode()):
            raise ModelError(f"{path} has no {marker}: expected a model of sentences, as lmplz and Gristmill make them")
    return table


def _memory(path: str | Path) -> npt.NDArray[np.uint8]:
    """The file's bytes, read at once: page by page, as text comes, would take far longer."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= COPIED_BYTES:
            memory = np.empty(size, np.uint8)  # NumPy asks for large pages
            return memory[: file.readinto(memory.data)]
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        return np.frombuffer(mmap.mmap(file.fileno(), 0, flags, mmap.PROT_READ), np.uint8)


def _check_tables(path: str | Path, table: NgramTable, words: int) -> None:
    """That no search leaves its table or goes on for ever: words' numbers exist, and each table has a free entry."""
    for n in (0, *range(2, table.order + 1)):
        entries = (
            table.values[table.places[n] // 4 : table.ends[n] // 4].view(np.uint32).reshape(-1, table.sizes[n] // 4)
        )
        if n == 0 and int(entries[:, 2].max()) >= words:
            raise _damaged(path, "its vocabulary has numbers of words that do not exist")
        if not any((part == 0).all(axis=1).any() for part in _parts(entries[:, :2])):
            raise _damaged(path, f"its table of {n or 1}-grams is full")


def _parts(entries: npt.NDArray[np.uint32]) -> Iterator[npt.NDArray[np.uint32]]:
    return (entries[at : at + _PART] for at in range(0, len(entries), _PART))


def _damaged(path: str | Path, what: str) -> ModelError:
    return ModelError(f"{path} is damaged, {what}: copy or build it again")
