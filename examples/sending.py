"""Send a call with curl, or with the standard library where there is no curl."""

import http.client
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import urlsplit

from examples.calls import Call

TIMEOUT_S = 30


def command(call: Call, gateway: str) -> list[str]:
    """The curl command: -i shows the head of the answer, -N its events as they come."""
    options = "-sSiN" if '"stream": true' in call.body else "-sSi"
    fields = [part for name, value in call.headers for part in ("--header", f"{name}: {value}")]
    return ["curl", options, "--request", "POST", "--url", gateway + call.path, *fields, "--data", call.body]


def has_curl() -> bool:
    return shutil.which("curl") is not None


def sending(call: Call, gateway: str) -> AbstractContextManager[Iterator[bytes]]:
    """Send the call on entry; gives the lines of the answer, head first, as they arrive."""
    return by_curl(call, gateway) if has_curl() else by_library(call, gateway)


@contextmanager
def by_curl(call: Call, gateway: str) -> Iterator[Iterator[bytes]]:
    """As `sending`, by a curl of its own process; without an answer its lines are curl's complaint."""
    # A proxy of the environment is not asked for an address on this machine.
    environ = {**os.environ, "no_proxy": "*"}
    argv = [*command(call, gateway), "--max-time", str(TIMEOUT_S)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ) as curl:
        assert curl.stdout is not None
        yield iter(curl.stdout)


@contextmanager
def by_library(call: Call, gateway: str) -> Iterator[Iterator[bytes]]:
    """As `sending`, by http.client; raises OSError where there is no answer."""
    connection = http.client.HTTPConnection(urlsplit(gateway).netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", call.path, call.body.encode(), dict(call.headers))
        yield _lines(connection)
    finally:
        connection.close()


def _lines(connection: http.client.HTTPConnection) -> Iterator[bytes]:
    response = connection.getresponse()
    yield f"HTTP/1.1 {response.status} {response.reason}\r\n".encode()
    for name, value in response.getheaders():
        yield f"{name}: {value}\r\n".encode()
    yield b"\r\n"
    yield from iter(response.readline, b"")
