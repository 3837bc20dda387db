"""Near-duplicate detection by MinHash and locality-sensitive hashing: of documents that are nearly the same, one stays.

A document is the set of its shingles (:mod:`stages.kernels.shingle_tables`: five words in a row, five characters in
scripts without spaces, without case and punctuation). A signature of a few hundred bytes estimates how much two sets
overlap; bands of the signature are keys, and documents that share a key are compared. The default is FineWeb's: 14
bands of 8, Penedo et al. 2024.

Other than in the usual pipelines a shared key is not yet a match. In each bucket every document is compared with the
best one by ``survivor`` and, where there are no more than 500,000, with the next better one. Pairs below ``threshold``
are forgotten *before* clusters are made, so that pages that share a banner, or a chain of pages, each like the next
only, are not wiped for the first of them. Within a cluster, best first, a document that nobody claimed survives and
claims those that were verified against it: what goes is similar to what stays for it, and no cluster loses all. The
survivor gets the number of documents that it stands for as ``cluster_size``.

What this finds is a matter of chance, in both of its steps: :func:`forecast` has the probabilities for the settings,
:mod:`stages.dedup.lsh` the mathematics. Documents with fewer units than a shingle are compared for equality (of units,
so case and punctuation do not count), or left alone; documents without a letter or digit always are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import model_validator

from stages.contract import ADDRESS, BAND_COLUMNS, CANDIDATE_COLUMNS, CorpusStage, Sketch, StageConfig, Verify, measure
from stages.dedup.exact_dedup import resolve
from stages.dedup.lsh import PRESETS, curve_lines, optimal_bands
from stages.dedup.scope import Scope, scope_columns, scope_doubts, scope_line, scope_salts, settle_scope
from stages.dedup.survivor_order import MOST_CRITERIA, ranks, read_names
from stages.kernels.arrow_text import TextView, text_view
from stages.kernels.hashing import mix64
from stages.kernels.minhash import Signatures, band_keys, signatures, spread
from stages.kernels.shingle_tables import Units
from stages.kernels.shingles import shingle
from stages.kernels.signatures import equal_share, jaccard_sorted, sorted_sets
from stages.kernels.stars import star_edges

_UNITS = {"auto": "words, characters in scripts without spaces", "words": "words", "characters": "characters"}
_SHORT_BAND = 0xFFFF_FFFF
"""In place of a band's number in the key of a short document."""


class MinHashDedup(StageConfig):
    """Settings of ``minhash_dedup``."""

    scope: Scope = measure(None)
    """Near-duplicates are looked for among rows that agree in these columns (``[source]``, ``[language]``), or among
    ``all``. By default among rows of the same ``snapshot`` where they have that column, else among all: over all
    snapshots of a crawl worse text survives (FineWeb, section 3.4)."""
    preset: Literal["fineweb", "nemo", "duplodocus", "refinedweb"] = measure("fineweb")
    """Published settings for ``bands``, ``rows``, ``ngram`` and ``shingles``: 14 × 8 on 5-grams of words (FineWeb),
    20 × 13 on 24-grams of characters (NeMo Curator), 26 × 11 on 5-grams (duplodocus, there of tokens), 450 × 20 on
    5-grams of words (RefinedWeb; 80 times the lanes of FineWeb's)."""
    bands: int | None = measure(None, ge=1, le=4096)
    """Keys of a document; more find more. The preset's when left out."""
    rows: int | None = measure(None, ge=1, le=256)
    """Lanes that have to agree in a band; more find less. The preset's when left out."""
    target: float | None = measure(None, gt=0, lt=1)
    """Instead of ``bands`` and ``rows``: the similarity to tell copies from others at. They are then chosen as
    datasketch does, with equal weight on false positives and negatives, from as many lanes as the preset has."""
    ngram: int | None = measure(None, ge=1, le=256)
    """Units in a shingle. The preset's when left out."""
    shingles: Units | None = measure(None)
    """``auto``: words where there are spaces, characters elsewhere, by script. ``words``: runs of letters everywhere,
    which finds next to nothing in Chinese, Japanese or Thai. ``characters``: everywhere. The preset's when left out."""
    verify: Literal["estimate", "exact", "none"] = measure("estimate")
    """``estimate``: by the share of equal lanes, standard error .04 at 112 lanes. ``exact``: by the sets of shingles,
    which are stored for every document: 8 bytes a shingle, more than the text itself. ``none``: a shared key is all."""
    threshold: float = measure(0.8, ge=0, le=1)
    """Smallest similarity (Jaccard, of shingles) of a document to the one that stays for it; .8 as in NeMo Curator."""
    survivor: list[str] = measure(["longest"], max_length=MOST_CRITERIA)
    """What makes a copy the best, in order: ``longest``, ``shortest``, ``newest``, ``oldest``, ``prefer``, ``first``,
    or a numeric column or a signal (``quality.score``): the highest is the best, with ``-`` before it the lowest.
    Equals go by the hash of their content; copies of each other, and all equals with ``first`` at the end, by their
    order in the recipe: sources as they are listed, files by name, documents as they stand there."""
    prefer: list[str] = measure([])
    """Sources whose copy stays, best first; comes before ``survivor`` unless that says where."""
    short: Literal["exact", "skip"] = measure("exact")
    """Documents with fewer units than a shingle: one of equals stays, or all stay."""
    seed: int = measure(0, ge=0, lt=2**63)
    """Draws the permutations. Sketches with different seeds cannot be compared."""
    against: list[str] = measure([])
    """Folders of earlier runs; what is near a document of theirs goes. They are read and not changed."""
    against_rows: Literal["kept", "seen"] = measure("kept")
    """Which documents of earlier runs count: those that this stage left there, or all that it saw. With ``seen`` what
    is like a dropped document only goes too, though neither corpus has its text."""

    @model_validator(mode="after")
    def _consistent(self) -> MinHashDedup:
        if self.target is not None and (self.bands is not None or self.rows is not None):
            raise ValueError("target chooses bands and rows; leave out these or target")
        if "first" in self.survivor[:-1]:
            raise ValueError("survivor: after first nothing is compared; put it last")
        return self


