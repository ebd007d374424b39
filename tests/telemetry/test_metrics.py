"""Each exchange is counted once, under labels from lists that end."""

import time

import pytest

from app.exchange import Outcome
from app.telemetry.metrics import MOST_ALIASES, Metrics
from tests.values import an_exchange

SERVED = "http_server_request_duration_seconds"
CALLED = "http_client_request_duration_seconds"
ACTIVE = "http_server_active_requests"
STREAMS = "tollhouse_active_streams"
REFUSALS = "tollhouse_refusals"
FAILURES = "tollhouse_upstream_failures"


@pytest.fixture
def metrics():
    return Metrics()


def a_relayed_exchange(**facts):
    defaults = {"route": "/v1", "status": 200, "upstream_status": 200, "upstream_s": 0.3, "outcome": Outcome.SERVED}
    return an_exchange("POST", "/v1", **{**defaults, **facts})


def samples(metrics, name, suffix=""):
    """Return {label values in alphabetical order of the names: value} of one metric's samples."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in metrics.registry.collect()
        if family.name == name
        for sample in family.samples
        if sample.name == name + suffix
    }


def end(exchange):
    for ending in exchange.endings:
        ending()


def test_an_exchange_is_counted_by_alias_method_route_and_class(metrics):
    for status, alias in ((200, "team-a"), (204, "team-a"), (404, "team-a"), (503, None), (0, None), (799, None)):
        metrics.closed(a_relayed_exchange(status=status, key_alias=alias))

    assert samples(metrics, SERVED, "_count") == {
        ("team-a", "POST", "/v1", "2xx"): 2,
        ("team-a", "POST", "/v1", "4xx"): 1,
        ("", "POST", "/v1", "5xx"): 1,
        ("", "POST", "/v1", "other"): 2,
    }


def test_the_time_that_an_exchange_took_is_measured_from_its_arrival(metrics):
    metrics.closed(a_relayed_exchange(started_s=time.perf_counter() - 7.0))

    buckets = samples(metrics, SERVED, "_bucket")
    assert (buckets["", "5.0", "POST", "/v1", "2xx"], buckets["", "10.0", "POST", "/v1", "2xx"]) == (0, 1)


def test_the_upstream_is_timed_up_to_its_head(metrics):
    metrics.closed(a_relayed_exchange(upstream_s=0.3, upstream_status=201))
    metrics.closed(a_relayed_exchange(upstream_s=5.0, upstream_status=None, status=504))
    metrics.closed(a_relayed_exchange(upstream_s=0.0, upstream_status=None, status=401))

    assert samples(metrics, CALLED, "_sum") == {("POST", "/v1", "2xx"): 0.3, ("POST", "/v1", ""): 5.0}


def test_a_path_that_is_no_routes_is_no_label(metrics):
    for number in range(3):
        metrics.closed(an_exchange("GET", f"/scan/{number}.php", status=404, outcome=Outcome.REFUSED))

    assert samples(metrics, SERVED, "_count") == {("", "GET", "", "4xx"): 3}


@pytest.mark.parametrize(
    ("method", "label"), [("PATCH", "PATCH"), ("PROPFIND", "other"), ("get", "other"), ("-", "other")]
)
def test_a_method_that_http_does_not_know_is_other(metrics, method, label):
    exchange = an_exchange(method, status=405, outcome=Outcome.REFUSED)

    metrics.opened(exchange)
    metrics.closed(exchange)

    assert samples(metrics, SERVED, "_count") == {("", label, "", "4xx"): 1}
    assert samples(metrics, ACTIVE) == {(label,): 1}


def test_aliases_beyond_a_number_are_other(metrics):
    for number in range(MOST_ALIASES + 5):
        metrics.closed(a_relayed_exchange(key_alias=f"team-{number}"))
    metrics.closed(a_relayed_exchange(key_alias="team-0"))

    counts = samples(metrics, SERVED, "_count")
    assert len(counts) == MOST_ALIASES + 1
    assert (counts["other", "POST", "/v1", "2xx"], counts["team-0", "POST", "/v1", "2xx"]) == (5, 2)


def test_a_request_is_active_until_its_exchange_ends(metrics):
    exchanges = [an_exchange("GET"), an_exchange("GET"), an_exchange("POST")]

    for exchange in exchanges:
        metrics.opened(exchange)
    during = samples(metrics, ACTIVE)
    for exchange in exchanges:
        end(exchange)

    assert (during, samples(metrics, ACTIVE)) == ({("GET",): 2, ("POST",): 1}, {("GET",): 0, ("POST",): 0})


def test_a_relayed_answer_without_a_length_is_a_stream_until_its_exchange_ends(metrics):
    exchange = a_relayed_exchange()

    metrics.answered(exchange, {"content-type"})
    during = samples(metrics, STREAMS)
    end(exchange)

    assert (during, samples(metrics, STREAMS)) == ({("/v1",): 1}, {("/v1",): 0})


@pytest.mark.parametrize(
    ("upstream_status", "names"),
    [pytest.param(200, {"content-length"}, id="a length"), pytest.param(None, set(), id="the gateway's own answer")],
)
def test_any_other_answer_is_no_stream(metrics, upstream_status, names):
    metrics.answered(a_relayed_exchange(upstream_status=upstream_status), names)

    assert samples(metrics, STREAMS) == {}


def test_refusals_are_counted_by_their_code(metrics):
    for _ in range(2):
        exchange = a_relayed_exchange(outcome=None, key_alias="team-a")
        exchange.fail(Outcome.REFUSED, "invalid_request: No.", "invalid_request")
        metrics.closed(exchange)
    metrics.closed(a_relayed_exchange(outcome=Outcome.REFUSED))

    assert samples(metrics, REFUSALS, "_total") == {
        ("team-a", "invalid_request", "/v1"): 2,
        ("", "other", "/v1"): 1,
    }
    assert samples(metrics, FAILURES, "_total") == {}


def test_upstream_failures_are_counted_by_kind(metrics):
    late, broken = a_relayed_exchange(outcome=None), a_relayed_exchange(outcome=None)
    late.fail(Outcome.UPSTREAM_FAILED, "upstream_timeout: late", "upstream_timeout")
    broken.fail(Outcome.UPSTREAM_FAILED, "the upstream closed its connection in mid-body")

    metrics.closed(late)
    metrics.closed(broken)

    assert samples(metrics, FAILURES, "_total") == {
        ("upstream_timeout", "/v1"): 1,
        ("upstream_stream_broken", "/v1"): 1,
    }
    assert samples(metrics, REFUSALS, "_total") == {}


@pytest.mark.parametrize("outcome", [Outcome.SERVED, Outcome.CLIENT_LEFT])
def test_what_is_nobodys_fault_is_neither(metrics, outcome):
    metrics.closed(a_relayed_exchange(outcome=outcome))

    assert samples(metrics, REFUSALS, "_total") == samples(metrics, FAILURES, "_total") == {}


def test_without_room_nothing_new_is_counted_and_what_is_known_goes_on():
    room = [True]
    metrics = Metrics(lambda: room[0])
    metrics.closed(a_relayed_exchange())

    room[0] = False
    newcomer = a_relayed_exchange(route="/v2")
    metrics.opened(newcomer)
    metrics.answered(newcomer, set())
    metrics.closed(newcomer)
    metrics.closed(a_relayed_exchange())

    assert samples(metrics, SERVED, "_count") == {("", "POST", "/v1", "2xx"): 2}
    assert newcomer.endings == []


def test_a_request_that_began_without_room_does_not_end_one_too_many():
    room = [False]
    metrics = Metrics(lambda: room[0])
    exchange = an_exchange("GET")
    metrics.opened(exchange)

    room[0] = True
    end(exchange)
    metrics.opened(an_exchange("GET"))

    assert samples(metrics, ACTIVE) == {("GET",): 1}
