"""A web archive of real pages: how fast it is read and extracted, in how much memory, and that it resumes inside it.

    python benchmarks/warc.py --data DATA --gigabytes 1.5 --workers 2 [--plain]

DATA is the folder with ``html_gold``. The archive is one file, each record in a gzip member (zlib, level 6) as Common
Crawl writes them, or not compressed: a request, a response and a metadata record per page. Pages are taken as they were
fetched, in their own encodings; each copy of a page gets paragraphs of its own, drawn by a seed, so that no two are
alike.

Measured at once, in as many processes as workers: the extractor alone over pages that lie in memory; reading and
extraction over the whole archive, partition by partition as the engine hands them out; and ``gristmill run``, killed
with SIGKILL (all processes) when about half of its tasks are done, and started again. Speeds are MB (10^6 bytes) of
HTML, as UTF-8, per second of CPU time of a process, so that neighbours on the machine count little; ``wall`` is by the
clock, all processes together.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import zstandard

import gristmill
from benchmarks.kill_and_resume import COMMAND, finish, kill_all
from pipeline.machine import peak_bytes
from pipeline.runs import load_run
from stages.contract import RowStage

PARAGRAPH = re.compile(rb"<p[ >]")
SAMPLE_BYTES = 200 * 10**6
RECIPE = """
name: warc
store: {root}/store
runs: {root}/runs
sources:
  crawl: {{kind: warc, path: "{archive}", split_bytes: {split_bytes}}}
stages:
  - word_count
"""


def real_pages(data: Path) -> list[bytes]:
    """The pages of html_gold as they were fetched."""
    with open(data / "html_gold" / "trafilatura_eval.tar.zst", "rb") as file:
        stream = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            members = ((member, archive.extractfile(member)) for member in archive if member.isfile())
            return [found.read() for member, found in members if found and member.name.endswith((".html", ".htm"))]


def changed(page: bytes, rng: random.Random) -> bytes:
    """The page with words of its own as further paragraphs."""
    words = re.findall(rb"[A-Za-z]{3,12}", page[:20_000]) or [b"word"]

    def before(found: re.Match[bytes]) -> bytes:
        more = b"<p>" + b" ".join(rng.choices(words, k=rng.randrange(5, 40))) + b".</p>" if rng.random() < 0.2 else b""
        return more + found[0]

    return PARAGRAPH.sub(before, page)


def record(kind: str, number: int, media: str, content: bytes) -> bytes:
    """A record."""
    header = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2024-04-25T16:24:44Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{kind[:4]}-{number:012d}>\r\nWARC-Target-URI: https://example.org/{number}\r\n"
        f"Content-Type: {media}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return header.encode() + content + b"\r\n\r\n"


def member(content: bytes) -> bytes:
    """A gzip member."""
    return gzip.compress(content, 6)


def packed(page: bytes, number: int, pack: Callable[[bytes], bytes]) -> bytes:
    """Three records of a changed page."""
    body = changed(page, random.Random(number))
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: x\r\n\r\n" + body
    request = f"GET /{number} HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x\r\n\r\n".encode()
    return (
        pack(record("request", number, "application/http; msgtype=request", request))
        + pack(record("response", number, "application/http; msgtype=response", answer))
        + pack(record("metadata", number, "application/warc-fields", b"fetchTimeMs: 97\r\n"))
    )


def make_archive(path: Path, pages: list[bytes], size: int, workers: int) -> int:
    """Write the archive, packed if its name says so; returns how many pages it has."""
    pack = member if path.suffix == ".gz" else bytes
    number = 0
    with open(path, "wb") as file, ProcessPoolExecutor(workers) as pool:
        file.write(pack(record("warcinfo", 0, "application/warc-fields", b"software: benchmarks/warc.py\r\n")))
        while file.tell() < size:
            order = random.Random(number).sample(pages, len(pages))
            numbers = range(number, number + len(order))
            for content in pool.map(packed, order, numbers, repeat(pack), chunksize=16):
                file.write(content)
                number += 1
                if file.tell() >= size:
                    break
    return number


class Extraction:
    """The stage ``extract`` with its model, as the source brings it."""

    def __init__(self, config: Any) -> None:
        from pipeline.sources.warc import SOURCE
        from stages import catalogue

        ((kind, self.config),) = SOURCE.stages(config)
        stage = catalogue.stage(kind)
        assert isinstance(stage, RowStage)
        self.stage = stage
        self.model = stage.load(self.config, {name: str(file) for name, file in stage.resources(self.config).items()})

    def seconds(self, rows: Any) -> float:
        """CPU time for one batch."""
        started = time.process_time()
        self.stage.apply(rows, self.config, self.model)
        return time.process_time() - started


def batches(archive: str, split_bytes: int, indices: range) -> Iterator[Any]:
    """Batches of some partitions."""
    from pipeline.sources.warc import SOURCE, WarcConfig

    config = WarcConfig(path=archive, split_bytes=split_bytes)
    partitions = SOURCE.split("crawl", config)
    for index in indices:
        if index < len(partitions):
            yield from SOURCE.read(partitions[index], config)


def extract_alone(archive: str, split_bytes: int, worker: int, workers: int) -> dict[str, float]:
    """The extractor over pages in memory, after one batch that loads it."""
    from pipeline.sources.warc import WarcConfig

    extraction = Extraction(WarcConfig(path=archive))
    held, size = [], 0
    for batch in batches(archive, split_bytes, range(worker, 1000, workers)):
        held.append(batch.rows)
        size += batch.rows.column("text").nbytes
        if size > SAMPLE_BYTES:
            break
    extraction.seconds(held[0])
    return {"bytes": size, "seconds": sum(extraction.seconds(rows) for rows in held)}


def read_and_extract(archive: str, split_bytes: int, worker: int, workers: int) -> dict[str, float]:
    """Every partition that is this worker's turn."""
    from pipeline.sources.warc import WarcConfig

    extraction = Extraction(WarcConfig(path=archive))
    extraction.seconds(next(batches(archive, split_bytes, range(1))).rows.slice(0, 4))
    pages, size, extracting = 0, 0, 0.0
    started, wall = time.process_time(), time.perf_counter()
    for batch in batches(archive, split_bytes, range(worker, 10**6, workers)):
        pages += batch.rows.num_rows
        size += batch.rows.column("text").nbytes
        extracting += extraction.seconds(batch.rows)
    seconds, wall = time.process_time() - started, time.perf_counter() - wall
    peak = peak_bytes()
    return {"pages": pages, "bytes": size, "seconds": seconds, "wall": wall, "extracting": extracting, "peak": peak}


