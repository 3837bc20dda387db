"""A server on loopback that speaks the chat completions protocol and misbehaves as it is told, to test ``annotate``.

What it does with a request is a hash of seed, text and attempt, so that tests can be run again; it counts by text what
was asked and what would have been paid for.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

HTTP_FAULTS = ("429", "500", "503", "reset", "half", "hang")
ANSWER_FAULTS = (
    "not_json",
    "no_choices",
    "no_content",
    "not_utf8",
    "error_200",
    "too_high",
    "as_text",
    "as_float",
    "extra_key",
    "twice",
    "two_objects",
    "cut_off",
)
FAULTS = (*HTTP_FAULTS, *ANSWER_FAULTS)
DECORATED = ("fenced", "prose")
"""What may stand around an answer."""
_FREE = ("half", "no_choices", "not_utf8", "error_200", "filtered")
"""Faults of replies that say nothing of tokens, or that nobody can read."""
DRIP_BYTES = 400
MOST_SECONDS = 20.0
"""So long requests are held for others at the most."""
_DOCUMENT = re.compile(r"<document (\w+)[^>]*>\n(.*)\n</document \1>", re.DOTALL)


def score_of(text: str) -> int:
    """What the model thinks of a text."""
    return hashlib.sha256(text.encode()).digest()[0] % 6


def tokens_of(text: str) -> tuple[int, int]:
    """Tokens of request and answer, as if the rubric had none."""
    return len(text.encode()) + 7, 5


@dataclass
class Completions:
    """What the server does and has seen.

    ``faults``: chosen among with probability ``chance`` for each request, never for more than ``most`` of a text;
    ``always``: text → what happens to all requests about it. ``judge``: text → value of ``named``; ``judges``: the same
    by name of the value that the request's schema asks for. ``hang_seconds``: how long a fault ``hang`` takes.
    ``gather``: requests that are held until so many are there at the same time. ``retry_after``: what a 429 asks for.

    ``asked``: requests, by text; ``paid``: usable answers sent whole, by text; ``wasted``: other answers that a user
    pays for. ``keys``: values of ``Authorization``; ``bodies``: requests; ``paths``: of their first lines. ``times``:
    when requests came, by text, as ``time.time()``. ``dripped``: bytes that were sent one by one until the client went
    away, or all.
    """

    url: str = ""
    chance: float = 0.0
    seed: int = 0
    most: int = 3
    faults: tuple[str, ...] = FAULTS
    always: dict[str, str] = field(default_factory=dict)
    judge: Callable[[str], Any] = score_of
    named: str = "score"
    judges: dict[str, Callable[[str], Any]] = field(default_factory=dict)
    seconds: float = 0.0
    hang_seconds: float = 1.0
    gather: int = 0
    retry_after: str = "0.05"
    usage: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    wasted: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    keys: set[str | None] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    dripped: list[int] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    gathered: threading.Event = field(default_factory=threading.Event)

    def fault(self, text: str, attempt: int) -> str | None:
        """What goes wrong with the attempt, counted from 1."""
        if text in self.always:
            return self.always[text]
        drawn = hashlib.sha256(f"{self.seed} {attempt} {text}".encode()).digest()
        if attempt > self.most or drawn[0] >= self.chance * 256:
            return None
        return self.faults[drawn[1] % len(self.faults)]


@contextmanager
def completion_server(**settings: Any) -> Iterator[Completions]:
    """A server with those settings; its ``url`` is a base URL. Proxies of the environment are left out of the way."""
    state = Completions(**settings)
    server = _Server(("127.0.0.1", 0), _handler(state))
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        yield state
    server.shutdown()
    thread.join()
    server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are part of the tests."""


