"""A server that goes away and comes back: nobody gets an error, and no machine admits more than n."""

import json
import subprocess
import sys
from contextlib import suppress
from functools import partial

import pytest

from app.limit_errors import LimiterUnavailable
from app.stores.batched_script import TICKS
from app.stores.embedded import EmbeddedStore
from app.stores.failover import UNANSWERED, FailoverWindows
from app.stores.redis_windows import RedisWindows
from app.stores.reports import Reports
from app.stores.windows import Windows
from tests.kit.gateway import free_port
from tests.kit.waiting import PATIENT_S
from tests.stores.look_out import LookOut
from tests.values import logged

PASSWORD = "not-to-be-told"


def kill(server):
    server.kill()


def start_again(server):
    server.start()


def stop(server):
    server.pause()


def go_on(server):
    server.go_on()


def ask_for_a_password(server):
    server.kill()
    server.start("--requirepass", PASSWORD)


def ask_for_none(server):
    server.connection.config_set("requirepass", "")


def fill_memory(server):
    server.connection.config_set("maxmemory", 1)


def free_memory(server):
    server.connection.config_set("maxmemory", 0)


def become_a_replica(server):
    server.connection.replicaof("127.0.0.1", free_port())


def become_a_primary(server):
    server.connection.replicaof("NO", "ONE")


FAULTS = [
    pytest.param(kill, start_again, id="killed"),
    pytest.param(stop, go_on, id="stopped"),
    pytest.param(ask_for_a_password, ask_for_none, id="asks for a password"),
    pytest.param(fill_memory, free_memory, id="out of memory"),
    pytest.param(become_a_replica, become_a_primary, id="read-only"),
]


# These sockets block, and no loop ends their waits: a server that answers is waited for however busy the machine is,
# and one that stands still is given up soon.
HASTY_S = 0.05


class Shared:
    """The windows of the server, waited for patiently or, once the test says so, hastily."""

    def __init__(self, url, is_hasty):
        self._patient, self._hasty = RedisWindows(url, PATIENT_S), RedisWindows(url, HASTY_S)
        self.is_hasty, self.asked = is_hasty, 0
        with suppress(*UNANSWERED):
            self._hasty.probe()  # so that it, too, has a connection that may die

    @property
    def _windows(self):
        return self._hasty if self.is_hasty else self._patient

    def acquire(self, *arguments):
        self.asked += 1
        return self._windows.acquire(*arguments)

    def probe(self):
        self._windows.probe()

    def close(self):
        self._patient.close()
        self._hasty.close()


class Machine:
    """One machine's windows, in a folder of its own, with a server that it may share."""

    def __init__(self, folder, url, report=None, is_hasty=False, **options):
        self.look_out = LookOut()
        self.store = EmbeddedStore(folder)
        self.report = report or partial(Reports(self.store).report, "away")
        self.own = Windows(self.store)
        self.shared = Shared(url, is_hasty)
        self.windows = FailoverWindows(self.own, self.shared, self.report, wait=self.look_out.wait, **options)

    def admitted(self, limit, times):
        return sum(self.windows.acquire("key", limit).is_admitted for _ in range(times))

    def close(self):
        self.windows.close()
        self.store.close()


@pytest.fixture
def machines(tmp_path, redis_server):
    """Make machines that share a server."""
    made = []

    def make(url=redis_server.url, **options):
        made.append(Machine(tmp_path / f"machine {len(made)}", url, **options))
        return made[-1]

    yield make
    for machine in made:
        machine.close()


@pytest.fixture
def machine(machines):
    return machines()


