"""The mix: a plan that says which tokens a training run sees, how often and in which order. Nothing is copied.

Documents belong to streams, one per weight (``web.en``). An epoch of a stream is a permutation of blocks of
consecutive documents, cut into windows of 1,024 documents; each window is packed alone. The plan keeps how many
sequences every window gives, and the schedule which stream sample n comes from, so sample number → sequence is
a function of plan and shards, whatever the number of readers (:mod:`pipeline.tokens.mix.sequences` computes it).

A stream gets its share of the budget until it would be seen more than ``max_epochs`` times; what it cannot take goes to
the others in proportion to their weights, as in UniMax (Chung et al. 2023, arXiv 2304.09151).

Limits: planning packs every window that will be used, about a billion tokens a second and core (measured).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import GristmillError, StoreError
from pipeline.storage import Folder
from pipeline.tokens.mix.membership import TRAIN, VALIDATION, Members, stream_of_key
from pipeline.tokens.mix.report import GOOD_EPOCHS, StreamFigures, stream_rows, unmatched_rows, warnings
from pipeline.tokens.mix.windows import Windows
from pipeline.tokens.shards import TokenShards

FORMAT_VERSION = 1

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MixPlan:
    """A plan. ``streams``: their keys, sorted. ``report``: what was asked for and what comes out, see :func:`plan_mix`.

    ``members``: int32[2, streams, chunks], documents of each stream in every 16,384 of the index, for training and
    validation. ``train``, ``held_out``: per stream int64[windows + 1], sequences before each window; the training
    windows of all epochs follow each other. ``counts``: samples of each stream (its last window may be used in part).
    """

    seed: int
    sequence_length: int
    validation: float
    streams: list[str]
    counts: list[int]
    shards: dict[str, Any]
    report: dict[str, Any]
    members: npt.NDArray[np.int32] = field(repr=False)
    train: list[Int64s] = field(repr=False)
    held_out: list[Int64s] = field(repr=False)

    @property
    def capacity(self) -> int:
        """Tokens of a full sequence: inputs and, one to the right, targets."""
        return self.sequence_length + 1

    def files(self) -> dict[str, bytes]:
        """The plan as files: name → content."""
        head = {name: getattr(self, name) for name in _HEAD}
        head["windows"] = [[len(windows) for windows in split] for split in (self.train, self.held_out)]
        text = json.dumps({"format": FORMAT_VERSION, **head}, ensure_ascii=False, indent=1, sort_keys=True)
        counts = np.concatenate([np.zeros(0, np.int64), *self.train, *self.held_out])
        return {"plan.json": text.encode(), "members.npy": _npy(self.members), "windows.npy": _npy(counts)}

    def write(self, folder: str) -> None:
        """Write the plan's files into a folder (path or URI)."""
        for name, content in self.files().items():
            Folder(folder).write(name, content)

    @staticmethod
    def read(folder: str) -> MixPlan:
        """Read a plan from a folder (path or URI). Raises StoreError if there is none, or of another format."""
        where = Folder(folder).file("plan.json")
        try:
            head = json.loads(Folder(folder).read("plan.json"))
            arrays = [np.load(io.BytesIO(Folder(folder).read(name))) for name in ("members.npy", "windows.npy")]
        except (FileNotFoundError, ValueError) as error:
            raise StoreError(f"no mix plan: {error}", where=where, remedy="run a recipe that has a `mix`") from error
        if head.pop("format", None) != FORMAT_VERSION:
            raise StoreError("a mix plan of another format", where=where, remedy="run the recipe again")
        train, held_out = head.pop("windows")
        windows = np.split(arrays[1], np.cumsum([*train, *held_out])[:-1])
        return MixPlan(**head, members=arrays[0], train=windows[: len(train)], held_out=windows[len(train) :])

    def check(self, shards: TokenShards) -> None:
        """Raise StoreError unless the plan was made for these shards."""
        found = identity(shards)
        if found != self.shards:
            text = f"the mix was planned for other token shards: {self.shards}, these are {found}"
            raise StoreError(text, where=shards.path, remedy="plan the mix again")


_HEAD = ("seed", "sequence_length", "validation", "streams", "counts", "shards", "report")


def identity(shards: TokenShards) -> dict[str, Any]:
    """What tells one corpus of tokens from another."""
    return {
        "documents": shards.documents,
        "tokens": shards.tokens,
        "checksum": shards.checksum,
        "tokenizer": shards.tokenizer["fingerprint"],
        "eos_id": shards.tokenizer["eos_id"] if shards.append_eos else None,
    }


