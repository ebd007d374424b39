"""What cannot be read is refused in JSON and never quoted; the rest of the worker is walked in tests/journeys."""

import json
import logging
import socket

import pytest

from app.errors import InvalidRequest, UriTooLong
from app.exchange import EXCHANGE
from app.parting import is_silent, reset
from app.telemetry.exchange_log import log_exchange
from app.unreadable import refuse_unread
from tests.kit.client import Answer
from tests.values import logged


@pytest.fixture
def ends():
    """Both ends of a connection: (client's, gateway's)."""
    client, gateway = socket.socketpair()
    with client, gateway:
        client.settimeout(5.0)
        gateway.settimeout(5.0)
        yield client, gateway


def test_an_unreadable_request_is_answered_logged_and_hung_up_on(ends):
    client, gateway = ends
    client.sendall(b"what else was on its way")
    client.shutdown(socket.SHUT_WR)

    with logged("tollhouse.exchange", logging.INFO) as records:
        refuse_unread(gateway, UriTooLong("The request line is longer than 8190 octets."), log_exchange)

    answer = Answer("GET")
    while answer.ending is None:
        answer.take(client.recv(4096))
    (line,) = [record.facts for record in records]
    assert (answer.status, answer.ending, answer.leftover) == (414, "whole", b"")
    assert json.loads(answer.body)["error"]["code"] == "uri_too_long"
    assert answer.fields.one("connection") == "close"
    assert answer.fields.one("cache-control") == "no-store"
    assert answer.request_id == line["request_id"]
    assert client.recv(1) == b""
    assert (line["status"], line["outcome"], line["bytes_out"]) == (414, "refused", len(answer.body))


def test_a_client_that_has_gone_already_is_refused_without_a_fault(ends):
    client, gateway = ends
    client.close()

    with logged("tollhouse.exchange") as records:
        refuse_unread(gateway, InvalidRequest("No."), log_exchange)

    assert [(record.facts["status"], record.facts["bytes_out"]) for record in records] == [(400, 0)]


def test_a_client_that_has_sent_nothing_is_silent(ends):
    client, gateway = ends

    before = is_silent(gateway)
    client.sendall(b"G")

    assert (before, is_silent(gateway), is_silent(gateway)) == (True, False, False)
    assert gateway.recv(10) == b"G"
    assert gateway.gettimeout() == 5.0


def test_a_client_that_has_hung_up_is_silent(ends):
    client, gateway = ends

    client.close()

    assert is_silent(gateway)


def test_a_connection_can_be_closed_so_that_nobody_takes_it_for_an_end():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        gateway, _ = listener.accept()
    with client:
        client.settimeout(5.0)

        reset(gateway)

        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_resetting_twice_is_harmless(ends):
    _, gateway = ends

    reset(gateway)
    reset(gateway)

    assert gateway.fileno() == -1


def test_an_exchange_has_one_place_in_the_environ():
    assert EXCHANGE == "tollhouse.exchange"
