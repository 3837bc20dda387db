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
ENGLISH = ["prose_en/lctt_sources_history.jsonl.zst", "prose_en/100_english_novels.jsonl.zst"]


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
    yield from cut_at_line_ends(text, PIECE)


def cut_at_line_ends(text: str, characters: int) -> Iterator[str]:
    """Parts of the text that reach to the first line end behind so many characters."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + characters)
        end = len(text) if end < 0 else end + 1
        yield text[start:end]
        start = end


def changed(text: str, rng: random.Random) -> str:
    """The text with about every 40th word replaced by another of its words."""
    words = text.split(" ")
    for _ in range(1 + len(words) // 40):
        words[rng.randrange(len(words))] = words[rng.randrange(len(words))]
    return " ".join(words)


class JsonlFiles:
    """Numbered files in a folder; a new one is begun before ``file_bytes`` would be passed."""

    def __init__(self, folder: Path, file_bytes: int = FILE_BYTES) -> None:
        self.folder, self.file_bytes = folder, file_bytes
        self.files = self.bytes = 0
        self._room = 0
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, line: bytes) -> None:
        """Append a line."""
        if len(line) > self._room:
            self.files += 1
            self._room = self.file_bytes
            self._path = self.folder / f"{self.files - 1:04d}.jsonl"
            self._path.unlink(missing_ok=True)
        with open(self._path, "ab", buffering=1 << 20) as stream:
            stream.write(line)
        self._room -= len(line)
        self.bytes += len(line)


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--duplicates", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", nargs="*", default=ENGLISH)
    options = parser.parse_args()
    base = list(documents(Path(os.environ["GRISTMILL_DATA"]), options.files))
    rng = random.Random(options.seed)
    out = JsonlFiles(options.out)
    number = 0
    while out.bytes < options.megabytes * 10**6:
        text = base[number % len(base)]
        if rng.random() >= options.duplicates:
            text = changed(text, rng)
        out.write(json.dumps({"id": f"d{number}", "text": text}, ensure_ascii=False).encode() + b"\n")
        number += 1
    print(f"{number:,} documents, {out.bytes / 1e6:,.0f} MB in {out.files} files")


if __name__ == "__main__":
    main()
