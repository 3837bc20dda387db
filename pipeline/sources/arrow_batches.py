"""Record batches from the messages of an Arrow IPC file, in any choice, and none of them believed.

pyarrow verifies the metadata of a message. It does not look whether offsets, views and indices lead into the buffers;
reading a value then reads wherever they lead. So this is looked at first, and so is the length that compressed buffers
claim.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.arrow_messages import Message, decoded_bytes, dictionary_id
from pipeline.sources.columns import leaves, pick


def schema_of(content: bytes) -> pa.Schema:
    """The schema that a message holds. Raises ArrowException."""
    return pa.ipc.read_schema(pa.py_buffer(content))


class Decoder:
    """Record batches from messages, one at a time, in any choice. Dictionaries are decoded once."""

    def __init__(self, schema: bytes, wanted: set[str], max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.schema = schema
        whole = schema_of(schema)
        self.types = leaves(whole)
        included = [i for i, field in enumerate(whole) if not wanted.isdisjoint(leaves(pa.schema([field])))]
        self.wanted = wanted & set(self.types)
        self.options = pa.ipc.IpcReadOptions(included_fields=included, use_threads=False)
        self.dictionaries: dict[int, list[bytes]] = {}
        self.reader: pa.RecordBatchStreamReader | None = None
        self.feed = _Feed()

    def add_dictionary(self, message: Message, content: bytes) -> None:
        """A dictionary for the batches to come. Raises ValueError if it is too large once decompressed."""
        self._check(message, content)
        number, is_delta = dictionary_id(message, content)
        earlier = self.dictionaries.get(number, []) if is_delta else []
        self.dictionaries[number] = [*earlier, content]
        if self.reader is not None:
            self.feed.add(content)

    def decode(self, message: Message, content: bytes) -> pa.RecordBatch:
        """The wanted columns. Raises ArrowException or ValueError for what is not sound."""
        self._check(message, content)
        if self.reader is None:
            self.feed = _Feed(self.schema, *chain.from_iterable(self.dictionaries.values()))
            self.reader = pa.ipc.open_stream(pa.PythonFile(self.feed, mode="r"), options=self.options)
        self.feed.add(content)
        try:
            batch = self.reader.read_next_batch()
        except BaseException:
            self.reader = None  # where it stands in the stream is not known
            raise
        batch.validate()
        for column in self.wanted:
            _check_places(pick(batch, column))
        return batch

    def _check(self, message: Message, content: bytes) -> None:
        size = decoded_bytes(message, content)
        if size > self.max_bytes:
            raise ValueError(f"would have {size:,} bytes once decompressed; {self.max_bytes:,} are read")


class _Feed:
    """A file for pyarrow to read, which gets its content while it is read."""

    closed = False

    def __init__(self, *contents: bytes) -> None:
        self.contents = deque(memoryview(content) for content in contents)

    def add(self, content: bytes) -> None:
        self.contents.append(memoryview(content))

    def read(self, count: int) -> bytes:
        """``count`` bytes of one message, fewer at its end."""
        while self.contents and not self.contents[0]:
            self.contents.popleft()
        if not self.contents:
            return b""
        found, self.contents[0] = self.contents[0][:count], self.contents[0][count:]
        return bytes(found)

    def close(self) -> None: ...


def _check_places(column: pa.Array) -> None:
    """Offsets, views and indices lead into the buffers. Raises ArrowInvalid.

    Strings are looked at as bytes: what is not UTF-8 is the fault of one row, and found later.
    """
    column = column.storage if isinstance(column, pa.ExtensionArray) else column
    if pa.types.is_dictionary(column.type):
        _check_places(column.dictionary)
        pa.DictionaryArray.from_arrays(column.indices, pa.nulls(len(column.dictionary)), safe=True).validate(full=True)
        return
    as_bytes = {
        pa.string(): pa.binary(),
        pa.large_string(): pa.large_binary(),
        pa.string_view(): pa.binary_view(),
    }.get(column.type)
    (column if as_bytes is None else column.view(as_bytes)).validate(full=True)


def text_bytes(text: pa.Array) -> npt.NDArray[np.int64]:
    """int64[rows]: bytes of each text, 0 where there is none."""
    text = text.storage if isinstance(text, pa.ExtensionArray) else text
    if pa.types.is_dictionary(text.type):
        lengths = pa.array(text_bytes(text.dictionary)).take(text.indices)
    elif pa.types.is_null(text.type):
        return np.zeros(len(text), np.int64)
    else:
        views = pa.types.is_string_view(text.type) or pa.types.is_binary_view(text.type)
        lengths = pc.binary_length(text.cast(pa.large_binary()) if views else text)
    found: npt.NDArray[np.int64] = np.asarray(lengths.fill_null(0)).astype(np.int64)
    return found


def steps(lengths: npt.NDArray[np.int64], step_bytes: int, step_rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows with ``step_bytes`` of text, or one row; no more than ``step_rows``."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(ends):
        limit = step_bytes + (ends[start - 1] if start else 0)
        stop = min(max(int(np.searchsorted(ends, limit, "right")), start + 1), start + step_rows)
        yield start, stop
        start = stop
