"""Obvious twin of :mod:`stages.kernels.url_words`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.reference.topic_text import lower

SCHEME = re.compile(r"[^/?#]*?:(//?)", re.DOTALL)
AUTHORITY = re.compile(r"[^/?#]*", re.DOTALL)


def host_and_path(url: str) -> tuple[str, str]:
    """The host in lower case, without user and port, and everything behind it."""
    scheme = SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    authority = AUTHORITY.match(rest)[0]  # type: ignore[index]
    host = lower(authority.rpartition("@")[2].partition(":")[0])
    return host.removesuffix("."), rest[len(authority) :]


def url_words(
    urls: list[str], hosts: Mapping[str, int], words: Mapping[str, int], stems: Mapping[str, int]
) -> list[list[int]]:
    """Bits by host, by words of the host, and by words of the path."""
    return [_row(url, hosts, words, stems) for url in urls]


def _row(url: str, hosts: Mapping[str, int], words: Mapping[str, int], stems: Mapping[str, int]) -> list[int]:
    host, path = host_and_path(url)
    kept = re.search(r":(//?)", path, re.DOTALL)
    if host == "web.archive.org" and kept:
        host, path = host_and_path("x://" + path[kept.end() :])
    labels = host.split(".")
    by_host = by_word = by_path = 0
    for at in range(len(labels)):
        by_host |= hosts.get(".".join(labels[at:]), 0)
    for word in re.findall("[a-z]+", host):
        by_word |= words.get(word, 0)
    for stem, bits in stems.items():
        by_word |= bits if stem in host else 0
    for word in re.findall("[a-z]+", lower(path)):
        by_path |= words.get(word, 0)
    return [by_host, by_word, by_path]
