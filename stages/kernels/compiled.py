"""How kernels are compiled that pass tuples of arrays to each other, as those of HTML and of n-gram models do.

None of them allocates. So reference counting is switched off: with it, Numba counts each array of a tuple at each
call, and reading a page takes five to ten times as long (and an allocation would now be an error of compilation). The
option is Numba's own, with an underscore, and may go away: without it everything works, slowly.

A helper is compiled anew for each combination of types, and a literal number is a type of its own: so constants that
are handed to helpers, and offsets read from arrays of 32 bits, are made ``np.int64`` first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called; the result is cached beside its own file."""
    return njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload]


def inlined(function: Callable[..., Any]) -> Any:
    """As :func:`kernel`, for one line that is called with many literals: its code stands where it is called."""
    return njit(cache=True, nogil=True, _nrt=False, inline="always")(function)  # type: ignore[call-overload]
