"""Of documents with the same URL one stays: what a crawl has fetched twice, under the same spelling or another.

URLs are compared in the form of :mod:`stages.kernels.urls`. Rows without a URL pass by. Which one stays: that of the
source named first in ``prefer``, then the last or first by date, then the first one in the recipe's order: sources as
they are listed, files by name, documents as they stand there. The survivor gets the number of rows as ``cluster_size``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import ADDRESS, CorpusStage, StageConfig, measure
from stages.dedup.exact_dedup import link, resolve
from stages.dedup.scope import Scope, scope_columns, scope_doubts, scope_line, scope_salts, settle_scope, source_ranks
from stages.kernels.hashing import hash128, salt128
from stages.kernels.urls import normal_urls


class UrlDedup(StageConfig):
    """Settings of ``url_dedup``."""

    scope: Scope = measure(None)
    """Copies are looked for among rows that agree in these columns (``[source]``, ``[snapshot]``), or among ``all``.
    Left out: within a snapshot where rows have that column, else among all."""
    prefer: list[str] = measure([])
    """Sources whose row stays, best first; those not named come last, in the recipe's order."""
    keep: Literal["newest", "oldest", "first"] = measure("first")
    """By the column ``date``, rows without a date last; ``first``: by the recipe's order."""


def sketch(batch: pa.RecordBatch, config: UrlDedup) -> pa.RecordBatch:
    """One record for each row with a URL: hash of URL and scope, address, rank by source and date."""
    urls = normal_urls(batch.column("url"))
    has_url = urls.is_valid()
    batch, urls = batch.filter(has_url), urls.filter(has_url)
    high, low = hash128(urls)
    for salts in scope_salts(batch, config.scope):
        high, low = salt128(high, low, *salts)
    rank = source_ranks(batch, config.prefer).astype(np.uint64) << np.uint64(48) | _age(batch, config)
    arrays = [pa.array(high), pa.array(low), batch.column(ADDRESS), pa.array(rank)]
    return pa.RecordBatch.from_arrays(arrays, names=["key_high", "key_low", ADDRESS, "rank"])


def _age(batch: pa.RecordBatch, config: UrlDedup) -> npt.NDArray[np.uint64]:
    """uint64[rows] below 2**48: seconds from or to a far date, so that the smaller is the better."""
    last = np.uint64((1 << 48) - 1)
    if config.keep == "first":
        return np.zeros(batch.num_rows, np.uint64)
    date = batch.column("date")
    digits = pc.replace_substring_regex(pc.fill_null(date, ""), r"[^0-9]", "")
    known = pc.match_substring_regex(digits, "^[0-9]{4,14}$").to_numpy(zero_copy_only=False)
    padded = pc.utf8_rpad(pc.if_else(pa.array(known), digits, "0"), 14, "0")
    seconds = padded.cast(pa.uint64()).to_numpy()
    age = np.uint64(10**14) - seconds if config.keep == "newest" else seconds
    return np.where(known, age, last)


STAGE = CorpusStage(
    kind="url_dedup",
    version=1,
    config=UrlDedup,
    sketch=sketch,
    link=link,
    resolve=resolve,
    rule="duplicate",
    columns=lambda config: {"cluster_size": pa.uint32()},
    reads=lambda config: tuple(dict.fromkeys(["url", "date", "source", *scope_columns(config.scope)])),
    settle=settle_scope,
    doubts=scope_doubts,
    forecast=lambda config: [scope_line(config.scope)],
)
