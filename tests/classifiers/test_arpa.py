"""ARPA files of all makers are read, and damaged ones refused with the line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from classifiers.arpa import parse_arpa, read_arpa
from classifiers.errors import ModelError
from stages.kernels.arrow_text import text_view
from stages.kernels.ngram_scores import score_lines

ARPA = """
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.25
-0.5\t</s>
-0.75\tword\t-0.125

\\2-grams:
-0.0625\t<s> word
-2.5e-1\tword </s>

\\end\\
"""


def score(content: str, text: str) -> float:
    table, _ = parse_arpa(np.frombuffer(content.encode(), np.uint8), "m.arpa")
    view = text_view(pa.array([text]))
    return float(score_lines(table, view.data, view.offsets).scores[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("word", -0.0625 - 0.25), ("word word", -0.0625 - 0.125 - 0.75 - 0.25), ("other", -0.25 - 1.5 - 0.5)],
)
def test_scores_follow_from_the_file(text: str, expected: float) -> None:
    """Probabilities with exponents, left-out backoff weights and backing off, computed by hand."""
    assert score(ARPA, text) == pytest.approx(expected)


def test_variants_that_others_write() -> None:
    """Comments at the head, spaces for tabs, CR LF line ends, a first line that is not blank."""
    plain = score(ARPA, "word other")
    assert score("# made by hand\n# twice\n" + ARPA, "word other") == plain
    assert score(ARPA.lstrip().replace("\t", " "), "word other") == plain
    assert score(ARPA.replace("\n", "\r\n"), "word other") == plain


def test_comments_are_handed_back() -> None:
    """What stands before the data is returned, for the facts that Gristmill writes there."""
    _, comments = parse_arpa(np.frombuffer(("# one\n" + ARPA).encode(), np.uint8), "m.arpa")
    assert comments.split(b"\n")[0] == b"# one"


def test_a_model_without_an_unknown_word() -> None:
    """Unknown words then have the probability that KenLM gives them, 1e-100."""
    without = ARPA.replace("-1.5\t<unk>\n", "").replace("ngram 1=4", "ngram 1=3")
    assert score(without, "other") == pytest.approx(-0.25 - 100 - 0.5)


def test_gzip(tmp_path: Path) -> None:
    """A gzipped file is the same model, and one that is cut off is refused."""
    path = tmp_path / "m.arpa.gz"
    path.write_bytes(gzip.compress(ARPA.encode()))
    assert np.array_equal(read_arpa(path)[0].memory, parse_arpa(np.frombuffer(ARPA.encode(), np.uint8), "")[0].memory)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelError, match="cannot be read"):
        read_arpa(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "no ARPA file"),
        ("-0.75\tword\t-0.125", "word\t-0.75\t-0.125", "line 10: expected a number, 1 words"),
        ("-0.75\tword\t-0.125", "-0.75\tword\tx", "line 10"),
        ("-0.0625\t<s> word", "-0.0625\t<s>", "line 13: expected a number, 2 words"),
        ("ngram 1=4", "ngram 1=5", "line 11"),
        ("ngram 2=2", "ngram 2=3", "line 15"),
        ("ngram 2=2", "ngram 3=2", "lengths"),
        ("ngram 2=2", "ngram 2=2000000000", "damaged"),
        ("\\2-grams:", "\\3-grams:", "line 12: expected .2-grams:"),
        ("-0.0625\t<s> word", "-0.0625\t<s> wrod", "line 13: a word of the 2-gram is not among the 1-grams"),
        ("</s>", "end", "no </s>"),
    ],
)
def test_damaged_files_are_refused(old: str, new: str, message: str) -> None:
    """The error names the file, the line and what should be there."""
    with pytest.raises(ModelError, match=message) as caught:
        score(ARPA.replace(old, new), "word")
    assert "m.arpa" in str(caught.value)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    """A path that does not exist and an empty file are errors of their own."""
    with pytest.raises(ModelError, match="no such file"):
        read_arpa(tmp_path / "none.arpa")
    (tmp_path / "empty.arpa").touch()
    with pytest.raises(ModelError, match="no ARPA file"):
        read_arpa(tmp_path / "empty.arpa")
