"""Code of others may lose the context that Flask keeps the request in; the exchange goes on in its own."""

import gc
from contextvars import Context, ContextVar

import gevent
import pytest
from greenlet import getcurrent, greenlet

from app.relay.watch import DepartureWatch
from app.relay.watched import Departed, Watched
from tests.values import an_exchange, logged

REQUEST: ContextVar[str] = ContextVar("request")


@pytest.fixture
def watched():
    return Watched(an_exchange(), DepartureWatch())


def in_a_greenlet(work):
    """Return what the work returns, done as a worker does it."""
    return gevent.spawn(work).get()


class Waiting:
    """Garbage whose finalizer waits, as one does that needs a lock."""

    def __init__(self):
        self.itself = self

    def __del__(self):
        gevent.sleep(0)


def let_go(held):
    held.clear()


def lose_the_context():
    """Let a suspended greenlet go while the collector is due: the next object that is made starts it."""
    suspended = greenlet(lambda: getcurrent().parent.switch())
    suspended.switch()
    held = [suspended]
    del suspended
    usual = gc.get_threshold()
    gc.disable()
    Waiting()
    gc.set_threshold(1)
    gc.enable()
    try:
        let_go(held)
    finally:
        gc.set_threshold(*usual)


def leave_for_another_context():
    getcurrent().gr_context = Context()


@pytest.mark.parametrize("lose", [lose_the_context, leave_for_another_context])
def test_a_context_that_is_lost_is_put_back(watched, lose):
    def work():
        token = REQUEST.set("ours")
        watched.call(lose)
        found = REQUEST.get()
        REQUEST.reset(token)  # refuses in any other context, were it a copy of this one
        return found

    assert in_a_greenlet(work) == "ours"


@pytest.mark.parametrize("fault", [ValueError, Departed])
def test_a_context_is_put_back_after_a_fault_too(watched, fault):
    def lose():
        leave_for_another_context()
        raise fault

    def work():
        REQUEST.set("ours")
        with pytest.raises((fault, OSError)):
            watched.call(lose)
        return REQUEST.get()

    assert in_a_greenlet(work) == "ours"


def test_what_a_call_sets_in_the_context_stays(watched):
    def work():
        REQUEST.set("ours")
        watched.call(REQUEST.set, "theirs")
        return REQUEST.get()

    assert in_a_greenlet(work) == "theirs"


def test_a_context_that_is_lost_is_told(watched):
    def work():
        REQUEST.set("ours")
        watched.call(leave_for_another_context)

    with logged("tollhouse") as records:
        in_a_greenlet(work)

    assert [record.levelname for record in records] == ["WARNING"]
