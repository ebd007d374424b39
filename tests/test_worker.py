"""What a worker does with one connection, its app and its socket at hand."""

import socket
from types import SimpleNamespace

import pytest

from app.serving.head import Limits
from app.serving.incoming import Incoming
from app.worker import GatewayWorker

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Surroundings:
    def environ(self, _head, _body):
        return {}


class Pieces:
    """An answer's body that fails behind its first piece."""

    def __init__(self, *pieces):
        self.pieces = iter(pieces)
        self.is_closed = False

    def __iter__(self):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self):
        self.is_closed = True


@pytest.fixture
def ends():
    client, gateway = socket.socketpair()
    client.settimeout(5)
    yield client, gateway
    client.close()
    gateway.close()


@pytest.fixture
def worker():
    worker = object.__new__(GatewayWorker)
    worker.idle, worker.busy = {}, set()
    worker.cfg = SimpleNamespace(keepalive=5)
    worker.alive, worker.stopping = True, False
    worker.limits, worker.nr, worker.max_requests = Limits(), 0, 100
    return worker


def serves(worker, fields, pieces):
    def app(_environ, start_response):
        start_response("200 OK", fields)
        return pieces

    worker.wsgi = app


def test_an_answer_that_breaks_off_by_a_fault_of_ours_gets_no_error_page_for_a_rest(worker, ends):
    client, gateway = ends
    pieces = Pieces(b"half", ValueError("ours"))
    serves(worker, [("Content-Length", "500")], pieces)
    client.sendall(REQUEST)

    goes_on = worker.serve_next("greenlet", Incoming(gateway), Surroundings())

    seen = client.recv(65_536)
    assert (goes_on, pieces.is_closed, gateway.fileno()) == (False, True, -1)
    assert seen.endswith(b"\r\n\r\nhalf")
    assert client.recv(1) == b""


def test_a_fault_before_the_answer_has_begun_can_still_be_told(worker, ends):
    client, gateway = ends
    serves(worker, [], Pieces(ValueError("ours")))
    client.sendall(REQUEST)

    with pytest.raises(ValueError, match="ours"):
        worker.serve_next("greenlet", Incoming(gateway), Surroundings())


@pytest.mark.parametrize(("alive", "stopping"), [(True, False), (False, False), (True, True)])
def test_a_connection_is_kept_only_by_a_worker_that_stays(worker, ends, alive, stopping):
    client, gateway = ends
    worker.alive, worker.stopping = alive, stopping
    told = []
    serves(worker, [("Content-Length", "0")], Pieces())
    worker.wsgi = Served(worker.wsgi, told)
    client.sendall(REQUEST)

    goes_on = worker.serve_next("greenlet", Incoming(gateway), Surroundings())

    assert goes_on is (alive and not stopping)
    assert told == (["unready"] if stopping else [])


class Served:
    def __init__(self, app, told):
        self.app = app
        self.extensions = {"readiness": SimpleNamespace(stop=lambda: told.append("unready"))}

    def __call__(self, *arguments):
        return self.app(*arguments)
