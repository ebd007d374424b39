"""Who has been answered may read that in peace, and nobody else waits for it."""

import gevent
import pytest
from gevent import socket

from app.parting import Leaving


@pytest.fixture(autouse=True)
def worker_like(monkeypatch):
    """In a worker every socket is gevent's."""
    monkeypatch.setattr("app.parting.socket.socket", socket.socket)


@pytest.fixture
def leaving():
    return Leaving(most=2, most_s=5.0)


def a_connection():
    """Return (client's end, gateway's end) of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        gateway, _ = listener.accept()
    client.settimeout(5.0)
    return client, gateway


def test_what_a_leaving_client_still_sends_takes_no_answer_from_it(leaving):
    client, gateway = a_connection()
    with client:
        gateway.sendall(b"no room")
        leaving.take(gateway)
        for _ in range(3):
            client.sendall(b"more" * 100_000)

        assert (client.recv(10), client.recv(10)) == (b"no room", b"")
        assert gateway.fileno() == -1
        assert len(leaving) == 1


def test_a_client_that_hangs_up_has_left(leaving):
    client, gateway = a_connection()
    leaving.take(gateway)

    client.close()

    with gevent.Timeout(5.0):
        while len(leaving):
            gevent.sleep(0)


def test_the_one_too_many_lets_the_oldest_go(leaving):
    pairs = [a_connection() for _ in range(3)]

    for _, gateway in pairs:
        leaving.take(gateway)
        gevent.sleep(0)

    oldest, *others = [client for client, _ in pairs]
    assert len(leaving) == 2
    oldest.sendall(b"first it hears nothing of it")
    with pytest.raises(ConnectionError):
        goes_on_sending(oldest)
    for client in others:
        client.sendall(b"more")
        assert client.recv(1) == b""
    for client, _ in pairs:
        client.close()


def goes_on_sending(client):
    for _ in range(1_000):
        client.sendall(b"more")
        gevent.sleep(0)


def test_a_client_has_a_moment_to_leave():
    leaving = Leaving(most=2, most_s=0.001)
    client, gateway = a_connection()
    with client:
        leaving.take(gateway)

        with gevent.Timeout(5.0):
            while len(leaving):
                gevent.sleep(0)
