"""Worker processes that are forked from one in which everything is imported already.

Importing what units need and starting Numba take two to three seconds of a processor: here once, and not once a worker.
::

    driver ─asks▶ nursery ─forks▶ worker ◀─units, results─▶ driver

The nursery is a process of its own with one thread, because a fork of the driver would lose the driver's threads at
whatever they were doing. It may be started before the recipe is read, and imports while the driver does.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

import gristmill

_ENTER = """
import sys
sys.path[:] = {path!r}
sys.path.insert(0, {root!r})
import gristmill
sys.path.remove({root!r})
gristmill.serve_nursery({descriptor})
"""

Worker: TypeAlias = "Connection[Any, Any]"
"""The driver's end of the connection to a worker: EOFError or OSError once the worker is gone."""
_END = b""


class Nursery:
    """The process that workers are forked from. Starting it does not wait for it."""

    def __init__(self) -> None:
        self._asks, theirs = socket.socketpair()
        with theirs:
            entry = _ENTER.format(path=sys.path, root=gristmill.ROOT, descriptor=theirs.fileno())
            command = [sys.executable, "-c", entry]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._is_needed = False

    def worker(self) -> Worker:
        """A new worker. Send it a pickled work and a pickled unit; it sends a commit, or an exception.

        Raises OSError if the nursery is gone.
        """
        self._is_needed = True
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._asks, [b"w"], [theirs.fileno()])
        return Connection(ours.detach())

    def close(self) -> None:
        """Wait until all workers have ended, those at work when their unit is done. May be called again."""
        with suppress(OSError):
            self._asks.shutdown(socket.SHUT_RDWR)  # reaches the nursery even if a fork of the driver has a copy
        self._asks.close()
        if not self._is_needed:
            self._process.kill()  # it may be importing still, for nobody
        self._process.wait()


@contextmanager
def early_nursery(executor: str | None, workers: int | None) -> Iterator[Nursery | None]:
    """A nursery for a run of which it is known, before its recipe is read, that it needs one."""
    if executor != "local" or workers is None or workers == 1:
        yield None
        return
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.close()


def let_go(worker: Worker) -> None:
    """Have a worker end, once it has done its unit."""
    with suppress(OSError):
        worker.send_bytes(_END)
    worker.close()


def serve(descriptor: int) -> None:
    """The nursery's side: fork a worker for every socket that comes; end when the driver has gone, and all workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver
    from pipeline.executors.worker import prepare, warm

    signal.signal(signal.SIGCHLD, lambda number, frame: _reap())
    prepare()
    warm()
    with socket.socket(fileno=descriptor) as asked:
        while found := socket.recv_fds(asked, 1, 1)[1]:
            if os.fork() == 0:
                asked.close()
                _serve_units(Connection(found[0]))
            os.close(found[0])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(ChildProcessError):
        while True:
            os.wait()
    os._exit(0)


def _reap() -> None:
    """Take the dead workers' status, so that they are no zombies and their processor time counts as the run's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve_units(connection: Worker) -> None:
    """A worker's life. It ends when it is told to, or with its driver."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        while True:
            work = connection.recv_bytes()
            if work == _END:
                break
            connection.send_bytes(_result(work, connection.recv_bytes()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _result(work: bytes, unit: bytes) -> bytes:
    """The pickled result; an error outside of the unit (its class cannot be imported) as it is."""
    try:
        return pickle.dumps(gristmill.run_pickled(work, unit))
    except Exception as error:
        return pickle.dumps(error)
