"""What the stage ``topic`` says of texts whose topic is known, and how fast it is.

    python -m benchmarks.topic $GRISTMILL_DATA

Texts without URLs: modules of the standard library (code), five problems of MATH with solutions in a row (math), and
English and Chinese articles on Linux, many with commands in them (none of the topics). Speed is of the whole stage, in
CPU time of one process, the best of five turns.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import zstandard

from stages.topic import STAGE, TopicConfig

TURNS = 5


def records(path: Path) -> Iterator[dict[str, str]]:
    """Lines of a ``.jsonl.zst``."""
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def corpora(data: Path) -> Iterator[tuple[str, list[str]]]:
    """Name → texts."""
    stdlib = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    yield "standard library", [path.read_text(encoding="utf-8", errors="replace") for path in stdlib]
    solved = [f"{row['problem']}\n{row['solution']}" for row in records(data / "benchmarks/math/test.jsonl.zst")]
    yield "MATH by five", ["\n\n".join(solved[at : at + 5]) for at in range(0, len(solved), 5)]
    for name in ("prose_en/lctt_sources_history", "prose_zh/lctt_published"):
        yield name, [row["text"] for row in records(data / f"{name}.jsonl.zst")]


def main(data: Path) -> None:
    """Print a line for each corpus."""
    config = TopicConfig()
    for name, texts in corpora(data):
        url, domain = pa.nulls(len(texts), pa.string()), pa.array(["web"] * len(texts))
        batch = pa.record_batch({"text": pa.array(texts, pa.large_string()), "url": url, "domain": domain})
        seconds = []
        for _ in range(TURNS):
            started = time.process_time()
            applied = STAGE.apply(batch, config, None)
            seconds.append(time.process_time() - started)
        told = Counter(applied.columns["domain"].to_pylist())
        size = sum(len(text.encode()) for text in texts) / 1e6
        print(f"{name:32} {len(texts):6} {size:6.1f} MB {size / min(seconds):5.0f} MB/s  {dict(told.most_common())}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
