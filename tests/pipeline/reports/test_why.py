"""``why`` tells the truth about documents of every fate, shows nobody's data, and says what it cannot know."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

import gristmill
from pipeline.errors import RunNotFound
from pipeline.reports.copies import print_copies
from pipeline.reports.find_document import find_document, find_documents, quarantined_records
from pipeline.reports.stored_run import StoredRun
from pipeline.reports.why import Story, tell
from pipeline.reports.why_text import print_quarantined, print_story
from tests import fake_stages
from tests.pipeline.corpora import RECIPE, run, write_recipe
from tests.pipeline.reports.finished_runs import COPY, SECRET, SHORT, URL, small_run, stored, write_known


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("why")
    small_run(root, extra="tokenize: {}\n", max_words=400)
    return root


@pytest.fixture(scope="module")
def known(root: Path) -> StoredRun:
    return stored(root)


def story(run_: StoredRun, query: str) -> Story:
    return tell(run_, find_document(run_, query))


def shown(run_: StoredRun, found: Story) -> str:
    stream = io.StringIO()
    print_story(run_, found, Console(file=stream, width=120, highlight=False, markup=False, emoji=False))
    return stream.getvalue()


def known_text(name: str, root: Path) -> str:
    lines = (root / "in/books/known.jsonl").read_text().splitlines()
    [text] = [record["text"] for record in map(json.loads, lines) if record["id"] == name]
    return str(text)


def test_a_kept_document(root: Path, known: StoredRun) -> None:
    """Its file and offset, what was cut, every signal with its margin, the shard and row where it is."""
    found = story(known, "kept")
    assert found.fate == "kept"
    assert (found.origin["file"], found.origin["offset"]) == ("known.jsonl", 0)
    normalized = found.blocks[0].stages[0]
    returns = known_text("kept", root).count("\r")
    assert normalized.cut == {"newlines": returns}
    assert normalized.bytes_before - normalized.bytes_after == returns > 0
    text = shown(known, found)
    assert "file known.jsonl, offset 0" in text
    assert f"cut: newlines −{returns} B" in text
    assert "writes language = en" in text
    assert "✗" not in text
    assert not found.notes
    assert not [difference for block in found.blocks for difference in block.differences]


def test_the_shard_and_row_hold_the_document(root: Path, known: StoredRun) -> None:
    """Every kept document is where the story says, with the number of tokens that it says."""
    opened = gristmill.open(root / "runs/small")
    tokens = opened.tokens().table()
    for document in opened.documents().table(["id"])["id"].to_pylist()[::17]:
        found = story(known, document)
        assert found.shard is not None
        name, row = found.shard.removeprefix("tokens/").split(", row ")
        assert name == "shard-00000.arrow"
        at, count = row.rstrip(" tokens)").split(" (")
        assert tokens["id"][int(at)].as_py() == document
        assert len(tokens["tokens"][int(at)]) == int(count.replace(",", ""))


def test_a_document_dropped_by_a_rule(known: StoredRun) -> None:
    """The rule that it broke first, by how much, and nothing after it."""
    found = story(known, "short")
    assert found.fate == "dropped by word_count[default]:too_short"
    check = found.blocks[-1].stages[-1].rules[0]
    assert (check.name, check.value, check.min, check.margin, check.broken) == ("too_short", 4, 8, -4, True)
    text = shown(known, found)
    assert "words 4   asked: ≥ 8   margin −4   ✗ too_short (dropped here)" in text
    assert "length" not in text.split("word_count[default]")[-1]


def test_copies_name_each_other(known: StoredRun) -> None:
    """The copy that went names the one that stands for it, and the survivor its copies."""
    survivor, copy = story(known, "copy-1"), story(known, "copy-2")
    assert copy.fate == "dropped by exact_dedup:duplicate"
    assert copy.blocks[-1].corpus is not None
    assert copy.blocks[-1].corpus.survivor is not None
    assert copy.blocks[-1].corpus.survivor.id == "known.jsonl#copy-1"
    assert "copy of known.jsonl#copy-1 (books), similarity 1.000, in a cluster of 2" in shown(known, copy)
    assert "stands for a cluster of 2" in shown(known, survivor)
    assert "known.jsonl#copy-2 (books)" in shown(known, survivor)


def test_duplicates_are_listed(known: StoredRun) -> None:
    """``dups`` shows the whole cluster, and who stays."""
    stream = io.StringIO()
    console = Console(file=stream, width=100, highlight=False, markup=False)
    print_copies(known, find_document(known, "copy-2"), console)
    assert "stays   known.jsonl#copy-1" in stream.getvalue()
    assert "dropped known.jsonl#copy-2 (books), similarity 1.000  ←" in stream.getvalue()
    print_copies(known, find_document(known, "short"), console)
    assert "known.jsonl#short has no copies" in stream.getvalue()


def test_a_record_that_was_quarantined(known: StoredRun) -> None:
    """Found by its file, or by file and offset; with reason and detail."""
    [record] = quarantined_records(known, "c.jsonl")
    assert quarantined_records(known, f"c.jsonl#{record['offset']}") == [record]
    assert not quarantined_records(known, "c.jsonl#0")
    stream = io.StringIO()
    print_quarantined([record], Console(file=stream, width=100, highlight=False, markup=False))
    assert "quarantined: malformed_json" in stream.getvalue()


def test_documents_are_found_in_many_ways(root: Path, known: StoredRun) -> None:
    """By whole id, own id, URL, address, content hash; by a part where nothing is named so."""
    short = find_document(known, "known.jsonl#short")
    assert find_document(known, "short") == short
    assert find_document(known, URL) == short
    assert find_document(known, str(short.address)) == short
    assert find_document(known, hex(short.address)) == short
    signals = gristmill.open(root / "runs/small").signals().table()
    [content_hash] = signals.filter(pa.compute.equal(signals["id"], short.id))["content_hash"].to_pylist()
    assert short in find_documents(known, content_hash.hex())
    assert find_document(known, "wn.jsonl#shor") == short
    assert len(find_documents(known, "a.jsonl")) == 20


def test_several_matches_are_listed_and_none_is_an_error(known: StoredRun) -> None:
    """A part of many ids names them; nothing is guessed."""
    with pytest.raises(RunNotFound, match=r"known\.jsonl#copy-1 .*\n.*known\.jsonl#copy-2"):
        find_document(known, "copy")
    with pytest.raises(RunNotFound, match="no document 'nothing'"):
        find_document(known, "nothing")


def test_every_document_is_told_as_it_was(root: Path, known: StoredRun) -> None:
    """Replays agree with what is stored, and the fate is the stored one, for documents of all partitions."""
    signals = gristmill.open(root / "runs/small").signals().table(["id", "dropped_by"]).to_pylist()
    for row in signals[::23]:
        found = story(known, row["id"])
        assert found.fate == ("kept" if row["dropped_by"] is None else f"dropped by {row['dropped_by']}")
        assert all(block.replayed and not block.differences for block in found.blocks)


def test_personal_data_is_never_shown(known: StoredRun) -> None:
    """Neither in differences nor anywhere else."""
    text = shown(known, story(known, "secret"))
    assert "jane.doe" in SECRET
    assert "jane.doe" not in text
    assert "1234" not in text


def test_hostile_documents_cannot_touch_the_terminal(known: StoredRun) -> None:
    """Escapes and direction marks are shown as what they are."""
    text = shown(known, story(known, "hostile"))
    assert not set(text) & set("\x1b\x07\u202e")
    assert "␛]0;owned␇" in text


def test_a_source_that_is_gone_still_has_a_story(tmp_path: Path) -> None:
    """Signals and verdicts are stored; only what needs the text is left out, and that is said."""
    small_run(tmp_path, documents=20)
    shutil.rmtree(tmp_path / "in")
    found = story(stored(tmp_path), "short")
    assert found.fate == "dropped by word_count[default]:too_short"
    assert any("normalize, language: not replayed, the input cannot be read again" in note for note in found.notes)
    assert [stage.address for block in found.blocks for stage in block.stages] == [
        "normalize", "language", "word_count[default]",
    ]  # fmt: skip
    assert "asked: ≥ 8   margin −4   ✗ too_short" in shown(stored(tmp_path), found)


def test_a_file_that_has_changed_is_not_replayed(tmp_path: Path) -> None:
    """Another file under the same name is not taken for what was read."""
    small_run(tmp_path, documents=20)
    known_file = tmp_path / "in/books/known.jsonl"
    known_file.write_text(known_file.read_text().replace(SHORT, "something else"))
    found = story(stored(tmp_path), "short")
    assert any("has changed since the run, or is gone" in note for note in found.notes)
    assert found.fate == "dropped by word_count[default]:too_short"


def test_a_replay_that_disagrees_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the code of today measures something else than what is stored, nobody is left to believe it."""
    import pyarrow.compute as pc

    from stages.quality import word_count

    small_run(tmp_path, documents=20)
    changed = stored(tmp_path)
    monkeypatch.setattr(word_count, "count_words", lambda text: pc.binary_length(text).cast(pa.int64()))
    found = story(changed, "kept")
    assert any("word_count.words: stored" in difference for block in found.blocks for difference in block.differences)
    assert "DISAGREE" in shown(changed, found)


