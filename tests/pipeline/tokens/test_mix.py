"""The mix: permutation, packing, schedule, plan and reader."""

from __future__ import annotations

import random
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import GristmillError, StoreError
from pipeline.tokens.mix import membership, windows
from pipeline.tokens.mix.packing import pack
from pipeline.tokens.mix.permutation import permuted
from pipeline.tokens.mix.plan import MixPlan, allocate, plan_mix
from pipeline.tokens.mix.schedule import Schedule
from pipeline.tokens.mix.sequences import MixReader
from pipeline.tokens.shards import TokenShards
from tests.pipeline.tokens.corpus import EOS, corpus


def mixed(folder: Path, count: int = 600, seed: int = 0) -> TokenShards:
    """Documents of three domains and three languages, 1 to about 400 tokens, each with its number in it."""
    rng = random.Random(seed)
    texts = [f"{number}:" + "x" * min(int(rng.expovariate(1 / 40)), 400) for number in range(count)]
    return corpus(
        folder,
        texts,
        domain=[rng.choice(["web", "web", "web", "code", "books"]) for _ in texts],
        language=[rng.choice(["en", "en", "zh", "de"]) for _ in texts],
    )


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    return mixed(tmp_path_factory.mktemp("corpus"))


@settings(max_examples=200)
@given(size=st.integers(1, 3000), seed=st.integers(0, 2**64 - 1))
def test_a_permutation_is_one(size: int, seed: int) -> None:
    """Every number from 0 to size − 1 comes exactly once."""
    assert sorted(permuted(np.arange(size), size, seed).tolist()) == list(range(size))


def test_permutations_differ_and_mix() -> None:
    """Seeds give different orders, neighbours are torn apart, and a number may be asked for alone."""
    one, other = (permuted(np.arange(10_000), 10_000, seed) for seed in (1, 2))
    assert (one == other).mean() < 0.01
    assert abs(np.corrcoef(np.arange(10_000), one)[0, 1]) < 0.05
    assert np.abs(np.diff(one)).mean() == pytest.approx(10_000 / 3, rel=0.05)
    assert permuted(np.array([77]), 10_000, 1)[0] == one[77]


@settings(max_examples=300)
@given(lengths=st.lists(st.integers(0, 60), max_size=60), capacity=st.integers(1, 25))
def test_packing_keeps_every_token(lengths: list[int], capacity: int) -> None:
    """Every token of every document is in exactly one piece, no sequence overflows and none is empty."""
    packed = pack(np.array(lengths, np.int64), capacity)
    seen = [(d, at) for d, a, b in zip(*map(np.ndarray.tolist, packed[1:]), strict=True) for at in range(a, b)]
    assert sorted(seen) == [(document, at) for document, length in enumerate(lengths) for at in range(length)]
    sizes = packed.tokens()
    assert ((sizes > 0) & (sizes <= capacity)).all()
    assert packed.sequences == len(sizes) == len(packed.bounds) - 1


def test_packing_splits_only_what_is_too_long() -> None:
    """A document that fits stays whole; a longer one gives full sequences and one rest."""
    packed = pack(np.array([10, 25, 3, 7]), 10)
    pieces = Counter(packed.document.tolist())
    assert pieces == {0: 1, 1: 3, 2: 1, 3: 1}
    assert sorted(packed.tokens().tolist()) == [5, 10, 10, 10, 10]


def test_packing_fills() -> None:
    """1,024 documents of log-normal length fill more than 99 % of their sequences."""
    lengths = np.random.default_rng(0).lognormal(6, 1, 1024).astype(np.int64) + 1
    packed = pack(lengths, 1025)
    assert lengths.sum() / (packed.sequences * 1025) > 0.99


@settings(max_examples=100)
@given(counts=st.lists(st.integers(0, 300), min_size=1, max_size=6), seed=st.integers(0, 2**64 - 1), data=st.data())
def test_schedule_is_exact(counts: list[int], seed: int, data: st.DataObject) -> None:
    """Each stream is picked exactly as often as planned, its samples in order, wherever the look-up begins."""
    schedule = Schedule(counts, seed)
    streams, ranks = schedule.look_up(0, sum(counts))
    for stream, count in enumerate(counts):
        assert ranks[streams == stream].tolist() == list(range(count))
    first = data.draw(st.integers(0, sum(counts)))
    last = data.draw(st.integers(first, sum(counts)))
    again = schedule.look_up(first, last)
    assert np.array_equal(again[0], streams[first:last]) and np.array_equal(again[1], ranks[first:last])
    with pytest.raises(IndexError):
        schedule.look_up(0, sum(counts) + 1)


