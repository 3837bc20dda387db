"""The pages of html_gold, trafilatura's evaluation set, their halves, and how an extraction is scored.

A page comes with segments of text that a reader would want and segments that frame the page. The rule is that of
trafilatura's own evaluation: white space is folded in segment and text; a wanted segment that occurs in the text is a
true positive, one that does not a false negative; an unwanted segment that occurs is a false positive. Counts are
summed over all pages.

Pages are in the development or in the test half by a hash of their site, so that pages of one site, which share a
template, never lie on both sides. A site is the last two labels of the host (all of ``blogspot.com`` is one site);
pages from web.archive.org count for the site that they were archived from.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import zstandard

ARCHIVE = Path("html_gold") / "trafilatura_eval.tar.zst"
_ARCHIVED = re.compile(r"^https?://web\.archive\.org/web/[^/]+/")
_NAMED = re.compile(r"^hard::([^.-]+\.[^.-]+)[.-]")
"""Pages without an address are named for their files: ``hard::dw.com.colonial.html``."""
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Page:
    """``html``: decoded; ``size``: bytes of its UTF-8. ``wanted``, ``unwanted``: segments with white space folded."""

    url: str
    site: str
    html: str
    size: int
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]

    @property
    def is_development(self) -> bool:
        return fold(self.site, 2) == 0


class Counts(NamedTuple):
    """Segments found and not found."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def precision(self) -> float:
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def recall(self) -> float:
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    def f(self, beta: float = 1.0) -> float:
        """F-measure; beta above 1 gives recall more weight."""
        precision, recall = self.precision, self.recall
        return (1 + beta**2) * precision * recall / max(beta**2 * precision + recall, 1e-12)


def folded(text: str) -> str:
    """The text with white space folded."""
    return _SPACE.sub(" ", text).strip()


def counts_of(page: Page, text: str) -> Counts:
    """Score of one extraction."""
    text = folded(text)
    found = sum(segment in text for segment in page.wanted)
    return Counts(found, sum(segment in text for segment in page.unwanted), len(page.wanted) - found)


def total(counts: Iterable[Counts]) -> Counts:
    """Sums over pages."""
    return Counts(*(sum(column) for column in zip(*counts, strict=True)))


def fold(site: str, folds: int, salt: str = "") -> int:
    """Number of the fold that a site lies in."""
    return int.from_bytes(hashlib.sha256(f"{salt}{site}".encode()).digest()[:8]) % folds


def site_of(url: str) -> str:
    """The last two labels of the host, of the archived page if it is one."""
    if named := _NAMED.match(url):
        return named[1]
    url = _ARCHIVED.sub("", url)
    host = urlsplit(url if "://" in url else f"http://{url}").hostname or url
    return ".".join(host.split(".")[-2:])


def decoded(raw: bytes) -> str:
    """UTF-8 where it is that, else by resiliparse's detection, which also reads the declared charset."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return bytes_to_str(raw, detect_encoding(raw) or "utf-8").encode("utf-8", "replace").decode()


def read_pages(data: Path) -> Sequence[Page]:
    """All pages, in the order of their addresses. ``data``: the folder of the real data."""
    files: dict[str, bytes] = {}
    with zstandard.open(data / ARCHIVE, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                files[member.name.removeprefix("./")] = content.read()
    gold = json.loads(next(content for name, content in files.items() if name.endswith("evaldata.json")))
    by_name = {name.rpartition("/")[2]: content for name, content in sorted(files.items(), reverse=True)}
    return [_page(url, entry, by_name[entry["file"]]) for url, entry in sorted(gold.items())]


def _page(url: str, entry: dict[str, list[str]], raw: bytes) -> Page:
    html = decoded(raw)
    wanted, unwanted = (tuple(folded(segment) for segment in entry[key]) for key in ("with", "without"))
    return Page(url, site_of(url), html, len(html.encode()), wanted, unwanted)
