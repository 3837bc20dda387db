"""Write a large JSONL corpus out of the real prose: every copy of a document is changed a little, some are not.

    python benchmarks/make_corpus.py OUT --megabytes 2048 --duplicates 0.1

Documents are the articles as they are and the novels cut into pieces of about 6,000 characters. Each round over
them replaces every 40th word or so by another word of the same document, so that rounds differ; a share of
documents is written again unchanged. Reads the folder from GRISTMILL_DATA.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import zstandard

PIECE = 6000
FILE_BYTES = 256 * 2**20


def documents(data: Path, names: list[str]) -> Iterator[str]:
    """Texts of the named files, long ones cut into pieces at line ends."""
    for name in names:
        with open(data / name, "rb") as raw:
            stream = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(raw, read_across_frames=True)
            for line in io.TextIOWrapper(stream, encoding="utf-8"):
                yield from pieces(json.loads(line)["text"])


def pieces(text: str) -> Iterator[str]:
    """The text, or parts of it of about PIECE characters."""
    if len(text) < 40 * PIECE:
        yield text
        return
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE)
        end = len(text) if end < 0 else end + 1
        yield text[start:end]
        start = end


def changed(text: str, rng: random.Random) -> str:
    """The text with about every 40th word replaced by another of its words."""
    words = text.split(" ")
    for _ in range(1 + len(words) // 40):
        words[rng.randrange(len(words))] = words[rng.randrange(len(words))]
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--duplicates", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", nargs="*", default=["prose_en/lctt_sources_history.jsonl.zst", "prose_en/100_english_novels.jsonl.zst"])
    options = parser.parse_args()
    base = list(documents(Path(os.environ["GRISTMILL_DATA"]), options.files))
    rng = random.Random(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    written = number = file_number = 0
    out = open(options.out / f"{file_number:04d}.jsonl", "wb")
    while written < options.megabytes * 10**6:
        text = base[number % len(base)]
        if rng.random() >= options.duplicates:
            text = changed(text, rng)
        line = json.dumps({"id": f"d{number}", "text": text}, ensure_ascii=False).encode() + b"\n"
        if out.tell() + len(line) > FILE_BYTES:
            out.close()
            file_number += 1
            out = open(options.out / f"{file_number:04d}.jsonl", "wb")
        out.write(line)
        written += len(line)
        number += 1
    out.close()
    print(f"{number:,} documents, {written / 1e6:,.0f} MB in {file_number + 1} files")


if __name__ == "__main__":
    main()
