"""A connection says what it has, waits no longer than it may, and is interrupted by an answer."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from functools import partial

import gevent
import pytest
from gevent import event
from gevent import socket as gevent_socket

from app.errors import ClientLeft, UpstreamUnreachable
from app.relay.connection import Answered, Connection, Deadline, Origin, dial
from app.settings import trust
from tests.conftest import CERTS
from tests.kit.gateway import free_port
from tests.kit.upstream import answer, head, wait

AUTHORITIES = partial(trust.read, {"SSL_CERT_FILE": str(CERTS / "authority.pem")})
REQUEST = b"GET /plain HTTP/1.1\r\nHost: upstream.test\r\n\r\n"


@pytest.fixture
def ends():
    """Both ends of a connection: (ours, the upstream's socket)."""
    ours, theirs = gevent_socket.socketpair()
    connection = Connection(ours)
    with theirs:
        theirs.settimeout(5.0)
        yield connection, theirs
        connection.close()


def test_what_is_buffered_is_received_first(ends):
    connection, theirs = ends
    theirs.sendall(b"later")
    connection.buffered = b"first"

    assert (connection.receive(5.0), connection.receive(5.0)) == (b"first", b"later")
    assert connection.buffered == b""


def test_the_end_of_the_connection_is_no_octets(ends):
    connection, theirs = ends

    theirs.close()

    assert connection.receive(5.0) == b""


def test_receiving_waits_no_longer_than_it_may(ends):
    connection, _ = ends

    with pytest.raises(TimeoutError):
        connection.receive(0.001)


@pytest.fixture
def drained(ends):
    """Both ends of a connection whose socket was emptied by the last receive, so that the next one waits at once."""
    connection, theirs = ends
    theirs.sendall(b"event 1")
    assert connection.receive(5.0) == b"event 1"
    return connection, theirs


def test_an_emptied_connection_gives_what_came_meanwhile(drained):
    connection, theirs = drained
    theirs.sendall(b"event 2")

    assert connection.receive(5.0) == b"event 2"


def test_what_a_busy_worker_comes_late_to_read_is_not_late(drained):
    connection, theirs = drained
    theirs.sendall(b"event 2")
    gevent.idle()  # the loop looks at its clock ...
    busy_until_s = time.perf_counter() + 0.1
    while time.perf_counter() < busy_until_s:
        pass  # ... and then is kept from it

    assert connection.receive(0.05) == b"event 2"


def test_an_emptied_connection_gives_what_comes_while_it_waits(drained):
    connection, theirs = drained
    gevent.spawn_later(0, theirs.sendall, b"event 2")

    assert connection.receive(5.0) == b"event 2"


@pytest.mark.parametrize("times", [1, 2])
def test_an_emptied_connection_waits_no_longer_than_it_may(drained, times):
    connection, _ = drained

    for _ in range(times):
        with pytest.raises(TimeoutError):
            connection.receive(0.001)


def test_an_emptied_connection_may_be_given_another_time_out(drained):
    connection, theirs = drained
    with pytest.raises(TimeoutError):
        connection.receive(0.001)
    gevent.spawn_later(0, theirs.sendall, b"event 2")

    assert connection.receive(None) == b"event 2"


def test_an_emptied_connection_tells_its_end(drained):
    connection, theirs = drained

    theirs.close()

    assert connection.receive(5.0) == b""


def test_who_waits_at_an_emptied_connection_can_be_interrupted(drained):
    connection, theirs = drained
    told = []

    def receive():
        try:
            connection.receive(5.0)
        except ClientLeft:
            told.append(connection.receive(5.0))

    waiting = gevent.spawn(receive)
    gevent.idle()

    gevent.get_hub().loop.run_callback(waiting.throw, ClientLeft("gone"))
    gevent.idle()
    theirs.sendall(b"event 2")
    waiting.join(5.0)

    assert told == [b"event 2"]


def test_an_emptied_connection_can_be_closed(drained):
    connection, theirs = drained
    with pytest.raises(TimeoutError):
        connection.receive(0.001)

    connection.close()

    assert theirs.recv(1) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        connection.receive(0.001)


def test_sending_waits_no_longer_than_it_may(ends):
    connection, _ = ends

    with pytest.raises(TimeoutError):
        connection.send(b"x" * 10_000_000, 0.001)


def test_sending_some_sends_what_the_kernel_takes(ends):
    connection, theirs = ends

    sent = connection.send_some(b"x" * 10_000_000, 5.0)
    connection.close()

    received = b"".join(iter(lambda: theirs.recv(1 << 16), b""))
    assert 0 < sent < 10_000_000
    assert len(received) == sent


def test_a_connection_is_silent_until_the_upstream_speaks(ends):
    connection, theirs = ends
    connection.send(b"", 7.0)

    before = connection.is_silent()
    theirs.sendall(b"HTTP/1.1 408")

    assert (before, connection.is_silent(), connection.is_silent()) == (True, False, False)
    assert connection.socket.gettimeout() == 7.0
    assert connection.receive(5.0) == b"HTTP/1.1 408"


def test_a_connection_that_was_hung_up_is_not_silent(ends):
    connection, theirs = ends

    theirs.close()

    assert not connection.is_silent()


def test_closing_twice_is_harmless(ends):
    connection, theirs = ends

    connection.close()
    connection.close()

    assert theirs.recv(1) == b""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_has_not_come_is_not_waited_for(upstream, tls_upstreams, scheme):
    server = tls_upstreams["good"] if scheme == "https" else upstream
    server.forget()
    go = threading.Event()
    server.plays(wait(go), answer(body=b"plain answer"))
    connection = dial(Origin(scheme, "localhost" if scheme == "https" else "127.0.0.1", server.port), 5.0, AUTHORITIES)
    try:
        connection.send(REQUEST, 5.0)
        before = connection.receive_now()
        go.set()
        while (octets := connection.receive_now()) is None:  # session tickets are no octets
            connection.wait(5.0)
    finally:
        connection.close()
        server.forget()

    assert before is None
    assert octets.endswith(b"plain answer")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dialled_connection_speaks_to_its_origin(upstream, tls_upstreams, scheme):
    server = tls_upstreams["good"] if scheme == "https" else upstream
    server.forget()
    connection = dial(Origin(scheme, "localhost" if scheme == "https" else "127.0.0.1", server.port), 5.0, AUTHORITIES)
    try:
        connection.send(REQUEST, 5.0)

        assert connection.receive(5.0).startswith(b"HTTP/1.1 200")
        assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    finally:
        connection.close()
    assert [seen.raw_head for seen in server.requests] == [REQUEST]


@pytest.mark.parametrize("certificate", ["self-signed", "expired", "wrong-name"])
def test_an_upstream_without_a_good_certificate_is_not_spoken_to(tls_upstreams, certificate):
    server = tls_upstreams[certificate]
    server.forget()

    with pytest.raises(UpstreamUnreachable) as refusal:
        dial(Origin("https", "localhost", server.port), 5.0, AUTHORITIES)

    assert isinstance(refusal.value.__cause__, ssl.SSLCertVerificationError)
    assert "localhost" not in str(refusal.value)
    assert server.octets == 0


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param(Origin("http", "no-such-host.invalid.", 80), id="no such name"),
        pytest.param(Origin("http", "x" * 64 + ".test", 80), id="no name at all"),
        pytest.param(Origin("http", "a..b", 80), id="an empty label"),
    ],
)
def test_an_upstream_without_an_address_is_unreachable(origin):
    with pytest.raises(UpstreamUnreachable) as refusal:
        dial(origin, 5.0, AUTHORITIES)

    assert str(refusal.value) == "The upstream could not be reached."


