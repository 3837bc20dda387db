"""Whole runs of ``minhash_dedup``: what they find of labelled, planted and real near-duplicates."""

from __future__ import annotations

import json
import random
import re
import textwrap
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.near_recall import corpus as mixed_corpus
from pipeline.runs import Run, run_books
from stages.dedup.lsh import match_probability, verified_probability
from tests.pipeline.near_runs import Member, clusters, decided, near_run, pairs
from tests.stages.dedup.test_recall import (
    BANDS,
    EDIT_EVERY,
    ROWS,
    THRESHOLD,
    assert_on_curve,
    compared,
    lines_of,
    planted,
    sample_texts,
)

Bools = npt.NDArray[np.bool_]
KINDS = ["english", "chinese", "japanese", "thai", "code"]


def found_pairs(found: Run, kind: str, count: int) -> Bools:
    """Whether the documents ``a<k>`` and ``b<k>`` are among the pairs that a phase left."""
    left = pairs(found, kind)
    return np.array([frozenset((f"a{k}", f"b{k}")) in left for k in range(count)])


def in_pairs(versions: list[tuple[str, str]]) -> dict[str, str]:
    return {f"{side}{k}": text for k, version in enumerate(versions) for side, text in zip("ab", version, strict=True)}


def truths(lines: dict[str, Member], texts: dict[str, str]) -> npt.NDArray[np.float32]:
    """True similarity of each dropped document to its survivor."""
    gone = [(texts[name], texts[line.survivor]) for name, line in lines.items() if name != line.survivor]
    return compared([text for pair in gone for text in pair])[0]


@pytest.mark.data
@pytest.mark.parametrize("count", [100, 1000])
@pytest.mark.parametrize("verify", ["estimate", "exact"])
def test_mccormick(count: int, verify: str, tmp_path: Path, real_data: Path) -> None:
    """Every labelled pair of plagiarised articles is a cluster of two, and nothing else is; the books say so."""
    lines = lines_of(real_data / f"near_dup/mccormick_articles_{count}.train.zst")
    texts = dict(line.split(" ", 1) for line in lines if line)
    truth = (real_data / f"near_dup/mccormick_articles_{count}.truth").read_text().splitlines()
    found = near_run(tmp_path, texts, f"{{verify: {verify}}}")
    assert clusters(decided(found)) == {frozenset(line.split()) for line in truth if line}
    books = run_books(found)
    assert books.unbalanced() == []
    assert books.total("dropped", "minhash_dedup", reason="near_duplicate")[0] == len(truth)


@pytest.mark.data
@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_planted_edits(kind: str, tmp_path: Path, real_data: Path) -> None:
    """A run's candidates lie on the S-curve and its verified pairs on the verified curve, by true similarity.

    Of what it drops 99 % at least is as similar to its survivor as the threshold less .1, and with exact verification
    all of it as the threshold itself.
    """
    draw, every = random.Random(f"edits of {kind}"), EDIT_EVERY[kind]
    versions = [(text, planted(text, every, draw)) for text in sample_texts(kind, real_data)]
    texts, count = in_pairs(versions), len(versions)
    true = compared(list(texts.values()))[0]
    estimated = near_run(tmp_path / "estimate", texts)
    assert_on_curve(true, found_pairs(estimated, "link", count), match_probability(true, BANDS, ROWS))
    expected = np.array([verified_probability(float(s), BANDS, ROWS, THRESHOLD) for s in true])
    assert_on_curve(true, found_pairs(estimated, "verify", count), expected)
    lines = decided(estimated)
    assert len(lines) > 200
    assert (truths(lines, texts) >= np.float32(THRESHOLD - 0.1)).mean() >= 0.99
    exact = near_run(tmp_path / "exact", texts, "{verify: exact}")
    likely = match_probability(true, BANDS, ROWS) * (true >= np.float32(THRESHOLD))
    assert_on_curve(true, found_pairs(exact, "verify", count), likely)
    lines = decided(exact)
    true = truths(lines, texts)
    assert (true >= np.float32(THRESHOLD)).all()
    stored = [line.similarity for name, line in lines.items() if name != line.survivor]
    assert stored == true.tolist()


