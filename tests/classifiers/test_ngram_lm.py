"""Estimated models are those of the papers: against a slow twin, against sums to one, and read by the kenlm package."""

from __future__ import annotations

import io
import math
import os
import subprocess
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.errors import ModelError
from classifiers.ngram_lm import FALLBACK, NgramModel, arpa_bytes, estimate, memory_bytes, write_arpa
from stages.kernels.arrow_text import TextView, text_view
from tests.reference import kneser_ney as reference
from tests.stages.hostile import ROWS, TEXT

LMPLZ = os.environ.get("GRISTMILL_LMPLZ", "")

WORDS = st.text(st.sampled_from("aab  bc\n中é<s>"), max_size=60)
PROSE = (
    "the ferry left at noon and nobody on the pier could say when it would come back\n"
    "the train left at nine and everybody on the platform could say when it would be back\n"
    "nobody could say when the ferry left and when it would be back at the pier\n"
) * 3


def view(*rows: str) -> TextView:
    return text_view(pa.array(rows, pa.large_string()))


def table(data: bytes) -> dict[tuple[str, ...], tuple[float, float]]:
    """n-gram → logarithms of probability and backoff weight, of an ARPA file."""
    found = {}
    for line in data.decode().split("\n"):
        fields = line.split("\t")
        if len(fields) > 1:
            found[tuple(fields[1].split(" "))] = (float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0)
    return found


@given(
    rows=st.lists(WORDS | TEXT, min_size=1, max_size=4),
    order=st.integers(1, 5),
    prune=st.sampled_from([(), (0, 1), (0, 0, 2)]),
    characters=st.booleans(),
    blank=st.booleans(),
)
def test_models_are_those_of_the_twin(
    rows: list[str], order: int, prune: tuple[int, ...], characters: bool, blank: bool
) -> None:
    """Every n-gram, its probability and its backoff weight are the slow twin's, in all scripts."""
    sentences = [s for row in rows for s in reference.sentences(row, characters=characters, blank=blank)]
    tokens = "characters" if characters else "words"
    if not sentences:
        with pytest.raises(ModelError, match="no token"):
            estimate(view(*rows), order, tokens=tokens, blank_lines=blank)  # type: ignore[arg-type]
        return
    prune = prune[:order]
    model = estimate(view(*rows), order, tokens=tokens, prune=prune, blank_lines=blank)  # type: ignore[arg-type]
    thresholds = [*prune, *([prune[-1]] * order if prune else [])]
    twin = reference.Model(sentences, order, thresholds)
    found = table(arpa_bytes(model))
    expected = {gram for counts in twin.raw for gram in counts if twin.is_kept(gram)}
    assert found.keys() == expected | {("<s>",), ("<unk>",)}
    for gram in expected:
        assert found[gram][0] == pytest.approx(min(math.log10(twin.probability(gram)), 0), abs=2e-6)
        if len(gram) < order:
            share = twin.backoff(gram)
            assert found[gram][1] == pytest.approx(min(math.log10(share), 0) if share > 0 else -99, abs=2e-6)
    assert found["<unk>",][0] == pytest.approx(math.log10(twin.unknown) if twin.unknown else -99, abs=2e-6)


@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_probabilities_sum_to_one(tokens: str, tmp_path: Path) -> None:
    """After any context, seen or not, the words of the vocabulary and the unknown word share all probability."""
    path = tmp_path / "model.arpa"
    path.write_bytes(arpa_bytes(estimate(view(PROSE), 4, tokens=tokens)))  # type: ignore[arg-type]
    model = kenlm.Model(str(path))
    vocabulary = [gram[0] for gram in table(path.read_bytes()) if len(gram) == 1 and gram[0] != "<s>"]
    for context in ("", "the", "the ferry", "left at noon", "t h e", "noon noon noon", "strange words"):
        state, after = kenlm.State(), kenlm.State()
        model.BeginSentenceWrite(state)
        for word in context.split():
            model.BaseScore(state, word, after)
            state, after = after, state
        total = sum(10 ** model.BaseScore(state, word, after) for word in vocabulary)
        assert total == pytest.approx(1, abs=1e-4)


def test_kenlm_scores_as_the_twin(tmp_path: Path) -> None:
    """The package that everybody has reads the file, and gives seen sentences the twin's probability."""
    path = tmp_path / "model.arpa"
    with path.open("wb") as file:
        write_arpa(estimate(view(PROSE), 3), file)
    model = kenlm.Model(str(path))
    assert model.order == 3
    twin = reference.Model(reference.sentences(PROSE, characters=False, blank=False), 3)
    line = PROSE.split("\n")[1]
    words = ("<s>", *line.split(), "</s>")
    grams = [words[max(0, end - 3) : end] for end in range(2, len(words) + 1)]
    assert model.score(line) == pytest.approx(sum(math.log10(twin.probability(gram)) for gram in grams), abs=1e-4)


def test_bytes_do_not_depend_on_the_order_of_lines() -> None:
    """The same lines in another order, in one row or many, give the same file."""
    lines = PROSE.splitlines()
    whole = arpa_bytes(estimate(view(PROSE), 3))
    assert arpa_bytes(estimate(view(*reversed(lines)), 3)) == whole
    assert arpa_bytes(estimate(view("", *lines[:4], "\n\n" + "\n".join(lines[4:])), 3)) == whole


def test_slices_and_hostile_text() -> None:
    """Rows of a slice count alone; emoji, right-to-left, lone marks and NULs are tokens like others."""
    array = pa.array(["left out", *ROWS, "left out"], pa.large_string())
    sliced = arpa_bytes(estimate(text_view(array.slice(1, len(ROWS))), 2))
    assert sliced == arpa_bytes(estimate(view(*ROWS), 2))
    assert ("left",) not in table(sliced)


