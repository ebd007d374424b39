"""Clients of a gateway that ends TLS itself: one that never shakes hands is counted, and let go like any other."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CERTS
from tests.kit.gateway import Gateway
from tests.kit.waiting import eventually

CONFIG = """
general_settings:
  pass_through_endpoints:
    - {path: /f, target: "http://127.0.0.1:1/f"}
"""
MOST = 5


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    pem = CERTS / "good.pem"
    args = f"--certfile {pem} --keyfile {pem} --worker-connections {MOST}"
    gateway = Gateway(tmp_path, CONFIG, {"GUNICORN_CMD_ARGS": args}, workers=1)
    gateway.launch()
    try:
        eventually(lambda: asked(gateway, "/health/liveliness") == 200, 30, "the gateway answers")
        yield gateway
    finally:
        gateway.stop()


def asked(gateway: Gateway, path: str) -> int | None:
    """Return the status over TLS; None where there is no connection."""
    trusting = ssl.create_default_context(cafile=CERTS / "authority.pem")
    connection = http.client.HTTPSConnection("localhost", gateway.port, timeout=5, context=trusting)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def test_who_never_shakes_hands_takes_a_place_and_no_more(gateway: Gateway) -> None:
    silent = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(MOST)]
    full = eventually(lambda: asked(gateway, "/f") == 503, 10, "the gateway is full")
    more = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(100)]

    health = eventually(lambda: asked(gateway, "/health/liveliness") == 200, 10, "it tells that it lives")
    for client in silent + more:
        client.close()

    assert (full, health) == (True, True)
    assert eventually(lambda: asked(gateway, "/f"), 10, "there is room again") in (502, 503)
    eventually(lambda: asked(gateway, "/f") == 502, 10, "a place is free")
