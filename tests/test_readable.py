"""Who waits for octets is woken by them, or told in time, wait after wait."""

import ssl
from types import SimpleNamespace

import gevent
import pytest
from gevent import event, socket

from app.readable import Readable, impatient


@pytest.fixture
def ends():
    """What waits for octets, its socket, and the other end."""
    ours, theirs = socket.socketpair()
    readable = Readable(ours)
    with ours, theirs:
        yield readable, ours, theirs
        readable.close()


def test_octets_wake_who_waits(ends):
    readable, ours, theirs = ends
    for number in range(3):
        gevent.spawn_later(0, theirs.sendall, b"%d" % number)
        readable.wait(5.0)
        assert ours.recv(10) == b"%d" % number


def test_the_end_wakes_who_waits(ends):
    readable, ours, theirs = ends
    gevent.spawn_later(0, theirs.close)

    readable.wait(None)

    assert ours.recv(10) == b""


@pytest.fixture
def clock(monkeypatch):
    """The clock that tells what is left of a wait; the loop's timers go by their own."""
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr("app.readable.time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def test_each_wait_has_the_whole_time(ends, clock):
    readable, ours, theirs = ends
    theirs.sendall(b"x")
    readable.wait(0.02)
    ours.recv(10)

    clock.now_s += 0.02
    waiting = gevent.spawn(readable.wait, 0.02)
    gevent.sleep(0.05)  # in which the timer of the first wait rings
    assert not waiting.dead
    clock.now_s += 0.02

    with pytest.raises(TimeoutError):
        waiting.get(timeout=30.0)


def test_a_time_out_leaves_the_next_wait_alone(ends):
    readable, ours, theirs = ends
    with pytest.raises(TimeoutError):
        readable.wait(0.001)
    gevent.spawn_later(0.005, theirs.sendall, b"x")

    readable.wait(5.0)

    assert ours.recv(10) == b"x"


def test_a_timer_that_rings_when_nobody_waits_harms_nobody(ends):
    readable, ours, theirs = ends
    theirs.sendall(b"x")
    readable.wait(0.01)
    rang = event.Event()
    gevent.spawn_later(0.02, rang.set)
    rang.wait()
    theirs.sendall(b"y")

    readable.wait(5.0)

    assert ours.recv(10) == b"xy"


def test_what_is_thrown_at_who_waits_arrives(ends):
    readable, _, theirs = ends
    waiting = gevent.spawn(readable.wait, 5.0)
    gevent.spawn_later(0, waiting.kill, LookupError("why"), block=False)

    with pytest.raises(LookupError, match="why"):
        waiting.get()
    theirs.sendall(b"x")

    readable.wait(5.0)  # and the next one can wait


def test_the_loop_takes_what_comes_until_it_is_told_to_stop(ends):
    readable, ours, theirs = ends
    taken = []

    def step():
        taken.append((ours.recv(10), gevent.getcurrent() is gevent.get_hub()))
        theirs.sendall(b"%d" % len(taken))
        return len(taken) < 3

    gevent.spawn_later(0, theirs.sendall, b"0")
    readable.wait(5.0, step)

    assert taken == [(b"0", True), (b"1", True), (b"2", True)]


def test_each_step_begins_the_time_anew(ends, clock):
    readable, ours, theirs = ends

    def step():
        ours.recv(10)
        clock.now_s += 0.015
        if clock.now_s < 0.04:
            theirs.sendall(b"x")
        return True

    theirs.sendall(b"x")
    waiting = gevent.spawn(readable.wait, 0.02, step)
    gevent.sleep(0.05)  # in which the timer rings
    assert not waiting.dead
    clock.now_s += 0.02

    with pytest.raises(TimeoutError):
        waiting.get(timeout=30.0)


def test_what_comes_when_nobody_waits_does_not_keep_the_loop_busy(ends):
    readable, ours, theirs = ends
    theirs.sendall(b"x")
    readable.wait(5.0)
    loop = gevent.get_hub().loop
    before = loop.iteration

    gevent.sleep(0.01)  # with an octet that nobody takes

    assert loop.iteration - before < 10
    readable.wait(5.0)
    assert ours.recv(10) == b"x"


def test_an_impatient_socket_never_waits(ends):
    _, ours, _ = ends

    with pytest.raises(BlockingIOError):
        impatient(ours).recv(1)


def test_tls_is_not_spoken_past(ends):
    _, ours, _ = ends
    context = ssl.create_default_context()

    with context.wrap_socket(ours, server_hostname="upstream.test", do_handshake_on_connect=False) as wrapped:
        assert impatient(wrapped) is None
