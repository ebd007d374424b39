"""Whatever happens to an exchange, it gets one id and one line, written at its last octet."""

import json

import pytest

from app.errors import ClientLeft, UpstreamBroke
from app.exchange import EXCHANGE, Outcome
from app.ledger import Ledger, Observers, _added
from tests.test_arrival import an_environ
from tests.values import Upload, an_exchange, logged


class Pieces:
    """An answer's body that may fail, and remembers how often it was closed."""

    def __init__(self, *pieces):
        self._pieces = iter(pieces)
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self._pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self):
        self.closed += 1


@pytest.fixture
def lines():
    """Call it for the facts of the exchange lines written so far."""
    with logged("tollhouse.exchange") as records:
        yield lambda: [record.facts for record in records]


class Server:
    """A WSGI server as plain as can be: remembers the head it was given."""

    def start_response(self, status, fields, exc_info=None):
        self.status, self.fields = status, fields


def serving(body, status="200 OK", fields=(), prepare=lambda exchange: None):
    """Return a ledger over an application that answers with this."""

    def serve(environ, start_response):
        prepare(environ[EXCHANGE])
        start_response(status, list(fields))
        return body

    return Ledger(serve)


def test_an_exchange_served_to_its_end_is_one_line(lines):
    body, server = Pieces(b"ab", b"", b"cde"), Server()

    entry = serving(body, "201 Created")(an_environ(), server.start_response)
    received = list(entry)
    assert lines() == []
    entry.close()

    assert (received, body.closed) == ([b"ab", b"", b"cde"], 1)
    (line,) = lines()
    assert (line["status"], line["outcome"], line["bytes_out"], line["path"]) == (201, "served", 5, "/plain")


def test_the_request_id_goes_to_the_client_behind_the_other_fields(lines):
    server = Server()

    entry = serving(Pieces(), fields=[("X-A", "1"), ("X-A", "2")])(an_environ(), server.start_response)
    entry.close()

    (line,) = lines()
    assert server.fields == [("X-A", "1"), ("X-A", "2"), ("x-gateway-request-id", line["request_id"])]


def test_closing_twice_writes_no_second_line(lines):
    body = Pieces(b"a")
    entry = serving(body)(an_environ(), Server().start_response)

    list(entry)
    entry.close()
    entry.close()

    assert len(lines()) == 1


def test_an_answer_closed_before_its_end_means_that_the_client_left(lines):
    body = Pieces(b"ab", b"cde")
    entry = serving(body)(an_environ(), Server().start_response)

    next(iter(entry))
    entry.close()

    (line,) = lines()
    assert (line["outcome"], line["bytes_out"], body.closed) == ("client_left", 2, 1)
    assert line["cause"] == "the client closed its connection"


@pytest.mark.parametrize(
    ("broken", "outcome"),
    [
        pytest.param(UpstreamBroke("the upstream closed its connection in mid-body"), "upstream_failed", id="upstream"),
        pytest.param(ClientLeft("the client closed its connection"), "client_left", id="client"),
    ],
)
def test_a_transfer_that_breaks_is_told_and_breaks_the_answer(lines, broken, outcome):
    entry = serving(Pieces(b"ab", broken))(an_environ(), Server().start_response)
    received = []

    with pytest.raises(type(broken)):
        received.extend(entry)
    entry.close()

    (line,) = lines()
    assert (line["outcome"], line["cause"], line["bytes_out"]) == (outcome, broken.strerror, 2)
    assert received == [b"ab"]


def test_the_outcome_decided_inside_is_kept(lines):
    entry = serving(Pieces(b"no"), "404 NOT FOUND", prepare=lambda exchange: exchange.fail(Outcome.REFUSED, "why"))(
        an_environ(), Server().start_response
    )

    list(entry)
    entry.close()

    (line,) = lines()
    assert (line["outcome"], line["cause"], line["status"]) == ("refused", "why", 404)


def test_the_upload_is_stopped_once_the_answer_is_decided(lines):
    upload = Upload(b"abc")
    stopped_before = []

    entry = serving(Pieces(b"ok"), prepare=lambda exchange: stopped_before.append(upload.is_stopped))(
        an_environ(**{"wsgi.input": upload}), Server().start_response
    )
    entry.close()

    assert (stopped_before, upload.is_stopped) == ([False], True)


