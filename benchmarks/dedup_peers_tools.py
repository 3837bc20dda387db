"""Deduplication by Gristmill and its peers as commands: what each is given, what it costs, and what it leaves.

:mod:`benchmarks.dedup_peers` compares them. Each command gets a folder of JSON Lines and an empty one for its output.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BANDS, ROWS, NGRAM = 14, 8, 5
PR_SET_CHILD_SUBREAPER = 36
HERE = Path(__file__).parent

RECIPE = """
name: job
store: {out}/store
runs: {out}/runs
sources:
  corpus: {{kind: jsonl, path: "{documents}/*.jsonl"}}
stages:
  - normalize
  - {stage}
"""
BLOOM = """
documents: ["{documents}/*.jsonl"]
dedupe: {{name: copies, skip_empty: true, {what}}}
bloom_filter: {{file: "{out}/bloom.bin", read_only: false, estimated_doc_count: {entries},
  desired_false_positive_rate: 1.0e-6}}
processes: {workers}
"""
MIX = """
streams:
  - name: kept
    documents: ["{documents}/*.jsonl"]
    attributes: [copies]
    output: {{path: "{out}/kept"}}
    {what}
processes: {workers}
"""
DATA_JUICER = """
project_name: job
dataset_path: {documents}
export_path: {out}/kept.jsonl
np: {workers}
use_cache: false
open_tracer: false
process:
  - document_minhash_deduplicator: {{tokenization: space, window_size: {ngram}, lowercase: true,
      num_permutations: {lanes}, num_bands: {bands}, num_rows_per_band: {rows}}}
"""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processors: of the command and all processes that it started."""

    wall: float
    processor: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.processor + other.processor)

    def times(self, factor: float) -> Cost:
        """As much for so many times the input."""
        return Cost(self.wall * factor, self.processor * factor)

    def less(self, start: Cost) -> Cost:
        """Without the start."""
        return Cost(self.wall - start.wall, self.processor - start.processor)


@dataclass(frozen=True)
class Job:
    """Documents in a folder named ``documents``, an empty folder for all output, and processes to use."""

    documents: Path
    out: Path
    workers: int

    @property
    def size(self) -> int:
        """Bytes of the documents."""
        return sum(file.stat().st_size for file in self.documents.glob("*.jsonl"))

    def write(self, name: str, text: str) -> Path:
        """A settings file in the output folder."""
        path = self.out / name
        path.write_text(text)
        return path


Tool = Callable[[Job], tuple[Cost, int]]
"""Does the job. Returns what it cost, and the documents that are left (for lines: bytes)."""


class Missing(Exception):
    """A peer that is not there or fails."""


