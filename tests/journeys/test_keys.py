"""RELIABILITY group AK over HTTP: what is done to a key holds in every worker at once (CONTRACT §4)."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kit import canaries
from tests.kit.claims import gateway_error
from tests.kit.client import Answer, Client
from tests.kit.gateway import ROOT, Gateway, free_port
from tests.kit.house import MASTER, Field, House, bearer
from tests.kit.upstream import Upstream
from tests.kit.waiting import eventually
from tests.kit.workers import client_of_each

WORKERS = 4
DEADLINE_S = 60.0  # workers start together, beside other tests
FILE_KEY, NARROW_KEY = canaries.GATEWAY_KEYS["TEAM_KEY"], canaries.GATEWAY_KEYS["NARROW_KEY"]
PAST = "2020-01-31T00:00:00Z"

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://{upstream}/closed", auth: true, forward_headers: true}}
    - {{path: /other, target: "http://{upstream}/other", auth: true}}
    - {{path: /open, target: "http://{upstream}/open", forward_headers: true}}
keys:
  - {{key: os.environ/TEAM_KEY, key_alias: team}}
"""
PAGES = [
    ("POST", "/key/generate"),
    ("POST", "/key/update"),
    ("POST", "/key/delete"),
    ("POST", "/key/block"),
    ("POST", "/key/unblock"),
    ("POST", "/key/regenerate"),
    ("GET", "/key/info"),
    ("GET", "/key/list"),
]


def secrets_left(gateway: Gateway, secrets: list[str]) -> list[tuple[str, str]]:
    """Return (where, secret) for each secret in the log or in a file of DATA_DIR, plainly."""
    texts = {"log": gateway.words()}
    texts |= {path.name: octets_of(path) for path in (gateway.folder / "var").rglob("*") if path.is_file()}
    return [(where, secret) for where, octets in texts.items() for secret in secrets if secret.encode() in octets]


def octets_of(path: Path) -> bytes:
    """Return what stands in a file, its holes left out: the counters' has some 200 MB of them (lseek(2))."""
    pieces, end = [], 0
    with path.open("rb", buffering=0) as file:
        while end < path.stat().st_size:
            try:
                begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:  # Nothing but a hole is left.
                break
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            pieces.append(os.pread(file.fileno(), end - begin, begin))
    return b"".join(pieces)


@pytest.fixture(scope="module")
def shared_house(start_gateway: Callable[..., Gateway], shared_upstream: Upstream) -> Iterator[House]:
    config = CONFIG.format(upstream=shared_upstream.authority)
    house = House(start_gateway(config, workers=WORKERS, **canaries.GATEWAY_KEYS))
    yield house
    assert secrets_left(house.gateway, house.told) == []


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """A gateway of four workers; when the module ends, no secret it has told may stand in its log or files (AK-04)."""
    yield shared_house
    shared_house.gateway.close_clients()


@pytest.fixture
def workers(house: House) -> list[Client]:
    """One connection to each worker."""
    clients = list(client_of_each(house.gateway).values())
    assert len(clients) == WORKERS
    return clients


def statuses(workers: list[Client], key: str, path: str = "/closed") -> list[int]:
    """Return how each worker answers to a key."""
    return [worker.ask("GET", path, [bearer(key)]).status for worker in workers]


def test_new_key_opens_every_worker_at_once(house: House, workers: list[Client], upstream: Upstream) -> None:
    """AK-13: issued by each worker in turn; the alias is in the log, and the secret does not travel."""
    for number, issuer in enumerate(workers):
        key = house.done("generate", issuer, key_alias=f"team-{number}")["key"]
        assert statuses(workers, key) == [200] * WORKERS

    assert len(upstream.requests) == WORKERS * WORKERS
    assert {seen.fields.every("authorization") == [] for seen in upstream.requests} == {True}
    got = workers[0].ask("GET", "/closed", [bearer(key)])
    assert house.gateway.exchange(got.request_id)["key_alias"] == "team-3"


def test_key_that_was_nobodys_a_moment_ago_opens_every_worker(
    house: House, workers: list[Client], upstream: Upstream
) -> None:
    """AK-13: workers remember that a key is unknown; not for longer than it is."""
    key = "own-key-chosen-by-the-operator-01"
    assert statuses(workers, key) == [401] * WORKERS
    assert upstream.octets == 0

    assert house.new_key(key=key) == key

    assert statuses(workers, key) == [200] * WORKERS


