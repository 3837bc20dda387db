"""Write a large JSONL corpus of real prose in which a known share of the documents are near-duplicates of earlier ones.

    python -m benchmarks.dedup_peers_corpus OUT --megabytes 2048 --duplicates 0.3

A document is 4 to 14 paragraphs drawn from the articles and novels, so that there are as many different documents as
one wants: each paragraph comes up again and again, but two documents share one at most as a rule. A planted copy is an
earlier document with one or several of these changes: some words replaced, a paragraph left out or added, a frame of
boilerplate around it; one in ten has none. The first files are a corpus of the same kind by themselves, because copies
are made of earlier documents only. A copy's id names what it was made from (``d17-of-d4``). Reads GRISTMILL_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks.make_corpus import ENGLISH, JsonlFiles, documents

PARAGRAPHS = (4, 14)
CHARACTERS = (200, 2000)
"""Shortest and longest paragraph that is used: headings and lists would be in many documents."""
WORDS_REPLACED = 0.03
"""Largest share of words that a copy has other than its original; .03 alone leaves a similarity of about .75."""
FRAME = "Home | News | About | Contact", "All rights reserved. Reprinting with a link to this page is welcome."
JOIN = json.dumps("\n\n")[1:-1]


def paragraphs(data: Path) -> list[str]:
    """The paragraphs of the articles and novels, escaped for JSON, each once."""
    found: dict[str, None] = {}
    for text in documents(data, ENGLISH):
        for line in text.replace("\r", "").split("\n"):
            if CHARACTERS[0] <= len(line) <= CHARACTERS[1]:
                found[json.dumps(line, ensure_ascii=False)[1:-1]] = None
    return list(found)


def edited(parts: list[str], pool: list[str], rng: random.Random) -> list[str]:
    """The paragraphs of a document with some changes, or with none."""
    if rng.random() < 0.1:
        return parts
    parts = _replaced(parts, rng.random() * WORDS_REPLACED, rng)
    if rng.random() < 0.2:
        del parts[rng.randrange(len(parts))]
    if rng.random() < 0.2:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(pool))
    return [FRAME[0], *parts, FRAME[1]] if rng.random() < 0.2 else parts


def _replaced(parts: list[str], share: float, rng: random.Random) -> list[str]:
    """The paragraphs with that share of words replaced by others of the document."""
    words = [part.split(" ") for part in parts]
    for _ in range(int(share * sum(map(len, words)))):
        line, other = rng.choice(words), rng.choice(words)
        line[rng.randrange(len(line))] = rng.choice(other)
    return [" ".join(line) for line in words]


def corpus(pool: list[str], duplicates: float, rng: random.Random) -> Iterator[tuple[str, list[str]]]:
    """(id, paragraphs) of documents without end. Only the places of an original's paragraphs are remembered."""
    originals: list[tuple[str, list[int]]] = []
    number = 0
    while True:
        if originals and rng.random() < duplicates:
            name, places = rng.choice(originals)
            yield f"d{number}-of-{name}", edited([pool[place] for place in places], pool, rng)
        else:
            places = [rng.randrange(len(pool)) for _ in range(rng.randint(*PARAGRAPHS))]
            originals.append((f"d{number}", places))
            yield f"d{number}", [pool[place] for place in places]
        number += 1


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=int, default=2048)
    parser.add_argument("--duplicates", type=float, default=0.3)
    parser.add_argument("--file-megabytes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pool = paragraphs(Path(os.environ["GRISTMILL_DATA"]))
    out = JsonlFiles(options.out, options.file_megabytes * 10**6)
    planted = count = 0
    for name, parts in corpus(pool, options.duplicates, random.Random(options.seed)):
        out.write(f'{{"id": "{name}", "text": "{JOIN.join(parts)}"}}\n'.encode())
        count, planted = count + 1, planted + ("-of-" in name)
        if out.bytes >= options.megabytes * 10**6:
            break
    print(f"{count:,} documents, {planted:,} of them planted copies, {out.bytes / 1e6:,.0f} MB in {out.files} files")


if __name__ == "__main__":
    main()
