"""Only a connection that is whole, silent and young stands in for a new one."""

import socket

import pytest

from app.relay.connection import Connection, Origin
from app.relay.pool import IDLE_CONNECTIONS, IDLE_S, Pool

HERE = Origin("http", "127.0.0.1", 1)
THERE = Origin("http", "127.0.0.1", 2)


class Wires:
    """Connections with the upstream's ends of them."""

    def __init__(self):
        self._ends = []

    def connect(self):
        """Return (connection, the upstream's end)."""
        ours, theirs = socket.socketpair()
        theirs.settimeout(5.0)
        self._ends += [ours, theirs]
        return Connection(ours), theirs

    def close(self):
        for end in self._ends:
            end.close()


@pytest.fixture
def wires():
    wires = Wires()
    yield wires
    wires.close()


class Clock:
    now_s = 1_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool(clock):
    pool = Pool(clock)
    yield pool
    pool.close()


def is_closed(connection):
    return connection.socket.fileno() == -1


def test_an_empty_pool_has_nothing(pool):
    assert pool.take(HERE) is None


def test_a_connection_given_back_is_taken_once(pool, wires):
    connection, _ = wires.connect()

    pool.give_back(HERE, connection)

    assert (pool.take(HERE), pool.take(HERE)) == (connection, None)
    assert connection.is_reused


def test_another_origin_does_not_get_it(pool, wires):
    connection, _ = wires.connect()

    pool.give_back(HERE, connection)

    assert pool.take(THERE) is None
    assert pool.take(Origin("https", *HERE[1:])) is None
    assert pool.take(HERE) is connection


def test_the_one_used_last_is_taken_first(pool, wires):
    first, second = (wires.connect()[0] for _ in range(2))

    pool.give_back(HERE, first)
    pool.give_back(HERE, second)

    assert [pool.take(HERE), pool.take(HERE)] == [second, first]


def test_one_that_the_upstream_closed_is_not_taken(pool, wires):
    alive, _ = wires.connect()
    dead, theirs = wires.connect()
    pool.give_back(HERE, alive)
    pool.give_back(HERE, dead)

    theirs.close()

    assert pool.take(HERE) is alive
    assert is_closed(dead)


def test_one_on_which_the_upstream_spoke_unasked_is_not_taken(pool, wires):
    connection, theirs = wires.connect()
    pool.give_back(HERE, connection)

    theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\nfor somebody else")

    assert pool.take(HERE) is None
    assert is_closed(connection)


def test_one_that_was_idle_too_long_is_not_taken(pool, wires):
    connection, theirs = wires.connect()

    pool.give_back(HERE, connection, idle_s=0.0)

    assert pool.take(HERE) is None
    assert theirs.recv(1) == b""


def test_no_connection_is_kept_longer_than_load_balancers_keep_theirs(pool, clock, wires):
    connection, _ = wires.connect()
    pool.give_back(HERE, connection, idle_s=3600.0)

    clock.now_s += IDLE_S

    assert pool.take(HERE) is None
    assert is_closed(connection)


def test_one_is_not_taken_near_the_age_at_which_the_upstream_closed_another(pool, clock, wires):
    """G30: a request that meets the closing is lost, since it may have been processed."""
    dead, theirs = wires.connect()
    pool.give_back(HERE, dead)
    theirs.close()
    clock.now_s += 1.0
    assert pool.take(HERE) is None
    young, near, elsewhere = (wires.connect()[0] for _ in range(3))

    pool.give_back(HERE, near)
    pool.give_back(THERE, elsewhere)
    clock.now_s += 0.1
    pool.give_back(HERE, young)
    clock.now_s += 0.85

    assert pool.take(HERE) is young
    assert pool.take(HERE) is None
    assert is_closed(near)
    assert pool.take(THERE) is elsewhere


def test_a_sweep_learns_from_what_it_finds_closed(pool, clock, wires):
    dead, theirs = wires.connect()
    pool.give_back(HERE, dead)
    theirs.close()
    clock.now_s += 2.0
    pool._sweep()
    connection, _ = wires.connect()

    pool.give_back(HERE, connection)
    clock.now_s += 1.9

    assert pool.take(HERE) is None


def test_what_one_restart_closed_is_forgotten_as_others_are_found_open(pool, clock, wires):
    dead, theirs = wires.connect()
    pool.give_back(HERE, dead)
    theirs.close()
    pool.take(HERE)

    taken = []
    for _ in range(100):
        connection, _ = wires.connect()
        pool.give_back(HERE, connection)
        clock.now_s += 1.0
        taken.append(pool.take(HERE) is connection)

    assert (taken[0], taken[-1]) == (False, True)


def test_the_oldest_makes_room_when_there_are_too_many(pool, wires):
    kept = [wires.connect()[0] for _ in range(IDLE_CONNECTIONS + 1)]

    for connection in kept:
        pool.give_back(HERE, connection)

    assert [is_closed(connection) for connection in kept] == [True] + [False] * IDLE_CONNECTIONS


def test_closing_the_pool_closes_all_it_has(pool, wires):
    here, there = wires.connect(), wires.connect()
    pool.give_back(HERE, here[0])
    pool.give_back(THERE, there[0])

    pool.close()

    assert [here[1].recv(1), there[1].recv(1)] == [b"", b""]
    assert (pool.take(HERE), pool.take(THERE)) == (None, None)


def test_a_forked_child_forgets_without_a_word_to_the_upstream(pool, wires):
    connection, theirs = wires.connect()
    pool.give_back(HERE, connection)

    pool.forget()

    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    assert pool.take(HERE) is None


def test_a_sweep_closes_what_is_dead_or_old_and_keeps_the_rest(pool, wires):
    alive, dead, old = (wires.connect() for _ in range(3))
    pool.give_back(HERE, alive[0])
    pool.give_back(HERE, dead[0])
    pool.give_back(THERE, old[0], idle_s=0.0)
    dead[1].close()

    pool._sweep()

    assert [is_closed(connection) for connection, _ in (alive, dead, old)] == [False, True, True]
    assert pool.take(HERE) is alive[0]