def plan_mix(
    shards: TokenShards,
    *,
    tokens: int,
    weights: Mapping[str, float],
    sequence_length: int,
    max_epochs: float = GOOD_EPOCHS,
    validation: float = 0.0,
    seed: int = 0,
) -> MixPlan:
    """Plan a mix of ``tokens`` tokens.

    ``weights``: shares by ``domain.language``, ``domain.other`` or ``domain``, the more specific first; they need not
    sum to 1. ``sequence_length``: targets of a sequence. ``max_epochs``: no document is seen more often.
    ``validation``: share of documents, by the hash of their content, that no sample of training holds.

    The report has ``asked_tokens``, ``tokens``, ``sequences``, ``fill`` (share of the sequences that is tokens),
    ``streams`` (``key``, ``weight``, ``realised``, ``tokens``, ``sequences``, ``documents``, ``available_tokens``,
    ``epochs``, ``capped``), ``validation`` (``documents``, ``tokens``, ``sequences`` by key), ``missing`` keys,
    ``unmatched`` (domain, language, documents, tokens) and ``warnings``. Raises GristmillError where no document has
    a weight.
    """
    streams = sorted(weights)
    codes = stream_of_key(shards.keys, streams)
    members, available = Members.count(shards, codes, len(streams), validation)
    share = _shares(weights, streams, members)
    wanted = allocate(float(tokens), share, available[TRAIN], max_epochs)
    capacity = sequence_length + 1
    used = [_used(Windows(shards, members, n, seed=seed), capacity, wanted[n]) for n in range(len(streams))]
    held = [_all(Windows(shards, members, n, seed=None), capacity) for n in range(len(streams))]
    figures = [
        StreamFigures(
            key=key,
            weight=float(share[n]),
            documents=int(members.documents[TRAIN, n]),
            available_tokens=int(available[TRAIN, n]),
            tokens=used[n].tokens,
            sequences=used[n].count,
            cap=max_epochs * float(available[TRAIN, n]),
        )
        for n, key in enumerate(streams)
    ]
    report = _report(figures, tokens, capacity, unmatched_rows(shards, codes))
    report["validation"] = {
        key: {"documents": int(members.documents[VALIDATION, n]), "tokens": held[n].tokens, "sequences": held[n].count}
        for n, key in enumerate(streams)
    }
    return MixPlan(
        seed=seed,
        sequence_length=sequence_length,
        validation=validation,
        streams=streams,
        counts=[stream.count for stream in used],
        shards=identity(shards),
        report=report,
        members=members.counts,
        train=[stream.before for stream in used],
        held_out=[stream.before for stream in held],
    )


def allocate(
    budget: float, weights: npt.NDArray[np.float64], available: npt.NDArray[np.integer], max_epochs: float
) -> npt.NDArray[np.float64]:
    """Tokens of each stream, float64[streams]: by weight, none above ``max_epochs`` · ``available``.

    What a stream at its cap leaves goes to the others by their weights.
    """
    caps = max_epochs * available.astype(np.float64)
    out = np.zeros(len(weights))
    open_streams = (weights > 0) & (caps > 0)
    while open_streams.any():
        shares = weights * open_streams / weights[open_streams].sum() * (budget - out[~open_streams].sum())
        over = open_streams & (shares >= caps)
        if not over.any():
            return np.where(open_streams, shares, out)
        out[over] = caps[over]
        open_streams &= ~over
    return out


@dataclass(frozen=True)
class _Used:
    """``before``: int64[windows + 1]; ``count``: sequences used, and their ``tokens``."""

    before: Int64s
    count: int
    tokens: int


def _used(windows: Windows, capacity: int, wanted: float) -> _Used:
    """Pack windows, epoch by epoch, until the stream has as many tokens as wanted."""
    before, tokens, count = [0], 0, 0
    while tokens < wanted - 0.5:
        number = len(before) - 1
        _, packed = windows.packed(number, capacity)
        sizes = np.cumsum(packed.tokens()[windows.order(number, packed.sequences)])
        take = min(int(np.searchsorted(sizes, wanted - tokens - 0.5)) + 1, packed.sequences)
        count = before[-1] + take
        tokens += int(sizes[take - 1]) if take else 0
        before.append(before[-1] + packed.sequences)
    return _Used(np.array(before, np.int64), count, tokens)


def _all(windows: Windows, capacity: int) -> _Used:
    """Pack every window once."""
    packed = [windows.packed(number, capacity)[1] for number in range(windows.per_epoch)]
    before = np.cumsum([0, *(each.sequences for each in packed)], dtype=np.int64)
    return _Used(before, int(before[-1]), sum(int(each.tokens().sum()) for each in packed))


def _shares(weights: Mapping[str, float], streams: Sequence[str], members: Members) -> npt.NDArray[np.float64]:
    """Weights that sum to 1. Raises GristmillError for one below 0 and where no document has a weight."""
    share = np.array([weights[key] for key in streams], np.float64)
    if not np.isfinite(share).all() or (share < 0).any():
        raise GristmillError(f"weights of a mix are 0 or more, got {dict(weights)}", remedy="mend mix.weights")
    if not (share * members.documents[TRAIN]).any():
        raise GristmillError(
            f"no document is left to train on: no domain of the corpus has a weight ({', '.join(streams)})",
            remedy="use domains (and languages) that the token report lists as keys of mix.weights",
        )
    return share / share.sum()


def _report(
    figures: Sequence[StreamFigures], asked: int, capacity: int, unmatched: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    total = sum(stream.tokens for stream in figures)
    sequences = sum(stream.sequences for stream in figures)
    missing = [stream.key for stream in figures if not stream.documents and stream.weight > 0]
    return {
        "asked_tokens": asked,
        "tokens": total,
        "sequences": sequences,
        "fill": total / (sequences * capacity) if sequences else 0.0,
        "streams": stream_rows(figures),
        "missing": missing,
        "unmatched": unmatched,
        "warnings": warnings(figures, missing, unmatched, asked),
    }


def _npy(array: npt.NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()