class Shape(NamedTuple):
    """The settings that decide what a signature is, with the preset's filled in."""

    bands: int
    rows: int
    ngram: int
    shingles: Units

    @property
    def lanes(self) -> int:
        """Numbers in a signature."""
        return self.bands * self.rows


def shape(config: MinHashDedup) -> Shape:
    """Bands, rows, n-gram and units by the settings, the preset, or the target."""
    preset = PRESETS[config.preset]
    bands, rows = config.bands or preset.bands, config.rows or preset.rows
    if config.target is not None:
        bands, rows = optimal_bands(config.target, preset.bands * preset.rows)
    return Shape(bands, rows, config.ngram or preset.ngram, config.shingles or preset.shingles)


def sketch(batch: pa.RecordBatch, config: MinHashDedup) -> Sketch:
    """A record for each band of each document with a shingle, one for a short one, and a signature for both."""
    form, view = shape(config), text_view(batch.column("text"))
    found = signatures(view, form.ngram, form.lanes, units=form.shingles, seed=config.seed)
    short = (found.units > 0) & (found.units < form.ngram) & (config.short == "exact")
    long = found.units >= form.ngram
    found.lanes[short] = spread(found.short[short], form.lanes)
    keys = band_keys(found.lanes, form.bands, form.rows)
    keys[short, 0] = mix64(found.short[short, 0], _SHORT_BAND)
    for _, salt in scope_salts(batch, config.scope):
        keys = mix64(keys.reshape(-1), np.repeat(salt, form.bands)).reshape(keys.shape)
    per_row = np.where(long, form.bands, short.astype(np.int64))
    wanted = np.arange(form.bands) < per_row[:, None]
    address, rank = batch.column(ADDRESS).to_numpy(), ranks(batch, _criteria(config), config.prefer)
    records = [keys[wanted], np.repeat(address, per_row), np.repeat(rank, per_row)]
    return Sketch(
        pa.RecordBatch.from_arrays([pa.array(values) for values in records], names=list(BAND_COLUMNS)),
        _signed(address, rank, _evidence(view, found, config), per_row > 0),
    )


def _signed(
    address: npt.NDArray[np.uint64], rank: npt.NDArray[np.uint64], evidence: pa.RecordBatch, compared: npt.NDArray[Any]
) -> pa.RecordBatch:
    arrays = [pa.array(address), pa.array(rank), *evidence.columns]
    signed = pa.RecordBatch.from_arrays(arrays, names=[ADDRESS, "rank", *evidence.schema.names])
    return signed.filter(pa.array(compared))


