"""A client that leaves is noticed while everything is silent, and only by the exchange that is its own."""

import socket

import gevent
import pytest
from gevent import event

from app.errors import ClientLeft
from app.relay.watch import DepartureWatch


@pytest.fixture
def ends():
    """Both ends of a connection: (client's, gateway's)."""
    client, gateway = socket.socketpair()
    with client, gateway:
        yield client, gateway


@pytest.fixture
def watch():
    return DepartureWatch()


def forever():
    """Wait as for a silent upstream; a test that is not interrupted fails in time."""
    with gevent.Timeout(5.0, AssertionError("nobody noticed")):
        event.Event().wait()


def for_a_turn_of_the_loop():
    """Let the loop look at every socket once, and a second time for what it woke."""
    gevent.idle()
    gevent.idle()


@pytest.mark.parametrize(
    "leave", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)], ids=["close", "half"]
)
def test_a_client_that_leaves_is_noticed_wherever_its_exchange_waits(watch, ends, leave):
    client, gateway = ends
    watch.begin(gateway)

    leave(client)

    with pytest.raises(ClientLeft):
        forever()


def test_a_client_that_left_before_is_noticed_too(watch, ends):
    client, gateway = ends
    client.close()

    watch.begin(gateway)

    with pytest.raises(ClientLeft):
        forever()


def test_octets_that_nobody_has_read_do_not_hide_that_it_left(watch, ends):
    client, gateway = ends
    client.sendall(b"GET /pipelined HTTP/1.1\r\n\r\n")
    watch.begin(gateway)

    client.close()

    with pytest.raises(ClientLeft):
        forever()
    assert gateway.recv(100) == b"GET /pipelined HTTP/1.1\r\n\r\n"


def test_octets_alone_are_no_departure(watch, ends):
    client, gateway = ends
    watch.begin(gateway)

    client.sendall(b"more")

    for_a_turn_of_the_loop()
    watch.end(gateway)
    assert gateway.recv(10) == b"more"


def test_a_watch_that_has_ended_notices_nothing(watch, ends):
    client, gateway = ends
    watch.begin(gateway)

    watch.end(gateway)
    client.close()

    for_a_turn_of_the_loop()
    assert gateway.recv(1) == b""


def test_ending_twice_or_without_beginning_is_harmless(watch, ends):
    client, gateway = ends

    watch.end(gateway)
    watch.begin(gateway)
    watch.end(gateway)
    watch.end(gateway)

    client.sendall(b"x")
    assert gateway.recv(1) == b"x"


def test_the_next_exchange_of_a_connection_is_watched_anew(watch, ends):
    client, gateway = ends
    watch.begin(gateway)
    watch.end(gateway)
    watch.begin(gateway)

    client.close()

    with pytest.raises(ClientLeft):
        forever()


def test_only_the_exchange_of_the_client_that_left_is_interrupted(watch, ends):
    client, gateway = ends
    staying, other_gateway = socket.socketpair()
    told = []

    def exchange(name, connection):
        watch.begin(connection)
        try:
            forever()
        except ClientLeft:
            told.append(name)

    with staying, other_gateway:
        leaving = gevent.spawn(exchange, "left", gateway)
        remaining = gevent.spawn(exchange, "stayed", other_gateway)
        for_a_turn_of_the_loop()

        client.close()
        leaving.join(5.0)

        assert (told, leaving.dead, remaining.dead) == (["left"], True, False)
        watch.end(other_gateway)
        remaining.kill()


def test_a_client_that_left_between_two_exchanges_is_noticed_in_the_second(watch, ends):
    client, gateway = ends
    watch.begin(gateway)
    watch.end(gateway)
    client.close()
    for_a_turn_of_the_loop()

    watch.begin(gateway)

    with pytest.raises(ClientLeft):
        forever()


def test_a_number_that_is_another_connections_now_says_nothing_of_the_first(watch):
    first_client, first = socket.socketpair()
    watch.begin(first)
    watch.end(first)
    number = first.fileno()
    first_client.close()
    for_a_turn_of_the_loop()
    first.close()
    client, gateway = socket.socketpair()
    with client, gateway:
        # The lowest free numbers are given out first.
        again = gateway if gateway.fileno() == number else client
        assert again.fileno() == number

        watch.begin(again)

        for_a_turn_of_the_loop()
        watch.end(again)
