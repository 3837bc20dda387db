"""MB/s of MinHash signatures, ours and the peers', on the same documents.

    python -m benchmarks.minhash /path/to/data [--megabytes 20]

112 lanes of 5-grams, from text to signature, on three sets: English web prose, English novels, Chinese news. Ours is
the whole sketch, with folding, shingling, signature and the 14 band keys. Peers that are not installed are left out:

* datasketch ``MinHash.bulk``, fed with the sets of 5-grams of ``str.split`` in English and of characters in Chinese,
  which are made inside the measured time, as its users have to;
* rensa ``RMinHash``, fed with lists of the same;
* datatrove ``MinhashDedupSignature``, 14 × 8, English only (its own normalization and tokenizer).

Each is measured in turns by the processor time of this process, and the best turn counts; the peers see the first
megabyte of each set, ours all of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stages.kernels.arrow_text import text_view
from stages.kernels.minhash import _least_rows, band_keys, permutations, signatures
from stages.kernels.shingles import shingle

N, BANDS, ROWS = 5, 14, 8
LANES = BANDS * ROWS
TURNS = 5
PEER_BYTES = 1_000_000
SETS = {
    "English web prose": "prose_en/lctt_sources_history.jsonl.zst",
    "English novels": "prose_en/100_english_novels.jsonl.zst",
    "Chinese news": "prose_zh/lctt_published.jsonl.zst",
}

Run = Callable[[Sequence[str]], object]


def documents(path: Path, size: int) -> list[str]:
    """The first texts that have ``size`` bytes together; a longer one is cut."""
    found: list[str] = []
    with subprocess.Popen(["zstd", "-dc", "--long=31", path], stdout=subprocess.PIPE) as packed:
        assert packed.stdout is not None
        for line in packed.stdout:
            text = json.loads(line)["text"][:size]
            found.append(text)
            size -= len(text.encode())
            if size <= 0:
                packed.kill()
                break
    return found


def best_seconds(run: Callable[[], object]) -> float:
    """Processor time of the best of some turns."""
    seconds = []
    for _ in range(TURNS):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return min(seconds)


def ours(texts: pa.Array) -> object:
    """The whole sketch."""
    return band_keys(signatures(text_view(texts), N, LANES).lanes, BANDS, ROWS)


def grams(text: str, chinese: bool) -> list[str]:
    """The shingles of a peer that leaves them to its users."""
    if chinese:
        return [text[k : k + N] for k in range(max(len(text) - N + 1, 1))]
    words = text.split()
    return [" ".join(words[k : k + N]) for k in range(max(len(words) - N + 1, 1))]


def datasketch(chinese: bool) -> Run:
    """All documents in one call."""
    library = import_module("datasketch")
    return lambda texts: library.MinHash.bulk(
        [{gram.encode() for gram in grams(text, chinese)} for text in texts], num_perm=LANES
    )


def rensa(chinese: bool) -> Run:
    """A sketch for each document."""
    library = import_module("rensa")

    def run(texts: Sequence[str]) -> object:
        sketches = [library.RMinHash(num_perm=LANES, seed=1) for _ in texts]
        for sketch, text in zip(sketches, texts, strict=True):
            sketch.update(grams(text, chinese))
        return [sketch.digest() for sketch in sketches]

    return run


def datatrove(chinese: bool) -> Run:
    """What its signature step does to each document."""
    if chinese:
        raise ImportError("needs a tokenizer for Chinese")
    library = import_module("datatrove.pipeline.dedup.minhash")
    config = library.MinhashConfig(n_grams=N, num_buckets=BANDS, hashes_per_bucket=ROWS)
    step: Any = library.MinhashDedupSignature("/dev/null", config=config, language="eng")
    return lambda texts: [step.get_signature(step.get_shingles(text)) for text in texts]


def peers(chinese: bool) -> Iterator[tuple[str, Run | str]]:
    """Name → how it runs, or why it does not."""
    for make in (datasketch, rensa, datatrove):
        try:
            run = make(chinese)
            run(["one two three four five six seven"])
            yield make.__name__, run
        except Exception as problem:  # whatever keeps a peer from running is told, and the others are measured
            yield make.__name__, f"{type(problem).__name__}: {problem}"


def parts(texts: pa.Array) -> str:
    """MB/s of shingling and of the lanes alone."""
    view = text_view(texts)
    found = shingle(view, N)
    lanes = np.empty((len(texts), LANES), np.uint32)
    size = (view.offsets[-1] - view.offsets[0]) / 1e6
    scratch = np.empty(len(view.data), np.uint64)
    shingling = best_seconds(lambda: shingle(view, N, scratch=scratch))
    minimum = best_seconds(lambda: _least_rows(found.hashes, found.offsets, *permutations(LANES), lanes))
    millions = len(found.hashes) / 1e6
    return f"shingling {size / shingling:.0f} MB/s, lanes {size / minimum:.0f} MB/s, {millions:.1f} million shingles"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--megabytes", type=float, default=20)
    options = parser.parse_args()
    for name, file in SETS.items():
        texts = documents(options.data / file, int(options.megabytes * 1e6))
        few = documents(options.data / file, PEER_BYTES)
        chinese = name.startswith("Chinese")
        size, few_size = (sum(len(text.encode()) for text in some) / 1e6 for some in (texts, few))
        array = pa.array(texts, pa.large_string())
        speed = size / best_seconds(lambda array=array: ours(array))  # type: ignore[misc]  # bound for this set
        print(f"{name}: {len(texts)} documents, {size:.1f} MB\n  ours        {speed:8.1f} MB/s  ({parts(array)})")
        for peer, run in peers(chinese):
            if isinstance(run, str):
                print(f"  {peer:<10}  not measured: {run.splitlines()[0]}")
                continue
            peer_speed = few_size / best_seconds(lambda run=run, few=few: run(few))  # type: ignore[misc]
            print(f"  {peer:<10} {peer_speed:9.2f} MB/s  {speed / peer_speed:7.0f} times")


if __name__ == "__main__":
    main()
