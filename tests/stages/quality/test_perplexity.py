"""The perplexity stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kenlm
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.errors import ModelError
from classifiers.language_model import LanguageModel
from pipeline.blocks.rules import first_broken, stored_signal
from stages.contract import Applied, FitRef
from stages.quality.ngram_lm import STAGE as FIT
from stages.quality.perplexity import STAGE, PerplexityConfig, apply, load, rules
from tests.batches import documents
from tests.reference.lm_text import ccnet
from tests.stages.hostile import ROWS, TEXT, chunked, long_bytes, values

PROSE = [
    f"the ferry {number % 7} left at noon\nnobody could say when it would be back {number}" for number in range(60)
]
TEXTS = ["the ferry left at noon", "noon noon noon\n\nthe strange words", "", " \n", *ROWS, PROSE[0], *PROSE[5:9]]


def config(model: str, **changes: Any) -> PerplexityConfig:
    return PerplexityConfig.model_validate({"model": model, **changes})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of prose, with percentiles."""
    chosen = FIT.config.model_validate({"tokens": "words", "order": 3, "held_out": 0.3, "prepare": "plain"})
    content = FIT.finish(FIT.merge([FIT.summarize(documents(PROSE + TEXTS), chosen)], chosen), chosen)
    file = tmp_path_factory.mktemp("models") / "prose.arpa"
    file.write_bytes(content)
    return str(file)


def loaded(chosen: PerplexityConfig) -> LanguageModel:
    return load(chosen, {"model": str(chosen.model)})


def measured(texts: list[str], chosen: PerplexityConfig) -> Applied:
    return apply(documents(texts), chosen, loaded(chosen))


def reasons(texts: list[str], chosen: PerplexityConfig) -> list[str | None]:
    """The rule that each row breaks, as the engine finds it."""
    found, types = measured(texts, chosen).signals, STAGE.signals(chosen)
    signals = {name: stored_signal(found[name], kind, name) for name, kind in types.items()}
    broken = first_broken(rules(chosen), signals, {}, len(texts))
    return [rules(chosen)[place].name if place >= 0 else None for place in broken.tolist()]


def signal(texts: list[str], name: str, chosen: PerplexityConfig) -> list[Any]:
    """As the rules see it."""
    return list(stored_signal(measured(texts, chosen).signals[name], pa.float64(), name).to_pylist())


def buckets(texts: list[str], chosen: PerplexityConfig) -> list[str | None]:
    return list(measured(texts, chosen).columns["perplexity_bucket"].to_pylist())


def perplexities(texts: list[str], path: str) -> list[float]:
    return signal(texts, "perplexity", config(path))


def test_signals(path: str) -> None:
    """They are what kenlm's scores give: per token with line ends, per character, per byte, and unknown tokens."""
    text = "the ferry left\nnobody knew 中 word"
    found = {name: array[0].as_py() for name, array in measured([text], config(path)).signals.items()}
    model = kenlm.Model(path)
    score = sum(model.score(line) for line in text.split("\n"))
    assert found["perplexity"] == pytest.approx(10 ** (-score / 9), rel=1e-4)
    assert found["log_probability_per_character"] == pytest.approx(score / len(text), rel=1e-5)
    assert found["log_probability_per_byte"] == pytest.approx(score / len(text.encode()), rel=1e-5)
    assert found["unknown_share"] == pytest.approx(3 / 7)
    assert 0 <= found["percentile"] <= 1


def test_ccnets_pairs(tmp_path: Path) -> None:
    """A model of sentencepiece pieces scores documents as CCNet's pipeline does: prepared, in one line, in pieces."""
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "text.txt").write_text("\n".join(PROSE))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text.txt"),
        model_prefix=str(tmp_path / "sp"),
        vocab_size=50,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "sp.model"))
    learnt = [" ".join(pieces.encode_as_pieces(ccnet(text, lines=False))) for text in PROSE]
    fit = FIT.config.model_validate({"tokens": "words", "prepare": "plain", "held_out": 0.2})
    content = FIT.finish(FIT.merge([FIT.summarize(documents(learnt), fit)], fit), fit)
    (tmp_path / "en.arpa").write_bytes(content.split(b"\n", 1)[1])
    said = {"prepare": "ccnet", "tokens": "sentencepiece", "sentences": "documents"}
    chosen = config(str(tmp_path / "en.arpa"), **said, tokenizer=str(tmp_path / "sp.model"))
    files = {name: str(path) for name, path in STAGE.resources(chosen).items()}
    texts = [" The FERRY left\nat 9 o’clock ", "Nobody…\n\nknew"]
    found = apply(documents(texts), chosen, load(chosen, files)).signals["perplexity"]
    model = kenlm.Model(str(tmp_path / "en.arpa"))
    for text, value in zip(texts, stored_signal(found, pa.float64(), "").to_pylist(), strict=True):
        line = " ".join(pieces.encode_as_pieces(ccnet(text.strip(), lines=False)))
        assert value == pytest.approx(10 ** (-model.score(line) / (len(line.split()) + 1)), rel=1e-4)


