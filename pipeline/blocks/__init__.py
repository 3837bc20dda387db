"""Blocks: what the engine computes. ``work`` says what a task is.

``rows``, ``corpus`` (with ``sketch`` before it and ``near`` in its middle), ``fit``, ``ingest`` and ``tokens`` are the
kinds of block; ``steps`` runs row stages on a batch and ``rules`` judges its rows; ``reading`` brings the input,
``crash`` finds rows that kill the process.
"""
