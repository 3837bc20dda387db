"""One request to an OpenAI-compatible endpoint, and what its reply means for the document, the endpoint and the run.

The protocol is that of ``POST <base>/chat/completions``, as OpenAI, vLLM, SGLang, llama.cpp, Ollama and most gateways
speak it. Of the reply only ``choices[0]`` and ``usage`` are looked at.

Every reply is one of four: an answer; something to try again, after the time that the server asks for if it does
(``Retry-After``, in seconds or as a date); a refusal of this document (too long, filtered), which trying again does not
mend; or a refusal of everything (a wrong key, an unknown model, no credit), which ends the run. The API key is in no
message, redirects are not followed (they would carry the key to another host), and a reply, its head too, has a whole
time and a size that it may take, so that a server that sends a byte a minute holds nothing up. Proxies are those of the
environment, but for this machine's own addresses, which mean another machine to a proxy.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from typing import IO, Any

from classifiers.errors import ModelError
from stages.annotate_http import deadline_opener

_CHUNK = 2**16
_MOST_BYTES = 8 * 2**20
_SHOWN = 300

_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_BUSY = {429, 502, 503, 521, 522, 523, 529}
"""Statuses that say that the endpoint, and not the document, is the reason: too much to do, or nobody behind a
gateway."""
_DOCUMENT = {400, 413, 422, 451}
_REMEDIES = {
    401: "; look at api_key_env, and at the variable that it names",
    403: "; the key may not do this: look at api_key_env and model",
    404: "; look at base_url, to which /chat/completions is added, and at model",
    407: "; look at the proxy in the environment",
}
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")


@dataclass(frozen=True)
class Usage:
    """Tokens of a request as the server counts them, None where it does not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Written:
    """What the model wrote."""

    content: str
    usage: Usage


@dataclass(frozen=True)
class TryAgain:
    """``after``: seconds that the server asks for. ``busy``: it is the endpoint that cannot, whatever is asked.

    ``same``: the next reply will not be another one.
    """

    why: str
    after: float | None = None
    busy: bool = False
    usage: Usage | None = None
    same: bool = False


@dataclass(frozen=True)
class Refused:
    """The endpoint will not answer about this document."""

    why: str
    usage: Usage | None = None


@dataclass(frozen=True)
class Unusable:
    """The endpoint answers nothing at all: wrong address, key or model, or no credit."""

    why: str


Reply = Written | TryAgain | Refused | Unusable


@dataclass(frozen=True)
class Endpoint:
    """``key``: sent as a bearer token; ``timeout_seconds``: of a whole request."""

    base_url: str
    key: str | None
    timeout_seconds: float

    @property
    def url(self) -> str:
        return self.base_url.rstrip("/") + "/chat/completions"

    def ask(self, payload: Mapping[str, Any]) -> Reply:
        """Send one request. Raises nothing that a network or server can cause."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "gristmill"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, json.dumps(payload).encode(), headers, method="POST")
        opener = deadline_opener(self.url, time.monotonic() + self.timeout_seconds)
        try:
            with opener.open(request, timeout=self.timeout_seconds) as response:
                reply = read_reply(_body(response))
                return replace(reply, why=self._safe(reply.why)) if isinstance(reply, TryAgain) else reply
        except urllib.error.HTTPError as error:
            with error:
                return self._status(error)
        except TimeoutError:
            return TryAgain(f"no reply in {self.timeout_seconds:g} seconds")
        except (OSError, http.client.HTTPException, ValueError) as error:
            return self._broken(error)

    def _broken(self, error: Exception) -> TryAgain:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, TimeoutError):
            return TryAgain(f"no connection in {self.timeout_seconds:g} seconds", busy=True)
        unreachable = isinstance(cause, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError)
        return TryAgain(self._safe(f"the connection broke ({cause!r})"), busy=unreachable)

    def _status(self, error: urllib.error.HTTPError) -> Reply:
        try:
            body = _body(error)
        except (OSError, http.client.HTTPException, ValueError):
            body = b""
        said = " ".join(body.decode("utf-8", "replace").split())
        why = self._safe(f"status {error.code}: {said}")
        if error.code in _AGAIN and not any(code in said for code in _NO_CREDIT):
            return TryAgain(why, retry_after(error.headers), error.code in _BUSY)
        return Refused(why) if error.code in _DOCUMENT else Unusable(why + _REMEDIES.get(error.code, ""))

    def _safe(self, message: str) -> str:
        """The message without the key, which some servers repeat, and not too long."""
        return (message.replace(self.key, "<key>") if self.key else message)[:_SHOWN]


def read_reply(body: bytes) -> Reply:
    """What a reply of status 200 holds."""
    try:
        found = json.loads(body)
        usage = _usage(found.get("usage"))
        if "choices" not in found and "error" in found:  # some gateways send errors so
            return TryAgain(f"status 200 with an error: {json.dumps(found['error'])}", usage=usage)
        choice = found["choices"][0]
        message, ended = choice["message"], choice.get("finish_reason")
        content, refusal = message.get("content"), message.get("refusal")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return TryAgain("the reply is not one of the protocol")
    if ended == "content_filter" or refusal:
        return Refused("the model refuses, or a filter does", usage)
    if not isinstance(content, str):
        return TryAgain("the reply has no text", usage=usage)
    if ended == "length":
        return TryAgain("the answer was cut off: max_answer_tokens is too low for it", usage=usage, same=True)
    return Written(content, usage)


def retry_after(headers: Message) -> float | None:
    """Seconds that ``Retry-After`` asks for, which may be a number or a date; None where it does not say."""
    said = headers.get("Retry-After")
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def key_of(variable: str | None) -> str | None:
    """The API key in the environment variable of that name. Raises ModelError where it is not set."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(f"the environment variable {variable}, which api_key_env names, is not set")
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"the environment variable {variable} holds characters that no API key has")
    return key


def _body(response: IO[bytes]) -> bytes:
    """All of the body. Raises TimeoutError after the deadline, ValueError where it is too long."""
    read_some = getattr(response, "read1", response.read)
    parts, size = [], 0
    while part := read_some(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            raise ValueError(f"the reply is longer than {_MOST_BYTES} bytes")
    missing = getattr(response, "length", None)
    if missing:
        raise http.client.IncompleteRead(b"", missing)
    return b"".join(parts)


def _usage(found: Any) -> Usage:
    counts = found if isinstance(found, dict) else {}
    return Usage(_count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")))


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**40 else None
