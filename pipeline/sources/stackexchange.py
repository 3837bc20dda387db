"""Stack Exchange data dumps: ``Posts.xml``, plain or compressed; a document is a thread or a post.

The 7-Zip archives that sites are published in have to be unpacked first. Bodies are HTML, which the stage ``extract``
turns into text, everything visible. Plain files are split into byte ranges where posts are documents; threads need the
whole file, so it is one partition, which is ingested if it is large. ``stackexchange_threads`` says what that costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import pyarrow as pa
from pydantic import Field

from pipeline.errors import SourceError
from pipeline.sources.contract import Partition, Piece, SourceBatch, SourceConfig, SourceKind
from pipeline.sources.documents import Collector, Document
from pipeline.sources.listing import FoundFile, list_files
from pipeline.sources.records import RAW_BYTES, Fault
from pipeline.sources.stackexchange_posts import (
    ANSWER,
    QUESTION,
    MalformedRow,
    Post,
    answer_rank,
    licenses,
    parse_post,
    site_of,
    thread_html,
)
from pipeline.sources.stackexchange_threads import IndexBuilder, Line, lines_of, threads
from pipeline.sources.streams import compression_of, read_head
from stages.contract import StageConfig
from stages.extract import ExtractConfig

SUFFIXES = ("posts.xml", *("posts.xml" + packed for packed in (".gz", ".zst", ".bz2", ".xz", ".lz4")))

_LINE_SLACK_BYTES = 64 * 2**20
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"


class StackexchangeConfig(SourceConfig):
    """``Posts.xml`` of Stack Exchange dumps, plain, gzip, zstd, bzip2, xz or lz4."""

    documents: Literal["thread", "post"] = "thread"
    """``thread``: a question and its answers, the accepted one first, then by score. ``post``: each by itself."""
    site: str | None = None
    """Host of the site, as in ``math.stackexchange.com``, for URLs; taken from the path if that names one."""
    min_question_score: int | None = None
    """A question with a lower score is skipped (``low_score``), in a thread with its answers."""
    min_answer_score: int | None = None
    """An answer with a lower score is skipped (``low_score``)."""
    max_answers: int | None = Field(default=None, ge=0)
    """Most answers of a thread; those behind are skipped (``surplus_answer``)."""
    skip_unanswered: bool = False
    """Skip questions of which no answer is left (``unanswered``). Threads only."""
    answer_mark: str | None = "Answer:"
    """A paragraph before each answer of a thread; ``null`` leaves it out."""
    extract: ExtractConfig | None = ExtractConfig(content="all")
    """How the HTML of posts becomes text; ``null`` leaves it as it is."""
    split_bytes: int = Field(default=64 * 2**20, gt=0, le=2**30)
    """Bytes of a plain file that one task reads, where posts are documents."""
    ingest_above_bytes: int = Field(default=16 * 2**20, ge=0)
    """A file that cannot be split is read once into partitions of its own if it is larger than this."""


def fields(config: StackexchangeConfig) -> Mapping[str, pa.DataType]:
    """``title`` and ``tags`` (joined with commas) of questions; ``score``; ``answers``: how many are in the thread."""
    return {"title": pa.string(), "tags": pa.string(), "score": pa.int64(), "answers": pa.int64()}


def stages(config: StackexchangeConfig) -> Sequence[tuple[str, StageConfig]]:
    """The stage that turns HTML into text."""
    return [] if config.extract is None else [("extract", config.extract)]


def split(source: str, config: StackexchangeConfig) -> Sequence[Partition]:
    """One partition for each byte range of a plain file of posts, else one for each file. Raises SourceError."""
    files = list_files(config.path, config.exclude, SUFFIXES)
    _check(files[0])
    return [partition for file in files for partition in _split_file(source, file, config)]


def _check(file: FoundFile) -> None:
    """A first file that is no dump is an error before the run."""
    head = read_head(file.uri)
    if head.startswith(_SEVEN_ZIP):
        raise SourceError("is packed with 7-Zip", where=file.uri, remedy="unpack it (7z x FILE) and name its Posts.xml")
    if compression_of(head, file.uri) is None and file.size and not head.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<"):
        raise SourceError("is no XML", where=file.uri, remedy="name the Posts.xml of a Stack Exchange data dump")


def _split_file(source: str, file: FoundFile, config: StackexchangeConfig) -> Iterator[Partition]:
    large = file.size > min(config.split_bytes, config.ingest_above_bytes)
    in_ranges = large and config.documents == "post" and _is_plain(file.uri)
    stream = file.size > config.ingest_above_bytes and not in_ranges
    step = config.split_bytes if in_ranges else max(file.size, 1)
    for start in range(0, max(file.size, 1), step):
        piece = Piece(file.uri, file.relative, start, min(start + step, file.size), file.size, file.stamp)
        yield Partition(source, (piece,), stream)


def _is_plain(uri: str) -> bool:
    return compression_of(read_head(uri), uri) is None


def read(partition: Partition, config: StackexchangeConfig) -> Iterator[SourceBatch]:
    """The partition's documents, about 16 MB of text a batch. Raises SourceError if a file is gone or has changed."""
    reader = _Reader(partition.source, config)
    for piece in partition.pieces:
        for _ in reader.threads(piece) if config.documents == "thread" else reader.posts(piece):
            if reader.collector.is_full:
                yield reader.collector.take()
    if not reader.collector.is_empty:
        yield reader.collector.take()


