"""Whether the time of a refusal tells how near a guessed key is to a real one (G36, AU-17): Welch's t between classes.

After "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede 2017): classes interleaved at random on one kept
connection, means compared over all measurements and over those below a quantile, since the slow ones are the machine's.
"""

from __future__ import annotations

import math
import random
import secrets
import statistics
import string
import tempfile
import time
from pathlib import Path

from tests.faults.matrix import Knocker
from tests.faults.scenarios import Findings
from tests.kit import canaries
from tests.kit.gateway import Gateway
from tests.kit.house import House

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {path: /closed, target: "http://127.0.0.1:9/", auth: true}
keys:
  - {key: os.environ/TEAM_KEY, key_alias: team}
"""
LETTERS = string.ascii_letters + string.digits
STORED = "sk-" + "Stored7key" * 6
FILED = ("sk-" + "Filed9keys" * 6)[: len(STORED)]
BLOCKED = ("sk-" + "Blocked5ke" * 6)[: len(STORED)]
TAIL = 8
MOST_T = 4.5
QUANTILES = (1.0, 0.95, 0.8, 0.5)


def tail(length: int) -> str:
    """Return letters that nobody has sent before: a key sent twice is remembered, and so answered sooner."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


# Each guess is as long as the others, and new.
JUDGED = {
    "of nobody": lambda: "sk-" + tail(len(STORED) - 3),
    "of nobody again": lambda: "sk-" + tail(len(STORED) - 3),
    "near one of the store": lambda: STORED[:-TAIL] + tail(TAIL),
    "near one of the file": lambda: FILED[:-TAIL] + tail(TAIL),
    "half of one of the file": lambda: FILED[: len(FILED) // 2] + tail(len(FILED) - len(FILED) // 2),
}
AGAIN = "sk-" + "N" * (len(STORED) - 3)
# What differs from these tells nothing about a key that one does not have: a key sent before is remembered, blocked or
# nobody's, and costs no look-up.
TOLD = {"no key": lambda: "", "a blocked one": lambda: BLOCKED, "one of nobody sent before": lambda: AGAIN}


def request(key: str) -> bytes:
    shown = f"Authorization: Bearer {key}" if key else "Accept: " + "x" * len(STORED)
    return f"GET /closed HTTP/1.1\r\nHost: gateway.test\r\n{shown}\r\n\r\n".encode()


def measured(port: int, count: int) -> dict[str, list[int]]:
    """Return the nanoseconds of each class's refusals, as many of each."""
    knocker = Knocker(port)
    makers = {**JUDGED, **TOLD}
    taken: dict[str, list[int]] = {name: [] for name in makers}
    order = list(makers)
    for _ in range(count):
        random.shuffle(order)
        for name, octets in [(name, request(makers[name]())) for name in order]:
            began = time.perf_counter_ns()
            status = knocker.ask(octets)
            taken[name].append(time.perf_counter_ns() - began)
            assert status == 401, (name, status)
    knocker.close()
    return taken


def welch_t(a: list[int], b: list[int]) -> float:
    """Return how many standard errors apart the means are."""
    spread = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    return (statistics.fmean(a) - statistics.fmean(b)) / spread if spread else 0.0


def largest_t(a: list[int], b: list[int]) -> float:
    """Return the t of largest size over the quantiles, each taken of both together."""
    both = sorted(a + b)
    bounds = [both[min(len(both) - 1, int(len(both) * quantile))] for quantile in QUANTILES]
    return max((welch_t([x for x in a if x <= top], [x for x in b if x <= top]) for top in bounds), key=abs)


def g36(scale: float) -> Findings:
    """100,000 guesses of each class; |t| below 4.5 between those that differ in nothing but nearness."""
    found = Findings()
    with tempfile.TemporaryDirectory() as folder:
        environ = {**canaries.OPERATOR, "TEAM_KEY": FILED, "LOG_LEVEL": "ERROR"}
        gateway = Gateway(Path(folder), CONFIG, environ, workers=1)
        gateway.start()
        house = House(gateway)
        house.new_key(key=STORED)
        house.new_key(key=BLOCKED)
        house.done("block", key=BLOCKED)
        measured(gateway.port, 200)
        taken = measured(gateway.port, max(100, int(100_000 * scale)))
        gateway.stop()
    plain = taken["of nobody"]
    found.figures = {"guesses of each class": len(plain), "median us": statistics.median(plain) / 1_000}
    for name in (*list(JUDGED)[1:], *TOLD):
        t = largest_t(taken[name], plain)
        found.figures[f"t {name}"] = t
        if abs(t) >= MOST_T and name in JUDGED:
            found.complaints.append(f"guesses {name} take another time than those of nobody: t = {t:.1f}")
    return found
