"""The annotate stage with endpoints that misbehave, budgets, and kills: nothing lost, nothing paid twice."""

from __future__ import annotations

import errno
import json
import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

import gristmill
from stages.annotate_asking import IN_A_ROW, AnnotationStopped, Patience, Question
from stages.annotate_cache import AnswerCache, CacheUnusable, Record
from stages.annotate_client import retry_after
from stages.annotate_config import AnnotateConfig
from stages.annotate_http import is_this_machine
from tests.completion_server import (
    DECORATED,
    DRIP_BYTES,
    FAULTS,
    MOST_SECONDS,
    Completions,
    completion_server,
    score_of,
    tokens_of,
)
from tests.stages.annotating import annotated, forget, rubric_of, settings, signal
from tests.stages.hostile import values

TEXTS = [f"Page {number} says that the ferry left at noon." for number in range(60)]
SCORES = [float(score_of(text)) for text in TEXTS]


@pytest.fixture
def server() -> Iterator[Completions]:
    """One that behaves until it is told not to."""
    forget()
    with completion_server() as found:
        yield found


def lines(folder: Path, glob: str = "*.jsonl") -> list[dict[str, Any]]:
    """All whole records of a cache."""
    return [json.loads(line) for path in folder.glob(glob) for line in path.read_bytes().split(b"\n")[:-1]]


@pytest.mark.parametrize("seed", range(3))
def test_faults_lose_nothing(server: Completions, tmp_path: Path, seed: int) -> None:
    """With every fault injected at random, all documents get their score, each is paid for once, waste is counted."""
    server.chance, server.seed, server.hang_seconds = 0.6, seed, 2.5
    server.faults = (*(fault for fault in FAULTS if fault != "cut_off"), *DECORATED)  # twice cut off is a failure
    config = settings(server, tmp_path, timeout_seconds=2, concurrency=16)
    found = values(annotated(TEXTS, config))
    assert found["signal score"] == SCORES
    assert set(server.paid) == set(TEXTS) and set(server.paid.values()) == {1}
    assert sum(server.injected.values()) > 40 and len(server.injected) > len(FAULTS) // 2
    expected = [tokens_of(text)[1] * (1 + server.wasted[text]) for text in TEXTS]
    assert found["signal completion_tokens"] == expected
    before = server.asked.copy()
    forget()
    assert signal(TEXTS, config) == SCORES and server.asked == before


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_tried_again(server: Completions, tmp_path: Path, fault: str) -> None:
    """One fault of any kind does not keep a document from its score."""
    server.chance, server.faults, server.most, server.hang_seconds = 1.0, (fault,), 1, 2.5
    config = settings(server, tmp_path, timeout_seconds=2, retries=1)
    assert signal(TEXTS[:3], config) == SCORES[:3]
    assert server.injected == {fault: 3} and set(server.asked.values()) == {2}


@pytest.mark.parametrize("decoration", DECORATED)
def test_what_stands_around_an_answer_is_passed_over(server: Completions, tmp_path: Path, decoration: str) -> None:
    """A fence, a thought or a sentence around the one object does not make the answer be paid for again."""
    server.always = dict.fromkeys(TEXTS[:3], decoration)
    assert signal(TEXTS[:3], settings(server, tmp_path)) == SCORES[:3]
    assert set(server.asked.values()) == {1}


def test_an_answer_that_is_cut_off_is_asked_for_once_more(server: Completions, tmp_path: Path) -> None:
    """And not ``retries`` times: each is paid for, and is cut off at the same place."""
    server.always = {TEXTS[0]: "cut_off"}
    with pytest.raises(AnnotationStopped, match=r"max_answer_tokens is too low for it \(the last of 2 tries\)"):
        signal(TEXTS[:1], settings(server, tmp_path, retries=5))
    assert server.asked[TEXTS[0]] == 2


def test_the_server_says_when_to_come_back(server: Completions, tmp_path: Path) -> None:
    """As a number of seconds, or as a date: nobody comes earlier, about whatever document."""
    server.chance, server.faults, server.most = 1.0, ("429",), 1
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    named = parsedate_to_datetime(server.retry_after).timestamp()
    assert signal(TEXTS[:1], settings(server, tmp_path, retries=1)) == SCORES[:1]
    assert server.times[TEXTS[0]][1] >= named - 0.01
    server.retry_after = "1"
    assert signal(TEXTS[1:3], settings(server, tmp_path, retries=2, concurrency=1)) == SCORES[1:3]
    assert all(second - first >= 0.99 for first, second in (server.times[text] for text in TEXTS[1:3]))


