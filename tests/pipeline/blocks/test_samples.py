"""Samples are the rows with the smallest hashes however rows were cut, and show nobody's data."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks.samples import KEPT, SAMPLE_CHARACTERS, SCHEMA, Samples, mask, smallest
from stages.contract import ADDRESS
from tests.batches import CUTS, cut_at, documents
from tests.stages.hostile import ROWS

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "same"]) | st.text("xyz中", max_size=3), max_size=60)


def taken(parts: list[pa.RecordBatch], per_rule: int = 3, rule: str = "s:r") -> pa.RecordBatch:
    samples = Samples(per_rule)
    for part in parts:
        samples.add(rule, part)
    return samples.finish()


def slowly(batch: pa.RecordBatch, per_rule: int = 3) -> list[int]:
    """Addresses in the order of (content hash as a number, address)."""
    rows = batch.select(["content_hash", ADDRESS]).to_pylist()
    rows.sort(key=lambda row: (int.from_bytes(row["content_hash"], "little"), row[ADDRESS]))
    return [row[ADDRESS] for row in rows[:per_rule]]


@given(TEXTS, CUTS)
def test_smallest_hashes_whatever_the_batches(texts: list[str], cuts: list[int]) -> None:
    """The sample is the k rows with the smallest (content hash, address); copies of a document have one hash."""
    batch = documents(texts)
    assert taken(cut_at(batch, cuts)).column(ADDRESS).to_pylist() == slowly(batch)


@given(TEXTS, TEXTS, CUTS)
def test_samples_of_partitions_merge_to_the_sample_of_all(one: list[str], other: list[str], cuts: list[int]) -> None:
    """The smallest of the partitions' samples are the smallest of everything, in any order of partitions."""
    parts = [documents(one, number=1), documents(other, number=2)]
    samples = [taken(cut_at(part, cuts)) for part in parts]
    everything = slowly(pa.concat_batches(parts))
    assert smallest(samples, 3).column(ADDRESS).to_pylist() == everything
    assert smallest(samples[::-1], 3).column(ADDRESS).to_pylist() == everything


def test_many_copies_give_the_lowest_addresses() -> None:
    """Of 100,000 copies the first ones are shown, however they were cut."""
    batch = documents(["copy"] * 100_000)
    for cuts in ([], [3], [50_000, 99_999]):
        found = taken([batch.slice(0, 0), *cut_at(batch, cuts)][::-1], per_rule=8)
        assert found.column(ADDRESS).to_pylist() == batch.column(ADDRESS)[:8].to_pylist()


def test_each_rule_has_its_own() -> None:
    """Rules do not share their k rows; rules are sorted by name."""
    samples = Samples(2)
    samples.add("b:r", documents(["1", "2", "3"]))
    samples.add(KEPT, documents(["4"]))
    samples.add("a:r", documents(["5", "6", "7"]))
    assert samples.finish().column("rule").to_pylist() == ["a:r", "a:r", "b:r", "b:r", KEPT]


def test_what_is_kept_of_a_row() -> None:
    """A sample says where the document is, how many bytes it has, and shows its beginning."""
    batch = documents(["中" * 5000], language="zh", source="books")
    [row] = taken([batch]).to_pylist()
    assert row["text"] == "中" * SAMPLE_CHARACTERS
    assert (row["bytes"], row["language"], row["source"], row["id"]) == (15_000, "zh", "books", "f1.jsonl#0")
    assert taken([batch]).schema == SCHEMA


def test_no_rows() -> None:
    """Nothing taken in gives a table without rows."""
    assert Samples().finish().num_rows == 0
    assert Samples().finish().schema == SCHEMA
    assert taken([documents([])]).num_rows == 0


def test_hostile_text_and_a_long_row() -> None:
    """Any text can be shown; a row of 50 MB is cut before it is looked at."""
    found = taken([documents([*ROWS, "é" * 25_000_000])], per_rule=100)
    assert max(len(text) for text in found.column("text").to_pylist()) == SAMPLE_CHARACTERS
    assert sorted(len(text) for text in found.column("text").to_pylist())[0] == 0


