"""What whole runs find of planted and of real near-duplicates, by true similarity, beside what the curves say.

    python -m benchmarks.near_duplicates [--documents 50000]

Reads GRISTMILL_DATA. For English, Chinese, Japanese, Thai and code, 1,000 or more pairs of a text and an edited version
(pieces replaced, deleted and repeated, lines wrapped anew, case and punctuation changed, the end cut off, a frame of
boilerplate); for Chinese also real revisions. Then the mixed corpus of ``benchmarks.near_recall``. Each is a run of
``minhash_dedup`` with its defaults, and one with exact verification. Printed for every bin of similarity:

* pairs; how many shared a key and were compared, with the S-curve's number and its standard error;
* how many were verified, with the verified curve's number (exact: the S-curve's, above the threshold);

and for the run the share of dropped documents whose true similarity to their survivor is at least threshold − .1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.near_recall import corpus
from stages.dedup.lsh import match_probability, verified_probability
from stages.dedup.minhash_dedup import MinHashDedup, shape
from tests.pipeline.near_runs import Member, decided, near_run, pairs
from tests.stages.dedup.test_recall import EDIT_EVERY, compared, lines_of, planted, sample_texts

CONFIG = MinHashDedup()
FORM = shape(CONFIG)
LOWEST = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
REVISIONS = "near_dup/lctt_zh_revision_pairs_1-1000.jsonl.zst"
Floats = npt.NDArray[np.float64]


def planted_pairs(kind: str, data: Path) -> list[tuple[str, str]]:
    """Texts and their edited versions."""
    draw = random.Random(f"edits of {kind}")
    return [(text, planted(text, EDIT_EVERY[kind], draw)) for text in sample_texts(kind, data)]


def curve(true: Floats, verify: str) -> Floats:
    """Probability that a pair of each similarity is verified."""
    if verify == "exact":
        return match_probability(true, FORM.bands, FORM.rows) * (true >= CONFIG.threshold)
    return np.array([verified_probability(float(s), FORM.bands, FORM.rows, CONFIG.threshold) for s in true])


def precision(lines: dict[str, Member], texts: dict[str, str]) -> str:
    """Of the dropped documents."""
    gone = [(texts[name], texts[line.survivor]) for name, line in lines.items() if name != line.survivor]
    true = compared([text for pair in gone for text in pair])[0]
    shares = [(true >= np.float32(limit)).mean() for limit in (CONFIG.threshold - 0.1, CONFIG.threshold)]
    return f"{len(gone):,} dropped, {shares[0]:.4f} of them at threshold - .1, {shares[1]:.4f} at the threshold"


def show(name: str, texts: dict[str, str], asked: list[tuple[str, str]]) -> None:
    """Run, and print what becomes of the asked pairs of ids."""
    true = compared([texts[one] for pair in asked for one in pair])[0].astype(np.float64)
    for verify in ("estimate", "exact"):
        with tempfile.TemporaryDirectory() as folder:
            found = near_run(Path(folder), texts, f"{{verify: {verify}}}")
            left = [pairs(found, kind) for kind in ("link", "verify")]
            lines = decided(found)
        print(f"\n{name}, verify: {verify}: {len(texts):,} documents, {precision(lines, texts)}")
        print("similarity   pairs  compared  S-curve      ±  verified    curve      ±")
        there = [np.array([frozenset(pair) in one for pair in asked]) for one in left]
        said = [match_probability(true, FORM.bands, FORM.rows), curve(true, verify)]
        for low in LOWEST:
            inside = (true >= low) & (true < (low + 0.1 if low < 0.9 else 2))
            cells = [
                f"{hit[inside].sum():8} {p[inside].sum():8.1f} {np.sqrt((p * (1 - p))[inside].sum()):6.1f}"
                for hit, p in zip(there, said, strict=True)
            ]
            print(f"{low:.1f} - {low + 0.1:.1f}  {inside.sum():6}  {'  '.join(cells)}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=50_000, help="of the mixed corpus")
    options = parser.parse_args()
    data = Path(os.environ["GRISTMILL_DATA"])
    sets = {kind: planted_pairs(kind, data) for kind in EDIT_EVERY}
    rows = [json.loads(line) for line in lines_of(data / REVISIONS) if line]
    sets["Chinese revisions"] = [(row["a"], row["b"]) for row in rows]
    for name, versions in sets.items():
        texts = {f"{side}{k}": text for k, pair in enumerate(versions) for side, text in zip("ab", pair, strict=True)}
        show(name, texts, [(f"a{k}", f"b{k}") for k in range(len(versions))])
    batch, planted_rows = corpus(data, options.documents, random.Random(3))
    texts = {str(row): text for row, text in enumerate(batch.column("text").to_pylist())}
    show("mixed", texts, [(str(one), str(other)) for one, other in planted_rows.tolist()])


if __name__ == "__main__":
    main()
