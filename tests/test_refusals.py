"""What goes wrong before an answer has begun becomes an answer in the route's dialect, and tells no secret."""

import pytest
from flask import Flask, request
from werkzeug.exceptions import RequestEntityTooLarge

from app import ledger, refusals
from app.dialects import DIALECTS, error_body
from app.errors import (
    ClientLeft,
    InvalidRequest,
    MethodNotAllowed,
    RequestTooLarge,
    RouteNotFound,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.exchange import EXCHANGE
from tests.values import ask, logged


class Failing:
    """A served app whose /fail raises what it is told to, in the dialect it is told."""

    def __init__(self):
        self.fault, self.dialect, self.exchange = None, "openai", None
        app = Flask("failing")
        ledger.init_app(app)
        refusals.init_app(app)
        app.add_url_rule("/fail", view_func=self.fail, methods=["GET", "HEAD"])
        self.client = app.test_client()

    def fail(self):
        self.exchange = request.environ[EXCHANGE]
        self.exchange.error_format = self.dialect
        raise self.fault

    def get(self, fault, dialect="openai", **more):
        self.fault, self.dialect = fault, dialect
        return ask(self.client, "GET", "/fail", **more)


@pytest.fixture
def failing():
    return Failing()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refusal_is_told_in_the_routes_dialect(failing, dialect):
    refusal = RequestTooLarge("The request body is larger than the 10 octets this gateway takes.")

    answer = failing.get(refusal, dialect)

    assert (answer.status_code, answer.json) == (413, error_body(refusal, dialect, failing.exchange.request_id))
    assert answer.headers.getlist("Content-Type") == ["application/json"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["x-gateway-request-id"] == failing.exchange.request_id


@pytest.mark.parametrize(
    ("refusal", "outcome", "cause"),
    [
        (InvalidRequest("No."), "refused", "invalid_request: No."),
        (RouteNotFound("No."), "refused", "route_not_found: No."),
        (UpstreamUnreachable("No."), "upstream_failed", "upstream_unreachable: No."),
        (UpstreamTimeout("No."), "upstream_failed", "upstream_timeout: No."),
    ],
    ids=["invalid", "not found", "unreachable", "timeout"],
)
def test_the_exchange_tells_whose_fault_it_was(failing, refusal, outcome, cause):
    failing.get(refusal)

    assert (str(failing.exchange.outcome), failing.exchange.cause) == (outcome, cause)
    assert failing.exchange.reason == refusal.code


def test_the_log_has_the_upstreams_fault_that_the_client_is_not_told(failing):
    fault = UpstreamUnreachable("The upstream could not be reached.")
    fault.__cause__ = OSError("no route to 10.0.0.7")

    answer = failing.get(fault)

    assert failing.exchange.cause == "upstream_unreachable: no route to 10.0.0.7"
    assert "10.0.0.7" not in answer.text


def test_a_refused_method_tells_the_others(failing):
    answer = failing.get(MethodNotAllowed("The route /x takes GET, PUT.", allow=("GET", "PUT")))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PUT")


def test_an_unknown_path_is_the_gateways_404(failing):
    answer = ask(failing.client, "GET", "/other")

    assert (answer.status_code, answer.json["error"]["code"]) == (404, "route_not_found")


def test_a_method_of_no_page_is_the_gateways_405(failing):
    answer = ask(failing.client, "PUT", "/fail")

    assert (answer.status_code, answer.json["error"]["code"]) == (405, "method_not_allowed")
    assert {"GET", "HEAD"} <= set(answer.headers["Allow"].split(", "))


def test_any_other_http_fault_is_an_invalid_request(failing):
    answer = failing.get(RequestEntityTooLarge())

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "invalid_request")


def test_a_malformed_request_is_refused_before_it_is_routed(failing):
    answer = ask(failing.client, "GET", "/x/../fail")

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "invalid_request")
    assert failing.exchange is None


def test_a_fault_of_ours_tells_the_client_nothing_and_the_log_all(failing):
    fault = LookupError("secret detail")

    with logged("tollhouse") as records:
        answer = failing.get(fault)

    assert (answer.status_code, answer.json["error"]["code"]) == (500, "internal_error")
    assert "secret detail" not in answer.text
    (record,) = records
    assert record.getMessage() == f"fault in exchange {failing.exchange.request_id}"
    assert record.exc_info[1] is fault


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_left_gets_no_answer_and_the_log_its_outcome(failing, method):
    failing.fault = ClientLeft("the client closed its connection in mid-upload")

    with pytest.raises(ClientLeft):
        ask(failing.client, method, "/fail")

    assert (failing.exchange.status, str(failing.exchange.outcome)) == (499, "client_left")
    assert failing.exchange.cause == "the client closed its connection in mid-upload"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_refusal_of_head_has_the_head_of_gets(failing, dialect):
    failing.fault, failing.dialect = InvalidRequest("No."), dialect
    got = ask(failing.client, "GET", "/fail")

    answer = ask(failing.client, "HEAD", "/fail")

    assert (answer.status_code, answer.data) == (400, b"")
    assert answer.headers["Content-Length"] == got.headers["Content-Length"]
