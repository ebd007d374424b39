"""Many callers on one connection, many questions in one round trip."""

import gevent
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.stores.batched_script import BatchedScript

SCRIPT = "return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}"


@pytest.fixture
def client(redis_server):
    client = redis.Redis(port=redis_server.port, retry=Retry(NoBackoff(), 0))
    yield client
    client.close()


@pytest.fixture
def script(client):
    return BatchedScript(client, SCRIPT)


def crowd(script, callers):
    """Ask from so many greenlets at once; returns their answers, or what they raised."""
    asking = [gevent.spawn(script.ask, "key", 1) for _ in range(callers)]
    gevent.joinall(asking)
    return [asked.value if asked.successful() else asked.exception for asked in asking]


def test_a_caller_gets_what_the_script_returns(script):
    assert script.ask("key", 5) == [b"key", 5]


def test_a_crowd_is_answered_one_by_one_on_one_connection(script, client, redis_server):
    answers = crowd(script, 100)

    assert sorted(number for _, number in answers) == list(range(1, 101))
    assert len(client.connection_pool._available_connections) == 1


def test_a_crowd_makes_few_round_trips(script, redis_server):
    script.ask("key", 1)
    before = redis_server.connection.info("stats")["total_reads_processed"]

    crowd(script, 100)

    assert redis_server.connection.info("stats")["total_reads_processed"] - before < 10


def test_a_server_that_forgot_the_script_is_told_it_again(script, redis_server):
    script.ask("key", 1)
    redis_server.connection.script_flush()

    assert [number for _, number in crowd(script, 3)] == [2, 3, 4]


def test_what_fails_fails_for_all_who_wait_and_for_none_later(script, redis_server):
    script.ask("key", 1)
    redis_server.kill()

    answers = crowd(script, 10)

    assert {type(answer) for answer in answers} == {redis.ConnectionError}
    redis_server.start()
    assert script.ask("key", 1) == [b"key", 1]


def test_one_bad_question_harms_no_other(script, redis_server):
    redis_server.connection.set("text", "a")
    asking = [gevent.spawn(script.ask, name, 1) for name in ("one", "text", "two")]
    gevent.joinall(asking)

    assert [asked.value for asked in asking] == [[b"one", 1], None, [b"two", 1]]
    assert isinstance(asking[1].exception, redis.ResponseError)
