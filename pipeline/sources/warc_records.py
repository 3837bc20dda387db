"""Records of web archives: WARC (ISO 28500, all versions) and ARC (Internet Archive, versions 1 and 2).

A record is where its header says, and its length is believed if something follows that may follow a record. If not, or
if the header cannot be read, the bytes up to the next place where a header begins are one damaged record. Behind
damage in a compressed file reading goes on at the next unit (gzip member, frame) that begins with a header. What comes
next depends on the place alone, not on where reading began, so readers that began at different places agree from the
first record on that both have met; that is what splitting rests on.

Limits: a header may have 1 MiB. Content over the caller's limit is passed over, only its beginning is kept.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from pipeline.sources.decompression import UNIT_HEAD_BYTES, DamagedStream, Decompressed, Unit
from pipeline.sources.http_messages import Fields, end_of_head, parse_fields
from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.streams import ByteStream

MAX_HEADER_BYTES = 2**20
LOOK_BYTES = UNIT_HEAD_BYTES
"""The first line of a header is shorter."""

_STEP_BYTES = 2**20
_HEAD_BYTES = 128 * 2**10
_WARC = rb"WARC/\d{1,3}\.\d{1,5}[ \t]*\r?\n"
_ARC = (
    rb"(?P<url>[a-zA-Z][a-zA-Z0-9+.-]{1,30}:[^\r\n]{0,3000}?) (?P<ip>[0-9a-fA-F.:]{2,45}|-) (?P<date>\d{8,17}) "
    rb"(?P<type>[^\r\n]{0,200}?) ?(?:(?:\d{3}|-) \S{1,100} \S{1,3000} \d{1,20} \S{1,300} )?(?P<length>\d{1,18})\r?\n"
)
_WARC_HEAD = re.compile(_WARC)
_ARC_HEAD = re.compile(_ARC)
NEXT_HEAD = re.compile(rb"\n(?=" + _WARC + rb"|" + re.sub(rb"\?P<\w+>", b"?:", _ARC) + rb")")
"""A line break before a header."""
_REASONS = {"truncated_stream": "truncated_record"}


class Record(NamedTuple):
    """A sound record. Its memory is used again for the next one.

    ``fields``: those of WARC, for ARC too. ``size``: header and content. ``content``: all of it, or its first 128 kB if
    not ``whole``.
    """

    fields: Fields
    size: int
    content: memoryview
    whole: bool


def begins_record(head: bytes) -> bool:
    """Whether a record begins with these bytes; 4 kB are enough to know."""
    return _WARC_HEAD.match(head) is not None or _ARC_HEAD.match(head) is not None


class RecordReader:
    """Records and faults of a stream, in order: ``advance`` to one, look at its ``place``, ``read`` it.

    ``place``: offset of the unit in which it begins, and where in the unit's content; in a plain file its offset and 0.
    ``at_item``: whether there is one. ``position``: where the stream stands, if it is a plain file. ``max_bytes``:
    longer content is not kept.
    """

    def __init__(self, stream: ByteStream, max_bytes: int, position: int = 0) -> None:
        self.place = (position, 0)
        self._stream = stream
        self._compressed = stream if isinstance(stream, Decompressed) else None
        self._units = self._compressed.units if self._compressed else None
        self._unit = Unit(0, 0)
        self._begin = 0
        self.at_item = False
        self._window = _Window(stream, position)
        self._max_bytes = max_bytes
        self._used = 0

    def advance(self) -> bool:
        """Go to the next record or fault; whether there is one."""
        window = self._window
        window.drop(self._used)
        self._used = 0
        while not window.at_header() and window.fill(LOOK_BYTES) and (blanks := window.blanks()):
            window.drop(blanks)
        self.at_item = window.have > 0 or window.damage is not None
        if not self.at_item:
            return False
        self._begin = window.position
        self.place = self._find_place()
        return True

    def _find_place(self) -> tuple[int, int]:
        position = self._window.position
        if self._compressed is None or self._units is None:
            return position, 0
        if not self._window.have:  # nothing came of the damaged unit
            return self._compressed.unit.offset, 0
        while self._units and self._units[0].position <= position:
            self._unit = self._units.popleft()
        return self._unit.offset, position - self._unit.position

    def read(self) -> Record | Fault:
        """What begins at ``place``."""
        window = self._window
        if window.at_header() or (window.fill(LOOK_BYTES) and window.at_header()):
            return self._warc()
        if found := _ARC_HEAD.match(window.buffer, window.begin, window.end):
            return self._record(found.end() - window.begin, _arc_fields(found), found["length"])
        if not window.have:
            return self._torn("", 0)
        return self._lost("bad_header", "no header of a record begins here", 1)

    def _warc(self) -> Record | Fault:
        begin = self._end_of_header()
        if begin < 0:
            return self._lost("bad_header", "no blank line ends the header", 1)
        fields = parse_fields(bytes(self._window.view(0, begin)))
        length = fields.get(b"content-length")
        if length is None:
            return self._lost("bad_length", "the header has no Content-Length", begin)
        if b"warc-type" not in fields:
            return self._lost("bad_header", "the header has no WARC-Type", begin)
        return self._record(begin, fields, length)

    def _end_of_header(self) -> int:
        window = self._window
        wanted = 1
        while True:
            have = window.fill(wanted)
            end = end_of_head(window.buffer, window.begin, min(window.begin + MAX_HEADER_BYTES, window.end))
            if end >= 0 or have < wanted or have >= MAX_HEADER_BYTES:
                return max(end - window.begin, -1)
            wanted = max(4 * wanted, LOOK_BYTES)

    def _record(self, begin: int, fields: Fields, digits: bytes) -> Record | Fault:
        """The record whose content begins so far ahead, if its length can be right."""
        if not digits.isdigit() or len(digits) > 18:
            shown = digits[:40].decode("latin-1")
            return self._lost("bad_length", f"Content-Length is {shown!r}, expected a number of bytes", begin)
        length = int(digits)
        if length > self._max_bytes:
            return self._long_record(begin, fields, length)
        window, size = self._window, begin + length
        if (crossing := self._fill_uncrossed(size)) >= 0:
            return self._lost("bad_length", f"the next record begins within the {length:,} bytes of this one", crossing)
        if window.have < size:
            return self._torn(f"{size - window.have:,} of {length:,} bytes are missing", begin)
        window.fill(size + LOOK_BYTES)
        if self._damage_behind(size):
            return self._torn("", size)
        if not self._may_follow(size):
            return self._misfit(size, length, begin)
        self._used = size + 4 * window.ends_record(size)
        return Record(fields, size, window.view(begin, size), True)

    def _long_record(self, begin: int, fields: Fields, length: int) -> Record | Fault:
        """A record whose content is not kept: it is passed over."""
        window = self._window
        window.fill(begin + _HEAD_BYTES)
        head = bytes(window.view(0, min(window.have, begin + _HEAD_BYTES)))
        size = left = begin + length
        if self._compressed is None:
            return self._jumped(begin, fields, length, head)
        while left:
            step = min(left, _STEP_BYTES)
            if (crossing := self._fill_uncrossed(step)) >= 0:
                window.drop(crossing)
                detail = f"the next record begins within the {length:,} bytes of this one"
                return self._fault("bad_length", detail, head, size - left + crossing)
            if window.have < step:
                missing = f"{left - window.have:,} of {length:,} bytes are missing"
                return self._torn(missing, window.have, head, size - left)
            window.drop(step)
            left -= step
        window.fill(LOOK_BYTES)
        if self._damage_behind(0):
            return self._torn("", 0, head, size)
        if not self._may_follow(0):
            return self._misfit(0, length, 0, head, size)
        return Record(fields, size, memoryview(head)[begin:], False)

    def _jumped(self, begin: int, fields: Fields, length: int, head: bytes) -> Record | Fault:
        """The same in a plain file, where nothing has to be read to come to the record's end, or back."""
        window, size = self._window, begin + length
        missing = self._begin + size - int(window.stream.size())  # type: ignore[attr-defined]
        if missing <= 0:
            window.jump(self._begin + size)
            if self._may_follow(0):
                return Record(fields, size, memoryview(head)[begin:], False)
            window.jump(self._begin)
            return self._misfit(0, length, begin)
        return self._torn(f"{missing:,} of {length:,} bytes are missing", begin)

    def _fill_uncrossed(self, count: int) -> int:
        """Fill the window, but not beyond a unit that begins with a record where this one should not have ended.

        Returns how far ahead that is, or -1. Only where this record began a unit does the next one have to.
        """
        window = self._window
        if self._units is None:
            window.fill(count + LOOK_BYTES)
            return -1
        reached = 0
        while reached < count:
            goal = min(count, reached + _STEP_BYTES)
            have = window.fill(goal)
            for unit in self._units_ahead() if self.place[1] == 0 else ():
                ahead = unit.position - window.position
                if unit.position > self._begin and reached <= ahead < goal and begins_record(window.look(ahead)):
                    return ahead
            if have < goal:
                break
            reached = goal
        return -1

    def _units_ahead(self) -> list[Unit]:
        """Units that begin behind ``place``, as far as the stream was read. Few: it is not read far ahead."""
        return list(self._units or ())

    def _damage_in_unit(self, size: int, reach: int = LOOK_BYTES) -> bool:
        """Whether the unit that holds the record is damaged, as a wrong checksum shows, within so much behind it.

        Damage is seen when it is come to, which depends on buffers; so what lies beyond the reach does not count.
        """
        window = self._window
        if window.fill(size + reach) >= size + reach or window.damage is None or self._compressed is None:
            return False
        return self._compressed.unit.position < window.position + size

    def _damage_behind(self, size: int) -> bool:
        """Whether nothing but line breaks stands so far ahead, and damage in the unit that holds the record."""
        window = self._window
        if window.damage is None:
            return False
        return not window.look(size).strip(b"\r\n") and self._damage_in_unit(size)

    def _may_follow(self, size: int) -> bool:
        """Whether what stands so far ahead can be the end of a record."""
        window = self._window
        if window.ends_record(size):
            return True
        if window.fill(size + 1) <= size or window.buffer[window.begin + size] in b"\r\n":
            return True
        if begins_record(window.look(size)):
            return True
        return any(unit.position == window.position + size for unit in self._units_ahead())

    def _misfit(self, size: int, length: int, ahead: int, raw: bytes = b"", passed: int = 0) -> Fault:
        """A record behind which there is no end of a record: its length is wrong, or its unit is damaged."""
        if self.place[1] == 0 and self._damage_in_unit(size, _STEP_BYTES):
            return self._torn("", ahead, raw, passed)
        return self._lost("bad_length", f"no record ends after {length:,} bytes", ahead, raw, passed)

    def _torn(self, detail: str, ahead: int, raw: bytes = b"", passed: int = 0) -> Fault:
        """A record that lacks bytes: the stream is damaged or ends too early, or the length is wrong."""
        damage = self._window.damage
        if damage is not None:
            reason = _REASONS.get(damage.reason, damage.reason)
            return self._lost(reason, f"{detail}; {damage.detail}" if detail else damage.detail, ahead, raw, passed)
        fault = self._lost("truncated_record", detail, ahead, raw, passed)
        return fault._replace(reason="bad_length") if self._window.have else fault

    def _lost(self, reason: str, detail: str, ahead: int, raw: bytes = b"", passed: int = 0) -> Fault:
        """One fault for everything up to the next header that begins so far ahead or later, or behind damage.

        ``raw``: how it begins, if ``passed`` bytes of it are in the window no more.
        """
        window = self._window
        raw = raw or bytes(window.view(0, window.fill(RAW_BYTES)))
        size = passed
        while True:
            window.fill(ahead + _STEP_BYTES + LOOK_BYTES)
            found = self._next_head(ahead)
            if found >= 0:
                window.drop(found)
                return self._fault(reason, detail, raw[: size + found], size + found)
            if window.ended:
                break
            gone = window.have - LOOK_BYTES
            window.drop(gone)
            size, ahead = size + gone, max(0, ahead - gone)
        size += window.have
        window.drop(window.have)
        return self._fault(reason, detail, raw[:size], size + self._go_on(size))

    def _next_head(self, ahead: int) -> int:
        """How far ahead the first header is that begins a line or a unit, there or later; -1 if none is in sight."""
        window = self._window
        line = NEXT_HEAD.search(window.buffer, window.begin + max(ahead - 1, 0), window.end)
        places = [line.end() - window.begin] if line else []
        units = (unit.position - window.position for unit in self._units_ahead())
        inside = (at for at in units if ahead <= at < window.have)
        places += islice((at for at in inside if begins_record(window.look(at))), 1)
        return min(places, default=-1)

    def _go_on(self, made: int) -> int:
        """At the end of what can be read: find a sound unit behind damage. Returns the bytes of the file between.

        ``made``: how many bytes of the damaged record could be read.
        """
        window, stream = self._window, self._compressed
        if window.damage is None or stream is None:
            return 0
        damaged = stream.size - window.damage.unread_bytes if made else stream.unit.offset
        found = stream.find_unit(stream.unit.offset + 1, begins_record)
        window.damage = None
        if found is None:
            return stream.size - damaged
        stream.go_to(found)
        window.ended = False
        return max(0, found - damaged)

    def _fault(self, reason: str, detail: str, raw: bytes, size: int) -> Fault:
        return Fault(sum(self.place), size, reason, detail, raw[:RAW_BYTES])


