"""What cannot be read is refused in JSON and never quoted; the rest of the worker is walked in tests/journeys."""

import json
import logging
import socket

import pytest
from gunicorn.http import errors as unreadable

from app.errors import ExpectationFailed, HeadersTooLarge, InvalidRequest, UnsupportedTransferCoding, UriTooLong
from app.exchange import EXCHANGE
from app.parting import is_silent, reset
from app.telemetry.exchange_log import log_exchange
from app.unreadable import refusal_of, refuse_unread
from tests.kit.client import Answer
from tests.values import logged


@pytest.mark.parametrize(
    ("fault", "refusal", "status"),
    [
        (unreadable.LimitRequestLine(9000, 8190), UriTooLong, 414),
        (unreadable.LimitRequestHeaders("too many"), HeadersTooLarge, 431),
        (unreadable.UnsupportedTransferCoding("gzip"), UnsupportedTransferCoding, 501),
        (unreadable.ExpectationFailed("99-never"), ExpectationFailed, 417),
        (unreadable.InvalidHTTPVersion((2, 0)), InvalidRequest, 400),
        (unreadable.InvalidRequestLine("canary"), InvalidRequest, 400),
        (unreadable.InvalidRequestMethod("canary"), InvalidRequest, 400),
        (unreadable.InvalidHeader("canary"), InvalidRequest, 400),
        (unreadable.InvalidHeaderName("canary"), InvalidRequest, 400),
        (unreadable.InvalidChunkSize(b"canary"), InvalidRequest, 400),
        (unreadable.ObsoleteFolding("canary"), InvalidRequest, 400),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_parser_found_becomes_a_refusal(fault, refusal, status):
    told = refusal_of(fault)

    assert (type(told), told.status) == (refusal, status)
    assert "canary" not in told.message


def every(kind):
    return {kind}.union(*(every(narrower) for narrower in kind.__subclasses__()))


def test_every_fault_of_gunicorns_parser_is_a_refusal():
    silent = {found.__name__ for found in every(unreadable.ParseException) if refusal_of(found.__new__(found)) is None}

    assert silent == set()


@pytest.mark.parametrize("fault", [ValueError("x"), OSError(), SystemExit(1), unreadable.NoMoreData()])
def test_any_other_fault_is_left_to_gunicorn(fault):
    if isinstance(fault, unreadable.ParseException):
        pytest.fail("NoMoreData is a ParseException now")
    assert refusal_of(fault) is None


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
