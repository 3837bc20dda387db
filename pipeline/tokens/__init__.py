"""Token shards and the mix: text → ids → shards → plan → sequences.

::

    documents ─tokenizers─▶ ids ─shard_writer─▶ parts ─▶ shards + index.arrow
                                                              │
                              trainer ◀─ MixReader ◀─ plan ◀─ mix

``shards`` (reader), ``mix`` and what they import need numpy and pyarrow only, so that a trainer can read a
corpus without the engine. ``docs/shard-format.md`` draws the files. Imports nothing here.
"""
