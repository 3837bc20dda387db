"""The cluster table of a run: every member of every cluster, who stands for it, how similar it is, how many they are.

Written at the end of a run as ``clusters/<stage>.parquet`` in its folder, sorted by address; rows are members by their
addresses, which ``gristmill why`` and the signals know. Sizes are for weights of a mix and for putting copies back.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.blocks.rechunk import Rechunker
from pipeline.reports.clusters import has_clusters
from pipeline.reports.stored_run import Phase, StoredRun
from pipeline.sinks.folder import new_file
from stages.contract import ADDRESS

GROUP_ROWS = 2**18
CLUSTER_SCHEMA = pa.schema(
    [
        (ADDRESS, pa.uint64()),
        ("survivor", pa.uint64()),
        ("similarity", pa.float32()),
        ("cluster_size", pa.uint32()),
        ("drop", pa.bool_()),
    ]
)


def cluster_rows(phase: Phase) -> Iterator[pa.RecordBatch]:
    """The members of all clusters of a stage's last phase, by address; none where it cuts spans."""
    for file in phase.files("patches"):
        if has_clusters(phase.store, file):
            # a stage need not give the size as a column
            known = set(phase.store.open(file).schema.names)
            names = [name for name in CLUSTER_SCHEMA.names if name in known]
            for batch in phase.store.batches(file, names):
                nulls = {field.name: pa.nulls(batch.num_rows, field.type) for field in CLUSTER_SCHEMA}
                columns = nulls | dict(zip(batch.schema.names, batch.columns, strict=True))
                arrays = [columns[name] for name in CLUSTER_SCHEMA.names]
                yield pa.RecordBatch.from_arrays(arrays, schema=CLUSTER_SCHEMA)


def write_cluster_tables(run: StoredRun) -> None:
    """Write the table of every stage that found clusters into the run's folder."""
    for phase in run.phases_of("resolve"):
        if any(has_clusters(phase.store, file) for file in phase.files("patches")):
            with new_file(run.folder.child("clusters")) as file:
                _write(phase, pa.PythonFile(file.sink, mode="w"))
                file.publish(f"{phase.name}.parquet")


def _write(phase: Phase, stream: pa.NativeFile) -> None:
    groups = Rechunker(max_rows=GROUP_ROWS, measure=None)
    with pq.ParquetWriter(stream, CLUSTER_SCHEMA, compression="zstd") as writer:
        for batch in cluster_rows(phase):
            for group in groups.add(batch):
                writer.write_batch(group)
        for group in groups.finish():
            writer.write_batch(group)
