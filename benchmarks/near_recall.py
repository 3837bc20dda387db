"""What near-duplicate detection finds, and how much of it is right, on real text with planted edits.

    python -m benchmarks.near_recall /path/to/data [--documents 50000]

English web prose and novels and Chinese news are cut into documents of 600 to 2,500 characters; 3 in 13 are edited
versions of others, from one edit to half of the text replaced, several versions of one document among them. All
is decided as in a run, by the default settings and with exact verification. Printed are

* precision: the share of dropped documents whose true similarity to their survivor is at least threshold − .1;
* by true similarity of the planted pairs: how many share a key, how many were compared, and what the S-curve says;
  of the compared ones, how many were verified, and what the verified curve says.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.minhash import SETS, documents
from stages.contract import ADDRESS
from stages.dedup.lsh import match_probability, verified_probability
from stages.dedup.minhash_dedup import MinHashDedup, link, shape, similarity, sketch, threshold
from stages.kernels.claims import claim
from stages.kernels.hashing import hash128_binary

Int64s = npt.NDArray[np.int64]
EDIT_EVERY = (8, 25, 60)
"""Characters of text to an edit, at the most."""


def edited(text: str, draw: random.Random) -> str:
    """Pieces replaced, deleted and repeated, the end cut off, a frame of boilerplate."""
    amount, every = draw.random() * 0.6, draw.choice(EDIT_EVERY)
    for _ in range(draw.randint(1, max(1, int(amount * len(text) / every)))):
        at, other = draw.randrange(len(text)), draw.randrange(len(text))
        text = text[:at] + draw.choice(["", text[other : other + 9], "0x7"]) + text[at + draw.randint(0, 9) :]
    if draw.random() < 0.3:
        text = text[: int(len(text) * (1 - amount / 2))]
    return f"Home | About | Login\n{text}\n(c) 2024 All rights reserved" if draw.random() < 0.3 else text


def corpus(data: Path, size: int, draw: random.Random) -> tuple[pa.RecordBatch, Int64s]:
    """A batch, and int64[pairs, 2]: the rows of an edited version and of what it was made from."""
    texts = []
    for file in SETS.values():
        for text in documents(data / file, 1000 * size):
            texts += [text[at : at + draw.randint(600, 2500)] for at in range(0, len(text) - 600, 2500)]
    draw.shuffle(texts)
    texts = texts[: size * 10 // 13]
    pairs = np.array([(row, draw.randrange(len(texts))) for row in range(len(texts), size)], np.int64)
    texts += [edited(texts[origin], draw) for _, origin in pairs.tolist()]
    column = pa.array(texts, pa.large_string())
    address = pa.array(np.arange(len(texts), dtype=np.uint64))
    return pa.record_batch({ADDRESS: address, "text": column, "content_hash": hash128_binary(column)}), pairs


def candidates(records: pa.RecordBatch, config: MinHashDedup) -> tuple[Int64s, Int64s]:
    """Rows (centre, member) of each pair that is compared, once."""
    order = np.lexsort([records.column(ADDRESS).to_numpy(), records.column("key").to_numpy()])
    found = link(records.take(pa.array(order)), config)
    rows = np.unique(np.stack([found.column(name).to_numpy() for name in ("centre", "member")]), axis=1).astype(
        np.int64
    )
    return rows[0].copy(), rows[1].copy()


def sharing(records: pa.RecordBatch, pairs: Int64s) -> npt.NDArray[np.bool_]:
    """Whether the two rows of each pair share a key."""
    address, key = records.column(ADDRESS).to_numpy().astype(np.int64), records.column("key").to_numpy()
    starts = np.searchsorted(address, np.arange(int(pairs.max()) + 2))
    keys = {row: set(key[starts[row] : starts[row + 1]].tolist()) for row in np.unique(pairs).tolist()}
    return np.array([bool(keys[one] & keys[other]) for one, other in pairs.tolist()])


def main() -> None:
    """Print precision and recall."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--documents", type=int, default=50_000)
    options = parser.parse_args()
    batch, pairs = corpus(options.data, options.documents, random.Random(3))
    exact = MinHashDedup(verify="exact")
    sets = sketch(batch, exact).signatures
    if sets.num_rows != batch.num_rows:
        raise SystemExit("a document without a shingle among them")
    for config in (MinHashDedup(), exact):
        records, signed = sketch(batch, config)
        centre, member = candidates(records, config)
        kept = similarity(signed.take(pa.array(member)), signed, centre, config) >= np.float32(threshold(config))
        order = np.lexsort([signed.column(ADDRESS).to_numpy(), signed.column("rank").to_numpy()])
        owner = claim(centre[kept], member[kept], order)
        gone = np.flatnonzero(owner != np.arange(len(owner)))
        true = similarity(sets.take(pa.array(gone)), sets, owner[gone], exact)
        right = [float((true >= np.float32(limit)).mean()) for limit in (config.threshold - 0.1, config.threshold)]
        print(f"{config.verify}: {len(centre)} pairs compared, {kept.sum()} verified, {len(gone)} documents dropped")
        print(f"  precision {right[0]:.4f} at threshold - .1, {right[1]:.4f} at the threshold")
        edges = {frozenset(edge): bool(ok) for *edge, ok in zip(centre.tolist(), member.tolist(), kept, strict=True)}
        _print_recall(config, sets, pairs, sharing(records, pairs), edges)


def _print_recall(
    config: MinHashDedup,
    sets: pa.RecordBatch,
    pairs: Int64s,
    shared: npt.NDArray[np.bool_],
    edges: dict[frozenset[int], bool],
) -> None:
    form = shape(config)
    true = similarity(sets.take(pa.array(pairs[:, 0])), sets, pairs[:, 1].copy(), MinHashDedup(verify="exact"))
    known = [edges.get(frozenset(pair)) for pair in pairs.tolist()]
    compared, verified = np.array([edge is not None for edge in known]), np.array([bool(edge) for edge in known])
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        inside = (true >= np.float32(low)) & (true < np.float32(low + 0.1))
        curve = match_probability(true[inside], form.bands, form.rows)
        line = (
            f"  similarity {low:.1f}-{low + 0.1:.1f}: {inside.sum():5} pairs, share a key {shared[inside].mean():.3f}"
        )
        line += f" (S-curve {curve.mean():.3f}), compared {compared[inside].mean():.3f}"
        if config.verify == "estimate":
            exact = [verified_probability(float(s), form.bands, form.rows, config.threshold) for s in true[inside]]
            line += f", verified {verified[inside].mean():.3f} (curve {np.mean(exact):.3f})"
        print(line)


if __name__ == "__main__":
    main()
