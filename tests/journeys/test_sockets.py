"""RELIABILITY SC-07: the gateway's own process closes what it opens, and says so under Python's development mode."""

from __future__ import annotations

from tests.conftest import Launch
from tests.kit import canaries
from tests.kit.house import House, bearer
from tests.kit.upstream import CLOSE, RST, Upstream, answer, chunk, head

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://{up}/u", auth: true, forward_headers: true}}
    - {{path: /open, target: "http://{up}/u", forward_headers: true}}
"""


def test_no_socket_and_no_file_is_left_to_the_garbage_collector(start_gateway: Launch, upstream: Upstream) -> None:
    gateway = start_gateway(
        CONFIG.format(up=upstream.authority), PYTHONDEVMODE="1", PYTHONWARNINGS="always::ResourceWarning"
    )
    key = House(gateway).new_key(rpm_limit=3)
    chunked = ("Transfer-Encoding", "chunked")
    upstream.plays_in_turn(
        [answer(body=b"whole")],
        [head(200, [chunked]), chunk(b"cut"), CLOSE],
        [RST],
        [answer(204)],
        [answer(body=b"kept")],
    )

    statuses = [gateway.ask("GET", "/open").status for _ in range(4)]
    statuses += [gateway.ask("GET", "/closed", [bearer(key)]).status for _ in range(4)]
    gateway.client().send(b"POST /open HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
    gateway.client().send(b"GET / HTTP/1.1\r\nbad")
    gateway.stop()

    assert statuses == [200, 200, 502, 204, 200, 200, 200, 429]
    assert canaries.found(gateway.words()) == []
    assert b"ResourceWarning" not in gateway.words(), gateway.words().partition(b"ResourceWarning")[2][:2_000].decode()