def test_an_application_that_fails_outright_is_logged_too(lines):
    def serve(environ, start_response):
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        Ledger(serve)(an_environ(), Server().start_response)

    (line,) = lines()
    assert (line["outcome"], line["cause"], line["status"]) == ("refused", "SystemExit", 0)


def test_a_fault_of_flasks_own_is_a_500_in_the_routes_dialect_with_the_exchanges_id(lines):
    def serve(environ, start_response):
        environ[EXCHANGE].error_format = "anthropic"
        raise LookupError("secret")

    server = Server()
    with logged("tollhouse") as records:
        entry = Ledger(serve)(an_environ(), server.start_response)
        body = b"".join(entry)
        entry.close()

    (line,) = lines()
    error = json.loads(body)
    assert (server.status, error["type"], error["request_id"]) == (
        "500 Internal Server Error",
        "error",
        line["request_id"],
    )
    assert dict(server.fields)["x-gateway-request-id"] == line["request_id"]
    assert (line["outcome"], line["status"], line["cause"]) == ("refused", 500, "internal_error")
    assert b"secret" not in body
    assert any(record.exc_info for record in records)


def test_a_close_that_fails_does_not_lose_the_line(lines):
    class Failing(Pieces):
        def close(self):
            raise OSError("no")

    entry = serving(Failing(b"a"))(an_environ(), Server().start_response)
    list(entry)

    with pytest.raises(OSError, match="no"):
        entry.close()

    assert [line["outcome"] for line in lines()] == ["served"]


def test_an_answer_without_close_will_do(lines):
    entry = serving([b"ab"])(an_environ(), Server().start_response)

    assert list(entry) == [b"ab"]
    entry.close()

    assert [line["bytes_out"] for line in lines()] == [2]


@pytest.fixture
def told():
    return []


@pytest.fixture
def observers(told):
    """Observers that note each turn, and what was known at it."""
    return Observers(
        opened=(lambda exchange: told.append("opened"),),
        answered=(lambda exchange, names: told.append(("answered", exchange.status, names)),),
        closed=(lambda exchange: told.append(("closed", str(exchange.outcome))), lambda _: told.append("and logged")),
    )


def test_observers_are_told_of_each_turn_in_order(told, observers):
    def serve(environ, start_response):
        told.append("served")
        environ[EXCHANGE].endings.append(lambda: told.append("ended"))
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-A", "1")])
        return [b"ab"]

    entry = Ledger(serve, observers)(an_environ(), Server().start_response)
    list(entry)
    entry.close()

    answered = ("answered", 200, {"content-type", "x-a"})
    assert told == ["opened", "served", answered, "ended", ("closed", "served"), "and logged"]


def test_observers_see_the_end_of_an_application_that_fails_outright(told, observers):
    def serve(environ, start_response):
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        Ledger(serve, observers)(an_environ(), Server().start_response)

    assert told == ["opened", ("closed", "refused"), "and logged"]


def test_what_the_server_has_answered_by_itself_is_taken_down_too(told, observers):
    exchange = an_exchange(outcome=Outcome.REFUSED, status=414, endings=[lambda: told.append("ended")])

    Ledger(lambda environ, start_response: [], observers).enter(exchange)

    assert told == ["opened", "ended", ("closed", "refused"), "and logged"]


@pytest.mark.parametrize(
    ("upstreams", "told"),
    [
        ("x-ratelimit-limit-requests", ["RateLimit"]),
        ("ratelimit", ["RateLimit", "x-ratelimit-remaining-requests"]),
        ("x-other", ["RateLimit", "x-ratelimit-remaining-requests"]),
    ],
)
def test_the_upstreams_numbers_are_not_mixed_with_ours(upstreams, told):
    exchange = an_exchange()
    exchange.answer_fields += [("RateLimit", "r"), ("x-ratelimit-remaining-requests", "4")]

    added = _added(exchange, {upstreams})

    assert [name for name, _ in added] == [*told, "x-gateway-request-id"]
