"""Languages and Chinese forms: how often they are told right, and how fast, with the libraries in the same run.

    python -m benchmarks.language_id DATA
    python -m benchmarks.language_id DATA --only accuracy windows

``accuracy``: lingua's labelled sentences, word pairs and single words (75 languages, of which lid.176 knows 67), by the
20 languages with most pages in Common Crawl and over all. ``ours`` and ``library`` are the shares of right answers
without marks, ours being the stage with all marks switched off and the library the fasttext distribution on whole text;
``told`` and ``right`` are the share that the stage as it is gives a language, and how many of those are right.

``short``: of the same in the 20 languages, answers with a score of 0.5 or more that are right, by letters.

``windows``: MB/s (1 MB = 10⁶ bytes of UTF-8) of processor time of one core on web pages (html_gold, extracted by the
stage ``extract``), English and Chinese articles, for windows of several lengths, and the share of documents that get
the language that the whole text gets. ``lines``: the same windows begun and ended at line breaks or spaces. The library
reads whole texts, and the first 2,000 characters of each. All take turns; the best of ``--turns`` counts.

``mixed``: share of documents that are marked ``mixed``: of those above, of pages made of sentences of one language, and
of pages of two: 10 + 10 sentences one after the other, by turns, and 15 + 5.

``fooled``: right answers, without marks, for sentences in full-width forms, between addresses, and in code.

``chinese``: MB/s of counting forms and of converting, against OpenCC's converter, and how many texts differ.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zstandard

from benchmarks.html_gold import read_pages
from classifiers.fasttext_model import lid176_path
from classifiers.labels import canonical
from stages import chinese, extract, language
from stages.kernels.arrow_text import text_view
from stages.kernels.letters import weigh_letters
from stages.kernels.utf8 import windows

Texts = list[str]
Strings = npt.NDArray[np.str_]

LARGEST = ["en", "de", "ru", "ja", "es", "zh", "fr", "it", "pt", "nl"]
LARGEST += ["pl", "cs", "tr", "vi", "id", "ko", "ar", "sv", "uk", "fa"]
KINDS = ("sentences", "word-pairs", "single-words")
WINDOWS = (600, 1_000, 1_500, 2_000, 3_000, 5_000)
WHOLE = 10**9
LETTERS = (1, 10, 15, 20, 25, 30, 40, 60, 100, WHOLE)
NO_MARKS: dict[str, Any] = {"min_letters": None, "max_other_share": None, "sure_score": None}
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
FRAMES: dict[str, Callable[[str], str]] = {
    "as they are": lambda text: text,
    "full-width forms": lambda text: text.translate(FULL_WIDTH),
    "two addresses": lambda text: f"https://www.example.com/a/index.php?id=17 {text} http://cdn.example.org/x.min.js",
    "lines of code": lambda text: f"for (int i = 0; i < n; i++) {{ sum += a[i]; }}\n{text}\nreturn sum;",
}


class Peers:
    """Ours and the library, with the same model and the same names of languages."""

    def __init__(self) -> None:
        self.model = language.load(language.LanguageConfig(), {"model": lid176_path()})
        self.library = importlib.import_module("fasttext_pybind").fasttext()
        self.library.loadModel(lid176_path())
        self.names = dict(zip(self.model.fasttext.labels, self.model.languages.to_pylist(), strict=False))

    def stage(self, texts: Texts, **settings: Any) -> Any:
        """What the stage makes of the texts."""
        rows = {"text": pa.array(texts, pa.large_string()), "language": pa.array(["und"] * len(texts), pa.string())}
        return language.apply(pa.record_batch(rows), language.LanguageConfig(**settings), self.model)

    def ours(self, texts: Texts, **settings: Any) -> Strings:
        """Languages by the stage."""
        return np.array(self.stage(texts, **settings).columns["language"].to_pylist())

    def theirs(self, texts: Texts) -> Strings:
        """Languages by the library, which takes a line."""
        found = [self.library.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict") for text in texts]
        return np.array([self.names[answer[0][1].removeprefix("__label__")] if answer else "und" for answer in found])


def labelled(data: Path, known: set[str]) -> list[tuple[str, str, str]]:
    """(kind, language, text) of lingua's test data in known languages."""
    with zstandard.open(data / "lang_labelled" / "lingua_testdata.jsonl.zst", "rt", encoding="utf-8") as stream:
        records = [(record["kind"], canonical(record["lang"]), record["text"]) for record in map(json.loads, stream)]
    return [record for record in records if record[1] in known]


def articles(path: Path, count: int) -> Texts:
    """The first texts of a JSONL file."""
    with zstandard.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(next(stream))["text"] for _ in range(count)]


def web_pages(data: Path) -> Texts:
    """Main content of the pages of html_gold."""
    settings = extract.ExtractConfig()
    model = extract.load(settings, {name: str(path) for name, path in extract.STAGE.resources(settings).items()})
    found: Texts = []
    pages = read_pages(data)
    for at in range(0, len(pages), 50):
        html = [page.html for page in pages[at : at + 50]]
        nothing = pa.nulls(len(html), pa.string())
        rows = pa.record_batch({"text": pa.array(html, pa.large_string()), "date": nothing, "url": nothing})
        found += extract.apply(rows, settings, model).columns["text"].to_pylist()
    return found