class _Window:
    """The part of the stream that is in memory: ``buffer[begin:end]``, which begins at ``position``."""

    def __init__(self, stream: ByteStream, position: int) -> None:
        self.stream = stream
        self.position = position
        self._hold(_STEP_BYTES)
        self.begin = self.end = 0
        self.ended = False
        self.damage: DamagedStream | None = None

    def _hold(self, count: int) -> None:
        self.buffer = bytearray(count)
        self._view = memoryview(self.buffer)

    @property
    def have(self) -> int:
        return self.end - self.begin

    def fill(self, count: int) -> int:
        """Have ``count`` bytes, fewer only at the end or before damage. Returns how many there are."""
        have = self.end - self.begin
        if have >= count or self.ended:
            return have
        if self.begin + count > len(self.buffer):
            self._make_room(count)
        while self.have < count and not self.ended:
            try:
                got = self.stream.readinto(self._view[self.end :])
            except DamagedStream as damage:
                self.damage, got = damage, 0
            self.end += got
            self.ended = got == 0
        return self.have

    def jump(self, position: int) -> None:
        """Go on at another place of a plain file."""
        self.stream.seek(position)  # type: ignore[attr-defined]
        self.position, self.begin, self.end, self.ended = position, 0, 0, False

    def _make_room(self, count: int) -> None:
        """Move what there is to the beginning, of a longer buffer where one record needs it."""
        rest = bytes(self.view(0, self.have))
        wanted = _STEP_BYTES if count <= _STEP_BYTES else 1 << (count - 1).bit_length()
        if len(self.buffer) != wanted:
            self._hold(wanted)
        self.buffer[: len(rest)] = rest
        self.begin, self.end = 0, len(rest)

    def view(self, start: int, stop: int) -> memoryview:
        """Bytes so far ahead; no more than there are."""
        return self._view[self.begin + start : min(self.begin + stop, self.end)]

    def at_header(self) -> bool:
        """Whether a WARC header begins here, by as much of it as there is."""
        return _WARC_HEAD.match(self.buffer, self.begin, self.end) is not None

    def look(self, ahead: int) -> bytes:
        """The first line of what stands there, if it is a header: up to 4 kB."""
        self.fill(ahead + LOOK_BYTES)
        return bytes(self.view(ahead, ahead + LOOK_BYTES))

    def ends_record(self, ahead: int) -> bool:
        """Whether two line breaks stand there, as behind every record of WARC."""
        return self.buffer.startswith(b"\r\n\r\n", self.begin + ahead, self.end)

    def blanks(self) -> int:
        """Line breaks at the beginning, as far as they have been looked for."""
        if self.begin == self.end or self.buffer[self.begin] not in b"\r\n":
            return 0
        head = bytes(self.view(0, LOOK_BYTES))
        return len(head) - len(head.lstrip(b"\r\n"))

    def drop(self, count: int) -> None:
        self.begin += count
        self.position += count


def _arc_fields(found: re.Match[bytes]) -> Fields:
    """The fields that WARC would have."""
    url = found["url"]
    kind = b"warcinfo" if url.startswith(b"filedesc:") else b"response"
    is_http = url[:5].lower() in (b"http:", b"https")
    media = b"application/http" if is_http else found["type"]
    return {b"warc-type": kind, b"warc-target-uri": url, b"warc-date": _arc_date(found["date"]), b"content-type": media}


def _arc_date(digits: bytes) -> bytes:
    """ISO 8601 of year, month, day, hour, minute, second; as much of it as there is."""
    parts = [digits[:4], *(digits[at : at + 2] for at in range(4, min(len(digits), 14), 2))]
    day = b"-".join(parts[:3])
    return day if len(parts) < 5 else day + b"T" + b":".join(parts[3:]) + b"Z"
