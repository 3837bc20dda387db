"""resiliparse and trafilatura as functions from one page to its text, and what is done where they fail.

Neither has a limit of its own on hostile pages, so sizes and depths are checked before: time-outs would make the
outcome depend on the machine. What an exception of theirs means is the same everywhere: no text, and a reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Library = Literal["resiliparse", "trafilatura"]
Favor = Literal["balanced", "precision", "recall"]
Extractor = Callable[[str], str | None]
Mask = npt.NDArray[np.bool_]
Depths = npt.NDArray[np.int64]

TOO_LARGE, TOO_DEEP = "too_large", "too_deep"
MOST_DEPTH = 512
"""Elements inside of each other, as deep as browsers nest them. resiliparse needs time that grows with the square: 2 s
for 50 kB of 10,000 ``<div>``."""


def missing(library: str) -> Sequence[str]:
    """What to tell a user who has not installed the library; nothing where it is there."""
    if find_spec(library) is not None:
        return ()
    return (f"extractor {library} is not installed; `pip install 'gristmill[html]'` brings it",)


def resiliparse(*, main: bool, lists: bool) -> Extractor:
    """Paragraphs and lists as resiliparse writes them; navigation, comments and the like left out if ``main``."""
    from resiliparse.extract.html2text import extract_plain_text

    return lambda html: extract_plain_text(
        html, preserve_formatting=True, main_content=main, list_bullets=lists, alt_texts=False, comments=False
    )


def trafilatura(*, favor: Favor, tables: bool) -> Extractor:
    """Main content as trafilatura finds it, without comments, with its fall-backs (readability, jusText).

    What it logs about single pages is silenced: a crawl has millions of them, and signals say what came of each.
    """
    from trafilatura import extract

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    return lambda html: extract(
        html,
        include_comments=False,
        include_tables=tables,
        favor_precision=favor == "precision",
        favor_recall=favor == "recall",
    )


def texts_of(
    pages: pa.Array, plain: Mask, depths: Depths, extract: Extractor, most_bytes: int
) -> tuple[pa.Array, pa.Array]:
    """Texts (large_string) and reasons why there is none (string; null where all went well), page by page.

    ``plain``: pages that are no HTML and stay as they are. Larger ones than ``most_bytes`` fail as ``too_large``, those
    nested more than MOST_DEPTH deep as ``too_deep``, an exception of the library's fails by its name.
    """
    texts: list[str] = []
    failures: list[str | None] = []
    for page, is_plain, depth in zip(pages, plain.tolist(), depths.tolist(), strict=True):
        html: str = page.as_py()
        if is_plain:
            text, failure = html, None
        elif depth > MOST_DEPTH:
            text, failure = "", TOO_DEEP
        else:
            text, failure = _text_of(html, extract, most_bytes)
        texts.append(text)
        failures.append(failure)
    return pa.array(texts, pa.large_string()), pa.array(failures, pa.string())


def _text_of(html: str, extract: Extractor, most_bytes: int) -> tuple[str, str | None]:
    if len(html) > most_bytes or len(html.encode()) > most_bytes:
        return "", TOO_LARGE
    try:
        found = extract(html) or ""
    except Exception as error:  # whatever a library raises, its page is booked with the reason
        return "", type(error).__name__
    return found.encode("utf-8", "replace").decode(), None
