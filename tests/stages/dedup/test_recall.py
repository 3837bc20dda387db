"""What is found of real near-duplicates, and of planted ones in five scripts, against what the S-curve says."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from stages.dedup.lsh import match_probability, verified_probability
from stages.kernels.arrow_text import text_view
from stages.kernels.minhash import band_keys, signatures
from stages.kernels.shingle_tables import Units
from stages.kernels.shingles import shingle
from stages.kernels.signatures import equal_share, jaccard_sorted, sorted_sets
from tests.reference import shingles as reference

BANDS, ROWS, N, THRESHOLD = 14, 8, 5, 0.8

INVENTED = {
    "japanese": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。コンピューターのデータを読み込み、"
    "東京の天気を調べて、友達とコーヒーを飲みました",
    "thai": "การศึกษาภาษาไทยเป็นเรื่องสำคัญสำหรับนักเรียนทุกคนในประเทศ และครูต้องเตรียมบทเรียนอย่างดี "
    "วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนใกล้บ้าน",
    "code": "def parse(self, line, *args): return self.items[index] if x != None else {key: value for key, value "
    "in rows}; import os.path as p",
}
"""Sentences whose pieces are put together to texts, where there is no real data."""
EDIT_EVERY = {"english": 25, "code": 25, "chinese": 8, "japanese": 8, "thai": 8}
"""Characters of text to an edit, at the most: fewer where a character is a unit."""

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def lines_of(path: Path) -> list[str]:
    packed = subprocess.run(["zstd", "-dc", "--long=31", path], capture_output=True, check=True)
    return packed.stdout.decode().split("\n")


def compared(texts: Sequence[str], units: Units = "auto") -> tuple[Floats, Bools, Bools]:
    """Of pairs (rows 2k and 2k + 1): true similarity, candidate, verified."""
    view = text_view(pa.array(texts, pa.large_string()))
    lanes = signatures(view, N, BANDS * ROWS, units=units).lanes
    keys = band_keys(lanes, BANDS, ROWS)
    candidate = (keys[::2] == keys[1::2]).any(axis=1)
    estimate = equal_share(lanes[::2].copy(), lanes[1::2].copy(), np.arange(len(candidate)))
    found = shingle(view, N, units)
    values, offsets = sorted_sets(found.hashes, found.offsets)
    pairs = [values[offsets[row] : offsets[row + 1]] for row in range(len(texts))]
    true = np.array([float(_jaccard(pairs[k], pairs[k + 1])) for k in range(0, len(texts), 2)], np.float32)
    return true, candidate, candidate & (estimate >= np.float32(THRESHOLD))


def _jaccard(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> np.float32:
    sizes = [np.array([0, len(values)]) for values in (one, other)]
    return np.float32(jaccard_sorted(one, sizes[0], other, sizes[1], np.zeros(1, np.int64))[0])


def assert_on_curve(true: Floats, found: Bools, expected: npt.NDArray[np.float64]) -> None:
    """In every bin of similarity as many are found as the curve says, within four standard errors and one pair."""
    for low in np.arange(0.4, 1.0, 0.1):
        inside = (true >= low) & (true < low + 0.1)
        variance = (expected[inside] * (1 - expected[inside])).sum()
        difference = found[inside].sum() - expected[inside].sum()
        assert abs(difference) <= 4 * np.sqrt(variance) + 1, (
            f"similarity {low:.1f}: {difference:+.1f} of {inside.sum()}"
        )


def sample_texts(kind: str, folder: Path) -> Iterator[str]:
    """Text of about 3,000 characters, as real as there is."""
    if kind in ("english", "chinese"):
        name = {"english": "prose_en/lctt_sources_history", "chinese": "prose_zh/lctt_published"}[kind]
        for line in lines_of(folder / f"{name}.jsonl.zst")[:1500]:
            if line and len(text := json.loads(line)["text"]) > 2000:
                yield text[:3000]
        return
    draw = random.Random(kind)
    sentences = INVENTED[kind]
    for _ in range(1000):
        parts = [sentences[(at := draw.randrange(len(sentences) - 12)) : at + draw.randint(3, 12)] for _ in range(250)]
        yield (" " if kind == "code" else "").join(parts)


def planted(text: str, every: int, draw: random.Random) -> str:
    """The text after edits as crawls have them, from next to nothing to half of it.

    Pieces replaced, deleted and repeated, lines wrapped anew, case and punctuation changed, the end cut off, a frame
    of boilerplate.
    """
    amount = draw.random() * 0.6
    for _ in range(draw.randint(1, max(1, int(amount * len(text) / every)))):
        at, other = draw.randrange(len(text)), draw.randrange(len(text))
        new = draw.choice(["", text[other : other + 9], "0x7"])
        text = text[:at] + new + text[at + draw.randint(0, 9) :]
    if draw.random() < 0.3:
        text = text[: int(len(text) * (1 - amount / 2))]
    if draw.random() < 0.3:
        text = "Home | About | Login\n" + text + "\n(c) 2024 All rights reserved"
    return text.upper().replace(",", " ") if draw.random() < 0.2 else text.replace("\n", " \n ")


@pytest.mark.data
@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["english", "chinese", "japanese", "thai", "code"])
def test_planted_edits_lie_on_the_curves(kind: str, real_data: Path) -> None:
    """Candidates on the S-curve, verified pairs on the verified curve, by true similarity, in five kinds of text."""
    draw, every = random.Random(f"edits of {kind}"), EDIT_EVERY[kind]
    texts = [version for text in sample_texts(kind, real_data) for version in (text, planted(text, every, draw))]
    assert len(texts) >= 1000
    true, candidate, verified = compared(texts)
    assert np.histogram(true, [0.4, 0.6, 0.7, 0.8, 0.9, 1.0])[0].min() >= 15
    assert_on_curve(true, candidate, match_probability(true, BANDS, ROWS))
    exact = np.array([verified_probability(float(s), BANDS, ROWS, THRESHOLD) for s in true])
    assert_on_curve(true, verified, exact)


@pytest.mark.data
@pytest.mark.compiled
def test_chinese_revisions_are_found(real_data: Path) -> None:
    """Of real revisions, by their similarity in character 5-grams as stored with them, at least the S-curve's share.

    Runs of letters as words, the habit of tools made for English, find a fraction.
    """
    rows = [
        json.loads(line) for line in lines_of(real_data / "near_dup/lctt_zh_revision_pairs_1-1000.jsonl.zst") if line
    ]
    texts = [row[side] for row in rows for side in "ab"]
    stored = np.array([row["jaccard_char5"] for row in rows])
    true, candidate, _ = compared(texts)
    assert_on_curve(true, candidate, match_probability(true, BANDS, ROWS))
    for low, high in ((0.9, 1.01), (0.8, 0.9), (0.7, 0.8)):
        inside = (stored >= low) & (stored < high)
        expected = match_probability(stored[inside], BANDS, ROWS)
        error = np.sqrt((expected * (1 - expected)).sum())
        assert candidate[inside].sum() >= expected.sum() - 2 * error - 0.5
    by_words = compared(texts, "words")[1]
    high_bin = (stored >= 0.8) & (stored < 0.9)
    assert by_words[high_bin].sum() < 0.5 * candidate[high_bin].sum()


@pytest.mark.data
@pytest.mark.parametrize("count", [100, 1000])
def test_mccormick(count: int, real_data: Path) -> None:
    """Every labelled pair of plagiarised articles is a candidate and verified, and no other pair is either.

    The similarity by hashed shingles is that by the shingles themselves.
    """
    rows = dict(
        line.split(" ", 1) for line in lines_of(real_data / f"near_dup/mccormick_articles_{count}.train.zst") if line
    )
    truth_file = real_data / f"near_dup/mccormick_articles_{count}.truth"
    truth = {frozenset(line.split()) for line in truth_file.read_text().splitlines() if line}
    names = list(rows)
    view = text_view(pa.array(list(rows.values()), pa.large_string()))
    keys = band_keys(signatures(view, N, BANDS * ROWS).lanes, BANDS, ROWS)
    buckets: dict[int, list[str]] = {}
    for name, row in zip(names, keys.tolist(), strict=True):
        for key in row:
            buckets.setdefault(key, []).append(name)
    assert {frozenset(pair) for bucket in buckets.values() for pair in combinations(bucket, 2)} == truth
    labelled = [rows[name] for pair in truth for name in sorted(pair)]
    true, _, verified = compared(labelled)
    assert verified.all()
    twins = [reference.jaccard(labelled[k], labelled[k + 1], N) for k in range(0, len(labelled), 2)]
    assert true.tolist() == np.array(twins, np.float32).tolist()