def test_an_upstream_where_nobody_listens_is_unreachable():
    with pytest.raises(UpstreamUnreachable) as refusal:
        dial(Origin("http", "127.0.0.1", free_port()), 5.0, AUTHORITIES)

    assert isinstance(refusal.value.__cause__, ConnectionRefusedError)


def patched(program, *arguments):
    """Return what a program prints that runs under gevent's patched sockets, as the worker does."""
    done = subprocess.run(
        [sys.executable, "-c", "from gevent import monkey; monkey.patch_all()\n" + program, *arguments],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_upstream_that_takes_no_connection_is_given_up_in_time(full_backlog):
    port = full_backlog.rpartition(":")[2]

    told = patched(
        """
import ssl, sys
from app.errors import UpstreamTimeout
from app.relay.connection import Origin, dial
try:
    dial(Origin("http", "127.0.0.1", int(sys.argv[1])), 0.05, ssl.create_default_context)
except UpstreamTimeout as late:
    print(late)
""",
        port,
    )

    assert told == "The upstream took no connection within 0.05 s. Try again later."


def test_a_client_that_leaves_while_the_upstream_is_dialled_has_left(full_backlog):
    """It is told by an exception thrown into the greenlet, which is an OSError too."""
    port = full_backlog.rpartition(":")[2]

    told = patched(
        """
import ssl, sys, gevent
from app.errors import GatewayError, ClientLeft
from app.relay.connection import Origin, dial
gevent.spawn_later(0.05, gevent.getcurrent().throw, ClientLeft("the client closed its connection"))
try:
    dial(Origin("http", "127.0.0.1", int(sys.argv[1])), 5.0, ssl.create_default_context)
except GatewayError as fault:
    print(type(fault).__name__)
""",
        port,
    )

    assert told == ClientLeft.__name__


@pytest.fixture
def connected(upstream):
    """A connection with a socket of gevent's, whose waits let the loop run."""
    connection = Connection(gevent_socket.create_connection(("127.0.0.1", upstream.port)))
    yield connection
    connection.close()


def forever():
    """Wait as an upload does whose client is slow; a test that is not interrupted fails in time."""
    with gevent.Timeout(5.0, AssertionError("nothing interrupted this")):
        event.Event().wait()


def test_an_answer_interrupts_whatever_waits(upstream, connected):
    upstream.plays(answer(413, body=b"too much"))
    connected.send(REQUEST, 5.0)

    with pytest.raises(Answered), connected.interrupted_by_answer():
        forever()

    assert connected.receive(5.0) == answer(413, body=b"too much")


def test_a_hang_up_interrupts_too(upstream, connected):
    upstream.plays(lambda turn: turn.close())
    connected.send(REQUEST, 5.0)

    with pytest.raises(Answered), connected.interrupted_by_answer():
        forever()

    assert connected.receive(5.0) == b""


def test_nothing_interrupts_behind_the_block(upstream, connected):
    go = threading.Event()
    upstream.plays(wait(go), head(200))
    connected.send(REQUEST, 5.0)

    with connected.interrupted_by_answer():
        pass
    go.set()

    assert connected.receive(5.0) == head(200)


def test_a_deadline_shortens_what_is_left():
    deadline = Deadline(100.0)

    assert deadline.within(5.0) == 5.0
    assert 99.0 < deadline.within(600.0) <= 100.0


def test_a_deadline_that_has_passed_leaves_nothing():
    with pytest.raises(TimeoutError):
        Deadline(0.0).within(5.0)


def test_no_deadline_leaves_all_the_time():
    assert Deadline(None).within(600.0) == 600.0