@pytest.mark.parametrize("limit", [1, 7, 60, 600])
def test_exactly_n_pass_over_two_machines(machines, limit):
    first, second = machines(), machines()

    passed = [machine.admitted(limit, limit // 2 + 1) for machine in (first, second, first)]

    assert sum(passed) == limit


def test_what_the_server_refuses_does_not_count_on_the_machine(machines):
    first, second = machines(), machines()
    first.admitted(7, 10)

    refused = second.windows.acquire("key", 7)

    assert (refused.is_admitted, refused.remaining) == (False, 0)
    assert 0 < refused.reset_s <= 60
    assert second.own.peek("key", 7).remaining == 7


def test_a_standing_tells_what_remains_over_all_machines(machines):
    first, second = machines(), machines()
    first.admitted(7, 4)

    assert second.windows.acquire("key", 7).remaining == 2


def test_to_peek_tells_what_the_server_said_last(machines, redis_server):
    first, second = machines(), machines()
    first.admitted(7, 4)
    second.admitted(7, 1)

    known = second.windows.peek("key", 7)
    redis_server.kill()
    second.admitted(7, 1)
    alone = second.windows.peek("key", 7)

    assert (known.remaining, alone.remaining) == (2, 5)
    assert 30 < known.reset_s <= 60


@pytest.mark.parametrize(("away", "back"), FAULTS)
def test_a_machine_alone_admits_exactly_n_while_its_server_goes_and_comes(machine, redis_server, away, back):
    passed = machine.admitted(60, 10)

    away(redis_server)
    machine.shared.is_hasty = True
    passed += machine.admitted(60, 20)
    assert machine.windows.is_degraded
    back(redis_server)
    machine.shared.is_hasty = False
    machine.look_out.look()
    assert not machine.windows.is_degraded
    passed += machine.admitted(60, 100)

    assert passed == 60


@pytest.mark.parametrize(("away", "back"), FAULTS)
def test_only_the_first_request_waits_for_the_server(machine, redis_server, away, back):
    machine.admitted(60, 1)
    away(redis_server)
    machine.shared.is_hasty, machine.shared.asked = True, 0

    assert machine.admitted(60, 10) == 10

    assert machine.shared.asked == 1
    back(redis_server)


@pytest.mark.parametrize(("away", "back"), FAULTS)
def test_each_change_is_told_in_one_line_over_all_workers(machines, tmp_path, redis_server, away, back):
    store = EmbeddedStore(tmp_path / "shared")
    reports = [Reports(store, (pid, 0), is_alive=lambda _: True) for pid in (1, 2)]
    workers = [machines(report=partial(worker.report, "away")) for worker in reports]

    with logged("tollhouse") as records:
        away(redis_server)
        for worker in workers:
            worker.shared.is_hasty = True
            worker.admitted(60, 5)
            worker.look_out.look()
        back(redis_server)
        for worker in workers:
            worker.shared.is_hasty = False
            worker.look_out.look()
            worker.admitted(60, 5)

    assert [record.levelname for record in records] == ["ERROR", "WARNING"]
    assert not any(PASSWORD in record.getMessage() for record in records)
    assert not any(worker.windows.is_degraded for worker in workers)
    store.close()


def test_it_looks_for_the_server_each_second_until_it_is_back(machine, redis_server):
    redis_server.kill()
    machine.admitted(60, 1)
    for _ in range(3):
        machine.look_out.look()
    assert machine.windows.is_degraded
    redis_server.start()

    machine.look_out.look()

    assert not machine.windows.is_degraded
    assert machine.look_out.waits_s == [1.0] * 4


def test_machines_without_their_server_admit_n_each(machines, redis_server):
    both = [machines(), machines()]
    redis_server.kill()

    assert [machine.admitted(7, 20) for machine in both] == [7, 7]


def test_a_key_that_was_spent_stays_so_on_a_machine_that_loses_its_server(machines, redis_server):
    first, second = machines(), machines()
    first.admitted(5, times=5)
    told = second.windows.acquire("key", 5)

    redis_server.kill()
    alone = second.windows.acquire("key", 5)

    assert (told.is_admitted, alone.is_admitted, second.windows.is_degraded) == (False, False, True)
    assert 0 < alone.reset_s <= told.reset_s
    assert second.own.peek("key", 5).remaining == 5
    assert second.windows.acquire("key", 7).is_admitted


def test_a_server_that_is_absent_at_the_start_is_told_once_and_joins_later(machines, redis_server):
    redis_server.kill()
    with logged("tollhouse") as records:
        machine = machines()
        passed = machine.admitted(7, 5)
    assert len(records) == 1
    redis_server.start()

    machine.look_out.look()

    assert passed + machine.admitted(7, 10) == 7
    assert redis_server.connection.llen("TOLLHOUSE:key") == 2


def test_who_asks_a_wrong_password_is_degraded_and_does_not_tell_it(machines, redis_server):
    ask_for_a_password(redis_server)

    with logged("tollhouse") as records:
        machine = machines(f"redis://:wrong-secret@127.0.0.1:{redis_server.port}")

    assert machine.windows.is_degraded
    assert machine.admitted(7, 10) == 7
    assert "wrong-secret" not in records[0].getMessage()


def test_a_server_that_is_no_redis_is_away(machines, upstream):
    machine = machines(f"redis://{upstream.authority}", is_hasty=True)

    assert machine.windows.is_degraded
    assert machine.admitted(7, 10) == 7


def test_who_shall_refuse_without_the_server_refuses_and_counts_nothing(machines, redis_server):
    machine = machines(is_refusing=True)
    machine.admitted(7, 2)
    redis_server.kill()

    for _ in range(3):
        with pytest.raises(LimiterUnavailable) as refusal:
            machine.windows.acquire("key", 7)

    assert (refusal.value.status, refusal.value.fields()) == (503, [("Retry-After", "1")])
    assert machine.own.peek("key", 7).remaining == 5


CROWD = """
from gevent import monkey; monkey.patch_all()
import json, sys
from pathlib import Path
import gevent
from gevent.hub import get_hub
from app.stores.deadline import TICK_S
from app.stores.embedded import EmbeddedStore
from app.stores.failover import FailoverWindows
from app.stores.redis_windows import RedisWindows
from app.stores.windows import Windows

store = EmbeddedStore(Path(sys.argv[1]))
windows = FailoverWindows(Windows(store), RedisWindows(sys.argv[2], 30.0), lambda _: True)
ticks = []
clock = get_hub().loop.timer(TICK_S, TICK_S)
clock.start(lambda: ticks.append(1))
print(json.dumps(windows.is_degraded), flush=True)

def ask():
    began = len(ticks)
    is_admitted = windows.acquire("key", 40).is_admitted
    return is_admitted, len(ticks) - began

def crowd():
    callers = [gevent.spawn(ask) for _ in range(64)]
    gevent.joinall(callers)
    admitted, waited = zip(*(caller.value for caller in callers))
    print(json.dumps([sum(admitted), max(waited), windows.is_degraded]), flush=True)

for line in sys.stdin:
    if line == "back\\n":
        with gevent.Timeout(60):
            while windows.is_degraded:
                gevent.sleep(0.01)
    crowd()
"""


def test_a_crowd_of_callers_waits_together_and_stays_exact(tmp_path, redis_server):
    """As long as one waits alone, in turns of the loop: a slow machine makes them longer, and not more."""
    program = subprocess.Popen(
        [sys.executable, "-c", CROWD, str(tmp_path / "var"), redis_server.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def said():
        return json.loads(program.stdout.readline())

    def say(words):
        program.stdin.write(words + "\n")
        program.stdin.flush()
        return said()

    with program:
        assert said() is False
        redis_server.pause()
        first = say("away")
        redis_server.go_on()
        second = say("back")

    assert (first[0], first[2]) == (40, True)
    assert TICKS - 2 <= first[1] <= TICKS + 2
    assert (second[0], second[2]) == (0, False)