def _evidence(view: TextView, found: Signatures, config: MinHashDedup) -> pa.RecordBatch:
    """The columns that a pair is verified by."""
    if config.verify != "exact":
        item = pa.field("item", pa.uint32(), nullable=False)
        lanes = pa.FixedSizeListArray.from_arrays(
            pa.array(found.lanes.reshape(-1)), type=pa.list_(item, found.lanes.shape[1])
        )
        return pa.RecordBatch.from_arrays([lanes], names=["lanes"])
    form = shape(config)
    part = shingle(view, form.ngram, form.shingles)
    values, offsets = _with_short(*sorted_sets(part.hashes, part.offsets), part.units, part.short, form.ngram)
    sets = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values))
    return pa.RecordBatch.from_arrays([sets], names=["shingles"])


def _with_short(
    values: npt.NDArray[np.uint64],
    offsets: npt.NDArray[np.int64],
    units: npt.NDArray[np.int64],
    short: npt.NDArray[np.uint64],
    ngram: int,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The sets with the two halves of its hash as the set of a short document."""
    rows = np.flatnonzero((units > 0) & (units < ngram))
    halves = np.sort(short[rows], axis=1).reshape(-1)
    added = np.zeros(len(units) + 1, np.int64)
    added[rows + 1] = 2
    return np.insert(values, np.repeat(offsets[rows], 2), halves), offsets + np.cumsum(added)


def link(records: pa.RecordBatch, config: MinHashDedup) -> pa.RecordBatch:
    """In each bucket every document with the best one, and with the next better one. O(n log n) for n records."""
    edges = star_edges(*(records.column(name).to_numpy() for name in BAND_COLUMNS))
    return pa.RecordBatch.from_arrays([pa.array(ends) for ends in edges], names=list(CANDIDATE_COLUMNS))


def similarity(
    members: pa.RecordBatch, centres: pa.RecordBatch, place: npt.NDArray[np.int64], config: MinHashDedup
) -> npt.NDArray[np.float32]:
    """float32[n]: estimated or exact Jaccard similarity of each member and its centre."""
    if config.verify == "exact":
        return jaccard_sorted(*_sets(members), *_sets(centres), place)
    return equal_share(_lanes(members), _lanes(centres), place)


def _lanes(batch: pa.RecordBatch) -> npt.NDArray[np.uint32]:
    column = batch.column("lanes")
    values: npt.NDArray[np.uint32] = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
    return values


def _sets(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    column = batch.column("shingles")
    return column.values.to_numpy(), column.offsets.to_numpy()


def threshold(config: MinHashDedup) -> float:
    """Smallest similarity of a verified pair."""
    return 0.0 if config.verify == "none" else config.threshold


def comparable(config: MinHashDedup) -> Mapping[str, Any]:
    """What two sketches have to agree in, so that documents of one can be compared with those of the other."""
    evidence = "shingles" if config.verify == "exact" else "lanes"
    own = {"evidence": evidence, "seed": config.seed, "short": config.short, "scope": scope_columns(config.scope)}
    return {**shape(config)._asdict(), **own}


def forecast(config: MinHashDedup) -> list[str]:
    """What the settings find, as lines of text: which rows are compared, how a document is cut, and the curves."""
    form = shape(config)
    published = PRESETS[config.preset]
    as_published = form == shape(MinHashDedup(preset=config.preset))
    heading = f"{form.ngram}-grams of {_UNITS[form.shingles]}" + (f", as {published.source}" if as_published else "")
    verified = config.threshold if config.verify == "estimate" else None
    return [scope_line(config.scope), heading, *curve_lines(form.bands, form.rows, verified)]


def _criteria(config: MinHashDedup) -> list[str]:
    first = ["prefer"] if config.prefer and "prefer" not in config.survivor else []
    return [*first, *config.survivor]


def _reads(config: MinHashDedup) -> tuple[str, ...]:
    columns, _ = read_names(_criteria(config))
    return tuple(dict.fromkeys(["text", *columns, *scope_columns(config.scope)]))


def _signals(config: MinHashDedup) -> tuple[str, ...]:
    _, signals = read_names(_criteria(config))
    return tuple(dict.fromkeys(signals))


def _columns(config: MinHashDedup) -> Mapping[str, pa.DataType]:
    return {"cluster_size": pa.uint32()}


STAGE = CorpusStage(
    kind="minhash_dedup",
    version=1,
    config=MinHashDedup,
    sketch=sketch,
    link=link,
    resolve=resolve,
    rule="near_duplicate",
    columns=_columns,
    reads=_reads,
    signals=_signals,
    verify=Verify(similarity, threshold),
    comparable=comparable,
    settle=settle_scope,
    doubts=scope_doubts,
    forecast=forecast,
)
