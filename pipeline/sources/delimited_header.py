"""The row of names that a delimited file begins with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.streams import DamagedStream, open_stream
from pipeline.sources.transcoding import Utf8Stream
from stages.kernels import delimited as kernel

_HEADER_BYTES = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """How a file is written. ``delimiter``, ``quote``: bytes, NO_QUOTE for none. ``names``: None: the file has them."""

    delimiter: int
    quote: int
    encoding: str
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class Header:
    """``names`` of the columns, none if the file is empty or damaged. ``stop``: where the first row of data begins.

    ``fault``: what keeps the file from being read.
    """

    names: tuple[str, ...]
    stop: int
    fault: Fault | None = None


def read_header(uri: str, size: int, dialect: Dialect) -> Header:
    """The names that the file begins with, unless they are given. Raises SourceError if it is gone or has changed."""
    if dialect.names is not None:
        return Header(dialect.names, 0)
    stream = Utf8Stream(open_stream(uri, size), dialect.encoding)
    content = bytearray(_HEADER_BYTES)
    have, damage = 0, None
    try:
        while have < _HEADER_BYTES and (got := stream.readinto(memoryview(content)[have:])):
            have += got
    except DamagedStream as found:
        damage = found
    finally:
        stream.close()
    data = np.frombuffer(content, np.uint8)[:have]
    behind = kernel.ENDS if have < _HEADER_BYTES and damage is None else kernel.MORE
    names, stop, detail = _names(data, behind, dialect.delimiter, dialect.quote)
    if not detail:
        return Header(names, stop)
    reason, detail = (damage.reason, damage.detail) if damage is not None else ("unreadable_header", detail)
    return Header((), 0, Fault(0, size, reason, detail, bytes(content[: min(have, RAW_BYTES)])))


def _names(data: npt.NDArray[np.uint8], behind: int, delimiter: int, quote: int) -> tuple[tuple[str, ...], int, str]:
    """(names, end of their row, what is wrong) of the first row; no names where there is none."""
    begin = len(_BYTE_ORDER_MARK) if data[: len(_BYTE_ORDER_MARK)].tobytes() == _BYTE_ORDER_MARK else 0
    # Asked for no columns, the scan says how many there are.
    counted = kernel.scan(
        data, begin, len(data), behind, delimiter, quote, np.empty(0, np.int64), kernel.make_room(1, 0)
    )
    if not len(counted.bad):
        empty = counted.next == len(data) and behind == kernel.ENDS
        return (), 0, "" if empty else f"expected a row of names in the first {_HEADER_BYTES:,} bytes"
    start, stop, code, count = counted.bad[0].tolist()
    if code != kernel.COLUMN_COUNT:
        return (), 0, f"the row of names is torn: {kernel.REASONS[code]}"
    room = kernel.make_room(1, count)
    rows = kernel.scan(data, start, stop, kernel.ENDS, delimiter, quote, np.arange(count), room)
    try:
        values = [kernel.gather(data, rows.cells, slot, quote)[0].tobytes().decode() for slot in range(count)]
    except UnicodeDecodeError as error:
        return (), 0, f"the row of names is in another encoding: {error}"
    return (tuple(values), stop, "") if len(rows.starts) else ((), 0, "a NUL in the row of names")
