"""URLs in the form in which two that lead to the same page are equal.

What RFC 3986 section 6.2 calls syntax-based and scheme-based normalization, and some habits of the web:

* scheme, user and ``www.`` left out, host in small letters, port 80 and 443 and a final dot left out;
* escapes of letters, digits and ``-._~`` undone, other escapes in capitals;
* fragment left out, unless it is the page's address (``#!``);
* slashes at the end of the path left out, repeated ones one;
* parameters of a query that only say where the reader came from left out (``utm_…``, ``gclid``, session numbers).

Parameters keep their order. Text that is no URL with a host keeps all but white space around it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from stages.kernels.arrow_text import text_array, text_view

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]

TRACKING = (
    "utm_[a-z_]+", "gclid", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "twclid", "igshid", "mc_cid",
    "mc_eid", "_ga", "_gl", "_hsenc", "_hsmi", "spm", "ref_src", "phpsessid", "jsessionid", "sessionid",
    "aspsessionid[a-z]*",
)  # fmt: skip
"""Names of parameters that say nothing about the page, as patterns."""

_PARTS = (
    r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#@]*@)?(?P<host>[^/?#@]+)(?P<path>[^?#]*)"
    r"(?P<query>\?[^#]*)?(?P<fragment>#.*)?$"
)
_PARAMETERS = r"(?i)([?&])(?:" + "|".join(TRACKING) + r")(?:=[^&]*|$)"
_SESSION_IN_PATH = r"(?i);jsessionid=[^/?#;]*"


@njit(cache=True, nogil=True)
def _digit(byte: int | np.uint8) -> int:
    """Value of a hexadecimal digit, -1 for another character."""
    if 48 <= byte <= 57:
        return int(byte) - 48
    lower = int(byte) | 32
    return lower - 87 if 97 <= lower <= 102 else -1


@njit(cache=True, nogil=True)
def _is_unreserved(byte: int) -> bool:
    lower = byte | 32
    return 97 <= lower <= 122 or 48 <= byte <= 57 or byte in (45, 46, 95, 126)


@njit(cache=True, nogil=True)
def _unescape(data: Bytes, offsets: Int64s, out: Bytes, ends: Int64s) -> None:
    """O(bytes)."""
    to = 0
    for row in range(len(offsets) - 1):
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            byte = data[at]
            high = _digit(data[at + 1]) if byte == 37 and at + 2 < stop else -1
            low = _digit(data[at + 2]) if high >= 0 else -1
            if low < 0:
                out[to] = byte
                to += 1
                at += 1
                continue
            value = high * 16 + low
            if _is_unreserved(value):
                out[to] = value
                to += 1
            else:
                out[to] = 37
                for place in range(1, 3):
                    digit = data[at + place]
                    out[to + place] = digit & 0xDF if digit >= 97 else digit
                to += 3
            at += 3
        ends[row + 1] = to


def unescaped(array: pa.Array) -> pa.Array:
    """The rows with escapes of unreserved characters undone and the digits of others in capitals."""
    data, offsets = text_view(array)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    _unescape(data, offsets, out, ends)
    return text_array(out[: ends[-1]], ends)


def normal_urls(urls: pa.Array) -> pa.Array:
    """``large_string`` of URLs in the form above; null where there is none. Takes (large_)string with nulls."""
    given = pc.utf8_trim_whitespace(urls.cast(pa.large_string()))
    plain = unescaped(pc.fill_null(given, ""))
    parts = pc.extract_regex(plain, _PARTS)
    host, path, query, fragment = (pc.struct_field(parts, index) for index in range(4))
    host = pc.replace_substring_regex(pc.utf8_lower(host), r"\.?(?::(?:80|443)?)?$", "", max_replacements=1)
    host = pc.replace_substring_regex(host, r"^www\.(.+\..+)$", r"\1")
    path = pc.replace_substring_regex(pc.replace_substring_regex(path, _SESSION_IN_PATH, ""), "/{2,}", "/")
    path = pc.utf8_rtrim(path, "/")
    query = pc.replace_substring_regex(query, _PARAMETERS, r"\1")
    query = pc.replace_substring_regex(pc.utf8_trim(query, "?&"), "&{2,}", "&")
    query = pc.if_else(pc.equal(query, ""), _text(""), pc.binary_join_element_wise(_text("?"), query, _text("")))
    fragment = pc.if_else(pc.starts_with(fragment, "#!"), fragment, _text(""))
    whole = pc.coalesce(pc.binary_join_element_wise(host, path, query, fragment, _text("")), plain)
    return pc.if_else(pc.equal(pc.fill_null(given, ""), ""), _text(None), whole)


def _text(value: str | None) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())
