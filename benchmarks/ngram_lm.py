"""n-gram models: the same as lmplz's, how long they take, and how fast the stage ``perplexity`` is.

    python -m benchmarks.ngram_lm DATA --lmplz PATH
    python -m benchmarks.ngram_lm DATA --lmplz PATH --only same speed

``--lmplz``: the program of KenLM (``build/bin/lmplz`` of its source, built with Boost), ``build_binary`` beside it.
Without it only ``speed`` is measured, and that of ARPA files alone.

``same``: every n-gram's probability and backoff weight, of 1 MB of English articles by words, order 5, pruned and not.

``perplexity``: of articles that were not learnt from, under models of our estimator and of lmplz, read by the kenlm
package: English by words, Chinese by characters, orders 3 and 5, text prepared as CCNet does.

``time``: 50 MB of English novels, order 5, no pruning, from text in memory to the ARPA file on disk: seconds and
processor seconds of ours and of lmplz. The first turn of ours compiles; it is not counted.

``speed``: MB/s (1 MB = 10⁶ bytes of UTF-8) of processor time of one core on 6 MB of text under a 5-gram model of other
text of the kind: English novels by words (``--train-mb``, 50), Chinese articles by characters (40 at most). The stage
as a whole, with CCNet's preparation: with an ARPA file, with a binary of ``build_binary probing``, and that line by
line (``lines: true``). Against it ``kenlm.Model.score`` line by line on text that was prepared before, a probing model.
They take turns; the best of ``--turns`` counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import zstandard

from classifiers.language_model import Facts, Preparation
from classifiers.ngram_lm import Tokens, estimate, write_arpa
from stages.kernels.arrow_text import TextView, text_array, text_view
from stages.kernels.lm_text import spaced_characters
from stages.quality.perplexity import PerplexityConfig, apply, load

PARTS = ("same", "perplexity", "time", "speed")
MARKERS = ("<s>", "</s>", "<unk>")
NOVELS = "prose_en/100_english_novels.jsonl.zst"
ARTICLES = "prose_en/lctt_sources_history.jsonl.zst"
CHINESE = "prose_zh/lctt_published.jsonl.zst"


def documents(path: Path, size: int, skip: int = 0) -> list[str]:
    """Documents of a file, about so many bytes, behind as many bytes as are to be skipped."""
    found, seen = [], 0
    with zstandard.open(path, "rt", encoding="utf-8", dctx=zstandard.ZstdDecompressor(max_window_size=2**31)) as lines:
        for line in lines:
            text = json.loads(line)["text"]
            seen += len(text.encode())
            if seen > skip:
                found.append(text)
            if seen >= skip + size:
                break
    return found


def lines_of(texts: Sequence[str], tokens: Tokens) -> list[str]:
    """Prepared as CCNet does; for characters with spaces between them. No blank lines, no markers of models."""
    view = Preparation("ccnet", tokens).text(text_view(pa.array(texts, pa.large_string())))
    view = spaced_characters(view) if tokens == "characters" else view
    lines = "\n".join(text_array(view.data, view.offsets).to_pylist()).split("\n")
    plain = (" ".join(word for word in line.split() if word not in MARKERS) for line in lines)
    return [line for line in plain if line]


def view_of(lines: Sequence[str]) -> TextView:
    """One row of them."""
    return text_view(pa.array(["\n".join(lines)], pa.large_string()))


def train(lines: Sequence[str], path: Path, order: int, prune: Sequence[int] = ()) -> None:
    """Ours."""
    with path.open("wb") as file:
        write_arpa(estimate(view_of(lines), order, prune=prune), file)


def run_lmplz(program: str, text: Path, path: Path, order: int, prune: Sequence[int] = ()) -> None:
    """Theirs."""
    more = ["--prune", *map(str, prune)] if prune else []
    command = [program, "-o", str(order), "-S", "40%", "-T", str(path.parent), "--discount_fallback", *more]
    with text.open("rb") as source, path.open("wb") as out:
        subprocess.run(command, stdin=source, stdout=out, stderr=subprocess.DEVNULL, check=True)


def grams(path: Path) -> Iterator[tuple[bytes, float, float]]:
    """n-gram, logarithms of probability and backoff weight."""
    for line in path.read_bytes().split(b"\n"):
        fields = line.split(b"\t")
        if len(fields) > 1:
            yield fields[1], float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0


def print_same(data: Path, folder: Path, lmplz: str) -> None:
    """n-grams one by one."""
    lines = lines_of(documents(data / ARTICLES, 1_000_000), "words")
    text = folder / "small.txt"
    text.write_text("\n".join(lines) + "\n")
    print("largest differences of log10")
    print(f"{'pruned':>10}{'n-grams':>10}{'only in one':>13}{'probability':>13}{'backoff':>10}")
    for prune in ((), (0, 0, 1)):
        train(lines, folder / "ours.arpa", 5, prune)
        run_lmplz(lmplz, text, folder / "theirs.arpa", 5, prune)
        ours, theirs = ({g: values for g, *values in grams(folder / name)} for name in ("ours.arpa", "theirs.arpa"))
        both = ours.keys() & theirs.keys() - {b"<s>"}  # no probability is asked of it; they write 0, ours too
        worst = [max(abs(ours[g][k] - theirs[g][k]) for g in both) for k in (0, 1)]
        print(f"{prune!s:>10}{len(ours):>10,}{len(ours.keys() ^ theirs.keys()):>13,}{worst[0]:>13.1e}{worst[1]:>10.1e}")


def print_perplexities(data: Path, folder: Path, lmplz: str) -> None:
    """Held-out text."""
    print(f"{'':>10}{'order':>6}{'learnt from':>14}{'held out':>11}{'ours':>10}{'lmplz':>10}{'ratio':>9}")
    for name, file, tokens in (("English", ARTICLES, "words"), ("Chinese", CHINESE, "characters")):
        learnt = lines_of(documents(data / file, 10_000_000), tokens)  # type: ignore[arg-type]
        held = lines_of(documents(data / file, 1_000_000, 12_000_000), tokens)  # type: ignore[arg-type]
        text = folder / "text.txt"
        text.write_text("\n".join(learnt) + "\n")
        for order in (3, 5):
            train(learnt, folder / "ours.arpa", order)
            run_lmplz(lmplz, text, folder / "theirs.arpa", order)
            found = [perplexity(folder / made, held) for made in ("ours.arpa", "theirs.arpa")]
            sizes = f"{sum(map(len, learnt)):>14,}{sum(map(len, held)):>11,}"
            print(f"{name:>10}{order:>6}{sizes}{found[0]:>10.3f}{found[1]:>10.3f}{found[0] / found[1]:>9.5f}")


def perplexity(model: Path, lines: Sequence[str]) -> float:
    """By the kenlm package, per token and end of line."""
    loaded = kenlm.Model(str(model))
    tokens = sum(len(line.split()) + 1 for line in lines)
    return float(10 ** (-sum(loaded.score(line) for line in lines) / tokens))


def print_times(data: Path, folder: Path, lmplz: str) -> None:
    """50 MB."""
    lines = lines_of(documents(data / NOVELS, 50_000_000), "words")
    text, target = folder / "novels.txt", folder / "novels.arpa"
    text.write_text("\n".join(lines) + "\n")
    size = text.stat().st_size
    print(f"{size:,} bytes, order 5")
    train(lines[:1000], folder / "warm.arpa", 5)
    view = view_of(lines)

    def ours() -> None:
        with target.open("wb") as file:
            write_arpa(estimate(view, 5), file)

    for name, work in (("ours", ours), ("lmplz", lambda: run_lmplz(lmplz, text, target, 5))):
        wall, cpu = time.perf_counter(), processor_seconds()
        work()
        print(f"{name:>8}{time.perf_counter() - wall:8.1f} s{processor_seconds() - cpu:8.1f} s of processor time")


def processor_seconds() -> float:
    """Of this process and its children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def print_speed(data: Path, folder: Path, turns: int, train_mb: int, lmplz: str | None) -> None:
    """The stage."""
    for file, tokens, most in ((NOVELS, "words", train_mb), (CHINESE, "characters", min(train_mb, 40))):
        preparation = Preparation("ccnet", tokens)  # type: ignore[arg-type]
        texts = documents(data / file, most * 10**6)
        path = folder / f"{tokens}.arpa"
        with path.open("wb") as out:
            out.write(Facts(preparation).comment())
            learnt = preparation.text(text_view(pa.array(texts, pa.large_string())))
            write_arpa(estimate(learnt, 5, tokens=tokens), out)  # type: ignore[arg-type]
        print(f"{tokens}: {path.stat().st_size / 1e6:,.0f} MB of ARPA")
        texts = documents(data / file, 6_000_000, most * 10**6 + 1_000_000)
        contenders = stages(texts, preparation, path)
        if lmplz is not None:
            binary = path.with_suffix(".bin")
            subprocess.run([Path(lmplz).with_name("build_binary"), path, binary], check=True, capture_output=True)
            contenders |= stages(texts, preparation, binary) | package(texts, preparation, binary)
        else:
            contenders |= package(texts, preparation, path)
        print_best(contenders, sum(len(text.encode()) for text in texts), turns)