REVOCATIONS = [
    pytest.param("block", {}, 401, id="block"),
    pytest.param("update", {"blocked": True}, 401, id="update blocked"),
    pytest.param("update", {"expires": PAST}, 401, id="update expires"),
    pytest.param("update", {"allowed_passthrough_routes": ["/other"]}, 403, id="update routes"),
    pytest.param("regenerate", {}, 401, id="regenerate"),
]


@pytest.mark.parametrize(("page", "form", "status"), REVOCATIONS)
def test_change_is_felt_by_every_worker_from_the_next_request(
    house: House, workers: list[Client], upstream: Upstream, page: str, form: dict[str, Any], status: int
) -> None:
    """AU-13, AK-13: whichever worker made it; all of them had the key in their caches."""
    for revoker in workers:
        key = house.new_key()
        assert statuses(workers, key) == [200] * WORKERS
        went_up = len(upstream.requests)

        house.done(page, revoker, key=key, **form)

        assert statuses(workers, key) == [status] * WORKERS
        assert len(upstream.requests) == went_up


@pytest.mark.parametrize("by", ["keys", "key_aliases"])
def test_deleted_key_is_refused_by_every_worker_from_the_next_request(
    house: House, workers: list[Client], upstream: Upstream, by: str
) -> None:
    """AU-13, AK-13."""
    for number, revoker in enumerate(workers):
        alias = f"to-be-deleted-{by}-{number}"
        key = house.new_key(key_alias=alias)
        assert statuses(workers, key) == [200] * WORKERS
        went_up = len(upstream.requests)

        house.done("delete", revoker, **{by: [key if by == "keys" else alias]})

        assert statuses(workers, key) == [401] * WORKERS
        assert len(upstream.requests) == went_up


def test_key_goes_in_and_out_of_force_on_every_worker(house: House, workers: list[Client], upstream: Upstream) -> None:
    """AU-13: there and back, many times over."""
    key = house.new_key()
    for round_number in range(12):
        house.done("block", workers[round_number % WORKERS], key=key)
        assert statuses(workers, key) == [401] * WORKERS
        house.done("unblock", workers[(round_number + 1) % WORKERS], key=key)
        assert statuses(workers, key) == [200] * WORKERS

    assert len(upstream.requests) == 12 * WORKERS


def test_no_request_sent_after_a_block_is_admitted_under_load(house: House, upstream: Upstream) -> None:
    """AU-13: twelve connections ask without a pause while the key is blocked."""
    key = house.new_key()
    is_blocked = threading.Event()
    before: list[int] = []
    after: list[int] = []

    def ask_on(client: Client) -> None:
        sent_after = 0
        while sent_after < 10:
            is_after = is_blocked.is_set()
            status = client.ask("GET", "/closed", [bearer(key)]).status
            (after if is_after else before).append(status)
            sent_after += is_after

    askers = [threading.Thread(target=ask_on, args=(house.gateway.client(),)) for _ in range(12)]
    for asker in askers:
        asker.start()
    upstream.wait_for_requests(100)
    house.done("block", key=key)
    is_blocked.set()
    for asker in askers:
        asker.join()

    assert set(before) <= {200, 401}
    assert after == [401] * 120
    assert len(upstream.requests) == before.count(200)


def test_regenerated_key_opens_every_worker_in_the_old_ones_place(
    house: House, workers: list[Client], upstream: Upstream
) -> None:
    key = house.new_key(key_alias="renewed", allowed_passthrough_routes=["/closed"])

    new = house.done("regenerate", key=key)

    assert new["key"] != key
    assert (new["key_alias"], new["allowed_passthrough_routes"]) == ("renewed", ["/closed"])
    assert (statuses(workers, new["key"]), statuses(workers, key)) == ([200] * WORKERS, [401] * WORKERS)
    assert statuses(workers, new["key"], "/other") == [403] * WORKERS
    assert len(upstream.requests) == WORKERS