def spend(command: Sequence[object], out: Path, **environment: str) -> Cost:
    """Run a command, its output into a log. Raises Missing with the log's last line if it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with open(out / "log.txt", "ab") as log:
        parts = [str(part) for part in command]
        failed = subprocess.run(parts, stdout=log, stderr=log, cwd=out, env={**os.environ, **environment}).returncode
    wall = time.monotonic() - started
    _wait_for_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if failed:
        lines = (out / "log.txt").read_text(errors="replace").strip().splitlines()
        raise Missing(f"failed ({failed}): {lines[-1] if lines else 'no message'}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parent ends, so that their time counts: datatrove has such workers."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _wait_for_orphans() -> None:
    with suppress(ChildProcessError):
        while True:
            os.wait()


def ours(stage: str, job: Job, **environment: str) -> tuple[Cost, int]:
    """A run with normalize and the stage."""
    recipe = job.write("recipe.yaml", RECIPE.format(out=job.out, documents=job.documents, stage=stage))
    code = f"import sys; sys.path.insert(0, {str(HERE.parent)!r}); import gristmill; gristmill.main()"
    command = [sys.executable, "-c", code, "run", recipe, "--executor", "local", "--workers", job.workers]
    cost = spend(command, job.out, **environment)
    kept = json.loads((job.out / "runs" / "job" / "report.json").read_text())["kept"]["total"]
    return cost, kept["bytes" if stage == "line_dedup" else "documents"]


def our_marks(stage: str, job: Job) -> tuple[Cost, int]:
    """A run with normalize and the stage that ends once it is decided, and stored, what goes."""
    recipe = job.write("recipe.yaml", RECIPE.format(out=job.out, documents=job.documents, stage=stage))
    return spend([sys.executable, HERE / "dedup_peers_marks.py", recipe, job.workers], job.out), 0


def datatrove(job: Job) -> tuple[Cost, int]:
    """Its four stages."""
    command = [sys.executable, HERE / "dedup_peers_datatrove.py", job.documents, job.out, job.workers]
    return spend(command, job.out), _lines(job.out.glob("kept/*.jsonl"))


def rensa(sketch: str, folder: Path, job: Job) -> tuple[Cost, int]:
    """Its sketches and index; reading and shingles in Python, as its users have to."""
    command = [_python(folder), "-P", HERE / "dedup_peers_rensa.py", job.documents, job.out, sketch]
    return spend(command, job.out, RAYON_NUM_THREADS=str(job.workers)), _lines(job.out.glob("kept.jsonl"))


def text_dedup(folder: Path, job: Job) -> tuple[Cost, int]:
    """Its script for MinHash, with the faster of its hashes."""
    settings = {
        "path": "json", "data_files": f"{job.documents}/*.jsonl", "split": "train", "column": "text",
        "cache_dir": job.out / "cache", "output": job.out / "kept", "num_proc": job.workers, "ngram": NGRAM,
        "num_perm": BANDS * ROWS, "b": BANDS, "r": ROWS, "hash_func": "xxh3",
    }  # fmt: skip
    command = [_python(folder), "-m", "text_dedup.minhash"]
    command += [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
    cost = spend(command, job.out, HF_HOME=str(job.out / "hf"), COLUMNS="200")
    return cost, int(re.findall(r"After\s*:\s*(\d+)", (job.out / "log.txt").read_text())[-1])


def data_juicer(folder: Path, job: Job) -> tuple[Cost, int]:
    """Its operator, by its command."""
    shape = {"ngram": NGRAM, "lanes": BANDS * ROWS, "bands": BANDS, "rows": ROWS}
    settings = DATA_JUICER.format(documents=job.documents, out=job.out, workers=job.workers, **shape)
    command = [_python(folder).with_name("dj-process"), "--config", job.write("job.yaml", settings)]
    return spend(command, job.out, HF_HOME=str(job.out / "hf")), _lines(job.out.glob("kept.jsonl"))


def dolma(what: str, folder: Path, job: Job, *, mix: bool = True) -> tuple[Cost, int]:
    """Its Bloom filter, and its mixer, which leaves out what the filter has seen before and writes the rest."""
    found, left_out = {
        "documents": (
            "documents: {attribute_name: copy, key: $.text}",
            'filter: {exclude: [".attributes.copy | length > 0"], syntax: jq}',
        ),
        "lines": (
            "paragraphs: {attribute_name: copy}",
            "span_replacement: [{span: $.attributes.copy, min_score: 0.5, replacement: ''}]",
        ),
    }[what]
    values = {
        "documents": _linked(job.documents, job.out / "input" / "documents"),
        "out": job.out,
        "workers": job.workers,
        "entries": max(job.size // 300, 1000),
    }
    program = _python(folder).with_name("dolma")
    cost = spend([program, "-c", job.write("dedupe.yaml", BLOOM.format(what=found, **values)), "dedupe"], job.out)
    if not mix:
        return cost, 0
    cost += spend([program, "-c", job.write("mix.yaml", MIX.format(what=left_out, **values)), "mix"], job.out)
    kept = list(_kept_by_dolma(job.out / "kept"))
    return cost, sum(kept) if what == "lines" else len(kept)


def _linked(documents: Path, target: Path) -> Path:
    """The files again in a folder of its own: dolma writes beside its input."""
    target.mkdir(parents=True)
    for file in documents.glob("*.jsonl"):
        os.link(file.resolve(), target / file.name)
    return target


def _kept_by_dolma(folder: Path) -> Iterator[int]:
    """Bytes of the texts that its mixer wrote."""
    for file in folder.iterdir():
        packed = subprocess.run(["gzip", "-dcf", file], capture_output=True, check=True).stdout
        for line in packed.splitlines():
            yield len(json.loads(line)["text"].encode())


def _python(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        raise Missing(f"no virtual environment {folder.name} under --peers")
    return python


def _lines(files: Iterator[Path]) -> int:
    return sum(file.read_bytes().count(b"\n") for file in files)
