"""The one line of an exchange tells how it went, and nothing that is secret."""

import logging

import pytest

from app.exchange import Outcome
from app.key_index import KeyIndex
from app.telemetry.exchange_log import ExchangeRecord, exchange_facts, log_exchange
from tests.values import Upload, an_exchange, logged


def a_served_exchange(**facts):
    return an_exchange(
        "POST",
        "/v1/x?key=canary",
        started_s=100.0,
        first_byte_s=100.25,
        upstream_s=0.24,
        status=201,
        upstream_status=201,
        outcome=Outcome.SERVED,
        route="/v1/{name}",
        bytes_out=7,
        **facts,
    )


def test_the_line_tells_all_that_the_contract_names():
    body = Upload(arrived=b"abc")
    body.arrived()

    assert exchange_facts(a_served_exchange(body=body), now_s=101.0) == {
        "request_id": "id-1",
        "route": "/v1/{name}",
        "method": "POST",
        "path": "/v1/x",
        "status": 201,
        "outcome": "served",
        "key_alias": None,
        "bytes_in": 3,
        "bytes_out": 7,
        "upstream_status": 201,
        "first_byte_ms": 250.0,
        "total_ms": 1000.0,
        "gateway_ms": 10.0,
    }


def test_an_exchange_without_a_first_byte_took_all_its_time_for_it():
    facts = exchange_facts(an_exchange(started_s=100.0, outcome=Outcome.REFUSED), now_s=100.5)

    assert (facts["first_byte_ms"], facts["total_ms"], facts["gateway_ms"]) == (500.0, 500.0, 500.0)
    assert (facts["route"], facts["upstream_status"]) == (None, None)


def test_a_cause_is_told_where_there_is_one():
    exchange = an_exchange()
    exchange.fail(Outcome.UPSTREAM_FAILED, "upstream_timeout: late")

    facts = exchange_facts(exchange, now_s=1.0)

    assert (facts["outcome"], facts["cause"]) == ("upstream_failed", "upstream_timeout: late")
    assert "cause" not in exchange_facts(a_served_exchange(), now_s=101.0)


def test_neither_query_nor_fields_nor_body_are_told():
    exchange = a_served_exchange(fields=[("AUTHORIZATION", "canary")], body=Upload(b"canary"))

    assert "canary" not in str(exchange_facts(exchange, now_s=101.0))


def test_a_key_in_the_path_is_told_neither_where_it_was_found_nor_where_nobody_looked():
    """A request that no route takes is not searched; what the file's keys are is known all the same."""
    found = exchange_facts(an_exchange("GET", "/x/found-key/y", keys_withheld=KeyIndex({"found-key"})), now_s=1.0)
    unrouted = exchange_facts(an_exchange("GET", "/x/file-key/y"), now_s=1.0, keys=KeyIndex({"file-key"}))

    assert (found["path"], unrouted["path"]) == ("/x/****/y", "/x/****/y")


def test_an_exchange_is_one_record():
    with logged("tollhouse.exchange") as records:
        log_exchange(a_served_exchange())

    assert [(record.getMessage(), record.levelname, record.facts["status"]) for record in records] == [
        ("exchange", "INFO", 201)
    ]


def test_the_record_is_one_that_any_formatter_can_write():
    logger = logging.getLogger("tollhouse.exchange")
    plain = logger.makeRecord(logger.name, logging.INFO, "", 0, "exchange", (), None, extra={"facts": {}})

    record = ExchangeRecord({})

    assert vars(record).keys() == vars(plain).keys()
    written = logging.Formatter("%(levelname)s %(levelno)d %(name)s %(message)s").format(record)
    assert written == "INFO 20 tollhouse.exchange exchange"
    assert plain.created <= record.created < plain.created + 60
    assert record.msecs == pytest.approx(record.created % 1 * 1000)


def test_each_record_has_its_own_facts():
    first, second = ExchangeRecord({"x": 1}), ExchangeRecord({"x": 2})

    assert (first.facts, second.facts) == ({"x": 1}, {"x": 2})
    assert first.created <= second.created


def test_debug_tells_of_the_relayed_call():
    with logged("tollhouse.relay", logging.DEBUG) as records:
        log_exchange(a_served_exchange())

    (record,) = records
    assert record.getMessage().startswith("relayed POST /v1/x: upstream 201, first byte after 250.0 ms, all after ")
    assert "canary" not in record.getMessage()


def test_debug_tells_nothing_of_a_call_that_was_never_made():
    with logged("tollhouse.relay", logging.DEBUG) as records:
        log_exchange(an_exchange(outcome=Outcome.REFUSED))

    assert records == []


def test_above_debug_there_is_only_the_exchanges_line():
    with logged("tollhouse.relay", logging.INFO) as records:
        log_exchange(a_served_exchange())

    assert records == []
