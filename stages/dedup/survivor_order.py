"""Which of several copies stays: criteria, packed into one number whose smallest value is the best.

Records of a deduplication travel by the billion, so their order is one uint64 of 63 bits and not a column for each
criterion. Numbers, lengths and dates are taken as 32-bit floats and share the bits evenly: one criterion is compared to
six digits (lengths below 8 MB to the byte), each of two to four (below 100 kB), of three to three, of four to two.

What is equal in all criteria is told apart by the hash of its content, in the bits that are left: 32 of one criterion,
13 of two, next to none of more. So it does not depend on how files are named and cut into partitions which of two
equally good documents stays, or who is compared with whom. What is still equal, copies as a rule, goes by the recipe's
order: sources as they are listed, files by name, documents as they stand there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stages.kernels.arrow_text import byte_lengths
from stages.kernels.hashing import binary_to_u64

UInt64s = npt.NDArray[np.uint64]

RANK_BITS = 63
MOST_CRITERIA = 4
"""Longest list of criteria."""
WORDS = ("longest", "shortest", "newest", "oldest", "first", "prefer")

_FLOAT_BITS = 32
_MOST_BITS = 31
_CONTENT_BITS = 13
"""Kept for the content's hash beside two criteria: one tie in 8,000 goes by the recipe's order."""
_ISO_DATE = r"^\d{4}-\d{2}-\d{2}"


def read_names(criteria: Sequence[str]) -> tuple[list[str], list[str]]:
    """(columns, signals) that :func:`ranks` needs; a signal is ``stage.signal``, so it has a dot."""
    needs = {"longest": "text", "shortest": "text", "newest": "date", "oldest": "date", "prefer": "source"}
    names = [needs.get(name, name.removeprefix("-")) for name in criteria if name != "first"]
    names += [] if "first" in criteria else ["content_hash"]
    return [name for name in names if "." not in name], [name for name in names if "." in name]


def ranks(batch: pa.RecordBatch, criteria: Sequence[str], prefer: Sequence[str]) -> UInt64s:
    """uint64[rows] below 2**63, smallest best, by the criteria in their order.

    ``longest`` and ``shortest`` (bytes of the text), ``newest`` and ``oldest`` (day of the ISO date; no date is the
    worst), ``prefer`` (place of the source in that list), ``first`` (nothing: the recipe's order decides), or a numeric
    column or signal: the highest is the best, with ``-`` before it the lowest; null and NaN are the worst. Without
    ``first`` the last bits are of the content's hash. Raises ValueError for a column without numbers.
    """
    source_bits = len(prefer).bit_length() if "prefer" in criteria else 0
    others = len([name for name in criteria if name not in ("prefer", "first")])
    free = RANK_BITS - source_bits - (_CONTENT_BITS if others == 2 else 0)
    share = min(_MOST_BITS, free // max(others, 1))
    rank = np.zeros(batch.num_rows, np.uint64)
    for name in criteria:
        if name == "prefer":
            place = pc.index_in(batch.column("source"), value_set=pa.array(prefer, pa.string()))
            rank = rank << np.uint64(source_bits) | pc.fill_null(place, len(prefer)).to_numpy().astype(np.uint64)
        elif name != "first":
            rank = rank << np.uint64(share) | _worth(batch, name) >> np.uint64(_FLOAT_BITS - share)
    return rank if "first" in criteria else _by_content(rank, batch, RANK_BITS - source_bits - others * share)


def _by_content(rank: UInt64s, batch: pa.RecordBatch, bits: int) -> UInt64s:
    """The ranks with the highest bits of the content's hash behind them, 32 at the most."""
    bits = min(bits, _FLOAT_BITS)
    high, _ = binary_to_u64(batch.column("content_hash"))
    return rank << np.uint64(bits) | high >> np.uint64(64 - bits) if bits else rank


def _worth(batch: pa.RecordBatch, name: str) -> UInt64s:
    """uint64[rows] below 2**32, smallest best."""
    if name in ("longest", "shortest"):
        return _ordered(byte_lengths(batch.column("text")).astype(np.float32), highest=name == "longest")
    if name in ("newest", "oldest"):
        return _ordered(_days(batch.column("date")), highest=name == "newest")
    column = batch.column(name.removeprefix("-"))
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
        raise ValueError(f"survivor: {name} is {column.type}, expected numbers, or one of {', '.join(WORDS)}")
    numbers = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy().astype(np.float32)
    return _ordered(numbers, highest=not name.startswith("-"))


def _days(dates: pa.Array) -> npt.NDArray[np.float32]:
    """float32[rows]: days since 1970 of what begins with an ISO date, NaN for others."""
    begins = pc.match_substring_regex(dates, _ISO_DATE)
    day = pc.if_else(begins, pc.utf8_slice_codeunits(dates, 0, 10), None)
    parsed = pc.strptime(day, format="%Y-%m-%d", unit="s", error_is_null=True).cast(pa.date32()).cast(pa.int32())
    days: npt.NDArray[np.float32] = pc.fill_null(parsed.cast(pa.float64()), np.nan).to_numpy().astype(np.float32)
    return days


def _ordered(numbers: npt.NDArray[np.float32], *, highest: bool) -> UInt64s:
    """Numbers as 32 bits in the same order, or the opposite one for ``highest``; NaN comes last."""
    with np.errstate(invalid="ignore"):
        bits = (numbers + np.float32(0)).view(np.uint32)  # + 0 makes one zero of two
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    worth = np.where(np.isnan(numbers), np.uint32(0xFFFFFFFF), ~ascending if highest else ascending)
    return worth.astype(np.uint64)
