"""Who is away is found out by a few and looked for by one; the log tells when it goes and when it comes."""

import logging

import pytest

from app.stores.circuit_breaker import CircuitBreaker, Server
from tests.stores.look_out import LookOut
from tests.values import logged


class Fickle:
    """A server that is there or not."""

    is_away = False
    looks = 0

    def probe(self):
        self.looks += 1
        if self.is_away:
            raise ConnectionRefusedError("nobody\nthere")


@pytest.fixture
def server():
    return Fickle()


@pytest.fixture
def look_out():
    return LookOut()


@pytest.fixture
def breaker(server, look_out):
    breaker = CircuitBreaker(
        Server(server.probe, (OSError,), "it is gone", "it is back"), lambda _is_open: True, look_out.wait
    )
    yield breaker
    breaker.end()


def test_a_server_that_answers_is_asked_by_everybody(breaker, server):
    breaker.look()

    assert (breaker.is_open, server.looks) == (False, 1)


def test_a_server_that_is_away_is_looked_for_each_second_until_it_is_back(breaker, server, look_out):
    server.is_away = True
    breaker.open(TimeoutError())
    for _ in range(3):
        look_out.look()
    was_open, server.is_away = breaker.is_open, False
    look_out.look()

    assert (was_open, breaker.is_open, server.looks) == (True, False, 4)
    assert look_out.waits_s == [1.0] * 4


def test_going_and_coming_are_one_line_each(breaker, server, look_out):
    server.is_away = True

    with logged("tollhouse", logging.WARNING) as records:
        breaker.look()
        breaker.open(TimeoutError())
        look_out.look()
        server.is_away = False
        look_out.look()

    assert [(record.levelname, record.getMessage()) for record in records] == [
        ("ERROR", "it is gone: ConnectionRefusedError: nobody"),
        ("WARNING", "it is back"),
    ]


def test_what_is_no_news_to_the_machine_makes_no_line(server, look_out):
    reported = []
    breaker = CircuitBreaker(Server(server.probe, (OSError,), "gone", "back"), reported.append, look_out.wait)

    with logged("tollhouse", logging.WARNING) as records:
        breaker.look()
        breaker.open(TimeoutError())
        look_out.look()

    assert (reported, list(records)) == ([False, True, False], [])


def test_a_fault_of_ours_is_not_taken_for_absence(look_out):
    breaker = CircuitBreaker(Server(lambda: 1 / 0, (OSError,), "gone", "back"), lambda _: True, look_out.wait)

    with pytest.raises(ZeroDivisionError):
        breaker.look()

    assert not breaker.is_open
