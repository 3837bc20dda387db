"""MB/s of heuristics, ours and those of datatrove, dolma and Data-Juicer, on web text, novels and Chinese, in one run.

    python -m benchmarks.heuristics DATA
    python -m benchmarks.heuristics DATA --peers FOLDER --megabytes 32 --peer-megabytes 1

``web`` are the articles of lctt_sources (markdown and code mixed in), ``novels`` the pieces of 100 novels, ``zh``
Chinese articles. A rate is MB (10⁶ bytes of UTF-8) per second of process time of one core, the best of some turns in
which ours and datatrove alternate; imports, models and compiling come before the clock. Ours are whole stages, Arrow in
and Arrow out, with default settings; ``signals`` measures everything at once.

Peers get texts in memory, an evenly spread sub-sample of the same documents whose size the table gives:

* datatrove: its filters each alone on all documents, the four one after the other (``sum``), and as its pipeline runs
  them (``pipeline``): document by document, so that words are split once, and a dropped document leaves early. Chinese
  is split by spaCy with jieba;
* dolma: the taggers of Gopher's and C4's signals;
* Data-Juicer: eight statistics of text that need no model; fewer and simpler ones than those of the others.

Their pins rule each other out, so dolma and Data-Juicer run in virtual environments ``FOLDER/dolma`` (``pip install
dolma``) and ``FOLDER/data-juicer`` (``pip install py-data-juicer aiohttp``). A peer that is not there is named as
missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import heuristics_peers
from benchmarks.datatrove_rules import FILTERS
from benchmarks.rule_corpora import ARTICLES, CHINESE, batch_of, json_lines, novels, spread
from stages.contract import RowStage

STAGES = ("gopher_quality", "gopher_repetition", "c4", "fineweb", "signals")
CORPORA: Mapping[str, tuple[str, Callable[[Path], Iterator[tuple[str, str]]]]] = {
    "web": ("eng", lambda data: json_lines(data / ARTICLES)),
    "novels": ("eng", novels),
    "zh": ("cmn", lambda data: json_lines(data / CHINESE)),
}
"""Corpus → language as datatrove calls it, and how to read it."""

BATCH_BYTES = 16_000_000
SUM, PIPELINE = "datatrove, sum of the four", "datatrove, the four in a pipeline"

Turn = Callable[[], float]
"""Does the work once and returns the seconds of process time."""


def sample(texts: Sequence[str], n_bytes: float) -> list[str]:
    """Documents of about so many bytes in all, evenly spread."""
    total = sum(len(text.encode()) for text in texts)
    return spread(texts, max(int(len(texts) * n_bytes / total), 1))


def megabytes(texts: Sequence[str]) -> float:
    """Size in UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def batches_of(texts: Sequence[str], language: str) -> list[pa.RecordBatch]:
    """Batches of about 16 MB, as sources make them."""
    groups: list[list[str]] = [[]]
    size = 0
    for text in texts:
        if size >= BATCH_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(text)
        size += len(text.encode())
    return [batch_of(group, language) for group in groups]


def our_turn(kind: str, batches: Sequence[pa.RecordBatch]) -> Turn | None:
    """The stage on all batches; None if there is no such stage."""
    name = f"stages.quality.{kind}"
    if find_spec(name) is None:
        return None
    stage: RowStage = __import__(name, fromlist=["STAGE"]).STAGE
    config = stage.config()
    model = stage.load(config, {})
    stage.apply(batches[0].slice(0, 20), config, model)

    def turn() -> float:
        started = time.process_time()
        for batch in batches:
            stage.apply(batch, config, model)
        return time.process_time() - started

    return turn


def their_turns(texts: Sequence[str], language: str) -> dict[str, Turn]:
    """datatrove's filters, each alone and in a pipeline. Raises ImportError if it or a splitter of its is not there."""
    from datatrove.pipeline import filters

    made = {name: getattr(filters, name)(language=language) for name in FILTERS}
    turns: dict[str, Turn] = {f"datatrove {name}": partial(_through, [each], texts) for name, each in made.items()}
    order = ("GopherRepetitionFilter", "GopherQualityFilter", "C4QualityFilter", "FineWebQualityFilter")  # FineWeb's
    turns[PIPELINE] = partial(_through, [made[name] for name in order], texts)
    _through([made[name] for name in order], texts[:3])  # loads the splitter
    return turns


def _through(steps: Sequence[Any], texts: Sequence[str]) -> float:
    """Every document through the filters until one drops it."""
    from datatrove.data import Document
    from datatrove.utils.text import split_into_parts

    split_into_parts.cache_clear()
    documents = [Document(text=text, id="") for text in texts]
    started = time.process_time()
    for document in documents:
        for step in steps:
            kept = step.filter(document)
            if isinstance(kept, tuple) or not kept:
                break
    return time.process_time() - started


