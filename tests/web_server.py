"""A web server on loopback that can be told to misbehave, for tests of what is read over http."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Site:
    """What the server has. ``url``: of its root.

    ``files``: path → bytes; a path that ends with ``/`` is a page. ``ranges``: whether parts may be asked for.
    ``sized``: whether lengths are told. ``faults``: (method, path) → what to do with the next requests instead of
    answering: a status, or ``"drop"`` to close the connection after half of the body. ``asked``: requests so far, by
    (method, path); ``sent``: bytes of bodies.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    sized: bool = True
    faults: dict[tuple[str, str], list[int | str]] = field(default_factory=dict)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: int = 0


@contextmanager
def web_site() -> Iterator[Site]:
    """A server with no files yet. Proxies of the environment are left out of the way."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        yield site
    server.shutdown()
    thread.join()
    server.server_close()


@lru_cache(maxsize=8)
def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            site.asked[self.command, path] += 1
            faults = site.faults.get((self.command, path), [])
            fault = faults.pop(0) if faults else None
            if isinstance(fault, int) or path not in site.files:
                self.send_response(fault if isinstance(fault, int) else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = self._head(site.files[path], path)
            if with_body:
                self._send(body, fault == "drop")

        def _head(self, content: bytes, path: str) -> bytes:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            body = content
            if asked and site.ranges:
                start, end = int(asked[1]), min(int(asked[2]) + 1, len(content))
                body = content[start:end]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
            else:
                self.send_response(200)
            if site.sized:
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.send_header("ETag", _etag(content))
            self.send_header("Content-Type", "text/html" if path.endswith("/") else "application/octet-stream")
            self.end_headers()
            return body

        def _send(self, body: bytes, drop: bool) -> None:
            body = body[: len(body) // 2] if drop else body
            site.sent += len(body)
            try:
                self.wfile.write(body)
            except OSError:
                drop = True  # the client has what it wanted
            self.close_connection = self.close_connection or drop

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    return Handler
