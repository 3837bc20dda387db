"""HTML → text on html_gold: precision, recall, F1 and MB/s of ours, resiliparse and trafilatura, in one run.

    python -m benchmarks.train_extractor DATA --write stages/extract_model.json --folds FOLDS.json
    python -m benchmarks.extraction DATA --folds FOLDS.json
    python -m benchmarks.extraction DATA --folds FOLDS.json --only gristmill --worst 20

How pages are split and extractions scored: :mod:`benchmarks.html_gold`. The model that ships was trained on all of
these pages, so it cannot be measured on them: with ``--folds`` each page is extracted by a forest, trained in the same
way on four fifths of the sites, that has seen no page of its site. With ``--model`` the stage runs with another model,
one that was trained on the development half, say; without either the shipped model runs and only its speed means
something.

All get the same decoded pages. Rates are MB of HTML (1 MB = 10⁶ bytes of UTF-8) per second of processor time of one
core: ours is the whole stage with the model that ships, Arrow in and Arrow out with all its columns, the others are
their functions on strings. Of ``--turns`` runs the minimum, the median and the maximum; imports and compiling come
before.

``difference``: F1 of ours less that of trafilatura's default, with the 95 % interval of a paired bootstrap over sites.
``--worst`` prints the pages on which ours makes most mistakes, with what it missed and kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.html_gold import Counts, Page, counts_of, fold, folded, read_pages, total
from benchmarks.train_extractor import FOLD_SALT
from stages.extract import MODEL, STAGE, ExtractConfig, read_model
from stages.html_libraries import Extractor, Favor, resiliparse, trafilatura

Texts = Sequence[str]
Run = Callable[[Sequence[Page]], tuple[Texts, float]]
"""Pages → their texts, and the seconds that it took."""

BATCH_BYTES = 16_000_000
FAVORS: tuple[Favor, ...] = ("balanced", "precision", "recall")


@dataclass(frozen=True)
class Result:
    """What an extractor made of the pages, in their order. ``rates``: MB/s of each turn."""

    name: str
    texts: Texts
    counts: Sequence[Counts]
    rates: Sequence[float]


def ours(favor: str, options: argparse.Namespace) -> Run:
    """The stage, timed with one model; texts by the forest that has not seen the page if there are folds."""
    config = ExtractConfig.model_validate({"favor": favor})
    model = read_model(options.model.read_bytes())

    def run(pages: Sequence[Page]) -> tuple[Texts, float]:
        batches = batches_of(pages)
        started = time.process_time()
        done = [STAGE.apply(batch, config, model).columns["text"] for batch in batches]
        seconds = time.process_time() - started
        if options.folds:
            return unseen(pages, config, options.folds), seconds
        return [text for texts in done for text in texts.to_pylist()], seconds

    return run


def unseen(pages: Sequence[Page], config: ExtractConfig, folds: Path) -> Texts:
    """Texts by the forest of the fold that the page's site lies in."""
    texts = [""] * len(pages)
    models = [read_model(json.dumps(model).encode()) for model in json.loads(folds.read_text())]
    for number, model in enumerate(models):
        chosen = [i for i, page in enumerate(pages) if fold(page.site, len(models), FOLD_SALT) == number]
        done = [
            STAGE.apply(batch, config, model).columns["text"].to_pylist()
            for batch in batches_of([pages[i] for i in chosen])
        ]
        for i, text in zip(chosen, (text for batch in done for text in batch), strict=True):
            texts[i] = text
    return texts


def library(extract: Extractor) -> Run:
    """A library's function, page by page."""

    def run(pages: Sequence[Page]) -> tuple[Texts, float]:
        started = time.process_time()
        texts = [extract(page.html) or "" for page in pages]
        return texts, time.process_time() - started

    return run


def batches_of(pages: Sequence[Page]) -> list[pa.RecordBatch]:
    """Batches of about 16 MB."""
    batches, start, size = [], 0, 0
    for end, page in enumerate(pages, 1):
        size += page.size
        if size >= BATCH_BYTES or end == len(pages):
            texts = pa.array([page.html for page in pages[start:end]], pa.large_string())
            batches.append(pa.record_batch({"text": texts, "date": pa.nulls(end - start, pa.string())}))
            start, size = end, 0
    return batches