def _handler(state: Completions) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = _DOCUMENT.search(body["messages"][0]["content"])
            assert found is not None
            text = found[2]
            with state.lock:
                state.asked[text] += 1
                attempt = state.asked[text]
                state.keys.add(self.headers.get("Authorization"))
                state.bodies.append(body)
                state.paths.add(self.path)
                state.times[text].append(time.time())
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
                if state.at_once >= state.gather:
                    state.gathered.set()
            try:
                state.gathered.wait(MOST_SECONDS)
                time.sleep(state.seconds)
                self._answer(text, state.fault(text, attempt), body)
            finally:
                with state.lock:
                    state.at_once -= 1

        def _answer(self, text: str, fault: str | None, body: dict[str, Any]) -> None:
            if fault is not None:
                with state.lock:
                    state.injected[fault] += 1
            if not self.path.endswith("/v1/chat/completions") or "wrong" in self.path:
                self._send(404, b"no such page")
            elif fault is not None and fault.isdigit():
                key = self.headers.get("Authorization", "")
                headers = {"Retry-After": state.retry_after} if fault == "429" else {}
                self._send(
                    int(fault), json.dumps({"error": {"message": f"no, {key}", "code": fault}}).encode(), headers
                )
            elif fault in ("insufficient_quota", "redirect"):
                where = {"Location": f"{state.url}/elsewhere"} if fault == "redirect" else {}
                self._send(429 if fault == "insufficient_quota" else 302, fault.encode(), where)
            elif fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            elif fault == "hang":
                time.sleep(state.hang_seconds)
                self.connection.close()
            elif fault in ("drip", "drip_head", "drip_chunk"):
                self._drip(fault)
            else:
                self._complete(text, fault, body)

        def _drip(self, fault: str) -> None:
            """Blanks of the body, of the head, or of a line before a chunk."""
            head = {"drip": b"\r\n", "drip_chunk": b"Transfer-Encoding: chunked\r\n\r\n"}.get(fault, b"X-Blank: ")
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + head)
            sent = 0
            try:
                for _ in range(DRIP_BYTES):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    sent += 1
                    time.sleep(0.05)
            except OSError:
                pass
            finally:
                state.dripped.append(sent)

        def _complete(self, text: str, fault: str | None, body: dict[str, Any]) -> None:
            reply = reply_of(state, text, fault, body)
            if fault == "half":
                reply = reply[: len(reply) // 2]
            # counted before it is sent, so that nobody who has the answer finds it uncounted
            with state.lock:
                if fault is None or fault in DECORATED:
                    state.paid[text] += 1
                elif fault not in _FREE:
                    state.wasted[text] += 1
            self._send(200, reply, length=len(reply) * 2 if fault == "half" else None)

        def _send(
            self, status: int, content: bytes, headers: dict[str, str] | None = None, length: int | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    return Handler


def reply_of(state: Completions, text: str, fault: str | None, body: dict[str, Any]) -> bytes:
    """The body of an answer, or of one that is not usable."""
    named = body["response_format"]["json_schema"]["schema"]["required"][1] if state.judges else state.named
    value = json.dumps(state.judges.get(named, state.judge)(text))
    right = f'{{"reason": "it is {len(text)} long", "{named}": {value}}}'
    wrong: dict[str, str | None] = {
        "not_json": "I would give it a three.",
        "fenced": f"```json\n{right}\n```",
        "prose": f"<think>It is short.</think>\nMy judgement: {right} I hope that helps.",
        "two_objects": f"{right}\n{right}",
        "no_content": None,
        "too_high": f'{{"reason": "splendid", "{named}": 6}}',
        "as_text": f'{{"reason": "text", "{named}": "3"}}',
        "as_float": f'{{"reason": "float", "{named}": 3.0}}',
        "extra_key": f'{{"reason": "more", "{named}": {value}, "sure": true}}',
        "twice": f'{{"reason": "twice", "{named}": {value}, "{named}": {value}}}',
        "cut_off": right[:20],
    }
    content = wrong.get(str(fault), right)
    prompt, completion = tokens_of(text)
    ended = {"cut_off": "length", "filtered": "content_filter"}.get(str(fault), "stop")
    reply: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": ended}],
    }
    if state.usage:
        reply["usage"] = {
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        }  # fmt: skip
    if fault == "no_choices":
        reply["choices"] = []
    if fault == "error_200":
        reply = {"error": {"message": "the provider is away", "code": 502}}
    return json.dumps(reply).encode() if fault != "not_utf8" else b"\xff" + json.dumps(reply).encode()