def stages(texts: Sequence[str], preparation: Preparation, path: Path) -> dict[str, Callable[[], object]]:
    """The stage with a file, without and with signals of lines."""
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    said = {} if path.suffix == ".arpa" else preparation._asdict()
    plain, lines = (PerplexityConfig(model=str(path), lines=lines, **said) for lines in (False, True))
    started = time.process_time()
    model = load(plain, {"model": str(path)})
    print(f"{path.suffix[1:]} loaded in {time.process_time() - started:.1f} s of processor time")
    return {
        f"stage, {path.suffix[1:]}": lambda: apply(batch, plain, model),
        f"stage, {path.suffix[1:]}, lines": lambda: apply(batch, lines, model),
    }


def package(texts: Sequence[str], preparation: Preparation, path: Path) -> dict[str, Callable[[], object]]:
    """kenlm, a line at a time."""
    lines, model = lines_of(texts, preparation.tokens), kenlm.Model(str(path))  # type: ignore[arg-type]

    def score() -> None:
        for line in lines:
            model.score(line)

    return {"kenlm": score}


def print_best(contenders: dict[str, Callable[[], object]], size: int, turns: int) -> None:
    """MB/s of each, and how many times kenlm's."""
    best = dict.fromkeys(contenders, np.inf)
    for turn in range(turns + 1):  # the first turn compiles
        for name, work in contenders.items():
            started = time.process_time()
            work()
            if turn:
                best[name] = min(best[name], time.process_time() - started)
    for name, seconds in best.items():
        print(f"{name:>20}{size / 1e6 / seconds:8.1f} MB/s{best['kenlm'] / seconds:8.2f} ×")


def main() -> None:
    """Print the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--lmplz")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--train-mb", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, show in (("same", print_same), ("perplexity", print_perplexities), ("time", print_times)):
            if part in args.only and args.lmplz:
                print(f"\n{part}")
                show(args.data, folder, args.lmplz)
        if "speed" in args.only:
            print("\nspeed")
            print_speed(args.data, folder, args.turns, args.train_mb, args.lmplz)


if __name__ == "__main__":
    main()
