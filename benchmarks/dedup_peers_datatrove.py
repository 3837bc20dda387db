"""datatrove's four stages of MinHash deduplication over a folder of JSON Lines, with 14 buckets of 8 and 5-grams.

    python dedup_peers_datatrove.py DOCUMENTS OUT WORKERS

One task a file, the kept documents as JSON Lines without compression, which is its fastest way. The module
``dedup_peers`` runs it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the stages one after the other."""
    documents, out, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    dedup = import_module("datatrove.pipeline.dedup.minhash")
    reader = import_module("datatrove.pipeline.readers").JsonlReader
    writer = import_module("datatrove.pipeline.writers").JsonlWriter
    executor = import_module("datatrove.executor").LocalPipelineExecutor
    config = dedup.MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)

    def run(name: str, steps: list[Any], tasks: int) -> None:
        executor(steps, tasks=tasks, workers=workers, logging_dir=f"{out}/logs/{name}").run()

    files = len(list(Path(documents).glob("*.jsonl")))
    run("signature", [reader(documents), dedup.MinhashDedupSignature(f"{out}/signatures", config=config)], files)
    run("buckets", [dedup.MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)], 14)
    run("cluster", [dedup.MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config)], 1)
    kept = writer(f"{out}/kept", output_filename="${rank}.jsonl", compression=None)
    run("filter", [reader(documents), dedup.MinhashDedupFilter(f"{out}/remove"), kept], files)


if __name__ == "__main__":
    main()
