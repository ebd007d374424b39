"""RELIABILITY 4.3 over HTTP: PostgreSQL goes away while keys are in use, and workers come and go meanwhile.

Known keys go on in every worker, also in one that was started since; unknown ones get a 503; a revoked one stays
refused. That it is for 300 s is told by the clock that `tests/stores` pass in.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.kit import canaries
from tests.kit.claims import gateway_error
from tests.kit.client import Client
from tests.kit.databases import postgres, stopped_postgres  # noqa: F401  fixtures
from tests.kit.gateway import ROOT, Gateway
from tests.kit.house import House, bearer
from tests.kit.postgres import Postgres
from tests.kit.upstream import Upstream
from tests.kit.waiting import eventually
from tests.kit.workers import client_of_each

WORKERS = 3
DEADLINE_S = BACK_S = 60.0  # workers start together, beside other tests
CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://{upstream}/closed", auth: true}}
"""


@pytest.fixture(scope="module")
def database_url(postgres: Postgres) -> str:  # noqa: F811
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE outage")
    return postgres.url("outage")


@pytest.fixture(scope="module")
def shared_house(start_gateway: Callable[..., Gateway], shared_upstream: Upstream, database_url: str) -> House:
    config = CONFIG.format(upstream=shared_upstream.authority)
    return House(start_gateway(config, workers=WORKERS, DATABASE_URL=database_url, **canaries.GATEWAY_KEYS))


@pytest.fixture
def house(shared_house: House, stopped_postgres: Postgres) -> Iterator[House]:  # noqa: F811
    """A gateway of three workers whose keys are in PostgreSQL; ready, with that server, when a test ends."""
    yield shared_house
    if stopped_postgres.process.poll() is not None:
        stopped_postgres.start()
    stopped_postgres.go_on()
    gateway = shared_house.gateway
    eventually(lambda: all(readiness(client)[0] == 200 for client in everyone(gateway)), BACK_S, "it is ready again")
    gateway.close_clients()


def everyone(gateway: Gateway) -> list[Client]:
    """Return a new connection to each worker."""
    gateway.close_clients()
    return list(client_of_each(gateway).values())


def answers(workers: list[Client], key: str) -> list[tuple[int, str]]:
    """Return status and error code of each worker's answer to a key; a 503 says when to come back."""
    got = [client.ask("GET", "/closed", [bearer(key)]) for client in workers]
    assert all(int(answer.fields.one("retry-after")) >= 1 for answer in got if answer.status == 503)
    return [(answer.status, "" if answer.status == 200 else str(gateway_error(answer)["code"])) for answer in got]


def readiness(client: Client) -> tuple[int, bytes]:
    answer = client.ask("GET", "/health/readiness")
    return answer.status, bytes(answer.body)


def replace_all(gateway: Gateway) -> None:
    """SIGHUP: the workers that served so far are gone afterwards."""
    _replace(gateway, lambda _: gateway.signal(signal.SIGHUP))


def kill_all(gateway: Gateway) -> None:
    _replace(gateway, lambda pids: [os.kill(pid, signal.SIGKILL) for pid in pids])


def _replace(gateway: Gateway, act: Callable[[set[int]], object]) -> None:
    old = set(gateway.worker_pids())
    gateway.close_clients()
    act(old)

    def is_replaced() -> bool:
        now = set(gateway.worker_pids())
        return len(now) == WORKERS and not now & old

    eventually(is_replaced, DEADLINE_S, "all workers are replaced")


ADMITTED = [(200, "")] * WORKERS
REFUSED = [(401, "invalid_api_key")] * WORKERS
UNKNOWN = [(503, "store_unavailable")] * WORKERS


def test_key_that_one_worker_knew_goes_on_in_all_that_come_meanwhile(
    house: House,
    upstream: Upstream,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    """AK-11, G15: whoever is asked; somebody whom nobody knew is told to come back."""
    gateway, key = house.gateway, house.new_key()
    assert gateway.ask("GET", "/closed", [bearer(key)]).status == 200

    stopped_postgres.stop()
    told = []
    for come in (lambda _: None, replace_all, kill_all):
        come(gateway)
        workers = everyone(gateway)
        told.append([answers(workers, asked) for asked in (key, "sk-of-somebody-perhaps", key)])

    assert told == [[ADMITTED, UNKNOWN, ADMITTED]] * 3
    assert len(upstream.requests) == 1 + 6 * WORKERS


def block(house: House, key: str) -> None:
    house.done("block", key=key)


def block_by_update(house: House, key: str) -> None:
    house.done("update", key=key, blocked=True)


def delete(house: House, key: str) -> None:
    house.done("delete", keys=[key])


def regenerate(house: House, key: str) -> None:
    house.done("regenerate", key=key)


def block_by_command(house: House, key: str) -> None:
    key_id = next(row["key_id"] for row in house.listed() if row["key_name"] == f"sk-...{key[-4:]}")
    command = [sys.executable, "-m", "app", "keys", "block", key_id]
    environ = {**house.gateway._environ, "LOG_LEVEL": "ERROR"}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)