def test_schedule_is_even() -> None:
    """Any stretch of samples has every stream's share to within three samples."""
    counts = np.array([3500, 2000, 1500, 800, 700, 1000, 500])
    streams, _ = Schedule(counts.tolist(), 12345).look_up(0, 10_000)
    for stream, count in enumerate(counts):
        seen = np.concatenate([[0], np.cumsum(streams == stream)])
        for stretch in (10, 64, 1000):
            found = seen[stretch:] - seen[:-stretch]
            assert np.abs(found - stretch * count / 10_000).max() <= 3


@pytest.mark.parametrize(
    ("budget", "weights", "available", "epochs", "expected"),
    [
        (100, [0.5, 0.3, 0.2], [1000, 1000, 1000], 4, [50, 30, 20]),
        (100, [0.5, 0.3, 0.2], [10, 1000, 1000], 2, [20, 48, 32]),
        (100, [0.5, 0.3, 0.2], [10, 12, 1000], 2, [20, 24, 56]),
        (100, [0.5, 0.3, 0.2], [10, 12, 10], 2, [20, 24, 20]),
        (100, [0.5, 0.5, 0.0], [1000, 0, 1000], 4, [100, 0, 0]),
        (100, [0.5, 0.5], [80, 1000], 0.5, [40, 60]),
    ],
)
def test_caps_as_computed_by_hand(
    budget: float, weights: list[float], available: list[int], epochs: float, expected: list[float]
) -> None:
    """A stream at its cap gives the rest to the others by their weights, again if that caps another."""
    assert allocate(budget, np.array(weights), np.array(available), epochs).tolist() == pytest.approx(expected)


def seen_tokens(reader: MixReader) -> Counter[tuple[int, int]]:
    """How often each (document, token position) comes."""
    counted: Counter[tuple[int, int]] = Counter()
    for sequence in reader.read(0, reader.sequences):
        sizes = np.diff(sequence.bounds)
        for document, position, size in zip(sequence.documents, sequence.positions, sizes, strict=True):
            counted.update((int(document), int(position) + at) for at in range(int(size)))
    return counted


@pytest.mark.parametrize("epochs", [1, 3])
def test_whole_epochs_hold_every_token_as_often(shards: TokenShards, epochs: int) -> None:
    """In a mix of whole epochs every token of every document comes exactly once an epoch."""
    weights = {"web": float(shards.tokens), "code": 1.0, "books": 1.0}
    plan = plan_mix(
        shards, tokens=10 * shards.tokens, weights=weights, sequence_length=64, max_epochs=epochs, validation=0, seed=3
    )
    assert all(stream["capped"] and stream["epochs"] == epochs for stream in plan.report["streams"])
    counted = seen_tokens(MixReader(shards, plan))
    assert set(counted.values()) == {epochs}
    assert len(counted) == shards.tokens


def test_sequences_hold_the_documents_tokens(shards: TokenShards) -> None:
    """A sequence's pieces are the tokens of its documents, of one stream, and at most sequence_length + 1."""
    plan = plan_mix(
        shards, tokens=20_000, weights={"web.en": 1, "web.other": 1, "code": 2}, sequence_length=48, validation=0.05
    )
    reader = MixReader(shards, plan)
    for number in range(reader.sequences):
        sequence = reader.sequence(number)
        assert len(sequence.tokens) <= 49
        for piece, (document, position) in enumerate(zip(sequence.documents, sequence.positions, strict=True)):
            tokens = sequence.tokens[sequence.bounds[piece] : sequence.bounds[piece + 1]]
            assert np.array_equal(tokens, shards.read(int(document))[position : position + len(tokens)])
            domain, language = shards.keys[shards.key[document]]
            expected = domain if domain == "code" else "web.en" if language == "en" else "web.other"
            assert plan.streams[sequence.stream] == expected


