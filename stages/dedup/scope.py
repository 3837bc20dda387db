"""Among which rows copies are looked for, and which copy is the better one: what all stages of deduplication share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Doubt
from stages.kernels.hashing import hash128

Scope = Literal["all"] | list[str] | None

SNAPSHOT = "snapshot"


def settled_scope(scope: Scope, columns: Collection[str]) -> Scope:
    """The scope where none is asked for: a snapshot where rows have that column, else everything.

    Crawls are deduplicated snapshot by snapshot: across all of them FineWeb (Penedo et al. 2024, arXiv 2406.17557,
    section 3.4) kept data that was worse than without, because what is left of an old snapshot is what nobody copied.
    """
    if scope is not None:
        return scope
    return [SNAPSHOT] if SNAPSHOT in columns else "all"


def settle_scope(config: Any, columns: Collection[str]) -> Any:
    """The config of a stage with its scope settled; ``settle`` of a corpus stage."""
    return config.model_copy(update={"scope": settled_scope(config.scope, columns)})


def scope_doubts(config: Any, columns: Collection[str]) -> Sequence[Doubt]:
    """That the stage compares rows of different snapshots; ``doubts`` of a corpus stage."""
    if SNAPSHOT not in columns or SNAPSHOT in scope_columns(config.scope):
        return ()
    found = "FineWeb (section 3.4) found the text that deduplication over all snapshots leaves worse than none at all"
    return [Doubt(f"rows of different snapshots are compared; {found}", "leave out `scope`, or add snapshot to it")]


def scope_line(scope: Scope) -> str:
    """Which rows are compared, for people."""
    columns = scope_columns(scope)
    return f"compared: rows of the same {' and '.join(columns)}" if columns else "compared: all rows"


def scope_columns(scope: Scope) -> list[str]:
    """Columns that rows have to agree in."""
    return [] if scope is None or scope == "all" else list(scope)


def scope_salts(batch: pa.RecordBatch, scope: Scope) -> Sequence[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]:
    """For each column of the scope 128 bits of its values, null as empty, to be mixed into keys."""
    columns = (batch.column(name).cast(pa.string()).fill_null("") for name in scope_columns(scope))
    return [hash128(column) for column in columns]


def source_ranks(batch: pa.RecordBatch, prefer: Sequence[str]) -> npt.NDArray[np.uint16]:
    """uint16[rows]: the place of the row's source among the preferred ones, the same last place for all others."""
    place = pc.index_in(batch.column("source"), value_set=pa.array(list(prefer), pa.string()))
    ranks: npt.NDArray[np.uint16] = pc.fill_null(place, len(prefer)).cast(pa.uint16()).to_numpy()
    return ranks
