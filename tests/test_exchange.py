"""The value that the rooms pass along: the first word on how it ended stands."""

import pytest

from app.exchange import NoBody, Outcome
from tests.values import an_exchange


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Outcome.SERVED, "served"),
        (Outcome.REFUSED, "refused"),
        (Outcome.UPSTREAM_FAILED, "upstream_failed"),
        (Outcome.CLIENT_LEFT, "client_left"),
    ],
)
def test_outcomes_are_the_words_of_the_contract(outcome, word):
    assert str(outcome) == word
    assert list(Outcome).index(outcome) < 4


def test_the_first_word_on_how_it_ended_stands():
    exchange = an_exchange()

    exchange.fail(Outcome.UPSTREAM_FAILED, "the upstream hung up")
    exchange.fail(Outcome.REFUSED, "invalid_request: No.", "invalid_request")

    assert (exchange.outcome, exchange.cause) == (Outcome.UPSTREAM_FAILED, "the upstream hung up")
    assert exchange.reason is None


def test_a_new_exchange_has_not_ended():
    exchange = an_exchange()

    assert (exchange.outcome, exchange.cause, exchange.status, exchange.upstream_status) == (None, None, 0, None)
    assert (exchange.bytes_out, exchange.first_byte_s, exchange.error_format) == (0, None, "openai")
    assert exchange.reason is None


def test_no_body_is_whole_from_the_start():
    body = NoBody()

    body.stop()

    assert (body.length, body.is_chunked, body.is_whole, body.received) == (None, False, True, 0)
    assert (body.arrived(), list(body.pieces())) == (b"", [])