def test_markers_in_the_text_are_passed_over() -> None:
    """Text that spells the model's own markers does not become them."""
    assert table(arpa_bytes(estimate(view("<s> a <unk> b </s>"), 2))) == table(arpa_bytes(estimate(view("a b"), 2)))


def test_discounts_fall_back_and_say_so() -> None:
    """Where a length has no n-gram of count 1, 2 or 3 the fallback is used, and the model names the length."""
    model = estimate(view("a b c"), 2)
    assert model.fallback == (1, 2)
    assert model.discounts == [FALLBACK, FALLBACK]
    words = " ".join(f"w{i} " * (i % 5 + 1) for i in range(200))
    assert estimate(view(words), 1).fallback == ()


@pytest.mark.parametrize("prune", [(1,), (0, 2, 1), (0, 0, 0, 0)])
def test_thresholds_that_make_no_sense_are_refused(prune: tuple[int, ...]) -> None:
    """The vocabulary is not pruned, longer n-grams are not pruned less, and there are not more numbers than lengths."""
    with pytest.raises(ModelError, match="prune is"):
        estimate(view(PROSE), 3, prune=prune)


def test_what_does_not_fit_is_refused_before() -> None:
    """The bound says how much memory it may take, how much is allowed and what to do."""
    tokens, words = len(PROSE.split()) + 2 * PROSE.count("\n"), " ".join(map(str, range(200)))
    assert isinstance(estimate(view(PROSE), 3, max_bytes=memory_bytes(tokens)), NgramModel)
    with pytest.raises(ModelError, match="tokens may take.*smaller sample or order"):
        estimate(view(PROSE), 3, max_bytes=memory_bytes(tokens) - 1)
    needed = memory_bytes(202, 201 + 201 + 200 + 199 + 198)  # <s> is no n-gram of its own
    assert needed > memory_bytes(202)
    assert isinstance(estimate(view(words), 5, max_bytes=needed), NgramModel)
    with pytest.raises(ModelError, match="and 999 n-grams may take.*smaller sample or order"):
        estimate(view(words), 5, max_bytes=needed - 1)
    model = estimate(view(PROSE), 3)
    size = len(arpa_bytes(model))
    with pytest.raises(ModelError, match="prune n-grams"):
        arpa_bytes(model, max_bytes=2 * size)
    assert len(arpa_bytes(model, max_bytes=10 * size)) == size


def test_a_long_line_and_many_words() -> None:
    """A line of 200,000 different words, and one of the same word as often, take linear time."""
    count = 200_000
    model = estimate(view(" ".join(map(str, range(count)))), 3)
    assert [len(level.places) for level in model.levels] == [count + 2, count + 1, count]
    model = estimate(view("word " * count), 3)
    assert model.levels[2].raw.max() == count - 2
    assert np.isfinite(model.probabilities[2]).all()
    write_arpa(model, io.BytesIO())


@pytest.mark.skipif(not LMPLZ, reason="GRISTMILL_LMPLZ names no lmplz")
@pytest.mark.parametrize("prune", [(), (0, 1), (0, 0, 1)])
@pytest.mark.parametrize("order", [1, 3, 5])
def test_models_are_those_of_lmplz(order: int, prune: tuple[int, ...], tmp_path: Path) -> None:
    """KenLM's own estimator gives the same n-grams, with the same probabilities and backoff weights."""
    text = "".join(" ".join(f"w{(i * i + j * j * i) % 97}" for j in range(i % 13)) + "\n" for i in range(3000))
    agree_with_lmplz(text, order, prune[:order], tmp_path)


@pytest.mark.skipif(not LMPLZ, reason="GRISTMILL_LMPLZ names no lmplz")
@pytest.mark.parametrize(
    "text",
    [
        "the ferry left at noon\n",
        "a\n",
        "the ferry left\n" * 50,
        "word " * 300 + "\n",
        "\n\na b\n\n\nc d e\n  \n\n",
        "<s> a <unk> b </s> a\n<s>\n</s> <unk>\na b\n",
        "a b\r\nc\td\r\n\r\n",
        "a b\nb a\na a\nb b\n" * 3,
        " ".join(f"w{i * i % 53}" for i in range(20_000)) + "\n",
        "x" * 20_000 + " y " + "x" * 20_000 + "\n",
    ],
    ids=["line", "word", "repeated", "one word", "blank", "markers", "crlf", "pairs", "long line", "long words"],
)
def test_odd_corpora_give_the_models_of_lmplz(text: str, tmp_path: Path) -> None:
    """Where discounts fall back, too, for all orders. A last new word keeps out what lmplz does to the last n-grams."""
    for order in range(1, 7):
        for prune in ((), (0, 1), (0, 0, 1), (0, 1, 2))[: order + 1]:
            agree_with_lmplz(text + "last\n", order, prune[:order], tmp_path)


def agree_with_lmplz(text: str, order: int, prune: tuple[int, ...], folder: Path) -> None:
    """Ours and theirs have the same n-grams and numbers."""
    command = [LMPLZ, "-o", str(order), "-S", "200M", "-T", str(folder), "--discount_fallback", "--skip_symbols"]
    more = ["--prune", *map(str, prune)] if prune else []
    made = subprocess.run([*command, *more], input=text.encode(), capture_output=True, check=True).stdout
    theirs, ours = table(made), table(arpa_bytes(estimate(view(text), order, prune=prune, blank_lines=True)))
    assert ours.keys() == theirs.keys()
    for gram in ours.keys() - {("<s>",)}:
        assert ours[gram] == pytest.approx(theirs[gram], abs=1e-4)  # theirs are added up in single precision
