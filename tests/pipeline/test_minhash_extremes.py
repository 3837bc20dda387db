"""``minhash_dedup`` on corpora that bring other tools down: chains, endless copies, shared boilerplate, no text.

Linear is meant in what is counted: records, candidates and verified pairs a document do not grow with the corpus.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.runs import Run, run_books
from tests.pipeline.near_runs import clusters, counted, decided, near_run
from tests.stages.dedup.test_recall import compared

BANDS = 14
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def word(draw: random.Random) -> str:
    return "".join(draw.choices(SYLLABLES, k=3))


def words(draw: random.Random, count: int) -> list[str]:
    return [word(draw) for _ in range(count)]


def verified(found: Run) -> tuple[int, int]:
    """Pairs that were compared, and that were similar enough."""
    facts = [c.facts for block in found.blocks_of("verify") for c in block.open().read_many(block.units)]
    return sum(fact["candidates"] for fact in facts), sum(fact["verified"] for fact in facts)


@pytest.mark.compiled
@pytest.mark.parametrize("settings", ["{verify: exact}", "{}", "{survivor: [shortest]}"])
def test_a_chain_is_not_a_cluster(settings: str, tmp_path: Path) -> None:
    """Of 2,000 documents, each like the next only, those that go are like their survivor, and a third at least stay.

    They are windows of one text: neighbours have a similarity of .83, the ones after those .68. With verification by
    estimate a pair of .68 may pass now and then.
    """
    text, step, width = words(random.Random(1), 40 * 2000), 18, 196
    texts = {str(k): " ".join(text[k * step : k * step + width]) for k in range(2000)}
    lines = decided(near_run(tmp_path, texts, settings))
    gone = {name: line.survivor for name, line in lines.items() if name != line.survivor}
    assert 500 < len(gone) <= 2000 * 2 / 3
    assert max(len(one) for one in clusters(lines)) <= (3 if "exact" in settings else 4)
    far = [name for name, survivor in gone.items() if abs(int(name) - int(survivor)) > 1]
    assert len(far) <= (0 if "exact" in settings else 10)
    pair = compared([texts[one] for name, survivor in gone.items() for one in (name, survivor)])[0]
    assert (pair >= np.float32(0.8 if "exact" in settings else 0.65)).all()


def copies(count: int, length: int, root: Path) -> Run:
    """Copies of one text of that many words, and a tenth as many empty documents."""
    text = " ".join(words(random.Random(2), length))
    texts = {str(k): text for k in range(count)} | {f"empty{k}": "" for k in range(count // 10)}
    return near_run(root, texts, split_bytes=2**21)


@pytest.mark.compiled
@pytest.mark.slow
@pytest.mark.parametrize("length", [60, 1])
def test_copies(length: int, tmp_path: Path) -> None:
    """100,000 copies of a document, or of a word, are one cluster; each phase has ten times what it has of 10,000."""
    kinds = ("sketch", "link", "gather", "verify", "components", "label", "claim", "resolve")
    found = [(size, copies(size, length, tmp_path / str(size))) for size in (10_000, 100_000)]
    for size, one in found:
        books = run_books(one)
        assert books.unbalanced() == [] and books.total("dropped", "minhash_dedup")[0] == size - 1
        assert {line.size for line in decided(one).values()} == {size}
        assert verified(one) == (2 * size - 3, 2 * size - 3)
    few, many = ([counted(one, kind) for kind in kinds] for _, one in found)
    assert all(9.9 < more / less < 10.1 for less, more in zip(few, many, strict=True)), (few, many)


def with_boilerplate(count: int, root: Path) -> Run:
    draw = random.Random(3)
    banner = " ".join(words(draw, 60))
    texts = {str(k): f"{' '.join(words(draw, 50))}\n\n{banner}" for k in range(count)}
    return near_run(root, texts, split_bytes=2**22)


@pytest.mark.compiled
@pytest.mark.slow
def test_shared_boilerplate(tmp_path: Path) -> None:
    """100,000 documents of which half is the same paragraph: all stay, and none is compared with all others.

    Of each band one document in about 200 has all its lanes from the paragraph, so these share a bucket.
    """
    found = [(size, with_boilerplate(size, tmp_path / str(size))) for size in (10_000, 100_000)]
    for size, one in found:
        candidates, similar = verified(one)
        assert 0.01 < candidates / size < 2 * BANDS / 100
        assert similar <= candidates / 1000
        assert run_books(one).total("dropped", "minhash_dedup")[0] <= similar
    few, many = (verified(one)[0] / size for size, one in found)
    assert 0.7 < many / few < 1.4


@pytest.mark.parametrize("short", ["exact", "skip"])
def test_next_to_no_text(short: str, tmp_path: Path) -> None:
    """Empty documents and those without a letter stay, all of them; of short ones that are equal one stays, or all."""
    texts = {f"empty{k}": ["", " \n", "!?"][k % 3] for k in range(40)}
    texts |= {f"word{k}": ["Word", "word.", "other", "书", "四个汉字"][k % 5] for k in range(40)}
    texts |= {f"few{k}": f"three words {k % 3}" for k in range(40)}
    texts |= {f"unlike{k}": f"u{k} v{k}" for k in range(40)}
    found = near_run(tmp_path, texts, f"{{short: {short}}}")
    lines = decided(found)
    assert not any(name.startswith(("empty", "unlike")) for name in lines)
    assert run_books(found).unbalanced() == []
    sizes = sorted(len(one) for one in clusters(lines))
    assert sizes == ([8, 8, 8, 13, 13, 14, 16] if short == "exact" else [])
