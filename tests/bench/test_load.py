"""What is read out of wrk's words, and of those of our own generator."""

import json
from collections import Counter

import pytest

from bench.call import Call, chat_body
from bench.callers import report
from bench.load import LoadFailed, answered

GOOD = "  2 threads and 16 connections\n  5123 requests in 2.00s, 7.21MB read\nRequests/sec:   2561.5\n"


def test_wrks_requests_are_counted():
    assert answered(GOOD) == 5123


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(GOOD + "  Non-2xx or 3xx responses: 1\n", id="refused"),
        pytest.param(GOOD + "  Socket errors: connect 0, read 3, write 0, timeout 0\n", id="broken off"),
        pytest.param("  0 requests in 1.09s, 0.00B read\n", id="silent"),
        pytest.param("unable to connect\n", id="not wrk's words"),
    ],
)
def test_a_load_that_was_not_answered_well_gives_no_figure(words):
    with pytest.raises(LoadFailed):
        answered(words)


def test_a_late_answer_at_the_end_is_no_failure():
    assert answered(GOOD + "  Socket errors: connect 0, read 0, write 0, timeout 2\n") == 5123


def test_our_own_generator_speaks_like_wrk():
    assert answered(report(Counter({200: 7}), 1.0)) == 7
    with pytest.raises(LoadFailed):
        answered(report(Counter({200: 7, 503: 1}), 1.0))


@pytest.mark.parametrize("octets", [1000, 100_000])
def test_a_body_has_just_the_octets_asked_for(octets):
    body = chat_body(octets, stream=True)

    assert len(body) == octets
    assert json.loads(body)["stream"] is True


def test_a_call_tells_its_length():
    octets = Call(80, "/x", (("Authorization", "Bearer k"),), b"{}").octets()

    assert octets.startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n")
    assert octets.endswith(b"\r\nAuthorization: Bearer k\r\nContent-Length: 2\r\n\r\n{}")
