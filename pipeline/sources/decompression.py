"""A compressed file as a stream of bytes, in bounded memory.

A file may have many units (gzip members, frames), zeros between gzip members (tapes), skippable frames, and, as web
archives do, a dictionary for all zstd frames. What comes before damage is delivered before :class:`DamagedStream` is
raised, but for what the last 4 to 16 kB that were fed have made (of gzip, to the last byte). A reader may begin at any
unit, learn where units begin, and go on behind a damaged one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa

from pipeline.sources.compressed_units import (
    CODECS,
    MAX_DICTIONARY_BYTES,
    OUTPUT_BYTES,
    SKIPPABLE_HEADER_BYTES,
    Decoder,
    StepFailed,
    ZlibMember,
    decoders,
    dictionary_of,
    holds_dictionary,
    is_skippable,
)

MAGIC_BYTES = 6
UNIT_HEAD_BYTES = 4096

_FIRST_STEP_BYTES = 4 * 2**10
_FIRST_READ_BYTES = 64 * 2**10
_READ_BYTES = 4 * 2**20
_BOMB_BYTES = 2**30
_BOMB_RATIO = 250


class DamagedStream(Exception):
    """A compressed stream ends early or is not what it should be. All bytes before it have been delivered.

    ``reason``: ``truncated_stream``, ``damaged_stream`` or ``too_large`` (a unit that expands beyond all measure, where
    the reader asked for that limit). ``unread_bytes``: compressed bytes behind that place.
    """

    def __init__(self, reason: str, detail: str, unread_bytes: int) -> None:
        super().__init__(reason, detail, unread_bytes)
        self.reason = reason
        self.detail = detail
        self.unread_bytes = unread_bytes


class Unit(NamedTuple):
    """Where a unit begins: ``position`` in the decompressed stream, ``offset`` in the file."""

    position: int
    offset: int


class _Input:
    """The file's own bytes, through a buffer. Reads grow, so that a look at the beginning stays cheap.

    The buffer is used over and over: where memory is fresh, half of the time goes into the system's handing it out.
    """

    def __init__(self, raw: pa.NativeFile) -> None:
        self.raw = raw
        self.size = int(raw.size())
        self._buffer = bytearray()
        self.seek(0)

    def seek(self, offset: int) -> None:
        self._start, self._next_bytes = offset, _FIRST_READ_BYTES
        self._position = self._end = 0

    @property
    def offset(self) -> int:
        """Where the next byte stands in the file."""
        return self._start + self._position

    def take(self, count: int) -> bytes:
        """Up to ``count`` bytes, at least one except at the end."""
        if self._position == self._end:
            self._fill()
        data = bytes(memoryview(self._buffer)[self._position : min(self._position + count, self._end)])
        self._position += len(data)
        return data

    def give_back(self, count: int) -> None:
        """The last bytes taken were not needed."""
        self._position -= count

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer only at the end."""
        if self._end - self._position < count:
            self._fill()
        return bytes(memoryview(self._buffer)[self._position : min(self._position + count, self._end)])

    def _fill(self) -> None:
        rest = self._buffer[self._position : self._end]
        self._start += self._position
        room = min(self._next_bytes, self.size - self._start - len(rest))
        if len(self._buffer) < len(rest) + room:
            self._buffer = bytearray(len(rest) + room)
        self._buffer[: len(rest)] = rest
        self._position, self._end = 0, len(rest)
        self.raw.seek(self._start + len(rest))
        view = memoryview(self._buffer)[: len(rest) + room]
        while self._end < len(view) and (got := self.raw.readinto(view[self._end :])):
            self._end += got
        self._next_bytes = min(4 * self._next_bytes, _READ_BYTES)


