"""/metrics: right over all workers, whatever becomes of them, and open to the master key alone (CONTRACT §4, §6)."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kit import canaries
from tests.kit.claims import gateway_error
from tests.kit.client import request
from tests.kit.gateway import Gateway
from tests.kit.upstream import RST, SILENCE, Upstream, answer, chunk, head, wait
from tests.kit.waiting import eventually

WORKERS = 4
DEADLINE_S = 60.0  # four workers start at the same time, beside other tests
MASTER = [("Authorization", f"Bearer {canaries.OPERATOR['MASTER_KEY']}")]
TEAM = [("Authorization", f"Bearer {canaries.CLIENT_KEY}")]
CHUNKED = ("Transfer-Encoding", "chunked")
EVENTS = ("Content-Type", "text/event-stream")

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - path: /open
      target: "http://{upstream}/open"
      include_subpath: true
      headers: {{x-key: os.environ/CREDENTIAL}}
    - path: /closed
      target: "http://{upstream}/closed?key=os.environ/QUERY_CREDENTIAL"
      auth: true
keys:
  - {{key: os.environ/CLIENT_KEY, key_alias: team-a}}
"""
OPEN_CONFIG = "general_settings: {require_auth_for_metrics_endpoint: false}\n"

Series = Counter[tuple[str, frozenset[tuple[str, str]]]]


@pytest.fixture(scope="module")
def shared_measured(start_gateway: Callable[..., Gateway], shared_upstream: Upstream) -> Gateway:
    config = CONFIG.format(upstream=shared_upstream.authority)
    return start_gateway(config, workers=WORKERS, CLIENT_KEY=canaries.CLIENT_KEY)


@pytest.fixture
def measured(shared_measured: Gateway) -> Iterator[Gateway]:
    """A gateway of four workers; what a test before has left is told by a first scrape."""
    yield shared_measured
    shared_measured.close_clients()


