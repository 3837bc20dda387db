"""Connections that are left at a deadline, whatever the server sends until then.

A socket's time-out begins anew with every byte, so a server that sends one a minute would be waited for without end, in
the head of a reply, before a chunk, or in its body. Here each wait is for what is left of one time.

Limits: connecting and sending have the time-out of the request, and each address of a host has one of its own.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import time
import urllib.request
from functools import partial
from typing import Any
from urllib.parse import urlsplit


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error, and not a second request with the same key to another host."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


class _Timed(io.RawIOBase):
    """What a socket receives until the deadline."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """Has to be here whole, its head too, when the deadline comes."""

    def __init__(self, connection: socket.socket, *args: Any, deadline: float, **more: Any) -> None:
        super().__init__(connection, *args, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_Timed(connection, deadline))


class _TimedHandler(urllib.request.AbstractHTTPHandler):
    """Of HTTP or HTTPS: connections whose responses are :class:`_TimedResponse`."""

    deadline: float

    def do_open(self, http_class: Any, req: urllib.request.Request, **more: Any) -> http.client.HTTPResponse:
        def connection(host: str, **settings: Any) -> http.client.HTTPConnection:
            found: http.client.HTTPConnection = http_class(host, **settings)
            found.response_class = partial(_TimedResponse, deadline=self.deadline)  # type: ignore[assignment]
            return found

        return super().do_open(connection, req, **more)


class _TimedHTTP(_TimedHandler, urllib.request.HTTPHandler):
    pass


class _TimedHTTPS(_TimedHandler, urllib.request.HTTPSHandler):
    pass


def deadline_opener(url: str, deadline: float) -> urllib.request.OpenerDirector:
    """Opens requests to the URL; what is not here by ``deadline`` (of :func:`time.monotonic`) raises TimeoutError."""
    plain, secure = _TimedHTTP(), _TimedHTTPS()
    plain.deadline = secure.deadline = deadline
    direct = [urllib.request.ProxyHandler({})] if is_this_machine(urlsplit(url).hostname or "") else []
    return urllib.request.build_opener(_NoRedirects, plain, secure, *direct)


def is_this_machine(host: str) -> bool:
    """Whether the name or address is one of loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