PRIVATE = {
    "john.doe@example.com": "<email>",
    "Jörg+test@müller-straße.co.uk": "<email>",
    "a_b@sub.domain.museum": "<email>",
    "+1 (555) 123-4567": "<number>",
    "(030) 901820-12": "<number>",
    "0171/2345678": "<number>",
    "13812345678": "<number>",
    "１３８１２３４５６７８": "<number>",
    "138\u00a01234\u00a05678": "<number>",
    "138–1234–5678": "<number>",
    "+86 138-1234-5678": "<number>",
    "٠١٢٣٤٥٦٧٨٩": "<number>",
    "4111 1111 1111 1111": "<number>",
    "4111-1111-1111-1111": "<number>",
    "378282246310005": "<number>",
    "11010519491231002X": "<number>",
    "123-45-6789": "<number>",
    "DE89 3704 0044 0532 0130 00": "<account>",
    "GB82WEST12345698765432": "<account>",
    "FR14 2004 1010 0505 0001 3M02 606": "<account>",
    "192.168.17.254": "<ip>",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334": "<ip>",
    "fe80::1ff:fe23:4567:890a": "<ip>",
    "2001:db8::1": "<ip>",
    "fe80::1": "<ip>",
    "00:1a:2b:3c:4d:5e": "<ip>",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a": "<token>",
    "sk-proj-AbCdEf0123456789AbCdEf0123456789": "<token>",
    "AKIAIOSFODNN7EXAMPLE": "<token>",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9": "<token>",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "<token>",
    "postgres://admin:hunter2@db.example.com/prod": "<credentials>",
    "https://user:p4ss@example.com/": "<credentials>",
}
"""Invented personal data and secrets → what stands for it."""

AROUND = ["{}", "see {}.", "中文{}中文", "«{}»", "\n{}\n", "x={};", "<a href='mailto:{}'>", "({})", "{}, {}", "“{}”"]


@pytest.mark.parametrize("secret", PRIVATE)
def test_private_data_is_masked(secret: str) -> None:
    """E-mails, phones, cards, accounts, addresses, keys and credentials do not show, whatever stands around them."""
    for frame in AROUND:
        shown = mask(frame.replace("{}", secret))
        assert PRIVATE[secret] in shown, (frame, shown)
        assert secret not in shown
        for part in ("hunter2", "p4ss", "john.doe", "1111", "4567", "C7e42F", "3704"):
            assert part not in shown or part not in secret, (frame, shown)


@pytest.mark.parametrize("kind", ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"])
def test_private_keys_are_masked(kind: str) -> None:
    """A private key hides to its end, also where the end is cut off."""
    body = "MIIEpAIBAAKCAQEA\nabc+/=\n" * 3
    shown = mask(f"before\n-----BEGIN {kind}-----\n{body}-----END {kind}-----\n")
    assert "abc" not in shown and "MIIE" not in shown and shown.startswith("before\n<private key>")


@pytest.mark.parametrize(
    "text",
    [
        "In 1999 there were 12 of 350.",
        "3.14159",
        "10:30:15",
        "v1.2.3",
        "page 12, 13",
        "::",
        "中文 100 元",
        "C++ a::b::c",
        "我在2023年使用iPhone拍摄了很多照片然后上传到网络相册里面",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Years, small numbers, times and versions are shown as they are."""
    assert mask(text) == text


@settings(max_examples=30)
@given(st.sampled_from(sorted(PRIVATE)), st.integers(-130, 20))
def test_the_cut_tears_no_secret(secret: str, shift: int) -> None:
    """Private data at the end of a sample is masked although the sample ends inside it."""
    filler = "ab " * 2000
    text = filler[: SAMPLE_CHARACTERS + shift - len(secret) // 2] + " " + secret + " " + filler
    shown = taken([documents([text])]).column("text")[0].as_py()
    for size in range(7, len(secret) + 1):
        assert secret[:size] not in shown or PRIVATE[secret] == "<credentials>"


def test_many_secrets_before_the_cut() -> None:
    """Masking shortens what comes before the cut; what is moved up is not torn either."""
    text = "john.doe.the.third@example.com " * 200
    shown = taken([documents([text])]).column("text")[0].as_py()
    assert "john" not in shown
    text = "+1 (555) 123-4567 and more words " * 200
    shown = taken([documents([text])]).column("text")[0].as_py()
    assert "555" not in shown


def test_masking_hostile_text_is_quick() -> None:
    """No text of a sample's size makes a pattern take long."""
    for text in (
        "a" * 1256,
        "1" * 1256,
        "a@" * 628,
        "0:" * 628,
        "A1" * 628,
        "://" * 400,
        "a.b" * 400 + "@",
        "+-(" * 400,
    ):
        mask(text)