def test_lines_by_themselves(path: str) -> None:
    """On request: the worst line's perplexity, and the share of lines above a threshold, one at it not among them."""
    lines = ["the ferry left at noon", "strange words here", "nobody could say"]
    each = perplexities(lines, path)
    chosen = config(path, lines=True, bad_line=sorted(each)[1])
    texts = ["\n\n".join(lines), ""]
    assert signal(texts, "worst_line", chosen) == [max(each), None]
    assert signal(texts, "bad_line_share", chosen) == [pytest.approx(0.3333), None]
    assert signal(lines, "bad_line_share", config(path, lines=True)) == [None] * 3
    assert reasons(["\n".join(lines)], config(path, lines=True, bad_line=1.0, max_bad_line_share=0.9)) == ["bad_lines"]
    assert reasons(["\n".join(lines)], config(path, lines=True, bad_line=1.0, max_bad_line_share=1)) == [None]


def test_documents_without_a_token_are_not_judged(path: str) -> None:
    """Their signals and bucket are null, so no rule drops them."""
    chosen = config(path, keep=["head"], max_perplexity=1, max_unknown_share=0)
    assert all(array[0].as_py() is None for array in measured([" \n\n"], chosen).signals.values())
    assert buckets([""], chosen) == [None]
    assert reasons([""], chosen) == [None]


@pytest.mark.parametrize(
    ("measure", "low", "high"),
    [("perplexity", "min_perplexity", "max_perplexity"), ("unknown_share", None, "max_unknown_share")],
)
def test_thresholds(path: str, measure: str, low: str | None, high: str) -> None:
    """Both ends stay; just beyond goes, for its reason."""
    text = "the ferry left strange"
    [value] = signal([text], measure, config(path))
    name = "too_high" if low else "unknown_words"
    for step, expected in ((0.0, None), (0.0001, None), (-0.0001, name)):
        assert reasons([text], config(path, **{high: value + step})) == [expected]
    if low:
        for step, expected in ((0.0, None), (-0.0001, None), (0.0001, "too_low")):
            assert reasons([text], config(path, **{low: value + step})) == [expected]


def test_buckets_by_perplexity(path: str) -> None:
    """Below ``head`` is head, above ``tail`` is tail; what is not kept goes under its bucket's name."""
    texts = ["the ferry left at noon", "nobody could say noon", "strange words only"]
    first, second, third = perplexities(texts, path)
    assert first < second < third
    ends = {"head": second - 0.0001, "tail": second + 0.0001}
    assert buckets(texts, config(path, **ends)) == ["head", "middle", "tail"]
    assert reasons(texts, config(path, **ends, keep=["head"])) == [None, "not_head", "not_head"]
    assert reasons(texts, config(path, **ends, keep=["middle", "head"])) == [None, None, "tail"]
    assert reasons(texts, config(path, **ends, keep=["middle"])) == ["head", None, "tail"]
    assert reasons(texts, config(path, **ends, keep=["tail", "middle"])) == ["head", None, None]
    assert reasons(texts, config(path, **ends, keep=["tail"])) == ["not_tail", "not_tail", None]
    assert reasons(texts, config(path, **ends)) == [None] * 3


@pytest.mark.parametrize("keep", [["head"], ["head", "middle"], ["middle"], ["middle", "tail"], ["tail"]])
def test_a_document_at_a_threshold_is_kept(path: str, keep: list[str]) -> None:
    """A document at both ends stays, and its bucket is one of those that are kept."""
    [value] = perplexities(["the ferry left"], path)
    chosen = config(path, head=value, tail=value, keep=keep)
    assert reasons(["the ferry left"], chosen) == [None]
    assert buckets(["the ferry left"], chosen)[0] in keep
    assert STAGE.values(chosen, loaded(chosen)) == {
        "perplexity_bucket": [b for b in ("head", "middle", "tail") if b in keep]
    }