def test_key_ends_with_its_time_on_every_worker(house: House, workers: list[Client], upstream: Upstream) -> None:
    """No change tells the workers: they look at the clock; and a longer life is felt as a change is."""
    ends = datetime.now(UTC) + timedelta(seconds=1)
    key = house.new_key(expires=ends.isoformat())
    told = set(statuses(workers, key))

    eventually(lambda: datetime.now(UTC) > ends, DEADLINE_S, "the key's time is over")

    assert told <= {200, 401}  # The latter where this machine has been slow.
    went_up = len(upstream.requests)
    assert statuses(workers, key) == [401] * WORKERS
    assert len(upstream.requests) == went_up
    house.done("update", key=key, duration="1h")
    assert statuses(workers, key) == [200] * WORKERS


def test_keys_for_some_routes_are_kept_to_them(house: House, workers: list[Client], upstream: Upstream) -> None:
    key = house.new_key(allowed_passthrough_routes=["/other"])

    assert (statuses(workers, key, "/other"), statuses(workers, key)) == ([200] * WORKERS, [403] * WORKERS)
    assert {seen.target for seen in upstream.requests} == {"/other"}


@pytest.mark.parametrize(
    "carry",
    [
        pytest.param(lambda key: bearer(key), id="Authorization"),
        pytest.param(lambda key: ("x-litellm-api-key", f"Bearer {key}"), id="x-litellm-api-key"),
        pytest.param(lambda key: ("api-key", key), id="api-key"),
        pytest.param(lambda key: ("x-api-key", key), id="x-api-key"),
        pytest.param(lambda key: ("x-goog-api-key", key), id="x-goog-api-key"),
        pytest.param(lambda key: ("?", f"key={key}"), id="?key="),
        pytest.param(lambda key: ("x-langfuse-public-key", key), id="x-langfuse-public-key"),
        pytest.param(lambda key: ("Authorization", f"Basic {b64(key, 'x')}"), id="user half of Basic"),
        pytest.param(lambda key: ("Authorization", f"Basic {b64('x', key)}"), id="password half of Basic"),
        pytest.param(
            lambda key: ("Authorization", f"AWS4-HMAC-SHA256 Credential={key}/1/r/s/aws4_request, Signature=ab"),
            id="SigV4",
        ),
        pytest.param(lambda key: ("X-Odd", key), id="any field"),
        pytest.param(lambda key: ("Cookie", f"a=1; gateway={key}"), id="a cookie"),
        pytest.param(lambda key: ("?", f"token={key}"), id="any pair"),
        pytest.param(lambda key: ("?", f"token={key.replace('-', '%2D')}"), id="any pair, escaped"),
    ],
)
@pytest.mark.parametrize("state", ["in force", "blocked"])
def test_issued_key_stays_here_on_open_routes_too(
    house: House, upstream: Upstream, carry: Callable[[str], Field], state: str
) -> None:
    """RH-07, RH-08, CONTRACT §8: found by value, in whatever carrier."""
    key = house.new_key(blocked=state == "blocked")
    name, value = carry(key)

    target, fields = (f"/open?{value}&x=1", []) if name == "?" else ("/open?x=1", [(name, value)])
    assert house.gateway.ask("GET", target, [*fields, ("X-Kept", "1")]).status == 200

    (seen,) = upstream.requests
    assert (seen.target, seen.fields.one("x-kept")) == ("/open?x=1", "1")
    assert key.encode() not in seen.raw_head
    assert name.lower() not in seen.fields.names()


@pytest.mark.parametrize("place", ["api_key", "x_api_key", "?api_key", "?x-api-key", "?authorization"])
def test_chosen_key_stays_here_under_names_like_a_carriers(house: House, upstream: Upstream, place: str) -> None:
    """CONTRACT §8: nothing tells it from other credentials, so it is looked for where people put keys."""
    key = house.new_key(key=f"chosen-{place.replace('?', 'in-the-query-')}-{'0' * 16}")
    name = place.strip("?")
    target, fields = (f"/open?{name}={key}&x=1", []) if place != name else ("/open?x=1", [(name, key)])

    assert house.gateway.ask("GET", target, fields).status == 200
    (seen,) = upstream.requests
    assert seen.target == "/open?x=1"
    assert key.encode() not in seen.raw_head


def b64(user: str, password: str) -> str:
    return b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(("method", "page"), PAGES)
