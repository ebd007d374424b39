"""One client alone: what a hop through each subject adds to the median time of a request."""

from __future__ import annotations

import socket
import time
from statistics import median

from bench.bed import Bed, interleaved, warm_up
from bench.call import Call
from bench.figures import medians, percentile, ratio
from bench.load import LoadFailed
from bench.subject import Running
from bench.subjects.gateway import GATEWAY, GATEWAY_OPEN
from bench.subjects.hello import NAME as HELLO
from bench.subjects.hello import hello
from bench.table import Measured, Table
from bench.wire import LAST_CHUNK, length_of

REQUESTS = 300
DEADLINE_S = 10.0
NAMES = ("nginx", "envoy", "portkey gateway", "litellm proxy")
COLUMNS = ("", "added to p50, ms", "of hello's", "p50, ms", "p99, ms")
NOTE = (
    f"{REQUESTS} requests in a round, one after another on one connection; 1,000 octets each way. The hello answers by "
    "itself, and tells how fast the machine was."
)


def measure(bed: Bed) -> Measured:
    direct = Call(bed.upstreams.http, "/small/v1/chat/completions", (), b"{}")

    def one_round(run: Running) -> dict[str, list[float]]:
        call = run.subject.call("small")
        # The direct way in the same second: what is added is the difference of two that met the same machine.
        straight = Call(direct.port, direct.path, (), call.body)
        return {"direct": times_ms(straight, REQUESTS), "through": times_ms(call, REQUESTS)}

    with bed.started([hello, *bed.some("nginx", "envoy"), GATEWAY_OPEN, GATEWAY, *bed.some(*NAMES[2:])]) as runs:
        warm_up(runs)
        rounds = interleaved(runs, bed.rounds, one_round)
    added = medians({name: [added_ms(one) for one in found] for name, found in rounds.items()})
    hellos = added.get(HELLO)
    straight = [one["direct"] for found in rounds.values() for one in found]
    rows: list[list[object]] = [_row("direct", None, None, straight)]
    rows += [
        _row(name, added[name], hellos, [one["through"] for one in found]) for name, found in rounds.items() if found
    ]
    raw = {name: [added_ms(one) for one in found] for name, found in rounds.items()}
    figures = {"added_p50_ms": added.get("gateway"), "hello_ratio": ratio(added.get("gateway"), hellos)}
    return Measured([Table("Alone", COLUMNS, rows, NOTE)], figures, raw)


def added_ms(one: dict[str, list[float]]) -> float:
    return median(one["through"]) - median(one["direct"])


def times_ms(call: Call, requests: int) -> list[float]:
    """Return how long each request took, from its first octet sent to its answer's last read."""
    octets, times = call.octets(), []
    with socket.create_connection(("127.0.0.1", call.port), timeout=DEADLINE_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            began_s = time.perf_counter()
            client.sendall(octets)
            _read_answer(client)
            times.append((time.perf_counter() - began_s) * 1000)
    return times


def _read_answer(client: socket.socket) -> None:
    got = client.recv(65536)
    if not got.startswith(b"HTTP/1.1 200"):
        raise LoadFailed(f"answered {got[:20]!r}")
    head, _, body = got.partition(b"\r\n\r\n")
    length = length_of(head + b"\r\n")
    while (len(body) < length) if length is not None else not body.endswith(LAST_CHUNK):
        more = client.recv(65536)
        if not more:
            raise LoadFailed("the answer broke off")
        body += more


def _row(name: str, added: float | None, hellos: float | None, found: list[list[float]]) -> list[object]:
    times = [time for one in found for time in one]
    return [name, added, ratio(added, hellos), median(times), percentile(times, 99)]
