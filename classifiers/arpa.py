r"""n-gram models in ARPA files, read into the table that :mod:`stages.kernels.ngram_scores` looks things up in.

The format: perhaps comments, which begin with ``#``; ``\data\``, how many n-grams of each length there are, then for
each length a line for each of them with the base-10 logarithm of its probability, its words, and that of its backoff
weight. Files may be gzipped. A table takes 32 bytes for each n-gram; 25 million are read in 15 s of one core.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifiers.errors import ModelError
from stages.kernels.arpa_text import read_lines
from stages.kernels.ngram_table import MAX_ORDER, NgramTable, Shape, has_word, line_shape, make_table, put_grams

Bytes = npt.NDArray[np.uint8]

_HEAD = re.compile(rb"((?:\s*#[^\n]*\n|\s*\n)*)\s*\\data\\\s*\n((?:\s*ngram\s+\d+\s*=\s*\d+\s*\n)+)")
_COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
_HEAD_BYTES = 1 << 20
_LINES = 1 << 16
_GZIP = b"\x1f\x8b"


def read_arpa(path: str | Path) -> tuple[NgramTable, bytes]:
    """The model of a file, and the comments before it. Raises ModelError that names file and line."""
    return parse_arpa(_bytes(Path(path)), str(path))


def parse_arpa(
    data: Bytes, name: str, shape: Callable[[Sequence[int]], Shape] = line_shape
) -> tuple[NgramTable, bytes]:
    """:func:`read_arpa` of bytes; ``name`` is for errors. ``shape``: how the tables for so many n-grams are to lie."""
    head = _HEAD.match(data[:_HEAD_BYTES].tobytes())
    if head is None:
        raise ModelError(f"{name} is no ARPA file: it does not begin with \\data\\ and counts of n-grams")
    numbered = [(int(n), int(count)) for n, count in _COUNT.findall(head[2])]
    counts = [count for _, count in numbered]
    if [n for n, _ in numbered] != [*range(1, len(counts) + 1)] or len(counts) > MAX_ORDER:
        raise ModelError(f"{name} has n-grams of lengths {[n for n, _ in numbered]}, expected 1, 2 … to {MAX_ORDER}")
    if sum(counts) > len(data):
        raise ModelError(f"{name} says it has {sum(counts):,} n-grams and is {len(data):,} bytes: it is damaged")
    table = make_table(shape(counts))
    at = head.end()
    for n, count in enumerate(counts, 1):
        at = _section(data, at, n, name)
        for left in range(count, 0, -_LINES):
            lines, at, wrong = read_lines(data, at, n, min(left, _LINES))
            if wrong >= 0:
                raise ModelError(
                    f"{name}, line {_line(data, wrong)}: expected a number, {n} words and perhaps a number; "
                    f"there are to be {count:,} such lines"
                )
            strange = put_grams(table, data, lines, n)
            if strange >= 0:
                where = _line(data, int(lines.starts[strange * n]))
                raise ModelError(f"{name}, line {where}: a word of the {n}-gram is not among the 1-grams")
    for marker in ("<s>", "</s>"):
        if not has_word(table, marker.encode()):
            raise ModelError(f"{name} has no {marker}: expected a model of sentences, as lmplz and Gristmill make them")
    return table, head[1]


def _bytes(path: Path) -> Bytes:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        if packed:
            with gzip.open(path) as stream:
                return np.frombuffer(stream.read(), np.uint8)
        return np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; give the path of an ARPA file or of a KenLM binary") from None
    except (OSError, EOFError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def _section(data: Bytes, at: int, n: int, name: str) -> int:
    """Where the lines of the length begin."""
    title = f"\\{n}-grams:".encode()
    place = at
    for line in data[at : at + 256].tobytes().split(b"\n"):
        if line.strip() == title:
            return place + len(line) + 1
        if line.strip():
            break
        place += len(line) + 1
    raise ModelError(f"{name}, line {_line(data, place)}: expected {title.decode()}, as the counts at its head say")


def _line(data: Bytes, at: int) -> str:
    return f"{1 + int(np.count_nonzero(data[:at] == 10)):,}"