def test_management_is_for_the_master_key(house: House, upstream: Upstream, method: str, page: str) -> None:
    """AK-01, AU-20: with a form that would do something."""
    key, blocked = house.new_key(), house.new_key(blocked=True)
    before = house.listed()
    query = f"?key={key}" if page == "/key/info" else ""
    form: dict[str, Any] = {"/key/generate": {}, "/key/delete": {"keys": [key]}}.get(page, {"key": key})
    body = json.dumps(form).encode() if method == "POST" else None

    def asked(*fields: Field, target: str = f"{page}{query}") -> tuple[int, str]:
        got = house.gateway.ask(method, target, fields, body)
        assert (got.status != 401) or got.fields.one("www-authenticate").startswith("Bearer ")
        assert key.encode() not in bytes(got.body)
        return got.status, str(gateway_error(got)["code"])

    if page == "/key/info":  # The key that is asked about is a carrier, too.
        assert asked() == (403, "master_key_required")
    else:
        assert asked() == (401, "invalid_api_key")
    assert asked(bearer(key)) == (403, "master_key_required")
    assert asked(bearer(FILE_KEY)) == (403, "master_key_required")
    assert asked(("x-api-key", key)) == (403, "master_key_required")
    assert asked(bearer(blocked)) == (401, "invalid_api_key")
    assert asked(bearer("sk-of-nobody")) == (401, "invalid_api_key")
    assert asked(("Authorization", "Basic " + b64(canaries.OPERATOR["MASTER_KEY"], "x")))[0] in (401, 403)
    assert asked(bearer(key), MASTER) == (403, "master_key_required")
    assert house.listed() == before
    assert upstream.octets == 0


SPELLINGS = [
    "//key/list",
    "/key//list",
    "/key/%6cist",
    "/%6bey/list",
    "/key/list/",
    "/key/list/x",
    "/key/list.json",
    "/KEY/LIST",
    "/key%2Flist",
    "/key/./list",
    "/open/../key/list",
    "/open/%2e%2e/key/list",
    "/open/..%2fkey/list",
    "/open/..;/key/list",
    "/key/list;x=1",
    "//other.test/key/list",
    "/key",
    "/key/",
    "/admin/keys",
]


@pytest.mark.parametrize("target", SPELLINGS)
def test_management_has_one_spelling(house: House, upstream: Upstream, target: str) -> None:
    """AK-02: any other is no page, whoever asks, and leads nowhere."""
    for fields in ([], [bearer(FILE_KEY)], [MASTER]):
        got = house.gateway.ask("GET", target, fields)
        assert got.status in (400, 404)
        assert got.fields.every("location") == []

    assert upstream.octets == 0


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        pytest.param("GET", "http://other.test/key/list", [], id="absolute form"),
        pytest.param("HEAD", "/key/list", [], id="HEAD"),
        pytest.param("GET", "/key/list?", [], id="empty query"),
        pytest.param("GET", "/key/list", [("X-HTTP-Method-Override", "POST")], id="method override"),
        pytest.param("GET", "/key/list", [("X-Original-URL", "/health/liveliness")], id="X-Original-URL"),
        pytest.param("GET", "/key/list", [("X-Rewrite-URL", "/open")], id="X-Rewrite-URL"),
        pytest.param("GET", "/key/list", [("SCRIPT_NAME", "/key")], id="SCRIPT_NAME"),
        pytest.param("GET", "/key/list", [("X-Forwarded-For", "127.0.0.1")], id="X-Forwarded-For"),
    ],
)
def test_management_asks_for_the_master_key_whatever_stands_beside(
    house: House, upstream: Upstream, method: str, target: str, fields: list[Field]
) -> None:
    """AK-02: the same rule as for the clean spelling."""
    for key, status in (([], 401), ([bearer(FILE_KEY)], 403), ([MASTER], 200)):
        assert house.gateway.ask(method, target, [*key, *fields]).status == status

    assert upstream.octets == 0


