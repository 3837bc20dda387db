"""Stages: what happens to documents.

One module is one stage and holds one ``STAGE`` value. Read :mod:`stages.contract` first; the list of all
stages is :mod:`stages.catalogue`. This file imports nothing, so that :mod:`stages.kernels` stays a leaf
that every package may import.
"""
