"""Numba loops over Arrow buffers: arrays in, arrays out.

A leaf: it imports numpy, pyarrow and numba only, and every package may import it.
"""