@pytest.mark.data
@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize(
    ("verify", "least", "precision"), [("estimate", THRESHOLD - 0.1, 0.99), ("exact", THRESHOLD, 1)]
)
def test_precision_on_50_000(verify: str, least: float, precision: float, tmp_path: Path, real_data: Path) -> None:
    """English and Chinese documents, 3 in 13 of them edited versions, several of one among them: what goes is right.

    Of the planted pairs of similarity .9 and more, but for one in 1,000, one goes at least.
    """
    batch, edits = mixed_corpus(real_data, 50_000, random.Random(3))
    texts = {str(row): text for row, text in enumerate(batch.column("text").to_pylist())}
    lines = decided(near_run(tmp_path, texts, f"{{verify: {verify}}}"))
    true = truths(lines, texts)
    assert len(true) > 4000 and (true >= np.float32(least)).mean() >= precision
    versions = [(str(one), str(other)) for one, other in edits.tolist()]
    alike = compared([texts[name] for pair in versions for name in pair])[0] >= np.float32(0.9)
    gone = {name for name, line in lines.items() if name != line.survivor}
    missed = [pair for pair, like in zip(versions, alike, strict=True) if like and not gone & set(pair)]
    assert len(missed) <= alike.sum() / 1000


def rewrapped(text: str, spaced: bool) -> str:
    """Line breaks elsewhere; where there are no spaces also within what would be words."""
    if spaced:
        return textwrap.fill(text, 47, break_long_words=False, break_on_hyphens=False)
    return re.sub(r"([\u0e00-\uffff])([\u0e00-\uffff])([\u0e00-\uffff])", r"\1\2\r\n\3", text)


def shouted(text: str, spaced: bool) -> str:
    """Other case, other punctuation between words, quotation marks around all."""
    return "“" + text.upper().replace(", ", " — ").replace(". ", "!! ").replace("。", "！") + "”"


@pytest.mark.data
@pytest.mark.compiled
@pytest.mark.parametrize("edit", [rewrapped, shouted])
def test_layout_case_and_punctuation_hide_nothing(
    edit: Callable[[str, bool], str], tmp_path: Path, real_data: Path
) -> None:
    """Lines wrapped anew, other case and punctuation: all pairs of all scripts are found, as similar as can be.

    But for English and Chinese in one text: whether names are cut into words depends on how near the characters are.
    """
    texts: dict[str, str] = {}
    for kind in KINDS:
        for number, text in enumerate(islice(sample_texts(kind, real_data), 60)):
            texts |= {f"{kind}{number}-a": text, f"{kind}{number}-b": edit(text, kind in ("english", "code"))}
    lines = decided(near_run(tmp_path, texts))
    assert set(texts) == set(lines) and {line.size for line in lines.values()} == {2}
    least = {kind: min(line.similarity for name, line in lines.items() if name.startswith(kind)) for kind in KINDS}
    assert min(least.pop(kind) for kind in ("chinese", "english")) > 0.95
    assert set(least.values()) == {1}


@pytest.mark.data
@pytest.mark.compiled
def test_chinese_revisions(tmp_path: Path, real_data: Path) -> None:
    """Real revisions of Chinese articles are found as often as the S-curve says for their similarity, bin by bin."""
    lines = lines_of(real_data / "near_dup/lctt_zh_revision_pairs_1-1000.jsonl.zst")
    rows = [json.loads(line) for line in lines if line]
    texts, count = in_pairs([(row["a"], row["b"]) for row in rows]), len(rows)
    stored = np.array([row["jaccard_char5"] for row in rows])
    true = compared(list(texts.values()))[0]
    found = near_run(tmp_path, texts)
    candidate = found_pairs(found, "link", count)
    assert_on_curve(true, candidate, match_probability(true, BANDS, ROWS))
    for low, high in ((0.9, 1.01), (0.8, 0.9), (0.7, 0.8)):
        inside = (stored >= low) & (stored < high)
        expected = match_probability(stored[inside], BANDS, ROWS)
        error = np.sqrt((expected * (1 - expected)).sum())
        assert candidate[inside].sum() >= expected.sum() - 2 * error - 0.5
    by_words = near_run(tmp_path / "words", texts, "{shingles: words}")
    high_bin = (stored >= 0.8) & (stored < 0.9)
    assert found_pairs(by_words, "link", count)[high_bin].sum() < 0.5 * candidate[high_bin].sum()