def other_peer(name: str, folder: Path | None, texts: Sequence[str]) -> tuple[str, float] | str:
    """(label, seconds) of a toolkit in a virtual environment of its own, or why there is none."""
    python = folder and folder / name / "bin" / "python"
    if not python or not python.exists():
        return f"{name}: missing (no virtual environment {name} under --peers)"
    script = Path(heuristics_peers.__file__).with_name(f"{name.replace('-', '_')}.py")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()
        # -P: the folder of the script must not hide the toolkit of the same name
        done = subprocess.run([python, "-P", script, file.name], capture_output=True, text=True)
    if done.returncode:
        return f"{name}: missing (failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]})"
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return f"{name} {found['version']}, {found['what']}", found["seconds"]


def best(turns: Mapping[str, Turn], count: int) -> dict[str, float]:
    """Fewest seconds of each, all taking turns."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(count):
        for name, turn in turns.items():
            found[name].append(turn())
    return {name: min(seconds) for name, seconds in found.items()}


def measured(name: str, options: argparse.Namespace, notes: list[str]) -> dict[str, float]:
    """What → MB/s on one corpus; ``notes`` gets what is missing and how large samples are."""
    language, read = CORPORA[name]
    texts = sample([text for _, text in read(options.data)], options.megabytes * 1e6)
    few = sample(texts, options.peer_megabytes * 1e6)
    batches = batches_of(texts, language[:2] if language == "eng" else "zh")
    notes.append(f"{name}: ours on {megabytes(texts):.1f} MB, peers on {megabytes(few):.2f} MB, {len(few)} documents")
    ours = {f"gristmill {kind}": turn for kind in STAGES if (turn := our_turn(kind, batches))}
    notes += [f"gristmill {kind}: missing (no such stage)" for kind in STAGES if f"gristmill {kind}" not in ours]
    theirs: dict[str, Turn] = {}
    try:
        theirs = their_turns(few, language) if "datatrove" not in options.without else {}
    except ImportError as error:
        notes.append(f"datatrove: missing ({error})")
    seconds = best({**ours, **theirs}, options.turns)
    rates = {what: megabytes(texts if what in ours else few) / spent for what, spent in seconds.items()}
    if theirs:
        rates[SUM] = 1 / sum(1 / rates[f"datatrove {filter_}"] for filter_ in FILTERS)
    for peer in ("dolma", "data-juicer"):
        found = other_peer(peer, options.peers, few) if peer not in options.without else f"{peer}: left out"
        if isinstance(found, str):
            notes.append(found)
        else:
            rates[found[0]] = megabytes(few) / found[1]
    return rates


def print_table(rates: Mapping[str, Mapping[str, float]]) -> None:
    """A line for each tool, a column for each corpus, and how many times the peers ``signals`` is."""
    names = list(dict.fromkeys(name for column in rates.values() for name in column))
    print(f"{'MB/s per core':50}" + "".join(f"{corpus:>10}" for corpus in rates))
    for name in names:
        print(f"{name:50}" + "".join(_cell(column.get(name), 2) for column in rates.values()))
    for peer in [name for name in names if not name.startswith("gristmill")]:
        pairs = [(column.get("gristmill signals"), column.get(peer)) for column in rates.values()]
        print(
            f"{'signals : ' + peer:50}" + "".join(_cell(ours and theirs and ours / theirs, 0) for ours, theirs in pairs)
        )


def _cell(value: float | None, digits: int) -> str:
    return f"{'-':>10}" if value is None else f"{value:10.{digits}f}"


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--corpus", nargs="*", default=list(CORPORA), choices=list(CORPORA), help="all if left out")
    parser.add_argument("--megabytes", type=float, default=32, help="of each corpus, for ours")
    parser.add_argument("--peer-megabytes", type=float, default=1, help="of each corpus, for the peers")
    parser.add_argument("--turns", type=int, default=3, help="runs of each, of which the best counts")
    parser.add_argument("--peers", type=Path, help="folder of virtual environments: dolma, data-juicer")
    parser.add_argument("--without", nargs="*", default=[], choices=["datatrove", "dolma", "data-juicer"])
    options = parser.parse_args()
    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # datatrove: the mean of no words
        rates = {name: measured(name, options, notes) for name in options.corpus}
    print_table(rates)
    print("", *dict.fromkeys(notes), f"Python {sys.version.split()[0]}", sep="\n")


if __name__ == "__main__":
    main()