def extractors(options: argparse.Namespace) -> dict[str, Run]:
    """Name in the table → how to run it."""
    found = {f"gristmill {favor}": ours(favor, options) for favor in FAVORS}
    found["resiliparse"] = library(resiliparse(main=True, lists=True))
    for favor in FAVORS:
        found[f"trafilatura {favor}"] = library(trafilatura(favor=favor, tables=True))
    return found


def measured(name: str, run: Run, pages: Sequence[Page], turns: int) -> Result:
    """Run an extractor, after a warm-up on two pages."""
    run(pages[:2])
    done = [run(pages) for _ in range(turns)]
    texts = done[0][0]
    megabytes = sum(page.size for page in pages) / 1e6
    counts = [counts_of(page, text) for page, text in zip(pages, texts, strict=True)]
    return Result(name, texts, counts, [megabytes / seconds for _, seconds in done])


def row(result: Result, halves: Sequence[npt.NDArray[np.bool_]]) -> str:
    """A line of the table: figures of each half and the rate."""
    cells = [f"{result.name:22}"]
    for half in halves:
        counts = total(result.counts[i] for i in np.flatnonzero(half).tolist())
        cells.append(f"{counts.precision:.3f} {counts.recall:.3f} {counts.f():.4f}")
    low, middle, high = min(result.rates), statistics.median(result.rates), max(result.rates)
    return " | ".join([*cells, f"{low:6.1f} {middle:6.1f} {high:6.1f}"])


def difference(one: Result, other: Result, pages: Sequence[Page], chosen: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """F1 of one less F1 of the other on the chosen pages, and its 2.5 and 97.5 % quantiles over resampled sites."""
    sites = sorted({page.site for page, keep in zip(pages, chosen, strict=True) if keep})
    place = {site: number for number, site in enumerate(sites)}
    sums = np.zeros((2, len(sites), 3))
    for i in np.flatnonzero(chosen).tolist():
        for which, result in enumerate((one, other)):
            sums[which, place[pages[i].site]] += result.counts[i]
    draws = np.random.default_rng(0).integers(0, len(sites), (2_000, len(sites)))
    drawn = [_f1(sums[:, draw].sum(axis=1)) for draw in (np.arange(len(sites)), *draws)]
    found = np.array([pair[0] - pair[1] for pair in drawn])
    return float(found[0]), float(np.quantile(found[1:], 0.025)), float(np.quantile(found[1:], 0.975))


def _f1(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2])


def print_worst(result: Result, pages: Sequence[Page], count: int) -> None:
    """The pages with most mistakes."""
    mistakes = np.array([counts.false_positives + counts.false_negatives for counts in result.counts])
    for i in np.argsort(-mistakes, kind="stable")[:count]:
        text = folded(result.texts[i])
        print(f"\n{pages[i].url}  {mistakes[i]} mistakes, {len(text)} characters")
        print("  missed:", [segment for segment in pages[i].wanted if segment not in text])
        print("  kept:  ", [segment for segment in pages[i].unwanted if segment in text])


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--folds", type=Path, help="models of the folds, which train_extractor writes")
    parser.add_argument("--model", type=Path, default=MODEL, help="another model than the one that ships")
    parser.add_argument("--turns", type=int, default=3, help="runs of each")
    parser.add_argument("--worst", type=int, default=0, help="print that many of the pages with most mistakes")
    parser.add_argument("--only", default="", help="beginning of the names in the table; all if left out")
    options = parser.parse_args()
    pages = read_pages(options.data)
    half = np.array([page.is_development for page in pages])
    print(f"{len(pages)} pages, {sum(page.size for page in pages) / 1e6:.1f} MB; development half {half.sum()} pages")
    print(f"{'P, R, F1 of':22} | development         | test                | all                 | MB/s min median max")
    results: dict[str, Result] = {}
    for name, run in extractors(options).items():
        if name.startswith(options.only):
            results[name] = measured(name, run, pages, options.turns)
            print(row(results[name], (half, ~half, half | ~half)), flush=True)
    if {"gristmill balanced", "trafilatura balanced"} <= results.keys():
        pair = results["gristmill balanced"], results["trafilatura balanced"]
        for part, chosen in (("test half", ~half), ("all", half | ~half)):
            mean, low, high = difference(*pair, pages, chosen)
            print(f"difference of F1, {part}: {mean:+.4f}, 95 % between {low:+.4f} and {high:+.4f}")
    if options.worst:
        print_worst(next(iter(results.values())), pages, options.worst)


if __name__ == "__main__":
    main()