def test_order_does_not_depend_on_readers(shards: TokenShards) -> None:
    """Samples are the same for 1, 2, 3 and 8 readers, and after a stop at any sample."""
    plan = plan_mix(shards, tokens=30_000, weights={"web": 2, "code": 1}, sequence_length=32, validation=0.01, seed=5)
    alone = [sequence.tokens.tolist() for sequence in MixReader(shards, plan).read(0, 700)]
    for readers in (2, 3, 8):
        parts = [list(MixReader(shards, plan).read(first, 700, readers)) for first in range(readers)]
        together = [parts[number % readers][number // readers].tokens.tolist() for number in range(700)]
        assert together == alone
    for stop in (1, 333, 699):
        assert [s.tokens.tolist() for s in MixReader(shards, plan).read(stop, 700)] == alone[stop:]


def test_realised_weights(tmp_path: Path) -> None:
    """Realised shares are within 0.5 percentage points of the asked ones, at the end and at every quarter."""
    shards = mixed(tmp_path, 4000, seed=9)
    weights = {"web.en": 0.35, "web.zh": 0.20, "web.other": 0.1, "code": 0.2, "books": 0.15}
    plan = plan_mix(shards, tokens=120_000, weights=weights, sequence_length=64, validation=0.005, seed=1)
    for stream in plan.report["streams"]:
        assert stream["realised"] == pytest.approx(weights[stream["key"]], abs=0.005)
        assert not stream["capped"]
    reader = MixReader(shards, plan)
    counted: Counter[str] = Counter()
    for number, sequence in enumerate(reader.read(0, reader.sequences), 1):
        counted[plan.streams[sequence.stream]] += len(sequence.tokens)
        if number % (reader.sequences // 4) == 0:
            for key, weight in weights.items():
                assert counted[key] / sum(counted.values()) == pytest.approx(weight, abs=0.005)
    assert dict(counted) == {stream["key"]: stream["tokens"] for stream in plan.report["streams"]}
    assert sum(counted.values()) == plan.report["tokens"] == pytest.approx(120_000, abs=5 * 65)
    assert plan.report["fill"] > 0.97


def test_validation_is_apart(shards: TokenShards) -> None:
    """No document is in training and validation; together they are the corpus; another seed holds out the same."""
    weights = {"web": 1, "code": 1, "books": 1}
    held: list[set[int]] = []
    for seed in (1, 2):
        plan = plan_mix(
            shards,
            tokens=10 * shards.tokens,
            weights=weights,
            sequence_length=40,
            max_epochs=1,
            validation=0.2,
            seed=seed,
        )
        train = {document for document, _ in seen_tokens(MixReader(shards, plan))}
        validation = seen_tokens(MixReader(shards, plan, "validation"))
        held.append({document for document, _ in validation})
        assert set(validation.values()) == {1}
        assert not train & held[-1] and len(train | held[-1]) == shards.documents
        listed = plan.report["validation"]
        assert sum(stream["tokens"] for stream in listed.values()) == len(validation)
        assert sum(stream["documents"] for stream in listed.values()) == len(held[-1])
    assert held[0] == held[1] and 60 < len(held[0]) < 180


def test_validation_reader_goes_stream_by_stream(shards: TokenShards) -> None:
    """Validation sequences of a stream are consecutive, and ``ends`` says where each stream's end."""
    plan = plan_mix(shards, tokens=9000, weights={"web": 1, "code": 1}, sequence_length=40, validation=0.3)
    reader = MixReader(shards, plan, "validation")
    streams = [sequence.stream for sequence in reader.read(0, reader.sequences)]
    assert streams == sorted(streams)
    assert [streams.index(1), len(streams)] == reader.ends.tolist()
    with pytest.raises(IndexError):
        reader.sequence(reader.sequences)


def test_epochs_are_in_different_orders(shards: TokenShards) -> None:
    """The second epoch of a stream is another permutation of the first."""
    plan = plan_mix(shards, tokens=10 * shards.tokens, weights={"web": 1}, sequence_length=64, max_epochs=2, seed=3)
    reader = MixReader(shards, plan)
    half = reader.sequences // 2
    first = [int(s.documents[0]) for s in reader.read(0, half)]
    second = [int(s.documents[0]) for s in reader.read(half, 2 * half)]
    assert first != second and first != sorted(first)


def test_large_streams_are_read_in_blocks(shards: TokenShards, monkeypatch: pytest.MonkeyPatch) -> None:
    """With blocks, small windows and small chunks every token still comes once, and neighbours stay together."""
    monkeypatch.setattr(windows, "_ONE_BY_ONE", 16)
    monkeypatch.setattr(windows, "WINDOW", 64)
    monkeypatch.setattr(membership, "CHUNK", 7)
    weights = {"web": 1, "code": 1, "books": 1}
    plan = plan_mix(
        shards, tokens=10 * shards.tokens, weights=weights, sequence_length=64, max_epochs=1, validation=0.1
    )
    reader = MixReader(shards, plan)
    assert reader._windows[2]._block == 16
    counted = seen_tokens(reader) + seen_tokens(MixReader(shards, plan, "validation"))
    assert set(counted.values()) == {1} and len(counted) == shards.tokens
    web = reader._windows[2].members(0)
    assert (np.diff(web.reshape(-1, 16)) < 30).all()


def test_missing_and_unmatched_are_named(shards: TokenShards) -> None:
    """Weights without documents and documents without a weight are named, with what becomes of them."""
    plan = plan_mix(shards, tokens=5000, weights={"web.en": 0.5, "code": 0.3, "math": 0.2}, sequence_length=32)
    report = plan.report
    assert report["missing"] == ["math"]
    assert [row[:2] for row in report["unmatched"]] == [[d, k] for d, k in sorted(shards.keys) if d == "books"] + [
        ["web", "de"],
        ["web", "zh"],
    ]
    assert any("math has a weight but no documents" in warning for warning in report["warnings"])
    assert any("no weight for books.de" in warning for warning in report["warnings"])
    assert sum(stream["realised"] for stream in report["streams"]) == pytest.approx(1)


def test_repetition_is_warned_of(shards: TokenShards) -> None:
    """More than four epochs, a stream that is used up, and a budget that cannot be met are warned of."""
    many = plan_mix(
        shards,
        tokens=6 * shards.tokens,
        weights={"web": 1, "code": 1, "books": 1},
        sequence_length=32,
        max_epochs=9,
    )
    assert any("times; beyond 4" in warning for warning in many.report["warnings"])
    short = plan_mix(
        shards, tokens=9 * shards.tokens, weights={"web": 1, "code": 1, "books": 1}, sequence_length=32, max_epochs=1
    )
    assert any("used up after 1.00 epochs" in warning for warning in short.report["warnings"])
    assert any("tokens asked for" in warning for warning in short.report["warnings"])
    assert short.report["tokens"] == shards.tokens
    fine = plan_mix(shards, tokens=2000, weights={"web": 1, "code": 1, "books": 1}, sequence_length=32)
    assert fine.report["warnings"] == []


@pytest.mark.parametrize("weights", [{"maths": 1.0}, {"web": 0.0}, {"web": -1.0}, {"web": float("nan")}])
def test_weights_that_cannot_be(shards: TokenShards, weights: dict[str, float]) -> None:
    """Weights that name no document, or are no shares, are an error with a remedy."""
    with pytest.raises(GristmillError) as caught:
        plan_mix(shards, tokens=1000, weights=weights, sequence_length=32)
    assert caught.value.remedy


def test_plans_are_files(shards: TokenShards, tmp_path: Path) -> None:
    """A plan read back reads the same sequences; the same settings give the same bytes, in any order of weights."""
    settings_ = {"tokens": 20_000, "sequence_length": 32, "validation": 0.05, "seed": 8}
    plan = plan_mix(shards, weights={"web": 2, "code": 1}, **settings_)  # type: ignore[arg-type]
    plan.write(str(tmp_path))
    assert plan.files() == plan_mix(shards, weights={"code": 1, "web": 2}, **settings_).files()  # type: ignore[arg-type]
    again = MixPlan.read(str(tmp_path))
    assert again.report == plan.report
    for split in ("train", "validation"):
        one, other = MixReader(shards, plan, split), MixReader(shards, again, split)
        assert one.sequences == other.sequences > 10
        for number in range(one.sequences):
            assert one.sequence(number).tokens.tolist() == other.sequence(number).tokens.tolist()


def test_a_plan_belongs_to_its_shards(shards: TokenShards, tmp_path: Path) -> None:
    """A plan made for other shards is refused; so are a missing plan and another format."""
    plan = plan_mix(shards, tokens=2000, weights={"web": 1}, sequence_length=32)
    with pytest.raises(StoreError, match="planned for other token shards"):
        MixReader(mixed(tmp_path / "other", 50), plan)
    with pytest.raises(StoreError, match="no mix plan"):
        MixPlan.read(str(tmp_path))
    plan.write(str(tmp_path))
    text = (tmp_path / "plan.json").read_text().replace('"format": 1', '"format": 7')
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(StoreError, match="another format"):
        MixPlan.read(str(tmp_path))


def test_documents_of_no_tokens(tmp_path: Path) -> None:
    """Empty documents, which have only their end, and one that is longer than many sequences are all read."""
    shards = corpus(tmp_path, ["", "", "y" * 1000, "ab", ""], domain="web", language="en")
    plan = plan_mix(shards, tokens=10_000, weights={"web": 1}, sequence_length=16, max_epochs=2)
    counted = seen_tokens(MixReader(shards, plan))
    assert set(counted.values()) == {2} and len(counted) == 1007
    sequences = list(MixReader(shards, plan).read(0, plan.counts[0]))
    assert sum((sequence.tokens == EOS).sum() for sequence in sequences) == 10


def test_order_is_the_same_in_another_process(shards: TokenShards, tmp_path: Path) -> None:
    """The order does not depend on the process (hash seeds, caches)."""
    plan = plan_mix(shards, tokens=9000, weights={"web": 2, "code": 1}, sequence_length=32, seed=2)
    plan.write(str(tmp_path))
    code = (
        "import sys, zlib; from pipeline.tokens.shards import TokenShards;"
        "from pipeline.tokens.mix import MixPlan, MixReader;"
        "r = MixReader(TokenShards.open(sys.argv[1]), MixPlan.read(sys.argv[2]));"
        "print(zlib.crc32(b''.join(s.tokens.tobytes() for s in r.read(0, 200))))"
    )
    here = zlib.crc32(b"".join(s.tokens.tobytes() for s in MixReader(shards, plan).read(0, 200)))
    command = [sys.executable, "-c", code, shards.path, str(tmp_path)]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == here