def test_the_model_is_told_what_is_wrong(server: Completions, tmp_path: Path) -> None:
    """An answer that does not fit goes back with the reason; the next one counts."""
    server.chance, server.faults, server.most = 1.0, ("too_high",), 1
    assert signal(TEXTS[:1], settings(server, tmp_path)) == SCORES[:1]
    first, second = (body["messages"] for body in server.bodies)
    assert second[0] == first[0]
    assert second[1] == {"role": "assistant", "content": '{"reason": "splendid", "score": 6}'}
    assert "score is not one of 0, 1, 2, 3, 4, 5" in second[2]["content"]


def test_a_document_that_fails_stops_the_run(server: Completions, tmp_path: Path) -> None:
    """By default; what was answered is kept, and the next start asks about the rest only."""
    server.always = {TEXTS[3]: "500"}
    config = settings(server, tmp_path, retries=1)
    with pytest.raises(AnnotationStopped, match=r"a document gets no answer: status 500.*\(the last of 2 tries\)"):
        signal(TEXTS, config)
    assert 0 < len(server.paid) < len(TEXTS)
    assert len(lines(tmp_path)) == len(server.paid)
    server.always = {}
    assert signal(TEXTS, config) == SCORES
    assert set(server.paid.values()) == {1}


def test_documents_that_fail_become_null(server: Completions, tmp_path: Path) -> None:
    """With ``on_failure: skip`` the reason is a signal, and is kept; without the file of failures all ask again."""
    server.always = {TEXTS[3]: "500", TEXTS[5]: "400", TEXTS[7]: "not_json", TEXTS[9]: "filtered"}
    config = settings(server, tmp_path, retries=1, on_failure="skip", concurrency=2)
    scores = [None if text in server.always else score for text, score in zip(TEXTS, SCORES, strict=True)]
    assert signal(TEXTS, config) == scores
    failures = [failure for failure in signal(TEXTS, config, "failure") if failure]
    assert [failure[:10] for failure in failures] == ["status 500", "status 400", "the answer", "the model "]
    assert [server.asked[TEXTS[place]] for place in (3, 5, 7, 9)] == [2, 1, 2, 1]
    forget()
    assert signal(TEXTS, config) == scores and server.asked[TEXTS[5]] == 1
    server.always = {}
    for path in tmp_path.glob("failures-*"):
        path.unlink()
    forget()
    assert signal(TEXTS, config) == SCORES
    assert set(server.paid.values()) == {1}


def test_stopping_runs_ask_again_about_failures(server: Completions, tmp_path: Path) -> None:
    """A failure that is kept counts only where failures become nulls; an answer goes before it from then on."""
    server.always = {TEXTS[1]: "400"}
    lenient = settings(server, tmp_path, on_failure="skip", concurrency=1)
    assert signal(TEXTS[:2], lenient) == [SCORES[0], None]
    server.always = {}
    assert signal(TEXTS[:2], settings(server, tmp_path)) == SCORES[:2]
    forget()
    assert signal(TEXTS[:2], lenient) == SCORES[:2]


@pytest.mark.parametrize("on_failure", ["stop", "skip"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("401", "answers nothing: status 401.*; look at api_key_env, and at the variable that it names"),
        ("403", "answers nothing: status 403.*; the key may not do this"),
        ("404", "answers nothing: status 404.*; look at base_url, .* and at model"),
        ("502", "is not to be had after 2 tries: status 502"),
        ("redirect", "answers nothing: status 302"),
        ("insufficient_quota", "answers nothing: status 429"),
        ("429", "is not to be had after 2 tries: status 429"),
        ("503", "is not to be had after 2 tries: status 503"),
    ],
)
def test_an_endpoint_that_fails_stops_the_run(
    server: Completions, tmp_path: Path, fault: str, message: str, on_failure: str
) -> None:
    """No document becomes a null because the endpoint has no room, no page, or no such key."""
    server.always = dict.fromkeys(TEXTS[5:], fault)
    config = settings(server, tmp_path, retries=1, on_failure=on_failure)
    assert signal(TEXTS[:5], config) == SCORES[:5]
    with pytest.raises(AnnotationStopped, match=message):
        signal(TEXTS, config)
    assert not list(tmp_path.glob("failures-*"))
    assert sum(server.asked[text] for text in TEXTS[5:]) <= 2 * config.concurrency


