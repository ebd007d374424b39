"""Processes that take from one window, run as a program of its own so that it may fork and kill.

    python -m tests.stores.takers burst PLACE PROCESSES REQUESTS LIMIT...
    python -m tests.stores.takers deaths PLACE PROCESSES ROUNDS LIMIT...

PLACE is a place for the embedded store, or the URL of a Redis server.

Prints JSON: for a burst {limit: how many passed}; for deaths {limit: [[counted, passed, killed] of a round]}.
What passes is a byte in a pipe, written after it was counted, as a request would be sent.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

from app.stores.embedded import EmbeddedStore
from app.stores.redis_windows import RedisWindows
from app.stores.windows import Windows
from tests.kit.waiting import PATIENT_S


class Takers:
    """Child processes that each take until they are refused, or as often as told."""

    def __init__(self, place, name, limit):
        self.place, self.name, self.limit = place, name, limit
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.pids = []

    def start(self, requests=None):
        pid = os.fork()
        if pid == 0:
            try:
                self.take(requests)
            finally:
                os._exit(0)
        self.pids.append(pid)

    def take(self, requests):
        windows = opened(self.place)
        while requests is None or requests > 0:
            if windows.acquire(self.name, self.limit).is_admitted:
                os.write(self.writer, b".")
            elif requests is None:
                return
            requests = requests and requests - 1

    def passed(self):
        """Return how many have passed since the last time."""
        try:
            return len(os.read(self.reader, 1 << 20))
        except BlockingIOError:
            return 0

    def kill_one(self):
        pid = self.pids.pop(random.randrange(len(self.pids)))
        os.kill(pid, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])

    def wait(self):
        for pid in self.pids:
            os.waitpid(pid, 0)


def burst(place, processes, requests, limit):
    takers = Takers(place, f"burst {limit}", limit)
    for _ in range(processes):
        takers.start(requests)
    takers.wait()
    return takers.passed()


def deaths(place, processes, rounds, limit):
    return [one_round(place, processes, f"{number} of {limit}", limit) for number in range(rounds)]


def one_round(place, processes, name, limit):
    """Kill a process each time some more requests have passed; others take its place."""
    takers, passed, killed = Takers(place, name, limit), 0, 0
    for _ in range(processes):
        takers.start()
    for moment in sorted(random.sample(range(limit - 2), min(4, limit - 2))):
        while passed <= moment:
            passed += takers.passed()
        killed += takers.kill_one()
        takers.start()
    takers.wait()
    passed += takers.passed()
    return count(place, name), passed, killed


def opened(place):
    return RedisWindows(place, PATIENT_S) if "://" in place else Windows(EmbeddedStore(Path(place)))


def count(place, name):
    """Return how many the store has counted."""
    if "://" in place:
        return RedisWindows(place).get_moving_window(name, 1_000_000, 60)[1]
    store = EmbeddedStore(Path(place))
    counted = 1_000_000 - Windows(store).peek(name, 1_000_000).remaining
    store.close()
    return counted


if __name__ == "__main__":
    mode, place, processes, times, *limits = sys.argv[1:]
    measure = {"burst": burst, "deaths": deaths}[mode]
    found = {limit: measure(place, int(processes), int(times), int(limit)) for limit in limits}
    print(json.dumps(found))