class _Reader:
    """Puts posts and threads into the collector; its generators pause after each."""

    def __init__(self, source: str, config: StackexchangeConfig) -> None:
        self.config = config
        self.collector = Collector(source, fields(config))
        self.max_line_bytes = config.max_document_bytes + _LINE_SLACK_BYTES

    def posts(self, piece: Piece) -> Iterator[None]:
        whole = piece.start == 0 and piece.end == piece.size
        for line in lines_of(piece, self.max_line_bytes, piece.start, None if whole else piece.end):
            post = self._post(piece, line)
            if isinstance(line, Fault) or post is None:
                pass
            elif post.kind not in (QUESTION, ANSWER):
                self.collector.skip("other_post_type", len(line.content))
            elif self._is_low(post):
                self.collector.skip("low_score", len(line.content))
            else:
                self._add(piece, line, post, [], post.body)
            yield

    def threads(self, piece: Piece) -> Iterator[None]:
        builder = IndexBuilder()
        for line in lines_of(piece, self.max_line_bytes):
            if isinstance(line, Fault) or not builder.add(line):
                if self._post(piece, line) is not None and not isinstance(line, Fault):
                    self.collector.skip("other_post_type", len(line.content))
                yield
        for thread in threads(builder.finish(), piece, _is_plain(piece.uri), self.max_line_bytes):
            if isinstance(thread, Fault):
                self.collector.lose(piece.relative, thread)
            else:
                self._thread(piece, thread)
            yield

    def _thread(self, piece: Piece, lines: Sequence[Line]) -> None:
        posts = [(post, line) for line in lines if (post := self._post(piece, line)) is not None]
        questions = [(post, line) for post, line in posts if post.kind == QUESTION]
        answers = [(post, line) for post, line in posts if post.kind == ANSWER]
        for _, line in questions[1:]:
            self.collector.skip("doubled_question", len(line.content))
        if not questions or self._is_low(questions[0][0]):
            for _, line in [*questions[:1], *answers]:
                self.collector.skip("low_score" if questions else "orphan_answer", len(line.content))
            return
        question, place = questions[0]
        kept = self._kept_answers(question, answers)
        if self.config.skip_unanswered and not kept:
            self.collector.skip("unanswered", len(place.content))
        else:
            self._add(piece, place, question, kept, thread_html(question, kept, self.config.answer_mark))

    def _kept_answers(self, question: Post, answers: Sequence[tuple[Post, Line]]) -> list[Post]:
        """Answers in order; those that are left out are skipped by name."""
        kept: list[Post] = []
        for post, line in sorted(answers, key=lambda answer: answer_rank(question, answer[0])):
            if self._is_low(post):
                self.collector.skip("low_score", len(line.content))
            elif self.config.max_answers is not None and len(kept) >= self.config.max_answers:
                self.collector.skip("surplus_answer", len(line.content))
            else:
                kept.append(post)
        return kept

    def _post(self, piece: Piece, line: Line | Fault) -> Post | None:
        """The post; None if it went to the quarantine."""
        if isinstance(line, Fault):
            self.collector.lose(piece.relative, line)
            return None
        try:
            return parse_post(line.content)
        except MalformedRow as error:
            raw = line.content[:RAW_BYTES]
            fault = Fault(line.offset, len(line.content), error.reason, str(error), raw)
            self.collector.lose(piece.relative, fault)
            return None

    def _is_low(self, post: Post) -> bool:
        limit = self.config.min_question_score if post.kind == QUESTION else self.config.min_answer_score
        return limit is not None and post.score < limit

    def _add(self, piece: Piece, line: Line, post: Post, answers: Sequence[Post], html: str) -> None:
        text = html.encode()
        if len(text) > self.config.max_document_bytes:
            detail = f"a text of {len(text):,} bytes; the limit is {self.config.max_document_bytes:,}"
            self.collector.lose(piece.relative, Fault(line.offset, len(text), "too_large", detail, text[:RAW_BYTES]))
            return
        site = self.config.site or site_of(piece.uri)
        path = "questions" if post.kind == QUESTION else "a"
        url = f"https://{site}/{path}/{post.number}" if site else None
        count = len(answers) if self.config.documents == "thread" else None
        more = {"title": post.title, "tags": post.tags, "score": post.score, "answers": count}
        identity = f"{piece.relative}#{post.number}"
        license_ = licenses([post, *answers])
        self.collector.add(Document(identity, text, piece.relative, line.offset, url, post.date, license_, more))
        if post.repaired or any(answer.repaired for answer in answers):
            self.collector.repair("invalid_character")


SOURCE = SourceKind(
    kind="stackexchange", version=1, config=StackexchangeConfig, split=split, read=read, fields=fields, stages=stages
)