def test_a_wrong_key_is_not_tried_again(server: Completions, tmp_path: Path) -> None:
    """The first reply ends the run; only requests under way then were sent as well."""
    server.always = dict.fromkeys(TEXTS, "401")
    with pytest.raises(AnnotationStopped, match="status 401"):
        signal(TEXTS, settings(server, tmp_path, retries=5, concurrency=4))
    assert len(server.asked) <= 2 * 4 and set(server.asked.values()) == {1}


def test_proxies(server: Completions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the environment are used, but not for this machine's own addresses; one that is not there is told."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert signal(TEXTS[:1], settings(server, tmp_path)) == SCORES[:1]
    elsewhere = "http://judge.invalid/v1"
    with pytest.raises(AnnotationStopped, match=r"judge.invalid.* is not to be had after 1 tries"):
        signal(TEXTS[1:2], settings(server, tmp_path, base_url=elsewhere, retries=0))
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    assert signal(TEXTS[1:2], settings(server, tmp_path, base_url=elsewhere)) == SCORES[1:2]
    assert server.paths == {"/v1/chat/completions", f"{elsewhere}/chat/completions"}


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("a.localhost", True),
     ("10.0.0.1", False), ("localhost.example", False), ("judge.example", False), ("", False)],
)  # fmt: skip
def test_own_addresses(host: str, expected: bool) -> None:
    """Loopback, by name or number."""
    assert is_this_machine(host) == expected


