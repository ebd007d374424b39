"""What blocks does so in another thread, in turn, and nobody waits longer than they have time."""

import threading

import gevent
import pytest

from app.stores.native_thread import NativeThread, ThreadBusy, ThreadStuck

SOON_S = 0.01
LONG_S = 10.0


@pytest.fixture
def thread():
    thread = NativeThread()
    yield thread
    thread.close()


def test_work_is_done_in_one_other_thread(thread):
    threads = {thread.run(threading.get_ident, LONG_S) for _ in range(3)}

    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_what_the_work_raises_arrives_and_nothing_is_printed(thread, capfd):
    def fail():
        raise LookupError("quoting a secret")

    with pytest.raises(LookupError, match="quoting"):
        thread.run(fail, LONG_S)

    assert capfd.readouterr() == ("", "")


def test_the_event_loop_goes_on_meanwhile(thread):
    may_end = threading.Event()
    waiting = gevent.spawn(thread.run, lambda: may_end.wait(LONG_S), LONG_S)

    gevent.spawn(may_end.set)

    assert waiting.get() is True


def test_who_waits_too_long_for_the_end_goes_without_it(thread):
    may_end = threading.Event()

    with pytest.raises(ThreadStuck):
        thread.run(lambda: may_end.wait(LONG_S), SOON_S)

    may_end.set()
    assert thread.run(lambda: "next", LONG_S) == "next"


def test_who_has_given_up_in_line_leaves_nothing_to_be_done(thread):
    may_end, done = threading.Event(), []
    first = gevent.spawn(thread.run, lambda: may_end.wait(LONG_S), LONG_S)
    gevent.idle()

    with pytest.raises(ThreadBusy):
        thread.run(lambda: done.append("late"), SOON_S)

    may_end.set()
    first.get()
    assert thread.run(lambda: "next", LONG_S) == "next"
    assert done == []


def test_another_timeout_stays_another_timeout(thread):
    may_end = threading.Event()

    with pytest.raises(gevent.Timeout) as passed, gevent.Timeout(SOON_S) as own:
        thread.run(lambda: may_end.wait(LONG_S), LONG_S)

    may_end.set()
    assert passed.value is own
