"""Near-duplicates of a folder of JSON Lines by rensa, 112 lanes, 14 bands, 5-grams; runs in an environment that has it.

    python dedup_peers_rensa.py DOCUMENTS OUT all|rho

``all``: its deduplicator, which verifies at .8 and keeps the first of similar documents. ``rho``: its faster pipeline,
which looks at a sample of the shingles and flags every document that has a like; of these none is kept here, as the
flags do not say which are alike. Documents are read and cut into shingles a thousand at a time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path

BANDS, LANES, NGRAM = 14, 112, 5
BATCH = 1000


def batches(folder: Path) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Lines, and the shingles of their texts."""
    for file in sorted(folder.glob("*.jsonl")):
        with open(file, encoding="utf-8") as stream:
            while lines := list(islice(stream, BATCH)):
                yield lines, [shingles(json.loads(line)["text"]) for line in lines]


def shingles(text: str) -> list[str]:
    """Five words in a row."""
    words = text.lower().split()
    return [" ".join(words[place : place + NGRAM]) for place in range(max(len(words) - NGRAM + 1, 1))]


def keep_first(folder: Path, out: Path) -> None:
    """Write what the deduplicator keeps."""
    library = import_module("rensa")
    known = library.RMinHashDeduplicator(threshold=0.8, num_perm=LANES, use_lsh=True, num_bands=BANDS, seed=1)
    number = 0
    with open(out / "kept.jsonl", "w", encoding="utf-8") as sink:
        for lines, sets in batches(folder):
            names = (str(number + place) for place in range(len(sets)))
            kept = known.add_pairs(zip(names, sets, strict=True))
            sink.writelines(line for line, keep in zip(lines, kept, strict=True) if keep)
            number += len(lines)


def unflagged(folder: Path, out: Path) -> None:
    """Write what has no like in its batch or an earlier one."""
    library = import_module("rensa")
    known = library.RMinHashLSH(threshold=0.8, num_perm=LANES, num_bands=BANDS)
    number = 0
    with open(out / "kept.jsonl", "w", encoding="utf-8") as sink:
        for lines, sets in batches(folder):
            matrix = library.RMinHash.digest_matrix_from_token_sets_rho(sets, num_perm=LANES, seed=1)
            flags = known.insert_matrix_and_query_duplicate_flags(matrix, start_key=number)
            sink.writelines(line for line, flag in zip(lines, flags, strict=True) if not flag)
            number += len(lines)


def main() -> None:
    """Run one of the two."""
    {"all": keep_first, "rho": unflagged}[sys.argv[3]](Path(sys.argv[1]), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