def test_a_cache_that_cannot_be_written_stops_the_run(
    server: Completions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the folder in the message; half a line that was written is followed by no other."""
    config = settings(server, tmp_path, concurrency=1)
    assert signal(TEXTS[:1], config) == SCORES[:1]
    (first,) = tmp_path.glob("answers-*")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CacheUnusable, match=rf"{tmp_path} cannot be written \(No space left on device\)"):
            signal(TEXTS[:2], config)
    assert signal(TEXTS[:3], config) == SCORES[:3]
    assert len(list(tmp_path.glob("answers-*"))) == 2 and first.exists()


def test_nobody_at_home(tmp_path: Path) -> None:
    """A refused connection stops the run, with the address in the message."""
    forget()
    config = settings(None, tmp_path, retries=1, on_failure="skip")
    with pytest.raises(AnnotationStopped, match=r"http://127.0.0.1:9/v1/chat/completions is not to be had"):
        signal(TEXTS, config)


def test_failures_of_everything_are_not_the_documents(server: Completions, tmp_path: Path) -> None:
    """Nulls need an endpoint that has answered something, and that goes on answering between them."""
    server.always = dict.fromkeys(TEXTS[1:], "400")
    config = settings(server, tmp_path, on_failure="skip", concurrency=1)
    with pytest.raises(AnnotationStopped, match="1 documents in a row get no answer"):
        signal(TEXTS[1:], config)
    assert signal(TEXTS[:1], config) == SCORES[:1]
    with pytest.raises(AnnotationStopped, match=f"{IN_A_ROW} documents in a row get no answer"):
        signal(TEXTS, config)


def test_requests_are_sent_side_by_side(server: Completions, tmp_path: Path) -> None:
    """``concurrency`` at a time, and no more."""
    server.gather = 12
    signal(TEXTS[:24], settings(server, tmp_path, concurrency=12, timeout_seconds=60))
    assert server.gathered.is_set() and server.most_at_once == 12


@pytest.mark.parametrize("fault", ["drip", "drip_head", "drip_chunk"])
def test_a_reply_has_a_whole_time(server: Completions, tmp_path: Path, fault: str) -> None:
    """A server that sends a byte now and then, in head or body, is left long before it has sent everything."""
    server.always = {TEXTS[0]: fault}
    with pytest.raises(AnnotationStopped, match="no reply in 0.3 seconds"):
        signal(TEXTS[:1], settings(server, tmp_path, timeout_seconds=0.3, retries=0))
    deadline = time.monotonic() + MOST_SECONDS
    while not server.dripped and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 0 < server.dripped[0] < DRIP_BYTES


def test_waits() -> None:
    """``Retry-After`` is a number or a date and goes before our own waits, which double up to a limit."""

    def said(value: str) -> float | None:
        headers = Message()
        headers["Retry-After"] = value
        return retry_after(headers)

    assert retry_after(Message()) is None
    assert [said(value) for value in ("7", "0.5", "-3", "soon", "nan")] == [7.0, 0.5, 0.0, None, None]
    found = said(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert found is not None and 85 < found <= 90
    patience = Patience(backoff_seconds=1.0, max_backoff_seconds=10.0)
    assert patience.wait_seconds(0, 90.0) == 90.0 and patience.wait_seconds(0, 1e9) == 600.0
    for attempt, most in enumerate((1, 2, 4, 8, 10, 10)):
        assert most / 2 <= patience.wait_seconds(attempt, None) <= most


def test_the_budget_of_documents_is_exact(server: Completions, tmp_path: Path) -> None:
    """A run of as many documents goes through, one of more stops after that many, and a higher limit goes on."""
    config = settings(server, tmp_path, max_documents=20, concurrency=8)
    assert signal(TEXTS[:20], config) == SCORES[:20]
    with pytest.raises(AnnotationStopped, match=r"max_documents \(20\); spent so far: 20 documents"):
        signal(TEXTS, config)
    assert len(server.asked) == 20
    forget()
    with pytest.raises(AnnotationStopped, match=r"max_documents \(20\)"):
        signal(TEXTS, config)
    assert len(server.asked) == 20
    with pytest.raises(AnnotationStopped, match=r"max_documents \(33\); spent so far: 33 documents"):
        signal(TEXTS, config.model_copy(update={"max_documents": 33}))
    assert len(server.asked) == 33
    assert signal(TEXTS, config.model_copy(update={"max_documents": 60})) == SCORES
    assert set(server.paid.values()) == {1}


@pytest.mark.parametrize(
    "limit",
    [{"max_tokens": 1_000}, {"max_cost": 0.001, "prompt_price": 1.0, "completion_price": 1.0}],
    ids=["tokens", "cost"],
)
def test_budgets_of_tokens_and_money(server: Completions, tmp_path: Path, limit: dict[str, Any]) -> None:
    """1,000 tokens, which at 1 a million cost 0.001, are reached, and passed only by what is under way then."""
    each = sum(tokens_of(TEXTS[10]))
    with pytest.raises(AnnotationStopped, match=next(iter(limit))):
        signal(TEXTS, settings(server, tmp_path, concurrency=4, **limit))
    assert 1_000 / each <= len(server.asked) <= 1_000 / each + 4 + 1


def test_wasted_tokens_count(server: Completions, tmp_path: Path) -> None:
    """Answers that were paid for and not usable are part of what was spent."""
    server.always = {TEXTS[0]: "not_json"}
    with pytest.raises(AnnotationStopped, match="the answer does not fit"):
        signal(TEXTS[:1], settings(server, tmp_path, retries=2))
    assert sum(line["completion_tokens"] for line in lines(tmp_path)) == 3 * tokens_of(TEXTS[0])[1]
    with pytest.raises(AnnotationStopped, match="max_tokens"):
        signal(TEXTS[1:2], settings(server, tmp_path, max_tokens=3 * sum(tokens_of(TEXTS[0]))))
    assert TEXTS[1] not in server.asked


def test_servers_that_count_no_tokens(server: Completions, tmp_path: Path) -> None:
    """Tokens are null then; a budget of tokens cannot be kept and stops the run, with the answer kept."""
    server.usage = False
    assert signal(TEXTS[:2], settings(server, tmp_path), "prompt_tokens") == [None, None]
    with pytest.raises(AnnotationStopped, match="replies have no usage"):
        signal(TEXTS[:3], settings(server, tmp_path, max_tokens=100))
    assert signal(TEXTS[:3], settings(server, tmp_path)) == SCORES[:3] and set(server.paid.values()) == {1}


def test_a_torn_line_is_asked_again(server: Completions, tmp_path: Path) -> None:
    """The end of a file that a kill tore is left alone, and what stands before it counts."""
    config = settings(server, tmp_path, concurrency=1)
    signal(TEXTS[:3], config)
    (path,) = tmp_path.glob("answers-*")
    path.write_bytes(path.read_bytes()[:-9])
    forget()
    assert signal(TEXTS[:3], config) == SCORES[:3]
    assert [server.asked[text] for text in TEXTS[:3]] == [1, 1, 2]
    assert len(list(tmp_path.glob("answers-*"))) == 2
    forget()
    assert signal(TEXTS[:3], config) == SCORES[:3] and server.asked.total() == 4


@pytest.mark.parametrize("line", ["{}", "[]", '{"key": "a"}', '{"key": "a", "task": "b", "more": 1}', "nonsense"])
def test_a_damaged_cache_is_an_error(tmp_path: Path, line: str) -> None:
    """A whole line that is no record is not passed over; the message says where it is."""
    path = tmp_path / "answers-1.jsonl"
    path.write_bytes(Record("k", "t", answer=(1, "x")).line() + line.encode() + b"\n")
    with pytest.raises(CacheUnusable, match=r"answers-1.jsonl: byte \d\d+ does not begin a record"):
        AnswerCache(str(tmp_path)).refresh()


def test_all_processes_use_the_same_answer(tmp_path: Path) -> None:
    """Where two answers to a question were stored, everybody takes the same one, whatever was read first."""
    one, other = AnswerCache(str(tmp_path)), AnswerCache(str(tmp_path))
    records = [Record("k", "t", answer=(score, "x"), prompt_tokens=5) for score in (4, 2)]
    failure = Record("k", "t", failure="broken", prompt_tokens=5)
    one.add(records[0])
    other.add(failure)
    other.add(records[1])
    for cache in (one, other, AnswerCache(str(tmp_path))):
        cache.refresh()
        found = cache.find("k")
        assert found is not None and found.record == records[1] and found.prompt_tokens == 15
        assert (cache.spent("t").documents, cache.spent("t").prompt_tokens) == (1, 15)


def test_a_document_is_either_spent_or_open(tmp_path: Path) -> None:
    """What a budget compares with counts none twice: waste leaves it open, an outcome settles it."""
    cache, counts = AnswerCache(str(tmp_path)), []
    for answer in (None, (1, "x")):
        cache.add(Record("k", "t", prompt_tokens=5, answer=answer))
        spent, still_open = cache.spent_and_open("t", {"k", "other"})
        counts.append((spent.documents, still_open))
    assert counts == [(0, 2), (1, 1)]


ASKING = f"""
import sys; sys.path.insert(0, {gristmill.ROOT!r})
import gristmill, json
from stages.annotate import apply
from stages.annotate_config import AnnotateConfig
from tests.batches import documents
config, rubric, texts = json.loads(sys.argv[1])
print(json.dumps(apply(documents(texts), AnnotateConfig(**config), rubric).signals["score"].to_pylist()))
"""


def start(config: AnnotateConfig, texts: list[str]) -> subprocess.Popen[str]:
    """A process that has the stage judge the texts, and prints the scores."""
    given = json.dumps([config.model_dump(), rubric_of(config), texts])
    return subprocess.Popen([sys.executable, "-c", ASKING, given], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_processes_do_not_ask_the_same(server: Completions, tmp_path: Path) -> None:
    """Of processes that want the same answers at the same time each question is asked by one."""
    server.seconds = 0.05
    config = settings(server, tmp_path, timeout_seconds=20)
    processes = [start(config, texts) for texts in (TEXTS, TEXTS[::-1], TEXTS)]
    found = [json.loads(process.communicate()[0]) for process in processes]
    assert found == [SCORES, SCORES[::-1], SCORES]
    assert set(server.asked.values()) == {1} and len(server.asked) == len(TEXTS)


@pytest.mark.slow
def test_another_process_takes_over_from_a_killed_one(server: Completions, tmp_path: Path) -> None:
    """Questions that a process had claimed when it was killed are asked by the one that waits for their answers."""
    server.chance, server.faults = 0.3, ("429", "500", "too_high", "reset")
    server.seconds = 0.1
    config = settings(server, tmp_path, concurrency=4, timeout_seconds=20)
    killed, other = start(config, TEXTS), start(config, TEXTS)
    while server.paid.total() < 12 and killed.poll() is None:
        time.sleep(0.01)
    os.kill(killed.pid, signals.SIGKILL)
    assert json.loads(other.communicate()[0]) == SCORES
    killed.communicate()
    assert set(server.paid) == set(TEXTS)
    assert server.paid.total() - len(TEXTS) <= config.concurrency


@pytest.mark.slow
def test_killed_processes_lose_nothing(server: Completions, tmp_path: Path) -> None:
    """After SIGKILLs at random moments what was stored is not asked again; only requests under way then are."""
    server.chance, server.faults = 0.3, ("429", "500", "too_high", "reset")
    server.seconds = 0.1
    config = settings(server, tmp_path, concurrency=4, timeout_seconds=20)
    task = config.task(str(rubric_of(config)))
    text_of = {Question.of(task, text, None).key: text for text in TEXTS}
    for round_ in range(3):
        process = start(config, TEXTS)
        wanted = len(server.paid) + 6 + round_
        while len(server.paid) < wanted and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signals.SIGKILL)
        process.communicate()
        time.sleep(0.3)  # the server ends what it has begun
        kept = {text_of[line["key"]] for line in lines(tmp_path) if line["answer"]}
        asked = {text: server.asked[text] for text in kept}
        assert 0 < len(kept) < len(TEXTS)
    forget()
    assert signal(TEXTS, config) == SCORES
    assert {text: server.asked[text] for text in kept} == asked
    assert server.paid.total() - len(TEXTS) <= 3 * config.concurrency