def corpora(data: Path, count: int) -> dict[str, Texts]:
    """What speeds are measured on."""
    return {
        "web": web_pages(data),
        "english": articles(data / "prose_en" / "lctt_sources_history.jsonl.zst", count),
        "chinese": articles(data / "prose_zh" / "lctt_published.jsonl.zst", count),
    }


def megabytes(texts: Texts) -> float:
    """Of UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def seconds(runs: Sequence[Callable[[], Any]], turns: int) -> list[float]:
    """Processor time of each, the best of some turns that they take one after the other."""
    best = [float("inf")] * len(runs)
    for _ in range(turns):
        for place, run in enumerate(runs):
            started = time.process_time()
            run()
            best[place] = min(best[place], time.process_time() - started)
    return best


def accuracy(data: Path, peers: Peers) -> None:
    """The table of languages."""
    records = labelled(data, set(peers.names.values()))
    print("accuracy, %: ours / library, told, right of those told")
    print(f"{'':6}" + "".join(f"{kind:>32}" for kind in KINDS))
    cells: dict[str, list[str]] = {name: [] for name in (*LARGEST, "20", "all")}
    for kind in KINDS:
        texts = [text for its, _, text in records if its == kind]
        gold = np.array([name for its, name, _ in records if its == kind])
        ours, theirs, marked = peers.ours(texts, **NO_MARKS), peers.theirs(texts), peers.ours(texts)
        for name, line in cells.items():
            rows = gold == name if name in LARGEST else np.isin(gold, LARGEST) | (name == "all")
            told = rows & (marked != "und")
            shares = [np.mean(found[rows] == gold[rows]) for found in (ours, theirs)]
            shares += [told.sum() / rows.sum(), np.mean(marked[told] == gold[told]) if told.any() else 0.0]
            line.append("{:>10.1f} / {:.1f} {:>6.1f} {:>6.1f}".format(*(100 * share for share in shares)))
    for name, line in cells.items():
        print(f"{name:6}" + "".join(f"{cell:>32}" for cell in line))


def short(data: Path, peers: Peers) -> None:
    """Right answers by the number of letters."""
    records = [(name, text) for _, name, text in labelled(data, set(LARGEST))]
    gold, texts = np.array([name for name, _ in records]), [text for _, text in records]
    found = peers.stage(texts, **NO_MARKS)
    right = np.array(found.columns["language"].to_pylist()) == gold
    sure = np.array(found.signals["score"].to_pylist()) >= 0.5
    view = text_view(pa.array(texts, pa.large_string()))
    spans = np.stack([view.offsets[:-1], view.offsets[1:]], axis=1).reshape(-1, 1, 2)
    letters = weigh_letters(view.data, spans, WHOLE)
    print("short, %: all answers right, answers with a score of 0.5, those right")
    for fewest, next_fewest in zip(LETTERS, LETTERS[1:], strict=False):
        rows = (letters >= fewest) & (letters < next_fewest)
        shares = [100 * np.mean(values) for values in (right[rows], sure[rows], right[rows & sure])]
        print(f"  from {fewest:>3} letters {rows.sum():>7}" + "".join(f"{share:>7.1f}" for share in shares))


def lines_of(texts: Texts, characters: int) -> Texts:
    """The windows of each text, begun and ended at the next line break or space, as one text."""
    view = text_view(pa.array(texts, pa.large_string()))
    spans = windows(view.data, view.offsets[:-1], view.offsets[1:], characters)
    data, found = view.data.tobytes(), []
    for row, (start, end) in zip(spans, zip(view.offsets[:-1], view.offsets[1:], strict=True), strict=True):
        pieces = []
        for first, last in row:
            while first > start and first < last and data[first - 1] not in b"\n ":
                first += 1
            while last < end and data[last] not in b"\n " and last - first < 4 * characters:
                last += 1
            pieces.append(data[first:last].decode("utf-8", "ignore"))
        found.append("\n".join(pieces))
    return found


def window_table(peers: Peers, texts_of: dict[str, Texts], turns: int) -> None:
    """Speed and agreement."""
    for name, texts in texts_of.items():
        size = megabytes(texts)
        print(f"windows on {name}: {len(texts)} documents, {size:.1f} MB; MB/s, same language as whole text, by lines")
        whole = peers.ours(texts, window_characters=WHOLE, **NO_MARKS)
        runs = [partial(peers.stage, texts, window_characters=window) for window in (*WINDOWS, WHOLE)]
        times = seconds(runs, turns)
        for window, taken in zip((*WINDOWS, WHOLE), times, strict=True):
            same = np.mean(peers.ours(texts, window_characters=window, **NO_MARKS) == whole)
            lines = np.mean(peers.ours(lines_of(texts, window), window_characters=WHOLE, **NO_MARKS) == whole)
            label = "whole" if window == WHOLE else str(window)
            print(f"  {label:>14} {size / taken:>8.1f} {100 * same:>8.2f} {100 * lines:>8.2f}")
        heads = [text[:2_000] for text in texts]
        slow = seconds([partial(peers.theirs, texts), partial(peers.theirs, heads)], 1)
        print(f"  {'library, whole':>14} {size / slow[0]:>8.1f} {100 * np.mean(peers.theirs(texts) == whole):>8.2f}")
        print(f"  {'library, head':>14} {size / slow[1]:>8.1f} {100 * np.mean(peers.theirs(heads) == whole):>8.2f}")


def made_pages(data: Path, known: set[str], count: int) -> dict[str, Texts]:
    """Pages of sentences in one and two of the 20 languages."""
    draw = random.Random(1)
    by_language: dict[str, Texts] = {}
    for kind, name, text in labelled(data, known):
        if kind == "sentences":
            by_language.setdefault(name, []).append(text)
    pairs = [draw.sample(LARGEST, 2) for _ in range(count)]
    ten = [[draw.sample(by_language[name], 10) for name in pair] for pair in pairs]
    return {
        "one language": ["\n".join(draw.sample(by_language[pair[0]], 20)) for pair in pairs],
        "one of all": ["\n".join(draw.sample(by_language[name], 20)) for name in by_language for _ in range(12)],
        "10 + 10": ["\n".join([*one, *other]) for one, other in ten],
        "by turns": ["\n".join(text for both in zip(*two, strict=True) for text in both) for two in ten],
        "15 + 5": ["\n".join(draw.sample(by_language[a], 15) + draw.sample(by_language[b], 5)) for a, b in pairs],
    }


def mixed(peers: Peers, texts_of: dict[str, Texts]) -> None:
    """Marked shares."""
    print("mixed, % of documents marked")
    for name, texts in texts_of.items():
        marks = np.array(peers.stage(texts).signals["mark"].to_pylist())
        print(f"  {name:14} {len(texts):>6} {100 * np.mean(marks == 'mixed'):>7.2f}")


def fooled(data: Path, peers: Peers) -> None:
    """Right answers in frames."""
    records = [(name, text) for kind, name, text in labelled(data, set(LARGEST)) if kind == "sentences"][::4]
    gold = np.array([name for name, _ in records])
    print("fooled, % right: ours, library; wrong with marks, of all")
    for frame, framed in FRAMES.items():
        texts = [framed(text) for _, text in records]
        ours, theirs, marked = peers.ours(texts, **NO_MARKS), peers.theirs(texts), peers.ours(texts)
        wrong = np.mean((marked != gold) & (marked != "und"))
        shares = [100 * share for share in (np.mean(ours == gold), np.mean(theirs == gold), wrong)]
        print(f"  {frame:18} {shares[0]:>7.2f} {shares[1]:>7.2f} {shares[2]:>7.2f}")


def _each(function: Callable[[str], str], texts: Texts) -> Texts:
    return list(map(function, texts))


def chinese_table(texts: Texts, turns: int) -> None:
    """Forms and conversion."""
    import opencc

    print(f"chinese: {len(texts)} texts; MB/s of ours and OpenCC, texts that differ")
    current = texts
    for convert, name in (("to_traditional", "s2t"), ("to_simplified", "t2s")):
        settings = chinese.ChineseConfig(convert=convert)  # type: ignore[arg-type]
        model = chinese.load(settings, chinese.resources(settings))
        rows = {"text": pa.array(current, pa.large_string()), "language": pa.array(["zh"] * len(current))}
        batch, size, library = pa.record_batch(rows), megabytes(current), opencc.OpenCC(name)
        count, same = chinese.ChineseConfig(), chinese.ChineseModel(model.forms, ())
        runs: list[Callable[[], Any]] = [
            partial(chinese.apply, batch, count, same),
            partial(chinese.apply, batch, settings, model),
            partial(_each, library.convert, current),
        ]
        times = seconds(runs, turns)
        found = chinese.apply(batch, settings, model).columns["text"].to_pylist()
        expected = _each(library.convert, current)
        differ = sum(one != other for one, other in zip(found, expected, strict=True))
        print(f"  forms only {size / times[0]:.0f}; {name}: {size / times[1]:.0f}, {size / times[2]:.0f}; {differ}")
        current = expected


def main() -> None:
    """Prints the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of the real data")
    tables = ("accuracy", "short", "windows", "mixed", "fooled", "chinese")
    parser.add_argument("--only", nargs="+", choices=tables, default=tables)
    parser.add_argument("--count", type=int, default=3_000, help="articles of each kind")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    peers = Peers()
    texts_of = corpora(options.data, options.count) if {"windows", "mixed"} & {*options.only} else {}
    if "accuracy" in options.only:
        accuracy(options.data, peers)
    if "short" in options.only:
        short(options.data, peers)
    if "windows" in options.only:
        window_table(peers, texts_of, options.turns)
    if "mixed" in options.only:
        mixed(peers, {**texts_of, **made_pages(options.data, set(peers.names.values()), 800)})
    if "fooled" in options.only:
        fooled(options.data, peers)
    if "chinese" in options.only:
        chinese_table(articles(options.data / "prose_zh" / "lctt_published.jsonl.zst", options.count), options.turns)


if __name__ == "__main__":
    main()
