"""What a worker does with one connection, its app and its socket at hand."""

import signal
import socket
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket as gevent_socket

from app.parting import Leaving
from app.serving.head import Limits
from app.serving.incoming import Incoming
from app.worker import TOLD_CONNECTIONS, GatewayWorker

HEALTH = b"GET /health/readiness HTTP/1.1\r\nHost: h\r\n\r\n"
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
    worker.spare, worker.leaving = 0, Leaving(1, 1.0)
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


def test_who_is_told_that_there_is_no_room_takes_no_place_while_it_stays(worker, monkeypatch):
    """OR-04: or 32 clients that do not hang up would keep all others waiting for the same words."""
    monkeypatch.setattr("app.parting.socket.socket", gevent_socket.socket)  # in a worker every socket is gevent's
    client, gateway = gevent_socket.socketpair()
    entered = []
    worker.most_connections, worker.enter = 0, entered.append
    worker.cfg.is_ssl = False
    with client, gateway:
        client.sendall(REQUEST)

        worker.handle(gateway, gateway, None)

        client.settimeout(5)
        assert client.recv(65_536).startswith(b"HTTP/1.1 503 ")
        assert client.recv(1) == b""
        assert (gateway.fileno(), len(worker.leaving), worker.spare) == (-1, 1, 0)
        assert [exchange.reason for exchange in entered] == ["server_overloaded"]


def test_in_a_crowd_too_it_can_be_asked_over_a_network_whether_a_full_worker_lives(worker, monkeypatch):
    monkeypatch.setattr("app.parting.socket.socket", gevent_socket.socket)
    client, gateway = gevent_socket.socketpair()
    served = []
    worker.most_connections, worker.spare = 0, TOLD_CONNECTIONS - 1
    worker.cfg.is_ssl = False
    worker.serve_next = lambda _greenlet, incoming, _around, **_last: served.append(incoming.take_buffered())
    with client, gateway:
        gevent.spawn_later(0.005, client.sendall, HEALTH)

        worker.handle(gateway, gateway, None)

        assert served == [HEALTH]


@pytest.mark.parametrize(("grace_s", "cut_after_s"), [(2, 1.0), (25, 23.5), (600, 598.5)])
def test_what_still_runs_is_cut_before_the_master_kills(worker, monkeypatch, grace_s, cut_after_s):
    """DR-02: there is time left to say so, to each client in its own way."""
    planned = []
    monkeypatch.setattr("app.worker.gevent.spawn_later", lambda after_s, work: planned.append((after_s, work)))
    worker.is_told, worker.cfg.graceful_timeout = False, grace_s

    for _ in range(2):
        worker.handle_exit(signal.SIGTERM, None)

    assert planned == [(cut_after_s, worker.cut)]
    assert not worker.alive


class Served:
    def __init__(self, app, told):
        self.app = app
        self.extensions = {"readiness": SimpleNamespace(stop=lambda: told.append("unready"))}

    def __call__(self, *arguments):
        return self.app(*arguments)


@pytest.mark.parametrize(("fault", "goes_on"), [(MemoryError, False), (ValueError, True)])
def test_a_worker_that_finds_no_memory_where_nobody_catches_it_is_replaced(worker, capfd, fault, goes_on):
    """OR-08: gevent stops to accept where accepting fails, and needs memory to begin again."""
    reported = []

    worker.hear_of_fault(lambda *told: reported.append(told), "context", fault, fault("ours"), None)

    assert worker.alive is goes_on
    assert [told[:2] for told in reported] == [("context", fault)] * goes_on
    assert ("out of memory" in capfd.readouterr().err) is not goes_on


def test_a_worker_hears_of_faults_in_its_loop(worker, monkeypatch):
    hub = SimpleNamespace(handle_error=lambda *_: None)
    monkeypatch.setattr("app.worker.gevent.get_hub", lambda: hub)
    monkeypatch.setattr("app.worker.GeventWorker.init_process", lambda _: None)
    worker.cfg = SimpleNamespace(
        worker_connections=9, limit_request_line=1, limit_request_fields=1, limit_request_field_size=1
    )

    worker.init_process()
    hub.handle_error(None, MemoryError, MemoryError(), None)

    assert not worker.alive
