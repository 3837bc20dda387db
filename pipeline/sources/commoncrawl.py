"""Common Crawl: archives of a snapshot, or a part of them, from its public folder, an object store, or a mirror.

The snapshot's list of paths says which archives there are; the part is chosen by a hash of path and seed, so the same
ones are chosen on every machine, and a larger fraction has all that a smaller one has. Only chosen files are asked for
their size (a snapshot has 90,000). The archives are read by the source ``warc``; each record is known to have a gzip
member of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Self
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pafs
from pydantic import Field, model_validator

from pipeline.errors import SourceError
from pipeline.sources import warc
from pipeline.sources.contract import CHOOSES, Partition, SourceBatch, SourceKind
from pipeline.sources.globs import path_pattern
from pipeline.sources.listing import FoundFile
from pipeline.sources.records import constant
from pipeline.sources.streams import DamagedStream, open_stream
from pipeline.storage import filesystem
from stages.contract import StageConfig

_THREADS = 32
_MAX_LIST_BYTES = 256 * 2**20
_MISSING_SHOWN = 3


class CommonCrawlConfig(warc.WarcConfig):
    """Archives of one of Common Crawl's snapshots."""

    path: str | list[str] = []
    """Lists of paths, plain or compressed; the snapshot's own, below ``base``, when left out."""
    snapshot: str = Field(pattern=r"^[\w.-]+$")
    """Name of the snapshot, as in ``CC-MAIN-2024-18``. It becomes the column ``snapshot``."""
    records: Literal["warc", "wet"] = "warc"
    """``warc``: pages as they were sent. ``wet``: text that Common Crawl has extracted, without structure."""
    base: str = "https://data.commoncrawl.org"
    """Folder that the paths are below: a mirror's, ``s3://commoncrawl``, or Common Crawl's own."""
    fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the archives, chosen by a hash."""
    files: int | None = Field(default=None, gt=0)
    """Number of archives, chosen by a hash; instead of ``fraction``."""
    seed: int = 0
    """Another seed chooses other archives."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.files is not None and self.fraction != 1.0:
            raise ValueError("`files` and `fraction` both say how many archives are read; give one of them")
        return self


def fields(config: CommonCrawlConfig) -> Mapping[str, pa.DataType]:
    """Those of ``warc``, and ``snapshot``."""
    return {**warc.fields(config), "snapshot": pa.string()}


def stages(config: CommonCrawlConfig) -> Sequence[tuple[str, StageConfig]]:
    """Extraction, where the archives hold HTML."""
    return () if config.records == "wet" else warc.stages(config)


def split(source: str, config: CommonCrawlConfig) -> Sequence[Partition]:
    """Partitions of the chosen archives. Raises SourceError if lists or archives are not there."""
    chosen = choose(_paths(config), config)
    files = _found([_below(config.base, path) for path in chosen], chosen)
    return [part for file in files for part in warc.split_file(source, file, config, can_be_cut=True)]


def _paths(config: CommonCrawlConfig) -> list[str]:
    """Paths of all lists, each once, without excluded ones."""
    own = _below(config.base, f"crawl-data/{config.snapshot}/{config.records}.paths.gz")
    lists = [config.path] if isinstance(config.path, str) else config.path
    paths = dict.fromkeys(path for uri in lists or [own] for path in _listed(uri))
    left_out = [path_pattern(glob) for glob in config.exclude]
    return sorted(path for path in paths if not any(pattern.match(path) for pattern in left_out))


def _below(base: str, path: str) -> str:
    """URI of a file below the base, which may end in a query with settings of its store."""
    if "://" not in base:
        return f"{base.rstrip('/')}/{path}"
    folder, mark, query = base.partition("?")
    return f"{folder.rstrip('/')}/{quote(path, safe='/:@+-._~')}{mark}{query}"


def _listed(uri: str) -> Iterator[str]:
    stream = open_stream(uri)
    content = bytearray()
    view = memoryview(bytearray(2**20))
    try:
        while got := stream.readinto(view):
            content += view[:got]
            if len(content) > _MAX_LIST_BYTES:
                raise SourceError(
                    f"a list of more than {_MAX_LIST_BYTES:,} bytes", where=uri, remedy="name a list of paths"
                )
    except DamagedStream as damage:
        raise SourceError(f"the list is damaged: {damage.detail}", where=uri, remedy="fetch it again") from damage
    finally:
        stream.close()
    lines = content.decode("utf-8", "replace").split("\n")
    for number, line in enumerate(lines, 1):
        path = line.strip().lstrip("/")
        if path:
            _check(path, uri, number)
            yield path


def _check(path: str, uri: str, number: int) -> None:
    if ".." in path.split("/") or "://" in path or not path.isprintable():
        raise SourceError(
            f"expected a path below `base`, found {path[:100]!r}",
            where=f"{uri}, line {number}",
            remedy="take the list as Common Crawl has it, as in crawl-data/CC-MAIN-2024-18/warc.paths.gz",
        )


def choose(paths: Sequence[str], config: CommonCrawlConfig) -> list[str]:
    """The chosen paths, sorted. Raises SourceError if there are none, or fewer than ``files``."""
    hashes = {path: _hash(config.seed, path) for path in paths}
    if config.files is not None:
        if config.files > len(paths):
            raise SourceError(f"`files` asks for {config.files:,} archives", remedy=f"the lists have {len(paths):,}")
        return sorted(sorted(paths, key=lambda path: (hashes[path], path))[: config.files])
    chosen = [path for path in paths if hashes[path] < config.fraction * 2**64]
    if not chosen:
        raise SourceError(
            f"`fraction: {config.fraction}` chooses none of {len(paths):,} archives", remedy="give `files: 1`, or more"
        )
    return sorted(chosen)


def _hash(seed: int, path: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{path}".encode(), digest_size=8).digest(), "big")


def _found(uris: Sequence[str], paths: Sequence[str]) -> list[FoundFile]:
    """The files with their sizes. A store that is asked one by one would take hours for a snapshot."""
    with ThreadPoolExecutor(_THREADS) as threads:
        infos = list(threads.map(_info, uris))
    missing = [uri for uri, info in zip(uris, infos, strict=True) if info.type != pafs.FileType.File]
    if missing:
        raise SourceError(
            f"{len(missing):,} of {len(uris):,} chosen archives are not there: {', '.join(missing[:_MISSING_SHOWN])}",
            remedy="complete the mirror, `exclude` archives, or give `path`, a list of those there are",
        )
    return [
        FoundFile(uri, path, info.size, str(info.mtime_ns or ""))
        for uri, path, info in zip(uris, paths, infos, strict=True)
    ]


def _info(uri: str) -> pafs.FileInfo:
    fs, path = filesystem(uri)
    return fs.get_file_info(path)


def read(partition: Partition, config: CommonCrawlConfig) -> Iterator[SourceBatch]:
    """As ``warc`` reads it, with the snapshot's name."""
    for batch in warc.read(partition, config):
        snapshot = constant(config.snapshot, batch.rows.num_rows)
        rows = batch.rows.append_column(pa.field("snapshot", pa.string()), snapshot)
        yield SourceBatch(rows, batch.quarantined, batch.repaired, batch.skipped)


SOURCE = SourceKind(
    kind="commoncrawl",
    version=1,
    config=CommonCrawlConfig,
    split=split,
    read=read,
    fields=fields,
    stages=stages,
    chooses=CHOOSES | {"base", "fraction", "files", "seed"},
)