def in_processes(work: Any, archive: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    """The work in fresh processes at once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, context) as pool:
        asked = [
            pool.submit(work, str(archive), options.split_bytes, worker, options.workers)
            for worker in range(options.workers)
        ]
        return [future.result() for future in asked]


def commits(root: Path) -> set[Path]:
    """Commit records of the run so far."""
    return {path for path in (root / "store").rglob("*.json") if "commit" in str(path)}


def start(root: Path, archive: Path, options: argparse.Namespace) -> subprocess.Popen[str]:
    """Start ``gristmill run``."""
    recipe = root / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root, archive=archive, split_bytes=options.split_bytes))
    chosen = ["--executor", options.executor, "--workers", str(options.workers)]
    return subprocess.Popen(
        [*COMMAND, "run", str(recipe), *chosen], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def killed_and_resumed(root: Path, archive: Path, options: argparse.Namespace) -> dict[str, float]:
    """Kill the run at about half of its tasks, and run it to its end. Returns how many tasks were done when."""
    tasks = -(-archive.stat().st_size // options.split_bytes)
    process = start(root, archive, options)
    while len(commits(root)) < max(1, tasks // 2) and process.poll() is None:
        time.sleep(0.05)
    kill_all(process)
    before = {path: path.stat().st_mtime_ns for path in commits(root)}
    finish(start(root, archive, options))
    after = {path: path.stat().st_mtime_ns for path in commits(root)}
    kept = sum(after.get(path) == stamp for path, stamp in before.items())
    run = load_run(str(root / "runs" / "warc"))
    found = [commit for block in run.blocks for commit in block.open().read_many(block.units)]
    peak = max(commit.peak_bytes for commit in found)
    return {"tasks": len(after), "done_before_kill": len(before), "kept": kept, "peak_memory_mb": peak / 1e6}


def main() -> None:
    """Print all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("GRISTMILL_DATA"), required=False)
    parser.add_argument("--gigabytes", type=float, default=1.5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--split-bytes", type=int, default=128 * 2**20)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--plain", action="store_true", help="an archive that is not compressed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        archive = root / ("pages.warc" if options.plain else "pages.warc.gz")
        size = int(options.gigabytes * 10**9)
        count = make_archive(archive, real_pages(Path(options.data)), size, options.workers)
        alone = in_processes(extract_alone, archive, options)
        both = in_processes(read_and_extract, archive, options)
        assert sum(found["pages"] for found in both) == count
        total = sum(found["bytes"] for found in both)
        own = sum(found["bytes"] for found in alone) / sum(found["seconds"] for found in alone)
        whole = total / sum(found["seconds"] for found in both)
        reading = total / sum(found["seconds"] - found["extracting"] for found in both)
        figures = {
            "pages": count,
            "html_mb": total / 1e6,
            "extractor_alone_mb_per_s": own / 1e6,
            "reading_mb_per_s": reading / 1e6,
            "reading_and_extraction_mb_per_s": whole / 1e6,
            "wall_mb_per_s": total / max(found["wall"] for found in both) / 1e6,
            "share_of_extractor_alone": whole / own,
            "share_of_extractor_within": sum(f["extracting"] for f in both) / sum(f["seconds"] for f in both),
            "peak_memory_mb": max(found["peak"] for found in both) / 1e6,
            "killed": killed_and_resumed(root, archive, options),
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, gristmill.ROOT)
    main()