@pytest.mark.parametrize("field", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix"])
def test_no_field_leads_to_management(house: House, upstream: Upstream, field: str) -> None:
    """AK-02."""
    got = house.gateway.ask("GET", "/open", [(field, "/key/list")])

    assert (got.status, bytes(got.body)) == (200, b"plain answer")
    assert [seen.target for seen in upstream.requests] == ["/open"]


@pytest.mark.parametrize(
    ("method", "page", "allow"), [(("GET", "DELETE")[method == "GET"], page, method) for method, page in PAGES]
)
def test_page_takes_its_own_method(house: House, method: str, page: str, allow: str) -> None:
    got = house.gateway.ask("PUT" if method == allow else method, page, [MASTER], b"{}")

    assert (got.status, allow in got.fields.one("allow")) == (405, True)


def test_secret_is_told_once(house: House, upstream: Upstream) -> None:
    """AK-04, AK-05: the digest, which is what is stored, is told to nobody either."""
    key = house.new_key(key_alias="told-once")
    digest = hashlib.sha256(key.encode()).hexdigest()
    upstream_status = house.gateway.ask("GET", "/closed", [bearer(key)]).status

    told_later = [
        house.gateway.ask("GET", f"/key/info?key={key}", [MASTER]),
        house.gateway.ask("GET", f"/key/info?key={digest}", [MASTER]),
        house.gateway.ask("GET", "/key/list?size=100", [MASTER]),
        house.gateway.ask("GET", "/key/list?size=100&return_full_object=true", [MASTER]),
        house.gateway.ask("GET", f"/key/list?key_hash={digest}", [MASTER]),
        house.post("update", key=key, metadata={"note": 1}),
        house.post("block", key=key),
        house.post("unblock", key=key),
        house.post("generate", key=key),
        house.post("generate", key_alias="told-once"),
        house.post("update", key=key, nonsense=key),
        house.post("delete", keys=[key]),
        house.gateway.ask("GET", f"/key/info?key={key}", [MASTER]),
        house.gateway.ask("GET", "/metrics", [MASTER]),
    ]

    assert upstream_status == 200
    assert [got.status for got in told_later] == [200] * 8 + [400] * 3 + [200, 404, 200]
    for got in told_later:
        assert key.encode() not in bytes(got.body)
        assert digest.encode() not in bytes(got.body)
        assert got.fields.one("content-type").startswith(("application/json", "text/plain"))


def test_database_file_holds_no_secret(house: House) -> None:
    """AK-04: nor do the other files and the log; all secrets of the module are looked for when it ends."""
    key = house.new_key(key_alias="dumped", metadata={"note": "kept as it is"})
    digest = hashlib.sha256(key.encode()).hexdigest()

    with closing(sqlite3.connect(house.gateway.folder / "var" / "keys.sqlite3")) as database:
        dump = "\n".join(database.iterdump())

    assert (key in dump, key.removeprefix("sk-") in dump) == (False, False)
    assert (digest in dump, "kept as it is" in dump) == (True, True)
    assert [file for file in (house.gateway.folder / "var").glob("keys.sqlite3*") if file.stat().st_mode & 0o077] == []
    assert secrets_left(house.gateway, house.told) == []


@pytest.mark.parametrize(
    ("form", "param"),
    [
        pytest.param({"rpm_limit": -1}, "rpm_limit", id="AK-16 negative"),
        pytest.param({"rpm_limit": 1.5}, "rpm_limit", id="AK-16 fraction"),
        pytest.param({"rpm_limit": 1e9}, "rpm_limit", id="AK-16 float"),
        pytest.param({"rpm_limit": "60"}, "rpm_limit", id="AK-16 text"),
        pytest.param({"rpm_limit": True}, "rpm_limit", id="AK-16 boolean"),
        pytest.param({"rpm_limit": float("nan")}, "rpm_limit", id="AK-16 NaN"),
        pytest.param({"max_parallel_requests": -1}, "max_parallel_requests", id="AK-16 negative parallel"),
        pytest.param({"duration": "soon"}, "duration", id="AK-16 a duration nobody can read"),
        pytest.param({"expires": "tomorrow"}, "expires", id="AK-16 no moment"),
        pytest.param({"role": "admin"}, "role", id="AK-17 role"),
        pytest.param({"allowed_routes": ["/key/list"]}, "allowed_routes", id="AK-17 allowed_routes"),
        pytest.param({"is_admin": True}, "is_admin", id="AK-17 is_admin"),
        pytest.param({"user_role": "proxy_admin"}, "user_role", id="AK-17 user_role"),
    ],
)
def test_bad_form_is_a_400_that_names_the_field_and_nothing_is_stored(
    house: House, form: dict[str, Any], param: str
) -> None:
    before = house.listed()

    got = house.post("generate", **form)

    error = gateway_error(got)
    assert (got.status, error["code"]) == (400, "invalid_request")
    # JSON has no NaN (RFC 8259 §6): such a body need not be read as far as its field.
    assert error["param"] == param or "NaN" in str(form).replace("nan", "NaN")
    assert house.listed() == before


@pytest.mark.parametrize("limit", [None, 0, 1_000_000_000])
def test_limits_at_the_edges_are_taken(house: House, limit: int | None) -> None:
    """AK-16: 0 refuses every request, null sets no limit."""
    assert house.done("generate", rpm_limit=limit)["rpm_limit"] == limit


def test_one_alias_is_given_once_though_all_workers_are_asked_at_once(house: House) -> None:
    clients = [house.gateway.client() for _ in range(12)]
    answers: list[Answer] = []
    askers = [
        threading.Thread(target=lambda asker=client: answers.append(house.post("generate", asker, key_alias="the-one")))
        for client in clients
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert sorted(got.status for got in answers) == [200, *[400] * 11]
    assert {gateway_error(got)["param"] for got in answers if got.status == 400} == {"key_alias"}
    assert [row["key_alias"] for row in house.listed()].count("the-one") == 1


@pytest.mark.parametrize("key", ["' OR 1=1 --", "%", "_", "sk-%", "sk-_______________________________________________"])
def test_odd_keys_are_nobodys_and_leave_the_store_as_it_is(house: House, upstream: Upstream, key: str) -> None:
    """AU-16."""
    before = house.listed()

    assert house.gateway.ask("GET", "/closed", [bearer(key)]).status == 401
    assert house.post("block", key=key).status == 404
    assert house.post("delete", keys=[key]).status == 404

    assert house.listed() == before
    assert upstream.octets == 0


def test_keys_of_the_file_are_the_files_affair(house: House, workers: list[Client], upstream: Upstream) -> None:
    assert house.post("block", key=FILE_KEY).status == 404
    assert house.post("delete", keys=[FILE_KEY]).status == 404
    assert gateway_error(house.post("generate", key=FILE_KEY))["param"] == "key"
    assert gateway_error(house.post("generate", key=canaries.OPERATOR["MASTER_KEY"]))["param"] == "key"
    assert gateway_error(house.post("generate", key_alias="team"))["param"] == "key_alias"

    assert statuses(workers, FILE_KEY) == [200] * WORKERS
    assert len(upstream.requests) == WORKERS


def keys_command(gateway: Gateway, *arguments: str) -> tuple[str, str]:
    """Return what `python -m app keys` says to stdout and stderr, beside the running gateway."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "keys", *arguments],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "DATA_DIR": str(gateway.folder / "var")},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_keys_command_is_felt_by_every_worker(house: House, workers: list[Client], upstream: Upstream) -> None:
    """CONTRACT §1: in another process, without a word to the gateway."""
    gateway = house.gateway
    created, note = keys_command(gateway, "create", "--alias", "by-command", "--route", "/closed")
    (key,) = created.split()
    house.told.append(key)

    assert statuses(workers, key) == [200] * WORKERS
    assert statuses(workers, key, "/other") == [403] * WORKERS
    assert len(upstream.requests) == WORKERS

    keys_command(gateway, "block", "by-command")
    assert statuses(workers, key) == [401] * WORKERS
    keys_command(gateway, "unblock", "by-command")
    assert statuses(workers, key) == [200] * WORKERS
    listed, _ = keys_command(gateway, "list")
    deleted, _ = keys_command(gateway, "delete", "by-command")
    assert statuses(workers, key) == [401] * WORKERS

    assert "by-command" in listed
    assert [said for said in (note, listed, deleted) if key in said] == []


def test_keys_outlive_workers_that_are_killed(house: House, upstream: Upstream) -> None:
    """A worker dies by SIGKILL, keys change, and who comes in its place knows."""
    gateway = house.gateway
    revoked, kept = house.new_key(), house.new_key()
    workers = client_of_each(gateway)
    for key in (revoked, kept):
        assert statuses(list(workers.values()), key) == [200] * WORKERS

    victim, *_ = workers
    os.kill(victim, signal.SIGKILL)
    house.done("block", list(workers.values())[1], key=revoked)
    made_meanwhile = house.new_key()
    left = [client for pid, client in workers.items() if pid != victim]
    assert statuses(left, revoked) == [401] * (WORKERS - 1)
    eventually(lambda: len(set(gateway.worker_pids()) - {victim}) == WORKERS, DEADLINE_S, "there is a new worker")

    again = list(client_of_each(gateway).values())
    assert (statuses(again, revoked), statuses(again, kept)) == ([401] * WORKERS, [200] * WORKERS)
    assert statuses(again, made_meanwhile) == [200] * WORKERS
    assert upstream.requests


def test_keys_outlive_all_workers_killed_while_keys_are_written(house: House, upstream: Upstream) -> None:
    """AK-14, small: what was answered is stored, and no half key; 200 kills are in tests/stores."""
    gateway = house.gateway
    made: list[str] = []
    is_over = threading.Event()

    def write_on() -> None:
        while not is_over.is_set():
            try:
                got = house.post("generate")
            except OSError:  # Nobody to connect to, for a moment.
                continue
            if got.is_whole and got.status == 200:
                made.append(json.loads(bytes(got.body))["key"])

    writers = [threading.Thread(target=write_on) for _ in range(4)]
    for writer in writers:
        writer.start()
    eventually(lambda: len(made) >= 10, DEADLINE_S, "keys are made")
    for pid in gateway.worker_pids():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(made) >= 30, DEADLINE_S, "keys are made again")
    is_over.set()
    for writer in writers:
        writer.join()
    eventually(lambda: len(gateway.worker_pids()) == WORKERS, DEADLINE_S, "there are new workers")

    worker = next(iter(client_of_each(gateway).values()))
    assert {worker.ask("GET", "/closed", [bearer(key)]).status for key in made} == {200}
    assert len(upstream.requests) == len(made)
    with closing(sqlite3.connect(gateway.folder / "var" / "keys.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_locked_database_holds_up_changes_and_nothing_else(house: House, upstream: Upstream) -> None:
    """AK-10: somebody else holds the lock for writing; fresh keys are looked up all the same."""
    fresh, known = house.new_key(), house.new_key()
    workers = list(client_of_each(house.gateway).values())
    assert statuses(workers, known) == [200] * WORKERS
    with closing(sqlite3.connect(house.gateway.folder / "var" / "keys.sqlite3", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")

        refused = house.post("block", key=known)
        assert (statuses(workers, known), statuses(workers, fresh)) == ([200] * WORKERS, [200] * WORKERS)
        assert house.listed()
        database.execute("ROLLBACK")

    assert (refused.status, refused.fields.one("retry-after").isdigit()) == (503, True)
    assert gateway_error(refused)["code"] == "store_unavailable"
    house.done("block", key=known)
    assert statuses(workers, known) == [401] * WORKERS
    assert len(upstream.requests) == 3 * WORKERS


def test_document_is_open(house: House) -> None:
    got = house.gateway.ask("GET", "/openapi.json")

    assert (got.status, sorted(json.loads(bytes(got.body))["paths"])) == (200, sorted(page for _, page in PAGES))


def test_store_that_is_away_admits_the_files_keys_and_nobody_else(
    start_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    """AU-10, AK-11: 503 with Retry-After where it cannot be known whose key it is; never a 401, never through."""
    nobody = f"postgresql://user:{canaries.CLIENT_KEY}@127.0.0.1:{free_port()}/keys"
    config = CONFIG.format(upstream=upstream.authority)
    gateway = start_gateway(config, workers=1, DATABASE_URL=nobody, **canaries.GATEWAY_KEYS)

    unknown = [gateway.ask("GET", "/closed", [bearer(f"sk-of-somebody-perhaps-{number}")]) for number in range(3)]
    managed = gateway.ask("POST", "/key/generate", [MASTER], b"{}")
    ready = gateway.ask("GET", "/health/readiness")
    assert upstream.octets == 0

    for got in (*unknown, managed):
        assert (got.status, gateway_error(got)["code"]) == (503, "store_unavailable")
        assert int(got.fields.one("retry-after")) >= 1
    assert ready.status == 503
    assert gateway.ask("GET", "/closed").status == 401
    for key, status in ((FILE_KEY, 200), (canaries.OPERATOR["MASTER_KEY"], 200)):
        assert gateway.ask("GET", "/closed", [bearer(key)]).status == status
    assert gateway.ask("GET", "/open").status == 200
    assert [seen.target for seen in upstream.requests] == ["/closed", "/closed", "/open"]
    gateway.close_clients()


def test_store_that_is_away_leaves_open_routes_to_who_has_a_key(
    start_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    """What looks issued is withheld unasked; another credential might be a key, and has to wait."""
    nobody = f"postgresql://user:{canaries.CLIENT_KEY}@127.0.0.1:{free_port()}/keys"
    config = CONFIG.format(upstream=upstream.authority)
    gateway = start_gateway(config, workers=1, DATABASE_URL=nobody, **canaries.GATEWAY_KEYS)
    issued = "sk-" + "Zx09_-" * 7 + "Z"

    assert gateway.ask("GET", "/open", [bearer(issued), ("X-Odd", "kept")]).status == 200
    assert gateway.ask("GET", "/open", [bearer("of-somebody-or-a-chosen-key")]).status == 503
    assert gateway.ask("GET", "/closed", [bearer(FILE_KEY), ("api-key", "of-somebody-or-a-chosen-key")]).status == 200
    first, second = upstream.requests
    assert (first.fields.every("authorization"), first.fields.one("x-odd")) == ([], "kept")
    assert (second.target, second.fields.every("api-key")) == ("/closed", [])
    gateway.close_clients()


RELOADED = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "http://{upstream}/closed", auth: true}}
    - {{path: /, target: "http://{upstream}/everything", include_subpath: true}}
keys:
  - {{key: file/{secret}, key_alias: written}}
  - {{key: os.environ/TEAM_KEY, key_alias: team, blocked: {is_blocked}}}
  - {{key: os.environ/NARROW_KEY, key_alias: narrow, allowed_passthrough_routes: [{route}]}}
"""
RELOADED_WORKERS = 2
OLD_SECRET, NEW_SECRET = canaries.CLIENT_KEY, canaries.GATEWAY_KEYS["TWIN_KEY"]


@pytest.fixture(scope="module")
def shared_reloaded(
    tmp_path_factory: pytest.TempPathFactory, start_gateway: Callable[..., Gateway], shared_upstream: Upstream
) -> tuple[House, Path]:
    secret = tmp_path_factory.mktemp("mounted") / "key"
    secret.write_text(OLD_SECRET + "\n")
    facts = {"upstream": shared_upstream.authority, "secret": secret, "is_blocked": "false", "route": "/closed"}
    return House(start_gateway(RELOADED.format(**facts), RELOADED_WORKERS, **canaries.GATEWAY_KEYS)), secret


@pytest.fixture
def reloaded(shared_reloaded: tuple[House, Path]) -> Iterator[tuple[House, Path]]:
    """A gateway whose file a test changes, and the secret that it reads from a file of its own."""
    yield shared_reloaded
    shared_reloaded[0].gateway.close_clients()


def test_management_is_not_relayed_by_a_route_for_everything(reloaded: tuple[House, Path], upstream: Upstream) -> None:
    """AK-02: an open route for all that nobody else takes does not take these pages."""
    gateway = reloaded[0].gateway
    for method, page in PAGES:
        assert gateway.ask(method, page, body=b"{}").status == 401
        assert gateway.ask("DELETE", page, body=b"{}").status == 405
    assert upstream.octets == 0

    assert gateway.ask("GET", "/key").status == 200
    assert [seen.target for seen in upstream.requests] == ["/everything/key"]


def test_changed_keys_of_the_file_take_over_on_sighup(reloaded: tuple[House, Path], upstream: Upstream) -> None:
    """CONTRACT §2: and the store's keys go on; a secret in a file of its own is read again, too."""
    house, secret = reloaded
    gateway = house.gateway
    every = [OLD_SECRET, NEW_SECRET, FILE_KEY, NARROW_KEY, house.new_key()]
    before = [statuses([gateway.client()], key)[0] for key in every]

    old = set(gateway.worker_pids())
    secret.write_text(NEW_SECRET + "\n")
    facts = {"upstream": upstream.authority, "secret": secret, "is_blocked": "true", "route": "/elsewhere"}
    gateway.config_path.write_text(RELOADED.format(**facts))
    gateway.close_clients()
    gateway.signal(signal.SIGHUP)
    eventually(lambda: is_replaced(gateway, old), DEADLINE_S, "all workers are replaced")
    workers = list(client_of_each(gateway).values())
    after = [statuses(workers, key) for key in every]

    assert before == [200, 401, 200, 200, 200]
    assert after == [[status] * RELOADED_WORKERS for status in (401, 200, 401, 403, 200)]
    assert len(upstream.requests) == 4 + 2 * RELOADED_WORKERS


def is_replaced(gateway: Gateway, old: set[int]) -> bool:
    now = set(gateway.worker_pids())
    return len(now) == RELOADED_WORKERS and not now & old