REVOCATIONS = (block_by_command, regenerate, delete, block_by_update, block)


def test_keys_revoked_just_before_stay_refused_and_all_others_go_on(
    house: House,
    upstream: Upstream,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    """G15: all workers had them in use, and the server is gone as soon as the last answer is there."""
    gateway, other = house.gateway, house.new_key()
    revoked = [house.new_key() for _ in REVOCATIONS]
    workers = everyone(gateway)
    assert [answers(workers, key) for key in (*revoked, other)] == [ADMITTED] * (len(revoked) + 1)
    went_up = len(upstream.requests)

    for revoke, key in zip(REVOCATIONS, revoked, strict=True):
        revoke(house, key)
    stopped_postgres.stop()

    assert [answers(workers, key) for key in (*revoked, other)] == [*[REFUSED] * len(revoked), ADMITTED]
    kill_all(gateway)
    workers = everyone(gateway)
    assert [answers(workers, key) for key in (*revoked, other)] == [*[REFUSED] * len(revoked), ADMITTED]
    assert len(upstream.requests) == went_up + 2 * WORKERS


def test_key_that_nobody_could_revoke_meanwhile_goes_on(
    house: House,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    """What was refused has not happened."""
    gateway, key = house.gateway, house.new_key()
    assert answers(everyone(gateway), key) == ADMITTED

    stopped_postgres.stop()
    refused = house.post("block", key=key)

    assert (refused.status, gateway_error(refused)["code"]) == (503, "store_unavailable")
    assert answers(everyone(gateway), key) == ADMITTED


def test_new_limit_is_in_force_while_the_store_is_away(
    house: House,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    """RL-17: what was changed last is what is known."""
    gateway, key = house.gateway, house.new_key(rpm_limit=1000)
    assert answers(everyone(gateway), key) == ADMITTED

    house.done("update", key=key, rpm_limit=0)
    stopped_postgres.stop()

    assert [status for status, _ in answers(everyone(gateway), key)] == [403] * WORKERS


def test_every_worker_tells_of_the_outage_and_the_log_does_once(
    house: House,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    """One line for each change over all workers; readiness tells what one of them has found."""
    gateway = house.gateway
    before = words_about_the_store(gateway)
    stopped_postgres.stop()

    workers = everyone(gateway)
    for number in range(3):
        assert answers(workers, f"sk-of-somebody-perhaps-{number}") == UNKNOWN
    told = {readiness(client) for client in workers}
    kill_all(gateway)
    assert answers(everyone(gateway), "sk-of-somebody-perhaps") == UNKNOWN
    stopped_postgres.start()
    eventually(lambda: all(readiness(client)[0] == 200 for client in everyone(gateway)), BACK_S, "it is ready again")

    ((status, body),) = told
    assert (status, b'"keys":{"since":' in body.replace(b" ", b"")) == (503, True)
    assert words_about_the_store(gateway)[len(before) :] == ["error", "warning"]


def test_readiness_tells_of_the_outage_although_nobody_has_asked_for_a_key(
    house: House,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    client = house.gateway.client()
    stopped_postgres.stop()

    eventually(lambda: readiness(client)[0] == 503, BACK_S, "it is not ready")

    assert b'"keys":{"since":' in readiness(client)[1].replace(b" ", b"")


def words_about_the_store(gateway: Gateway) -> list[str]:
    """Return the levels of what the log says of the key store."""
    return [record["level"] for record in gateway.records() if str(record.get("event")).startswith("the key store ")]


def test_server_that_stalls_is_away_in_time_and_used_again_after(
    house: House,
    upstream: Upstream,
    stopped_postgres: Postgres,  # noqa: F811
) -> None:
    """G15, SIGSTOP: connections stand, and nothing answers."""
    gateway, known, fresh = house.gateway, house.new_key(), house.new_key()
    assert gateway.ask("GET", "/closed", [bearer(known)]).status == 200
    workers = everyone(gateway)

    stopped_postgres.stall()
    during = answers(workers, known), answers(workers, "sk-of-somebody-perhaps")
    stopped_postgres.go_on()

    assert during == (ADMITTED, UNKNOWN)
    eventually(lambda: answers(workers, fresh) == ADMITTED, BACK_S, "it is known whose key that is")
    eventually(lambda: answers(workers, "sk-of-somebody-perhaps") == REFUSED, BACK_S, "it is asked whose key that is")
