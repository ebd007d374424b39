"""The wall clock of all processes of a gateway jumps by an hour, there and back (G12).

libfaketime (Debian's faketime) takes the offset from a file. As with a clock that is set, the monotonic one goes on.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from bisect import bisect_left
from pathlib import Path

from tests.faults.differential import Counting
from tests.faults.matrix import Knocker
from tests.faults.scenarios import Findings
from tests.kit import canaries
from tests.kit.gateway import Gateway

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://127.0.0.1:{port}/", auth: true}}
keys:
  - {{key: os.environ/TEAM_KEY, key_alias: team, rpm_limit: {limit}}}
"""
WINDOW_S = 60.0
LIMIT = 7
EVERY_S = 0.05
OFFSETS = ("+3600", "-3600", "+0", "-3600", "+7200")
JUMP_EVERY_S = 9.0


def g12(scale: float) -> Findings:
    """Ask all the time, two windows and more; no 60 s may hold more than the limit, no window fewer."""
    if LIBRARY is None:
        return Findings([], {"skipped: libfaketime is not here; apt install faketime": 0})
    upstream = Counting()
    with tempfile.TemporaryDirectory() as folder:
        offset = Path(folder) / "offset"
        offset.write_text("+0\n")
        environ = {
            **canaries.OPERATOR, **canaries.GATEWAY_KEYS, "LD_PRELOAD": str(LIBRARY), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "LOG_LEVEL": "ERROR",
        }  # fmt: skip
        gateway = Gateway(Path(folder) / "g", CONFIG.format(port=upstream.port, limit=LIMIT), environ)
        gateway.start()
        try:
            workers = gateway.worker_pids()
            found = judged(asked(gateway, offset, max(1, round(2 * scale)) * WINDOW_S + 10))
            found.complaints += (
                [] if gateway.worker_pids() == workers else ["a worker was replaced: its time looked over"]
            )
            return found
        finally:
            gateway.stop()


def asked(gateway: Gateway, offset: Path, seconds: float) -> tuple[list[float], list[str], int]:
    """Return when requests passed, what was wrong about the refusals, and how often the clock jumped."""
    fields = f"Authorization: Bearer {canaries.GATEWAY_KEYS['TEAM_KEY']}"
    octets = f"GET /closed HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n{fields}\r\n\r\n".encode()
    passed: list[float] = []
    wrong: list[str] = []
    offsets = itertools.cycle(OFFSETS)
    began_s = jump_s = time.monotonic()
    jumps = 0
    while (now_s := time.monotonic()) < began_s + seconds:
        if now_s >= jump_s:
            offset.write_text(next(offsets) + "\n")
            jumps, jump_s = jumps + 1, now_s + JUMP_EVERY_S
        status = Knocker(gateway.port).ask(octets)
        if status == 200:
            passed.append(now_s)
        elif status != 429:
            wrong.append(f"answered {status}")
        time.sleep(EVERY_S)
    return passed, wrong, jumps


def judged(seen: tuple[list[float], list[str], int]) -> Findings:
    passed, wrong, jumps = seen
    most = max(number + 1 - bisect_left(passed, at_s - WINDOW_S) for number, at_s in enumerate(passed))
    gaps = [after - before for before, after in itertools.pairwise(passed)]
    found = Findings(wrong, {"jumps": jumps, "passed": len(passed), "most in 60 s": most, "longest wait s": max(gaps)})
    if most > LIMIT:
        found.complaints.append(f"{most} passed in 60 s, of {LIMIT}")
    if max(gaps) > WINDOW_S + 1:
        found.complaints.append(f"nobody passed for {max(gaps):.1f} s")
    return found
