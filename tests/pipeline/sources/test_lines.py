"""Blocks of whole lines."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.sources.lines import Block, Lost, line_blocks
from pipeline.sources.streams import DamagedStream
from stages.kernels.byte_runs import PAD

MARK = b"\xef\xbb\xbf"


class Trickle:
    """A stream in reads of odd sizes, which may end in damage."""

    def __init__(self, content: bytes, steps: list[int], damage: DamagedStream | None = None) -> None:
        self.content = content
        self.steps = steps
        self.damage = damage
        self.reads = 0

    def readinto(self, view: memoryview, /) -> int:
        if not self.content and self.damage is not None:
            raise self.damage
        step = self.steps[self.reads % len(self.steps)]
        self.reads += 1
        count = min(step, len(view), len(self.content))
        view[:count] = self.content[:count]
        self.content = self.content[count:]
        return count

    def close(self) -> None:
        """Nothing to close."""


def collect(
    content: bytes,
    start: int = 0,
    end: int | None = None,
    limit: int = 1 << 20,
    block: int = 64,
    steps: list[int] | None = None,
    damage: DamagedStream | None = None,
) -> tuple[list[tuple[int, bytes]], list[Lost]]:
    """All lines with their offsets, and what is lost."""
    stream = Trickle(content[max(start - 1, 0) :], steps or [7], damage)
    lines, lost = [], []
    for part in line_blocks(stream, start, end, max_line_bytes=limit, block_bytes=block):
        if isinstance(part, Lost):
            lost.append(part)
            continue
        assert isinstance(part, Block)
        text = part.data[part.begin : part.stop].tobytes()
        assert text.endswith(b"\n")
        assert len(part.data) >= part.stop + PAD
        position = part.offset + part.begin
        for line in text[:-1].split(b"\n"):
            lines.append((position, line))
            position += len(line) + 1
    return lines, lost


def expected(content: bytes) -> list[tuple[int, bytes]]:
    """The twin: split at newlines; nothing follows the last newline."""
    found = []
    position = 0
    for line in content.split(b"\n"):
        found.append((position, line))
        position += len(line) + 1
    if not found[-1][1]:
        found.pop()
    if found and found[0][1].startswith(MARK):
        found[0] = (3, found[0][1][3:])
    return [one for one in found if one[0] < len(content)]


contents = st.lists(
    st.one_of(st.sampled_from([b"", b"\r", MARK]), st.binary(max_size=20), st.integers(0, 300).map(lambda n: b"x" * n)),
    max_size=12,
).map(b"\n".join)
step_lists = st.lists(st.integers(1, 100), min_size=1, max_size=5)


@given(contents, step_lists, st.integers(3, 100))
def test_lines_do_not_depend_on_blocks(content: bytes, steps: list[int], block: int) -> None:
    """Whatever the size of blocks and reads, the lines and their offsets are those of the whole content."""
    assert collect(content, block=block, steps=steps) == (expected(content), [])


@given(contents, st.lists(st.integers(0, 400), max_size=5), step_lists, st.integers(3, 100))
@example(b"ab\ncd\n", [2], [7], 3)
@example(b"ab\ncd\n", [3], [7], 3)
@example(MARK + b"\nab", [1, 3], [7], 3)
@example(MARK + b"\nab", [4], [7], 3)
def test_ranges_give_each_line_once(content: bytes, cuts: list[int], steps: list[int], block: int) -> None:
    """Wherever a file is cut into ranges, together they give its lines, each from the range in which it begins."""
    bounds = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    found = []
    for start, end in zip(bounds, bounds[1:], strict=False):
        lines, lost = collect(content, start, end, block=block, steps=steps)
        assert not lost
        assert all(start <= offset < max(end, 4) for offset, _ in lines)
        found += lines
    assert found == expected(content)


@given(contents, st.integers(3, 60), step_lists, st.integers(3, 100))
def test_long_lines_are_passed_over(content: bytes, limit: int, steps: list[int], block: int) -> None:
    """A line over the limit is reported with offset and size; whether it is does not depend on blocks."""
    lines, lost = collect(content, limit=limit, block=block, steps=steps)
    whole = expected(content)
    assert lines == [one for one in whole if len(one[1]) <= limit]
    assert [(one.offset, one.size, one.reason) for one in lost] == [
        (offset, len(line), "too_large") for offset, line in whole if len(line) > limit
    ]
    assert all(
        one.raw == line[: len(one.raw)]
        for one, line in zip(lost, [x[1] for x in whole if len(x[1]) > limit], strict=True)
    )


@given(contents, step_lists, st.integers(3, 100))
def test_damage_loses_the_torn_line_only(content: bytes, steps: list[int], block: int) -> None:
    """The whole lines before damage are delivered; the torn one and the unread bytes are one loss."""
    lines, lost = collect(content, block=block, steps=steps, damage=DamagedStream("truncated_stream", "it ends", 5))
    torn = content.rpartition(b"\n")[2]
    assert lines == [one for one in expected(content + b"\n") if one[0] + len(one[1]) < len(content)]
    (one,) = lost
    torn = torn.removeprefix(MARK) if torn == content else torn
    assert (one.offset, one.size, one.reason) == (len(content) - len(torn), len(torn) + 5, "truncated_stream")
    assert one.raw == torn
    assert one.detail == f"it ends, after {len(content):,} decompressed bytes"


def test_buffers_shrink_after_a_long_line() -> None:
    """A long line's memory is given back with the next block."""
    content = b"x" * 10_000 + b"\n" + b"y\n" * 20_000
    sizes = [
        len(part.data)
        for part in line_blocks(Trickle(content, [50]), max_line_bytes=1 << 20, block_bytes=64)
        if isinstance(part, Block)
    ]
    assert sizes[0] > 10_000
    assert max(sizes[1:]) < 200
