"""The cluster table of a run: every member of every cluster, who stands for it, how similar it is, how many they are.

Written at the end of a run as ``clusters/<stage>.parquet`` in its folder, sorted by address; a row's survivor is a row
of the table too, unless it is a document of an earlier run. Sizes are for weights of a mix and for putting copies back.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.blocks.rechunk import Rechunker
from pipeline.reports.clusters import has_clusters
from pipeline.reports.find_document import ids_at
from pipeline.reports.stored_run import Phase, StoredRun
from pipeline.sinks.folder import new_file
from stages.contract import ADDRESS, ORDINAL_BITS

GROUP_ROWS = 2**18
MEMBER_SCHEMA = pa.schema(
    [
        (ADDRESS, pa.uint64()),
        ("survivor", pa.uint64()),
        ("similarity", pa.float32()),
        ("cluster_size", pa.uint32()),
        ("drop", pa.bool_()),
    ]
)
"""The member, the row that stands for it, its similarity to that, documents in the cluster, whether the member goes."""

CLUSTER_SCHEMA = pa.schema([*MEMBER_SCHEMA, ("source", pa.string()), ("id", pa.string())])
"""The same, and who the member is."""


def member_rows(phase: Phase) -> Iterator[pa.RecordBatch]:
    """The members of all clusters of a stage's last phase, by address; none where it cuts spans.

    A batch has members of one partition only, because a file of patches has.
    """
    for file in phase.files("patches"):
        if has_clusters(phase.store, file):
            # a stage need not give the size as a column
            known = set(phase.store.open(file).schema.names)
            names = [name for name in MEMBER_SCHEMA.names if name in known]
            for batch in phase.store.batches(file, names):
                nulls = {field.name: pa.nulls(batch.num_rows, field.type) for field in MEMBER_SCHEMA}
                columns = nulls | dict(zip(batch.schema.names, batch.columns, strict=True))
                arrays = [columns[name] for name in MEMBER_SCHEMA.names]
                yield pa.RecordBatch.from_arrays(arrays, schema=MEMBER_SCHEMA)


def cluster_rows(run: StoredRun, phase: Phase) -> Iterator[pa.RecordBatch]:
    """:func:`member_rows` with source and id."""
    for batch in member_rows(phase):
        addresses = batch.column(ADDRESS).to_numpy()
        ids, source = ids_at(run, int(addresses[0]) >> ORDINAL_BITS, addresses)
        sources = pa.repeat(pa.scalar(source, pa.string()), batch.num_rows)
        yield pa.RecordBatch.from_arrays([*batch.columns, sources, ids], schema=CLUSTER_SCHEMA)


def write_cluster_tables(run: StoredRun) -> None:
    """Write the table of every stage that found clusters into the run's folder."""
    for phase in run.phases_of("resolve"):
        if any(has_clusters(phase.store, file) for file in phase.files("patches")):
            with new_file(run.folder.child("clusters")) as file:
                _write(run, phase, pa.PythonFile(file.sink, mode="w"))
                file.publish(f"{phase.name}.parquet")


def _write(run: StoredRun, phase: Phase, stream: pa.NativeFile) -> None:
    groups = Rechunker(max_rows=GROUP_ROWS, measure=None)
    with pq.ParquetWriter(stream, CLUSTER_SCHEMA, compression="zstd") as writer:
        for batch in cluster_rows(run, phase):
            for group in groups.add(batch):
                writer.write_batch(group)
        for group in groups.finish():
            writer.write_batch(group)
