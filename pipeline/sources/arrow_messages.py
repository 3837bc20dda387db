"""The messages of an Arrow IPC file or stream, found without decoding what they hold.

Both formats are a row of encapsulated messages: a length, a flatbuffer that says what the message is, and a body.
The file format has a magic number before them and a footer behind; the footer repeats what the messages say
(https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format), so one walk serves both, streams can be cut at
record batches too, and a file that lost its end keeps what comes before.

Only the few numbers that are needed are taken from the flatbuffers, each checked against the bounds; pyarrow verifies
the whole when it decodes. Dictionaries have to come before the batches that use them, as all writers put them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

FILE_MAGIC = b"ARROW1"
SCHEMA, DICTIONARY, RECORD_BATCH = 1, 2, 3

_FIRST_MESSAGE = 8
_CONTINUATION = 0xFFFFFFFF
_HEAD_BYTES = 4096
_MAX_METADATA_BYTES = 16 * 2**20

# Places of fields in the tables of Message.fbs, as offsets into their vtables.
_MESSAGE_KIND, _MESSAGE_HEADER, _MESSAGE_BODY = 6, 8, 10
_BATCH_ROWS, _BATCH_BUFFERS, _BATCH_COMPRESSION = 4, 8, 10
_DICTIONARY_ID, _DICTIONARY_DATA, _DICTIONARY_IS_DELTA = 4, 6, 8


@dataclass(frozen=True)
class Message:
    """``kind``: SCHEMA, DICTIONARY, RECORD_BATCH or another number. ``rows``: of a record batch, else 0.

    The message is ``size`` bytes from ``offset`` on, of which the last ``body`` are its body.
    """

    kind: int
    offset: int
    size: int
    body: int
    rows: int


class DamagedMessages(Exception):
    """What stands at ``offset`` is no message."""

    def __init__(self, offset: int, detail: str) -> None:
        super().__init__(offset, detail)
        self.offset = offset
        self.detail = detail


def walk(stream: pa.NativeFile) -> Iterator[Message]:
    """Messages in order, to the end mark, or to the end of a stream without one. Raises DamagedMessages."""
    size = stream.size()
    stream.seek(0)
    is_file = stream.read(len(FILE_MAGIC)) == FILE_MAGIC
    offset = _FIRST_MESSAGE if is_file else 0
    while offset < size:
        stream.seek(offset)
        message = _message(stream, offset, stream.read(_HEAD_BYTES))
        if message is None:
            offset += 8
            if offset < size and not is_file:
                raise DamagedMessages(offset, "bytes behind the end of the stream")
            return
        if offset + message.size > size:
            raise DamagedMessages(offset, f"the file ends inside a message of {message.size:,} bytes")
        yield message
        offset += message.size
    if is_file:
        raise DamagedMessages(size, "the file ends without a footer")


def _message(stream: pa.NativeFile, offset: int, head: bytes) -> Message | None:
    """The message at ``offset``; None where the end mark stands."""
    prefix = 8 if head[:4] == _CONTINUATION.to_bytes(4, "little") else 4  # 4: writers before Arrow 0.15
    if len(head) < prefix:
        raise DamagedMessages(offset, "the file ends inside a message")
    length = int.from_bytes(head[prefix - 4 : prefix], "little", signed=True)
    if length == 0:
        return None
    if not 0 < length <= _MAX_METADATA_BYTES:
        raise DamagedMessages(offset, "expected an Arrow message")
    metadata = head[prefix : prefix + length]
    if len(metadata) < length:
        metadata += stream.read(length - len(metadata))
    try:
        root = _Table.root(metadata)
        kind, body = root.number(_MESSAGE_KIND, "<B"), root.number(_MESSAGE_BODY, "<q")
        rows = root.table(_MESSAGE_HEADER).number(_BATCH_ROWS, "<q") if kind == RECORD_BATCH else 0
    except (struct.error, ValueError) as error:
        raise DamagedMessages(offset, "expected an Arrow message") from error
    if body < 0 or rows < 0:
        raise DamagedMessages(offset, "expected an Arrow message")
    return Message(kind, offset, prefix + length + body, body, rows)


def decoded_bytes(message: Message, content: bytes) -> int:
    """Bytes of the message's buffers once they are decompressed. Raises ValueError if that cannot be told.

    A compressed buffer begins with its length before compression; -1 says that it is stored as it is.
    """
    body = memoryview(content)[message.size - message.body :]
    try:
        batch = _header(message, content)
        batch = batch.table(_DICTIONARY_DATA) if message.kind == DICTIONARY else batch
        if not batch.has(_BATCH_COMPRESSION):
            return message.body
        total = 0
        for start, length in batch.pairs(_BATCH_BUFFERS):
            plain = struct.unpack_from("<q", body, start)[0] if length and start >= 0 else -1
            total += length if plain < 0 else plain
        return total
    except struct.error as error:
        raise ValueError("its metadata is damaged") from error


def dictionary_id(message: Message, content: bytes) -> tuple[int, bool]:
    """Which dictionary a message holds, and whether it only adds to it. Raises ValueError."""
    try:
        dictionary = _header(message, content)
        return dictionary.number(_DICTIONARY_ID, "<q"), bool(dictionary.number(_DICTIONARY_IS_DELTA, "<B"))
    except struct.error as error:
        raise ValueError("its metadata is damaged") from error


def _header(message: Message, content: bytes) -> _Table:
    prefix = 8 if content[:4] == _CONTINUATION.to_bytes(4, "little") else 4
    return _Table.root(content[prefix : message.size - message.body]).table(_MESSAGE_HEADER)


@dataclass(frozen=True)
class _Table:
    """A flatbuffers table: at ``place`` stands the distance back to its vtable."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def has(self, field: int) -> bool:
        return self._at(field) is not None

    def number(self, field: int, form: str) -> int:
        """A scalar; 0 where it is left out."""
        at = self._at(field)
        return 0 if at is None else int(struct.unpack_from(form, self.data, at)[0])

    def table(self, field: int) -> _Table:
        return _Table(self.data, self._target(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two int64."""
        if not self.has(field):
            return
        start = self._target(field)
        count = struct.unpack_from("<I", self.data, start)[0]
        for index in range(count):
            yield struct.unpack_from("<qq", self.data, start + 4 + 16 * index)

    def _target(self, field: int) -> int:
        at = self._at(field)
        if at is None:
            raise ValueError("a field is missing")
        return at + int(struct.unpack_from("<I", self.data, at)[0])

    def _at(self, field: int) -> int | None:
        vtable = self.place - struct.unpack_from("<i", self.data, self.place)[0]
        if vtable < 0:
            raise ValueError("outside of the message")
        size = struct.unpack_from("<H", self.data, vtable)[0]
        distance = struct.unpack_from("<H", self.data, vtable + field)[0] if field + 2 <= size else 0
        return self.place + distance if distance else None
