"""Trains the forest that scores blocks of HTML pages, and says how good it is on pages that it has not seen.

    python -m benchmarks.train_extractor DATA --write stages/extract_model.json --folds FOLDS.json
    python -m benchmarks.train_extractor DATA --half --write HALF.json

The first trains on all pages of html_gold and writes the model that ships; before that, it trains five forests on four
fifths of the sites each, which give the figures that it prints and which `benchmarks/extraction.py --folds` measures
page by page with the forest that has not seen the site. The second trains on the development half alone, so that the
test half says the same in another way. With the same versions of the libraries that a model names, training again gives
the same bytes.

**Labels.** The gold names a few segments a page. A block that lies in a wanted one is content, in an unwanted one it is
not; of several places where a wanted segment occurs, the one with the best score counts. All other blocks get what
trafilatura (three settings) and resiliparse say about them, as a share of votes, and from the second round on the mean
of that and of what a forest says that has not seen the page; such a label weighs little.

**Bounds.** The out-of-fold scores give the score above which blocks are kept: the best F1 for ``balanced``, F0.5 for
``precision`` and F2 for ``recall``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.boosting import SCALE, Settings, predict, train
from benchmarks.html_gold import Counts, Page, counts_of, fold, folded, read_pages, total
from stages.html_libraries import Extractor, resiliparse, trafilatura
from stages.kernels.html_blocks import B_HIDDEN, B_SCORE, find_blocks
from stages.kernels.html_choice import Wanted, lay_out
from stages.kernels.html_pages import Output, text_of_pages, work_for
from stages.kernels.html_scores import FEATURES, LANES, NO_FOREST, Forest, score_blocks, show_hidden
from stages.kernels.html_tables import tables
from stages.kernels.html_text import GROWTH, ROOM, write_page
from stages.kernels.html_tree import parse, tree_for

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

_NOTHING_ABOVE = 2**31 - 1
FOLDS, FOLD_SALT = 5, "fold"
GOLD_WEIGHT, PAGE_WEIGHT = 1.0, 8.0
"""Of a block that the gold names; of all others of a page together."""
LONG = 25
"""Characters from which a block's text is looked for anywhere in another extractor's; shorter ones have to be a
line."""


@dataclass(frozen=True, eq=False)
class Described:
    """A page and its visible blocks.

    ``features``: int32[blocks, FEATURES]. ``texts``: with white space folded. ``votes``: share of the other extractors
    that keep each.
    """

    page: Page
    features: Ints
    texts: Sequence[str]
    votes: Floats


def describe(page: Page, teachers: Sequence[str]) -> Described:
    """``teachers``: what other extractors make of the page."""
    html = np.frombuffer(page.html.encode(), np.uint8)
    tree = tree_for(len(html))
    work = work_for(tree)
    nodes, events, _ = parse(html, tree, tables())
    count = find_blocks(html, tree, events, tables(), work.blocks, work.scratch)
    blocks = work.blocks[:count]
    features = np.zeros((max(count, 1), FEATURES), np.int32)
    show_hidden(blocks, count)
    score_blocks(
        tree, nodes, tables().kinds, blocks, count, work.measures, work.words, features, NO_FOREST
    )  # fmt: skip
    lay_out(tree, nodes, False, work.layout)
    visible = np.flatnonzero(blocks[:, B_HIDDEN] == 0)
    out = np.empty(GROWTH * len(html) + ROOM, np.uint8)
    texts = []
    for block in visible:
        blocks[:, B_SCORE] = 0
        blocks[block, B_SCORE] = 1
        end = write_page(html, tree, blocks, count, 0, work.layout, tables(), out, 0, work.roots)
        texts.append(folded(out[:end].tobytes().decode()))
    return Described(page, features[visible], texts, votes(texts, teachers))


def votes(texts: Sequence[str], teachers: Sequence[str]) -> Floats:
    """Share of the teachers in whose text each block is found."""
    found = np.zeros(len(texts))
    for teacher in teachers:
        whole, lines = folded(teacher), {folded(line).removeprefix("- ") for line in teacher.splitlines()}
        found += [text in whole if len(text) >= LONG else text in lines for text in texts]
    return found / max(len(teachers), 1)


def places_of(segment: str, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """The blocks in which a segment lies, for each place where it occurs."""
    joined = " ".join(texts)
    ends = np.cumsum([len(text) + 1 for text in texts])
    places = []
    at = joined.find(segment)
    while at >= 0:
        first, last = np.searchsorted(ends, [at, at + len(segment) - 1], side="right")
        places.append(np.arange(first, last + 1))
        at = joined.find(segment, at + 1)
    return places


def labelled(described: Described, scores: Floats) -> tuple[Floats, Floats]:
    """Labels from 0 to 1 and weights of a page's blocks.

    ``scores``: chance that each is content, as far as is known.
    """
    labels = scores.copy()
    weights = np.full(len(labels), PAGE_WEIGHT / max(len(labels), 1))
    named = np.zeros((2, len(labels)))
    for segment in described.page.wanted:
        places = places_of(segment, described.texts)
        if places:
            named[1, max(places, key=lambda place: scores[place].mean())] += 1
    for segment in described.page.unwanted:
        for place in places_of(segment, described.texts):
            named[0, place] += named[1, place] == 0
    is_named = named.sum(axis=0) > 0
    labels[is_named] = (named[1] / np.maximum(named.sum(axis=0), 1))[is_named]
    weights[is_named] = GOLD_WEIGHT
    return labels, weights


@dataclass(frozen=True, eq=False)
class Trained:
    """A forest whose first tree is the base: one leaf."""

    nodes: Ints
    roots: Ints

    @property
    def forest(self) -> Forest:
        return laid_out(self.nodes, self.roots)


def laid_out(nodes: Ints, roots: Ints) -> Forest:
    """The forest as the kernel walks it: the two nodes below another lie side by side, trees come LANES at a time."""
    places: list[list[int]] = []
    starts, depths = [], []
    for root in roots.tolist():
        starts.append(len(places))
        depths.append(_lay_out(nodes, root, places))
    while len(starts) % LANES:
        starts.append(len(places))
        depths.append(0)
        places.append([0, _NOTHING_ABOVE, len(places), 0])
    steps = np.array(depths, np.int32).reshape(-1, LANES).max(axis=1)
    return Forest(np.array(places, np.int32), np.array(starts, np.int32), steps)


def _lay_out(nodes: Ints, root: int, places: list[list[int]]) -> int:
    """Append one tree, level by level; returns its depth."""
    depth, level = 0, [(root, len(places))]
    places.append([])
    while level:
        below = []
        for node, place in level:
            feature, bound, low, high = nodes[node].tolist()
            if feature < 0:
                places[place] = [0, _NOTHING_ABOVE, place, bound]
            else:
                places[place] = [feature, bound, len(places), 0]
                below += [(low, len(places)), (high, len(places) + 1)]
                places += [[], []]
        depth += 1 if below else 0
        level = below
    return depth


def train_on(pages: Sequence[Described], scores: Sequence[Floats], settings: Settings) -> Trained:
    """A forest for these pages with these chances."""
    pairs = [labelled(described, score) for described, score in zip(pages, scores, strict=True)]
    features = np.concatenate([described.features for described in pages])
    nodes, roots, base = train(
        features, np.concatenate([labels for labels, _ in pairs]), np.concatenate([w for _, w in pairs]), settings
    )
    leaf = np.array([[-1, base, 0, 0]], np.int32)
    shifted = nodes.copy()
    shifted[nodes[:, 0] >= 0, 2:] += 1
    return Trained(np.concatenate([leaf, shifted]), np.concatenate([[0], roots + 1]).astype(np.int32))


def chances(pages: Sequence[Described], trained: Trained) -> list[Floats]:
    """What a forest says about the blocks of pages."""
    return [
        1 / (1 + np.exp(-predict(described.features, trained.nodes, trained.roots, 0) / SCALE)) for described in pages
    ]


@dataclass(frozen=True, eq=False)
class Validated:
    """What is known of pages by forests that have not seen them.

    ``fold_of``: number of the fold of each page. ``models``: a forest for each fold. ``scores``: for the next round.
    """

    pages: Sequence[Described]
    fold_of: npt.NDArray[np.int64]
    models: Sequence[Trained]
    scores: Sequence[Floats]


def cross_validate(pages: Sequence[Described], settings: Settings, rounds: int, folds: int = FOLDS) -> Validated:
    """Forests of the last round by fold of the site, and the out-of-fold chances of all blocks."""
    fold_of = np.array([fold(described.page.site, folds, FOLD_SALT) for described in pages])
    scores = [described.votes for described in pages]
    models: list[Trained] = []
    for _ in range(rounds):
        models, found = [], list(scores)
        for number in range(folds):
            seen = np.flatnonzero(fold_of != number).tolist()
            models.append(train_on([pages[i] for i in seen], [scores[i] for i in seen], settings))
            unseen = np.flatnonzero(fold_of == number).tolist()
            for i, chance in zip(unseen, chances([pages[i] for i in unseen], models[-1]), strict=True):
                found[i] = chance
        scores = [(chance + described.votes) / 2 for chance, described in zip(found, pages, strict=True)]
    return Validated(pages, fold_of, models, scores)


def extracted(pages: Sequence[Page], forest: Forest, bound: int) -> list[str]:
    """Texts of pages with a forest and a bound."""
    encoded = [page.html.encode() for page in pages]
    offsets = np.concatenate([[0], np.cumsum([len(html) for html in encoded])]).astype(np.int64)
    found = text_of_pages(np.frombuffer(b"".join(encoded), np.uint8), offsets, forest, wanted(bound))
    return texts_in(found)


def texts_in(found: Output) -> list[str]:
    """The texts as strings."""
    return [
        found.text[start:end].tobytes().decode() for start, end in zip(found.ends, found.ends[1:], strict=False)
    ]  # fmt: skip


def wanted(bound: int) -> Wanted:
    """Main content above that bound."""
    return Wanted(text=True, whole=False, bound=bound, lists=True, tables=True, code=True)


def scored(validated: Validated, bound: int) -> list[Counts]:
    """Counts of each page by the forest that has not seen it."""
    counts: list[Counts] = [Counts()] * len(validated.pages)
    for number, model in enumerate(validated.models):
        unseen = np.flatnonzero(validated.fold_of == number).tolist()
        pages = [validated.pages[i].page for i in unseen]
        for i, page, text in zip(unseen, pages, extracted(pages, model.forest, bound), strict=True):
            counts[i] = counts_of(page, text)
    return counts


BOUNDS = [round(logit * SCALE) for logit in np.linspace(-2.5, 2.5, 41)]
BETAS: Mapping[str, float] = {"balanced": 1.0, "precision": 0.5, "recall": 2.0}


def best_bounds(validated: Validated) -> dict[str, int]:
    """Value of ``favor`` → the bound with the best F-measure, smoothed over its two neighbours."""
    by_bound = [total(scored(validated, bound)) for bound in BOUNDS]
    bounds = {}
    for favor, beta in BETAS.items():
        values = np.array([counts.f(beta) for counts in by_bound])
        bounds[favor] = BOUNDS[1 + int(np.convolve(values, np.ones(3), "valid").argmax())]
    return bounds


@cache
def teachers() -> tuple[Extractor, ...]:
    """The extractors whose output stands for a label where the gold says nothing."""
    others = [trafilatura(favor=favor, tables=True) for favor in ("balanced", "precision", "recall")]
    return (*others, resiliparse(main=True, lists=True))


def described_pages(pages: Sequence[Page]) -> list[Described]:
    """All pages with what the teachers make of them. Takes a minute for each hundred megabytes."""
    return [describe(page, [teacher(page.html) or "" for teacher in teachers()]) for page in pages]


def model_json(trained: Trained, bounds: Mapping[str, int], settings: Settings) -> str:
    """The model as ``stages/extract.py`` reads it."""
    made_with = {name: version(name) for name in ("numpy", "resiliparse", "trafilatura")}
    model = {
        "bounds": bounds,
        "settings": vars(settings),
        "made_with": made_with,
        "features": FEATURES,
        **{name: array.ravel().tolist() for name, array in trained.forest._asdict().items()},
    }
    return json.dumps(model, separators=(",", ":")) + "\n"


def folds_json(validated: Validated, bounds: Mapping[str, int], settings: Settings) -> str:
    """Models by number of the fold whose sites they have not seen: :func:`benchmarks.html_gold.fold` with FOLD_SALT."""
    return json.dumps([json.loads(model_json(model, bounds, settings)) for model in validated.models]) + "\n"


def report(name: str, pages: Sequence[Described], counts: Sequence[Counts]) -> None:
    """Print precision, recall and F1 of both halves and of all pages."""
    halves = [described.page.is_development for described in pages]
    for half in (True, False, None):
        found = total(count for count, is_first in zip(counts, halves, strict=True) if half in (None, is_first))
        part = {True: "development", False: "test", None: "all"}[half]
        if found == Counts():
            continue
        print(f"{name:10} {part:12} P {found.precision:.4f} R {found.recall:.4f} F1 {found.f():.4f}", flush=True)


def fit(pages: Sequence[Described], options: argparse.Namespace) -> None:
    """Cross-validate, choose the bounds, train on all of the pages, and write what is asked for."""
    settings = Settings()
    validated = cross_validate(pages, settings, options.rounds)
    bounds = best_bounds(validated)
    print("bounds in logits:", {favor: bound / SCALE for favor, bound in bounds.items()})
    for favor, bound in bounds.items():
        report(favor, pages, scored(validated, bound))
    if options.folds:
        options.folds.write_text(folds_json(validated, bounds, settings))
    if options.write:
        options.write.write_text(model_json(train_on(pages, validated.scores, settings), bounds, settings))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--write", type=Path, help="where to write the model")
    parser.add_argument("--folds", type=Path, help="where to write the models of the folds")
    parser.add_argument("--half", action="store_true", help="take the pages of the development half only")
    parser.add_argument("--rounds", type=int, default=2, help="of training")
    options = parser.parse_args()
    fit(
        described_pages([page for page in read_pages(options.data) if page.is_development or not options.half]), options
    )


if __name__ == "__main__":
    main()