class Decompressed:
    """A compressed file as a :class:`ByteStream`; owns and closes the file below.

    ``unit``: where the last unit began, or where one should begin and does not; after damage, the damaged one.
    ``units`` gets each unit where it begins, if it is given; who reads the stream takes them out. ``refuse_bombs``: a
    unit of more than a gigabyte that is over 250 times as long as in the file is damage (``too_large``).
    """

    def __init__(
        self, raw: pa.NativeFile, codec: str, units: deque[Unit] | None = None, *, refuse_bombs: bool = False
    ) -> None:
        self.codec = codec
        self.units = units
        self.unit = Unit(0, 0)
        self._raw = raw
        self._refuse_bombs = refuse_bombs
        self._input = _Input(raw)
        self._decoders = {codec: decoders(codec, self._dictionary())}
        self._decoder: Decoder | None = None
        self._given = 0
        self._made = 0
        self._to_drop = 0
        self._ready = memoryview(b"")
        self._damage: DamagedStream | None = None

    def readinto(self, view: memoryview, /) -> int:
        """Fill the view's beginning; 0 at the end. Raises DamagedStream once all before it has been read."""
        while not self._ready:
            if self._damage is not None:
                raise self._damage
            made = self._advance()
            if made is None:
                return 0
            self._ready = memoryview(made)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        self._given += count
        return count

    def go_to(self, offset: int) -> None:
        """Go on with the unit that begins there. The decompressed stream counts on from what it has given."""
        self._input.seek(offset)
        self._decoder, self._damage, self._ready = None, None, memoryview(b"")

    def find_unit(self, start: int, accept: Callable[[bytes], bool]) -> int | None:
        """Offset of the first unit at or behind ``start`` whose first 4 kB are accepted; None if there is none.

        O(bytes), and a decoder for each occurrence of the magic number.
        """
        magic = CODECS[self.codec].magic
        while (start := self._find(magic, start)) < self.size:
            if accept(self._head_of_unit(start)):
                return start
            start += 1
        return None

    def close(self) -> None:
        self._raw.close()

    @property
    def closed(self) -> bool:
        return bool(self._raw.closed)

    def tell(self) -> int:
        """Bytes of the file that have been decompressed."""
        return self._input.offset

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._input.size

    def _advance(self) -> bytes | None:
        """Some more decompressed bytes, perhaps none; None at the end."""
        if self._decoder is None and not self._begin():
            return b"" if self._damage else None
        assert self._decoder is not None
        wanted = self._decoder.needs_input
        first = self._input.offset == self.unit.offset  # small, because many units are
        data = self._input.take(_FIRST_STEP_BYTES if first else CODECS[self.codec].step_bytes) if wanted else b""
        try:
            made = self._decoder.decompress(data, OUTPUT_BYTES)
        except StepFailed as failure:
            return self._damaged("damaged_stream", failure.detail, len(data), self._new(failure.saved))
        except MemoryError:
            raise
        except Exception as error:  # the codecs' errors have nothing else in common
            return self._failed(str(error), len(data))
        if self._decoder.eof:
            self._input.give_back(len(self._decoder.unused_data or b""))
            self._decoder = None
        elif wanted and not data and not made:
            return self._damaged("truncated_stream", f"the file ends inside a {CODECS[self.codec].unit}", 0)
        return self._new(made)

    def _new(self, made: bytes) -> bytes:
        """What has not been delivered before, by a decoder that failed in this unit."""
        self._made += len(made)
        known = min(self._to_drop, len(made))
        self._to_drop -= known
        read = self._input.offset - self.unit.offset
        if self._refuse_bombs and self._made > max(_BOMB_BYTES, _BOMB_RATIO * read):
            return self._damaged("too_large", f"a {CODECS[self.codec].unit} expands over {_BOMB_RATIO} times", 0)
        return made[known:] if known else made

    def _begin(self) -> bool:
        """Whether another unit begins here; if not, the stream is at its end or damaged."""
        if self.codec == "gzip" or self.codec == "xz":
            self._pass_zeros()
        while self.codec in ("zstd", "lz4") and is_skippable(self._input.peek(4).ljust(4)):
            if not self._pass_skippable():
                return False
        magic = self._input.peek(MAGIC_BYTES)
        if not magic:
            return False
        codec = CODECS[self._codec_of(magic)]
        self.unit = Unit(self._given, self._input.offset)
        if not magic.startswith(codec.magic):
            if codec.magic.startswith(magic):
                self._damaged("truncated_stream", f"the file ends inside a {codec.unit}", 0)
            else:
                self._damaged("damaged_stream", f"what stands here is no {codec.unit}", 0)
            return False
        if self.units is not None:
            self.units.append(self.unit)
        self._decoder = self._decoders[self.codec]()
        self._made = self._to_drop = 0
        return True

    def _codec_of(self, magic: bytes) -> str:
        """Behind skippable frames, which both have, frames may be of lz4 where zstd was expected."""
        if self.codec == "zstd" and magic.startswith(CODECS["lz4"].magic):
            self.codec = "lz4"
            self._decoders["lz4"] = decoders("lz4")
        return self.codec

    def _pass_zeros(self) -> None:
        while self._input.peek(1) == b"\0":
            data = self._input.take(_FIRST_READ_BYTES)
            self._input.give_back(len(data.lstrip(b"\0")))

    def _pass_skippable(self) -> bool:
        head = self._input.peek(SKIPPABLE_HEADER_BYTES)
        end = self._input.offset + SKIPPABLE_HEADER_BYTES + int.from_bytes(head[4:], "little")
        if len(head) < SKIPPABLE_HEADER_BYTES or end > self._input.size:
            self.unit = Unit(self._given, self._input.offset)
            self._damaged("truncated_stream", "the file ends inside a skippable frame", 0)
            return False
        if end - self._input.offset <= _FIRST_READ_BYTES:
            while self._input.offset < end:
                self._input.take(end - self._input.offset)
        else:
            self._input.seek(end)
        return True

    def _dictionary(self) -> bytes | None:
        """Of all zstd frames, if the file begins with one."""
        head = self._input.peek(SKIPPABLE_HEADER_BYTES)
        if self.codec != "zstd" or not holds_dictionary(head):
            return None
        count = int.from_bytes(head[4:], "little")
        if count > MAX_DICTIONARY_BYTES:
            return None
        return dictionary_of(self._raw.read_at(count, SKIPPABLE_HEADER_BYTES))

    def _failed(self, detail: str, step_bytes: int) -> bytes:
        """The decoder cannot go on. A gzip member is begun again with zlib, which delivers what there is."""
        if self.codec != "gzip":
            return self._damaged("damaged_stream", detail, step_bytes)
        self._input.seek(self.unit.offset)
        self._decoder = ZlibMember()
        self._to_drop, self._made = self._made, 0
        return b""

    def _damaged(self, reason: str, detail: str, step_bytes: int, saved: bytes = b"") -> bytes:
        self._damage = DamagedStream(reason, detail, self._input.size - self._input.offset + step_bytes)
        return saved

    def _find(self, word: bytes, start: int) -> int:
        """Where the word comes first in the file, or the file's size."""
        step_bytes = _FIRST_READ_BYTES
        while start < self.size:
            data = self._raw.read_at(step_bytes + len(word) - 1, start)
            found = data.find(word)
            if found >= 0:
                return start + found
            start += step_bytes
            step_bytes = min(4 * step_bytes, _READ_BYTES)
        return self.size

    def _head_of_unit(self, offset: int) -> bytes:
        """The first 4 kB of what begins there, fewer if it has fewer or cannot be read so far."""
        decoder = self._decoders[self.codec]()
        head = b""
        end = offset + _FIRST_READ_BYTES
        while len(head) < UNIT_HEAD_BYTES and offset < end and not decoder.eof:
            data = self._raw.read_at(CODECS[self.codec].step_bytes, offset) if decoder.needs_input else b""
            offset += len(data)
            try:
                made = decoder.decompress(data, UNIT_HEAD_BYTES - len(head))
            except MemoryError:
                raise
            except Exception:  # no unit begins here, or it is damaged at once
                break
            if not made and not data:
                break
            head += made
        return head[:UNIT_HEAD_BYTES]
