"""Corpus stages of every form that are small enough to be seen through: texts are sets of numbers, or letters.

``fake_near``: a text is a set of numbers, ``"3 4 5"``; two texts may be near copies if they share one, and are as
similar as their Jaccard index says. ``fake_letters``: of a letter that stands in the corpus several times one stays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stages.contract import (
    ADDRESS,
    BAND_COLUMNS,
    CANDIDATE_COLUMNS,
    SPAN_COLUMNS,
    CorpusStage,
    Sketch,
    StageConfig,
    Verify,
    measure,
)
from stages.dedup.exact_dedup import resolve

SPREAD = np.uint64(0x9E3779B97F4A7C15)


class NearConfig(StageConfig):
    threshold: float = measure(0.8)
    """Smallest Jaccard index of near copies."""
    smallest: str | None = measure(None)
    """Signal by which the best row is chosen, the one with the smallest value."""
    salt: int = measure(0)
    """Sketches with another salt cannot be compared."""
    against: list[str] = measure([])
    """Earlier runs."""
    against_rows: str = measure("kept")
    """Which of their rows count."""


def numbers(text: str) -> list[int]:
    """The set of numbers that a text is, sorted."""
    return sorted({int(word) for word in text.split()})


def _sketch(batch: pa.RecordBatch, config: NearConfig) -> Sketch:
    sets = [numbers(text) for text in batch.column("text").to_pylist()]
    sizes = np.array([len(one) for one in sets], np.int64)
    values = np.array([value for one in sets for value in one], np.uint64)
    address, rank = batch.column(ADDRESS).to_numpy(), np.zeros(batch.num_rows, np.uint64)
    if config.smallest is not None:
        rank = batch.column(config.smallest).fill_null(2**40).to_numpy().astype(np.uint64)
    records = [
        pa.array(column)
        for column in (values * SPREAD + np.uint64(config.salt), np.repeat(address, sizes), np.repeat(rank, sizes))
    ]
    lists = pa.LargeListArray.from_arrays(np.r_[0, np.cumsum(sizes)], pa.array(values))
    signatures = pa.RecordBatch.from_arrays([pa.array(address), pa.array(rank), lists], names=[ADDRESS, "rank", "set"])
    return Sketch(
        pa.RecordBatch.from_arrays(records, names=list(BAND_COLUMNS)),
        signatures.filter(pa.array(sizes > 0)),
    )


def _link(records: pa.RecordBatch, config: NearConfig) -> pa.RecordBatch:
    key, address, rank = (records.column(name).to_numpy() for name in BAND_COLUMNS)
    order = np.lexsort((address, rank, key))
    key, address = key[order], address[order]
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    centre = np.repeat(address[first], np.diff(np.r_[first, len(key)]))
    others = centre != address
    arrays = [pa.array(centre[others]), pa.array(address[others])]
    return pa.RecordBatch.from_arrays(arrays, names=list(CANDIDATE_COLUMNS))


def jaccard(one: list[int], other: list[int]) -> float:
    """Of two sets."""
    return len({*one} & {*other}) / len({*one} | {*other})


def _similarity(
    members: pa.RecordBatch, centres: pa.RecordBatch, place: npt.NDArray[np.int64], config: NearConfig
) -> npt.NDArray[np.float32]:
    known = centres.column("set").to_pylist()
    sets = members.column("set").to_pylist()
    return np.array([jaccard(one, known[at]) for one, at in zip(sets, place, strict=True)], np.float32)


NEAR = CorpusStage(
    kind="fake_near",
    version=1,
    config=NearConfig,
    sketch=_sketch,
    link=_link,
    resolve=resolve,
    rule="near_copy",
    columns=lambda config: {"cluster_size": pa.uint32()},
    signals=lambda config: () if config.smallest is None else (config.smallest,),
    verify=Verify(_similarity, lambda config: config.threshold),
    comparable=lambda config: {"salt": config.salt},
)


def _letters(batch: pa.RecordBatch, config: StageConfig) -> pa.RecordBatch:
    rows = [
        (ord(letter), ord(letter), address, len(text[:at].encode()), len(text[: at + 1].encode()))
        for address, text in zip(batch.column(ADDRESS).to_pylist(), batch.column("text").to_pylist(), strict=True)
        for at, letter in enumerate(text)
        if letter.isalpha()
    ]
    names = ["key_high", "key_low", ADDRESS, "start", "end"]
    kinds = [pa.uint64(), pa.uint64(), pa.uint64(), pa.int64(), pa.int64()]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    return pa.RecordBatch.from_arrays([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=names)


def _repeated(records: pa.RecordBatch, config: StageConfig) -> pa.RecordBatch:
    names = ("key_high", ADDRESS, "start", "end")
    key, address, start, end = (records.column(name).to_numpy() for name in names)
    order = np.lexsort((start, address, key))
    key, address, start, end = (column[order] for column in (key, address, start, end))
    again = np.r_[False, key[1:] == key[:-1]]
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(key))))
    arrays = [address[again], start[again], end[again], address[first][again]]
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], names=list(SPAN_COLUMNS))


def _spans(relations: pa.RecordBatch, config: StageConfig) -> pa.RecordBatch:
    n = relations.num_rows
    drop, similarity = pa.array([False] * n, pa.bool_()), pa.array([1.0] * n, pa.float32())
    address, start, end, survivor = relations.columns
    names = [ADDRESS, "drop", "survivor", "similarity", "start", "end"]
    return pa.RecordBatch.from_arrays([address, drop, survivor, similarity, start, end], names=names)


LETTERS = CorpusStage(
    kind="fake_letters",
    version=1,
    config=StageConfig,
    sketch=_letters,
    link=_repeated,
    resolve=_spans,
    rule="nothing_left",
    cut="repeated_letter",
)