def test_buckets_by_percentiles(path: str) -> None:
    """Where no perplexity is set, the model's held-out documents say which shares are head and tail."""
    percentiles = loaded(config(path)).facts.percentiles
    assert len(percentiles) == 101
    texts = [*PROSE, "wholly unseen text", "strange"]
    ranks = signal(texts, "percentile", config(path))
    for rank, value in zip(ranks, perplexities(texts, path), strict=True):
        below = sum(p < value for p in percentiles)
        assert (below - 1) / 100 <= rank + 1e-4 and rank <= (below + 1) / 100 + 1e-4 or value in percentiles
    expected = ["head" if rank < 0.3 else "tail" if rank > 0.6 else "middle" for rank in ranks]
    assert buckets(texts, config(path)) == expected
    assert set(expected) == {"head", "middle", "tail"}
    dropped = ["tail" if bucket == "tail" else None for bucket in expected]
    assert reasons(texts, config(path, keep=["head", "middle"])) == dropped
    every = config(path, keep=["head", "middle"], tail_percentile=1)
    assert reasons(texts, every) == [None] * len(texts)


def test_a_model_without_percentiles(path: str, tmp_path: Path) -> None:
    """Its documents have no bucket until perplexities are set; to keep some by it is an error that says what to set."""
    plain = tmp_path / "plain.arpa"
    plain.write_bytes(Path(path).read_bytes().split(b"\n", 1)[1])
    said = {"prepare": "plain", "tokens": "words"}
    assert buckets(["noon"], config(str(plain), **said)) == [None]
    assert signal(["noon"], "percentile", config(str(plain), **said)) == [None]
    with pytest.raises(ModelError, match="plain.arpa has no percentiles.*set head and tail"):
        loaded(config(str(plain), **said, keep=["head"]))
    assert buckets(["noon"], config(str(plain), **said, keep=["head"], head=1e9, tail=1e9)) == ["head"]


def test_the_model_is_a_fit_or_a_file() -> None:
    """A name is that of a fit; what has a slash or a model's ending is a path."""
    resources = STAGE.resources
    assert resources(config("lm_zh")) == {"model": FitRef(fit="lm_zh")}
    assert resources(PerplexityConfig(model=FitRef(fit="lm"))) == {"model": FitRef(fit="lm")}
    assert resources(config("models/zh", tokenizer="sp.model")) == {"model": "models/zh", "tokenizer": "sp.model"}
    for name in ("zh.arpa.bin", "zh.arpa", "zh.arpa.gz", "s3://bucket/zh"):
        assert resources(config(name)) == {"model": name}
    assert STAGE.chosen_libraries(config("zh.arpa.bin", tokens="sentencepiece")) == ("kenlm", "sentencepiece")
    assert STAGE.chosen_libraries(config("lm_zh")) == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keep": ["head", "tail"]}, "no neighbours.*go by the column perplexity_bucket"),
        ({"keep": []}, "at least 1"),
        ({"head": 100}, "set together"),
        ({"head": 200, "tail": 100}, "head 200 is above tail 100"),
        ({"head_percentile": 0.7}, "head_percentile 0.7 is above"),
        ({"min_perplexity": 2, "max_perplexity": 1}, "min_perplexity 2 is above"),
        ({"max_bad_line_share": 0.1}, "lines: true"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], message: str) -> None:
    """Are errors of the recipe."""
    with pytest.raises(ValidationError, match=message):
        config("lm", **wrong)


def test_no_column_on_request(path: str) -> None:
    """The bucket's column can have another name, or be left out."""
    assert STAGE.writes(config(path, column="ppl")) == {"ppl": pa.string()}
    assert measured(["noon"], config(path, column=None)).columns == {} == STAGE.writes(config(path, column=None))


@settings(max_examples=40)
@given(
    texts=st.lists(TEXT | st.sampled_from(TEXTS), min_size=1, max_size=9), sizes=st.lists(st.integers(1, 4), min_size=1)
)
def test_batches_do_not_matter(path: str, texts: list[str], sizes: list[int]) -> None:
    """The same rows in other batches give the same signals and columns."""
    chosen = config(path, keep=["head", "middle"], lines=True, bad_line=20)
    model, rows = loaded(chosen), documents(texts)
    cut = chunked(rows, sizes, lambda batch: apply(batch, chosen, model))
    assert values(cut) == values(apply(rows, chosen, model))


def test_hostile_text(path: str) -> None:
    """Hostile rows, one of 50 MB among them, have finite signals."""
    chosen = config(path, lines=True, bad_line=10)
    texts = [*ROWS, "word " * (long_bytes() // 5)]
    found, types = measured(texts, chosen).signals, STAGE.signals(chosen)
    assert found.keys() == types.keys()
    for name, kind in types.items():
        assert len(stored_signal(found[name], kind, name)) == len(texts)
