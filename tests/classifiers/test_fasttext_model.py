"""Reading fastText files: what is refused, and lid.176 itself."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from classifiers.errors import ModelError
from classifiers.fasttext_model import lid176_path, load_fasttext
from tests.reference.fasttext import HIERARCHICAL, tiny_model, write_model


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error names the path and what to give."""
    with pytest.raises(ModelError, match=r"absent\.bin: no such file; give the path of a fastText model"):
        load_fasttext(str(tmp_path / "absent.bin"))


@pytest.mark.parametrize("content", [b"", b"PK", b"not a model, but long enough for a header"])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file of another kind, or an empty one, is an error that says what was expected."""
    (tmp_path / "other.bin").write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.bin: .*(not a fastText model|cannot be read)"):
        load_fasttext(str(tmp_path / "other.bin"))


def test_word_vectors_are_refused(tmp_path: Path) -> None:
    """A model without labels is an error, not a model that labels at random."""
    write_model(tiny_model(), tmp_path / "vectors.bin", kind=2)
    with pytest.raises(ModelError, match="word vectors only"):
        load_fasttext(str(tmp_path / "vectors.bin"))


@pytest.mark.parametrize("quantized", [False, True])
def test_every_cut_is_noticed(tmp_path: Path, quantized: bool) -> None:
    """A file cut off anywhere is called damaged; nothing behind its end is read."""
    path = tmp_path / "cut.ftz"
    write_model(tiny_model(loss=HIERARCHICAL, quantized=quantized, pruned=quantized), path)
    whole = path.read_bytes()
    for size in (*range(8, 400, 7), *range(400, len(whole), 501), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="damaged or cut off"):
            load_fasttext(str(path))


def test_version_11_had_no_character_ngrams(tmp_path: Path) -> None:
    """As in the library: of a model of version 11, words that it does not know all say the same."""
    for version, alike in ((11, True), (12, False)):
        write_model(tiny_model(), tmp_path / "model.bin", version=version)
        one, other = load_fasttext(str(tmp_path / "model.bin")).predict(pa.array(["unknown", "other"]))[1]
        assert (one == other) == alike


def test_lid176_is_found_and_knows_176_languages() -> None:
    """The model comes with an installed distribution; its first labels are the commonest languages."""
    model = load_fasttext(lid176_path())
    assert len(model.labels) == len(set(model.labels)) == 176
    assert model.labels[0] == "en"