def scraped(gateway: Gateway) -> Series:
    """Return {(name, labels): value} of one scrape, in which no secret stands; it is over, so the next one is alone."""
    got = gateway.ask("GET", "/metrics", MASTER)
    gateway.exchange(got.request_id)
    assert (got.status, got.fields.one("content-type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert canaries.found(bytes(got.body)) == []
    families = text_string_to_metric_families(got.body.decode())
    return Counter(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
    )


def total(series: Series, name: str, **labels: str) -> float:
    """Return the sum of all samples of that name which have these labels."""
    return sum(value for (found, has), value in series.items() if found == name and labels.items() <= dict(has).items())


def served(series: Series, **labels: str) -> float:
    return total(series, "http_server_request_duration_seconds_count", **labels)


def fallen(before: Series, after: Series) -> Series:
    """Return by how much anything fell that may only rise."""
    rising = [key for key in before if key[0].endswith(("_count", "_sum", "_bucket", "_total"))]
    assert rising
    return Counter({key: after[key] - before[key] for key in rising if after[key] < before[key]})


def grown(before: Series, after: Series) -> Series:
    """Return by how much everything rose."""
    return Counter({key: value - before[key] for key, value in after.items()})


def burst(gateway: Gateway, connections: int, each: int, target: str = "/open/x") -> None:
    """Ask so often, over so many connections, which the kernel spreads over the workers; wait for the log of it all."""
    askers = [gateway.client() for _ in range(connections)]
    ids = set()
    for _ in range(each):
        for asker in askers:
            asker.send(request("GET", target))
        ids |= {asker.answer().request_id for asker in askers}
    assert len(ids) == connections * each
    eventually(lambda: ids <= logged_ids(gateway), DEADLINE_S, "every exchange is logged")
    gateway.close_clients()


def logged_ids(gateway: Gateway) -> set[str]:
    return {line["request_id"] for line in gateway.records() if line.get("event") == "exchange"}


def replaced(gateway: Gateway, old: list[int]) -> bool:
    now = gateway.worker_pids()
    return len(now) == WORKERS and not set(now) & set(old)


def metrics_files(gateway: Gateway) -> set[str]:
    return {path.name for path in (gateway.folder / "var" / "metrics").glob("histogram_*.db")}


def by(series: Series, name: str, label: str) -> dict[str, float]:
    """Return what rose of that name, by one label."""
    rose = {dict(labels)[label] for (found, labels), value in series.items() if found == name and value}
    return {value: total(series, name, **{label: value}) for value in rose}


def test_one_scrape_tells_exactly_what_all_workers_have_served(measured: Gateway, upstream: Upstream) -> None:
    """DR-10; 10,000 requests take longer than a suite may."""
    before = scraped(measured)

    burst(measured, connections=40, each=10)

    series = grown(before, scraped(measured))
    assert served(series, route="/open") == 400
    assert served(series, route="/open", method="GET", status_class="2xx", key_alias="") == 400
    assert total(series, "http_client_request_duration_seconds_count", route="/open", status_class="2xx") == 400
    assert len(metrics_files(measured)) > 1, "one worker got everything"
    assert len(upstream.requests) == 400


def test_counters_do_not_fall_when_workers_are_killed_and_their_gauges_are_gone(
    measured: Gateway, upstream: Upstream
) -> None:
    """DR-11: every worker by SIGKILL, with a stream open."""
    burst(measured, connections=20, each=1)
    client = measured.client()
    upstream.plays(head(200, [CHUNKED, EVENTS]), chunk(b"data: 1\n\n"), SILENCE)
    client.send(request("GET", "/open/stream"))
    client.read_until(client.begin_answer(), b"data: 1")
    before = scraped(measured)

    old = measured.worker_pids()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: replaced(measured, old), DEADLINE_S, "there are new workers")
    after = scraped(measured)

    assert total(before, "tollhouse_active_streams", route="/open") == 1
    assert total(before, "http_server_active_requests") == 2, "the stream, and the scrape itself"
    assert fallen(before, after) == {}
    assert served(after, route="/open") == served(before, route="/open")
    assert total(after, "tollhouse_active_streams") == 0
    assert total(after, "http_server_active_requests") == 1
    upstream.plays(answer())
    burst(measured, connections=10, each=1)
    assert served(grown(after, scraped(measured)), route="/open") == 10


def test_counters_do_not_fall_over_a_reload_and_files_do_not_pile_up(measured: Gateway, upstream: Upstream) -> None:
    """DR-11: workers replaced by SIGHUP."""
    burst(measured, connections=20, each=1)
    before = scraped(measured)

    old = measured.worker_pids()
    measured.close_clients()
    measured.signal(signal.SIGHUP)
    eventually(lambda: replaced(measured, old), DEADLINE_S, "all workers are replaced")
    kept = {"histogram_ended.db", *(f"histogram_{pid}.db" for pid in measured.worker_pids())}
    eventually(lambda: metrics_files(measured) <= kept, DEADLINE_S, "the files of those that ended are gone")
    after = scraped(measured)

    assert fallen(before, after) == {}
    assert served(after, route="/open") == served(before, route="/open")


def test_a_start_counts_from_nothing(tmp_path: Path, gateway_environ: dict[str, str]) -> None:
    gateway = Gateway(tmp_path, OPEN_CONFIG, gateway_environ, workers=1).start()
    for _ in range(50):
        gateway.ask("GET", "/health/liveliness")
    counted = served(scraped(gateway), method="GET")
    gateway.stop()

    again = Gateway(tmp_path, OPEN_CONFIG, gateway_environ, workers=1).start()

    # Each start is waited for by asking whether it lives, a few times where it is slow.
    assert 0 < served(scraped(again), method="GET") < 50 <= counted
    again.stop()


def test_every_kind_of_end_is_counted_under_its_labels(measured: Gateway, upstream: Upstream) -> None:
    """No path is a label, and no key: `scraped` looks for all that are planted."""
    before = scraped(measured)
    upstream.plays_in_turn([answer(201)], [RST], [head(200, [("Content-Length", "9")]), b"half", RST])
    ends = [
        ("POST", f"/closed?q={canaries.CLIENT_QUERY}", TEAM, 201),
        ("GET", f"/open/reset?key={canaries.CLIENT_KEY}", [], 502),
        ("GET", "/open/half", [("Cookie", canaries.CLIENT_COOKIE)], 200),
        ("GET", "/closed", [], 401),
        ("GET", "/closed", [("x-api-key", canaries.CLIENT_COOKIE)], 401),
        ("DELETE", "/nowhere/at/all", TEAM, 404),
        ("PROPFIND", "/open/x", [], 405),
    ]
    for method, target, fields, status in ends:
        got = measured.ask(method, target, fields)
        assert got.status == status
        measured.exchange(got.request_id)

    series = grown(before, scraped(measured))

    assert {dict(labels).get("route", "") for _, labels in series} == {"", "/open", "/closed"}
    assert served(series, route="/closed", method="POST", status_class="2xx", key_alias="team-a") == 1
    assert served(series, route="", method="DELETE", status_class="4xx", key_alias="") == 1
    assert served(series, route="/open", method="other", status_class="4xx") == 1
    assert by(series, "tollhouse_refusals_total", "reason") == {
        "invalid_api_key": 2,
        "route_not_found": 1,
        "method_not_allowed": 1,
    }
    assert by(series, "tollhouse_upstream_failures_total", "kind") == {
        "upstream_unreachable": 1,
        "upstream_stream_broken": 1,
    }
    assert len(upstream.requests) == 3


def test_a_request_that_could_not_be_read_is_counted_too(measured: Gateway, upstream: Upstream) -> None:
    before = scraped(measured)
    client = measured.client()
    client.send(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n")
    got = client.answer()
    measured.exchange(got.request_id)

    series = grown(before, scraped(measured))

    assert served(series, route="", method="other", status_class="4xx") == 1
    assert by(series, "tollhouse_refusals_total", "reason") == {"uri_too_long": 1}
    assert upstream.octets == 0


def test_a_stream_is_active_until_its_last_byte(measured: Gateway, upstream: Upstream) -> None:
    before = scraped(measured)
    go = threading.Event()
    upstream.plays(head(200, [CHUNKED, EVENTS]), chunk(b"data: 1\n\n"), wait(go), chunk(b""))
    client = measured.client()
    client.send(request("GET", "/open/stream"))
    got = client.begin_answer()

    during = scraped(measured)
    go.set()
    assert client.finish(got).is_whole
    measured.exchange(got.request_id)
    after = scraped(measured)

    assert [total(series, "tollhouse_active_streams", route="/open") for series in (during, after)] == [1, 0]
    assert [total(series, "http_server_active_requests") for series in (during, after)] == [2, 1]
    assert [served(grown(before, series), route="/open") for series in (during, after)] == [0, 1]
    assert len(upstream.requests) == 1


def test_what_runs_and_how_the_limiter_stands_is_told(measured: Gateway) -> None:
    series = scraped(measured)

    assert total(series, "tollhouse_build_info") == 1
    assert series["tollhouse_limiter_degraded", frozenset()] == 0
    assert ("tollhouse_limiter_degraded", frozenset()) in series


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        pytest.param([], 401, "invalid_api_key", id="no key"),
        pytest.param(TEAM, 403, "master_key_required", id="a key of the file"),
    ],
)
def test_the_metrics_are_for_the_master_key(
    measured: Gateway, upstream: Upstream, fields: list[tuple[str, str]], status: int, code: str
) -> None:
    got = measured.ask("GET", "/metrics", fields)

    assert (got.status, gateway_error(got)["code"]) == (status, code)
    assert b"tollhouse_" not in got.body
    assert upstream.octets == 0


def test_the_metrics_are_for_everybody_where_the_operator_says_so(
    tmp_path: Path, gateway_environ: dict[str, str]
) -> None:
    gateway = Gateway(tmp_path, OPEN_CONFIG, gateway_environ, workers=1).start()

    got = gateway.ask("GET", "/metrics", [("Accept", "application/openmetrics-text;version=1.0.0")])

    assert (got.status, bytes(got.body[-6:])) == (200, b"# EOF\n")
    gateway.stop()
