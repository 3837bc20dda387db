"""A stream of another encoding as UTF-8, for readers whose kernels look for ASCII delimiters.

In GB18030 or Shift JIS the second byte of a character may be a delimiter, in UTF-16 every other byte is zero; so text
is decoded before it is looked at. Bytes that are not in the encoding become a byte sequence that UTF-8 does not have,
and so the fault of the row that they stand in.
"""

from __future__ import annotations

import codecs

from pipeline.sources.streams import ByteStream, DamagedStream

MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and what they mean; that of UTF-8 stays where it is for the readers."""

_READ_BYTES = 2**20
_NOT_UTF8 = "\udcff"
_HANDLER = "gristmill.mark"


def marked_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning names, unless it is UTF-8."""
    return next((encoding for mark, encoding in MARKS if head.startswith(mark)), None)


class Utf8Stream:
    """A :class:`ByteStream` of text in an encoding, as UTF-8; a byte order mark goes before ``encoding``.

    Decodes a megabyte at a time. Owns and closes the stream below.
    """

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._begun = self._ended = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._scratch = memoryview(b"")
        self._ready = memoryview(b"")
        self._damage: DamagedStream | None = None

    def readinto(self, view: memoryview, /) -> int:
        """Fill the view's beginning; 0 at the end. Raises DamagedStream once all before it has been read."""
        if not self._begun:
            self._begin()
        while not self._ready and self._decoder is not None and not self._ended:
            self._decode(self._scratch[: self._read(self._scratch)])
        if not self._ready:
            return 0 if self._ended else self._read(view)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()

    def _begin(self) -> None:
        self._begun = True
        head = bytearray(4)
        have = 0
        try:
            while have < len(head) and (got := self._stream.readinto(memoryview(head)[have:])):
                have += got
        except DamagedStream as damage:
            self._damage = damage
        encoding = "utf-8" if head.startswith(codecs.BOM_UTF8) else self._encoding
        encoding = marked_encoding(bytes(head[:have])) or encoding
        if encoding == "utf-8":
            self._ready = memoryview(head)[:have]
            return
        codecs.register_error(_HANDLER, _mark)
        self._decoder = codecs.getincrementaldecoder(encoding)(_HANDLER)
        self._scratch = memoryview(bytearray(_READ_BYTES))
        if have:
            self._decode(memoryview(head)[:have])

    def _read(self, view: memoryview) -> int:
        if self._damage is not None:
            raise self._damage
        return self._stream.readinto(view)

    def _decode(self, data: memoryview) -> None:
        assert self._decoder is not None
        self._ended = not data
        text = self._decoder.decode(bytes(data), self._ended)
        self._ready = memoryview(text.encode("utf-8", "surrogatepass"))


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _NOT_UTF8, error.end
