"""What the phases of near deduplication take: time, disk and memory, on recombined real prose with planted copies.

    python -m benchmarks.near_phases 100000 [--rounds]

Documents are four paragraphs each of ``prose_en/lctt_sources_history.jsonl.zst`` (GRISTMILL_DATA); 30 % are copies of
earlier ones with up to three words replaced. CPU seconds of this process, phase by phase, with the default settings of
``minhash_dedup``; ``--rounds`` finds components on disk. The costs in :mod:`pipeline.pilot.dedup` come from here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.blocks.sketch import CorpusSpec
from pipeline.blocks.work import Unit, Work
from pipeline.corpus_phases import CorpusPhases
from pipeline.machine import peak_bytes, reset_peak
from pipeline.plan import Block, CorpusBlock, RowsBlock
from pipeline.storage import Folder
from pipeline.store import BlockStore, Commit
from stages.dedup.minhash_dedup import MinHashDedup
from tests.pipeline.blocks.near.corpus_fakes import Phases, split, stored

PROSE = "prose_en/lctt_sources_history.jsonl.zst"
PARTITION_ROWS = 20_000


def documents(count: int) -> list[str]:
    """Recombined paragraphs, 30 % of the documents copies with replaced words."""
    path = f"{os.environ['GRISTMILL_DATA']}/{PROSE}"
    lines = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout.decode().split("\n")
    paragraphs = [
        paragraph
        for line in lines
        if line
        for paragraph in json.loads(line)["text"].split("\n\n")
        if 40 < len(paragraph.split()) < 200
    ]
    rng = random.Random(1)
    texts: list[str] = []
    for _ in range(count):
        if texts and rng.random() < 0.3:
            words = rng.choice(texts).split(" ")
            for _ in range(rng.randrange(4)):
                words[rng.randrange(len(words))] = f"x{rng.randrange(10**6)}"
            texts.append(" ".join(words))
        else:
            texts.append("\n\n".join(rng.choices(paragraphs, k=4)))
    return texts


class Timed(Phases):
    """Prints what each phase took."""

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]:
        reset_peak()
        started = time.process_time()
        commits = super().phase(kind, name, block, work, units)
        files = [file for commit in commits for file in commit.files.values()]
        print(
            f"{kind:12}{len(units):4} units {time.process_time() - started:7.2f} s CPU "
            f"{sum(file.bytes for file in files) / 1e6:9.1f} MB {sum(file.rows for file in files):>10,} rows "
            f"{peak_bytes() / 1e6:7.0f} MB at most"
        )
        return commits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", type=int)
    parser.add_argument("--rounds", action="store_true")
    options = parser.parse_args()
    texts = documents(options.documents)
    size = sum(len(text.encode()) for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        units = stored(Path(folder), split(texts, lambda index: 1 + index // PARTITION_ROWS))
        del texts
        spec = CorpusSpec("near", "minhash_dedup", MinHashDedup())
        before = RowsBlock("rows", "r", units[0].store, (), pa.schema([]))
        block = CorpusBlock("near", "f", BlockStore(Folder(f"{folder}/dedup")), spec, before)
        engine, started = Timed(), time.process_time()
        CorpusPhases(engine, block, 1 if options.rounds else 2**31).run(units)
        spent = time.process_time() - started
    facts = [commit.facts for commit in engine.commits["verify"]]
    found, kept = (sum(fact[name] for fact in facts) for name in ("candidates", "verified"))
    print(
        f"{size / 1e6:.0f} MB in {spent:.1f} s CPU, {size / 1e6 / spent:.0f} MB/s; {found:,} candidates, {kept:,} kept"
    )


if __name__ == "__main__":
    main()