def test_a_row_that_crashes_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that a later block quarantined has that as its fate."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    fake_stages.install(fakes, monkeypatch)
    write_known(tmp_path)
    known_file = tmp_path / "in/books/known.jsonl"
    known_file.write_text(known_file.read_text().replace(SHORT, fake_stages.MARKER))
    recipe = RECIPE.split("fits:")[0].replace(
        '  news: {{kind: jsonl, path: "{root}/in/news/*.jsonl*", domain: web, ', ""
    )
    recipe = recipe.replace("ingest_above_bytes: 2000}}\n", "") + "stages:\n  - exact_dedup\n  - fake_crash\n"
    found = run(write_recipe(tmp_path, text=recipe + "execution: {{executor: local, workers: 2}}\n"))
    told = story(StoredRun.open(found.folder), "short")
    assert told.fate.startswith("quarantined: crash:fake_crash")


def test_a_sampled_out_document_is_not_there(tmp_path: Path) -> None:
    """``--sample`` leaves documents out before anything is stored of them."""
    write_known(tmp_path)
    assert COPY
    recipe = 'name: some\nstore: {root}/store\nsources:\n  b: {{kind: jsonl, path: "{root}/in/books/*.jsonl"}}\n'
    found = run(write_recipe(tmp_path, text=recipe + "execution: {{executor: local}}\n"), sample=0.4)
    ids = set(gristmill.open(found.folder).signals().table(["id"])["id"].to_pylist())
    assert 0 < len(ids) < 6
    for name in ids:
        assert story(StoredRun.open(found.folder), name).fate == "kept"


def test_a_kept_document_knows_its_file_without_the_source(tmp_path: Path) -> None:
    """Stored documents carry file and offset."""
    small_run(tmp_path, documents=20, max_words=400)
    shutil.rmtree(tmp_path / "in")
    found = story(stored(tmp_path), "kept")
    assert (found.fate, found.origin["file"], found.origin["offset"]) == ("kept", "known.jsonl", 0)
