"""DATA_DIR is removed under a running gateway, and a worker is replaced: no worker goes on by itself (CONTRACT §4)."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable

from tests.kit import canaries
from tests.kit.client import Client
from tests.kit.gateway import Gateway
from tests.kit.house import House, bearer
from tests.kit.upstream import Upstream
from tests.kit.waiting import eventually
from tests.kit.workers import client_of_each

WORKERS = 2
DEADLINE_S = 60.0
LIMIT = 5
CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://{upstream}/closed", auth: true}}
keys:
  - {{key: os.environ/TEAM_KEY, key_alias: team, rpm_limit: 5}}
"""


def test_a_folder_removed_and_a_worker_replaced_leave_one_count_and_one_list_of_keys(
    start_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    config = CONFIG.format(upstream=upstream.authority)
    gateway = start_gateway(config, workers=WORKERS, **canaries.GATEWAY_KEYS)
    house, team = House(gateway), bearer(canaries.GATEWAY_KEYS["TEAM_KEY"])
    lost = bearer(house.new_key())
    counted = [gateway.ask("GET", "/closed", [team]).status for _ in range(LIMIT - 1)]
    gateway.close_clients()
    old = gateway.worker_pids()

    shutil.rmtree(gateway.folder / "var")
    os.kill(old[0], signal.SIGKILL)
    told = eventually(lambda: took_up(gateway) or None, DEADLINE_S, "the log tells of the loss")
    eventually(lambda: len(set(gateway.worker_pids()) - {old[0]}) == WORKERS, DEADLINE_S, "another worker is there")
    workers = list(client_of_each(gateway).values())
    eventually(lambda: all(status(client, "/health/readiness") == 200 for client in workers), DEADLINE_S, "ready")

    assert [status(client, "/closed", team) for client in workers for _ in range(2)] == [200, 429, 429, 429]
    eventually(lambda: all(status(client, "/closed", lost) == 401 for client in workers), DEADLINE_S, "lost in both")
    made = house.new_key()
    assert [status(client, "/closed", bearer(made)) for client in workers] == [200, 200]
    house.done("block", key=made)
    assert [status(client, "/closed", bearer(made)) for client in workers] == [401, 401]
    assert (counted, len(told)) == ([200] * (LIMIT - 1), 1)
    assert str(gateway.folder / "var") in told[0]


def took_up(gateway: Gateway) -> list[str]:
    events = [str(record["event"]) for record in gateway.records()]
    return [event for event in events if "removed or replaced while in use" in event]


def status(client: Client, path: str, *fields: tuple[str, str]) -> int:
    return client.ask("GET", path, fields).status
