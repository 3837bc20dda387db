"""An S3 server on loopback, for tests of what happens on an object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def bucket() -> Iterator[str]:
    """URI of a new bucket on a server of its own; the environment of this process and its children points there."""
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    name = f"corpus-{uuid.uuid4().hex[:8]}"  # file systems are kept by URI, and every server has its own port
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        S3FileSystem(allow_bucket_creation=True, endpoint_override=endpoint).create_dir(name)
        yield f"s3://{name}"
    server.stop()
