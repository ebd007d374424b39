"""The gateway's life: start, health, reload by SIGHUP, stop by SIGTERM (CONTRACT §1, §2, §4)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from tests.conftest import CERTS
from tests.kit.client import request
from tests.kit.gateway import START_DEADLINE_S, Gateway
from tests.kit.upstream import SILENCE, Upstream, chunk, head, wait
from tests.kit.waiting import eventually

CHUNKED = ("Transfer-Encoding", "chunked")


def config(*routes: str) -> str:
    return "general_settings:\n  pass_through_endpoints:\n" + "".join(f"    - {route}\n" for route in routes)


@pytest.fixture
def plain_route(upstream: Upstream) -> str:
    return f'{{path: /plain, target: "http://{upstream.authority}/plain"}}'


@pytest.fixture
def mortal_gateway(tmp_path: Path, plain_route: str, gateway_environ: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that the test stops, or has its fixture stop."""
    yield from ended(Gateway(tmp_path / "mortal", config(plain_route), gateway_environ).start())


def ended(gateway: Gateway) -> Iterator[Gateway]:
    yield gateway
    if gateway.process.poll() is None:
        gateway.stop()
    gateway.close_clients()


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness", "/health/readiness"])
def test_health_is_open(gateway: Gateway, upstream: Upstream, path: str) -> None:
    assert gateway.ask("GET", path).status == 200
    assert gateway.ask("HEAD", path).status == 200
    assert gateway.ask("POST", path).status == 405
    assert upstream.octets == 0


def test_bad_file_ends_the_start_with_all_problems_and_no_port(
    tmp_path: Path, plain_route: str, gateway_environ: dict[str, str]
) -> None:
    routes = ['{path: no-slash, target: "http://x.test/"}', '{path: /b, target: "ftp://x.test/", auht: true}']
    gateway = Gateway(tmp_path / "bad", config(plain_route, *routes), gateway_environ)

    gateway.launch()

    assert gateway.process.wait(START_DEADLINE_S) == 1
    words = gateway.words().decode()
    for word in ("auht", "auth", "ftp", "pass_through_endpoints[1]", "pass_through_endpoints[2]"):
        assert word in words
    assert "Listening" not in words
    assert "Traceback" not in words


def test_open_streams_are_finished_after_sigterm(mortal_gateway: Gateway, upstream: Upstream) -> None:
    """CONTRACT §2: and readiness says 503 at once to those who can still ask."""
    go = threading.Event()
    upstream.plays(head(200, [CHUNKED]), chunk(b"one"), wait(go), chunk(b"two"), chunk(b""))
    askers = [mortal_gateway.client() for _ in range(8)]
    assert {asker.ask("GET", "/health/readiness").status for asker in askers} == {200}
    client = mortal_gateway.client()
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"one")

    mortal_gateway.signal(signal.SIGTERM)
    eventually(lambda: is_unready(mortal_gateway), 5, "a new connection is refused, or told 503")
    for asker in askers:
        asker.send_while_taken(request("GET", "/health/readiness"))
    told = [asker.begin_answer().status for asker in askers]
    go.set()
    client.finish(got)

    assert (got.is_whole, bytes(got.body)) == (True, b"onetwo")
    assert set(told) <= {0, 503}  # 0: the idle connection was closed
    assert mortal_gateway.process.wait(15) == 0
    assert b"Traceback" not in mortal_gateway.words()


def is_unready(gateway: Gateway) -> bool:
    try:
        return gateway.ask("GET", "/health/readiness").status == 503
    except OSError:
        return True


def test_good_file_takes_over_on_sighup_and_open_streams_go_on(
    mortal_gateway: Gateway, upstream: Upstream, plain_route: str
) -> None:
    go = threading.Event()
    upstream.plays_in_turn(
        [head(200, [CHUNKED]), chunk(b"one"), wait(go), chunk(b"two"), chunk(b"")], [b"HTTP/1.1 204 OK\r\n\r\n"]
    )
    client = mortal_gateway.client()
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"one")

    mortal_gateway.config_path.write_text(config(plain_route, plain_route.replace("/plain,", "/new,")))
    mortal_gateway.signal(signal.SIGHUP)
    eventually(status_is(mortal_gateway, "/new", 204), 10, "the new route is served")
    go.set()
    client.finish(got)

    assert (got.is_whole, bytes(got.body)) == (True, b"onetwo")
    assert mortal_gateway.ask("GET", "/plain").status == 204


def test_sighup_during_the_start_is_heard_once_the_gateway_has_started(
    starting_gateway: Gateway, upstream: Upstream, plain_route: str
) -> None:
    upstream.plays(b"HTTP/1.1 204 OK\r\n\r\n")

    with pipe_being_read(starting_gateway) as file:
        starting_gateway.signal(signal.SIGHUP)
        file.write(config(plain_route))
    eventually(lambda: taken_status(starting_gateway, "/plain") == 204, START_DEADLINE_S, "the first file is served")
    with pipe_being_read(starting_gateway) as file:
        file.write(config(plain_route, plain_route.replace("/plain,", "/new,")))

    eventually(lambda: taken_status(starting_gateway, "/new") == 204, START_DEADLINE_S, "the second file is served")


@pytest.fixture
def starting_gateway(tmp_path: Path, plain_route: str, gateway_environ: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that waits for the test to write its file, which is a pipe."""
    gateway = Gateway(tmp_path / "starting", config(plain_route), gateway_environ)
    gateway.config_path.unlink()
    os.mkfifo(gateway.config_path)
    gateway.launch()
    yield from ended(gateway)


def pipe_being_read(gateway: Gateway) -> TextIO:
    """Open the gateway's file, a pipe, for writing as soon as the gateway waits for what stands in it."""

    def opened() -> int | None:
        assert gateway.process.poll() is None, "the gateway has ended"
        with suppress(OSError):  # ENXIO: nobody reads
            return os.open(gateway.config_path, os.O_WRONLY | os.O_NONBLOCK)
        return None

    return os.fdopen(eventually(opened, START_DEADLINE_S, "the file is read"), "w")


def taken_status(gateway: Gateway, path: str) -> int | None:
    try:
        return gateway.ask("GET", path).status
    except ConnectionRefusedError:
        return None


def test_bad_file_is_refused_on_sighup_and_the_old_one_stays(mortal_gateway: Gateway, upstream: Upstream) -> None:
    workers = set(mortal_gateway.worker_pids())
    mortal_gateway.config_path.write_text("general_settings: {pass_through_endpoints: [{path: /new}]}\n")

    mortal_gateway.signal(signal.SIGHUP)
    error = eventually(lambda: errors_of(mortal_gateway), 10, "the problem is logged")
    assert {mortal_gateway.ask("GET", path).status for path in ["/plain"] * 6} == {200}
    assert mortal_gateway.ask("GET", "/new").status == 404
    assert "target" in error[0]
    assert set(mortal_gateway.worker_pids()) == workers
    assert {seen.target for seen in upstream.requests} == {"/plain"}


@pytest.fixture
def trusting_gateway(
    tmp_path: Path, gateway_environ: dict[str, str], tls_upstreams: dict[str, Upstream]
) -> Iterator[Gateway]:
    """A gateway with one upstream that speaks TLS, and a CA bundle, bundle.pem, in which its authority is missing."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes((CERTS / "self-signed.pem").read_bytes())
    text = config(f'{{path: /tls, target: "https://localhost:{tls_upstreams["good"].port}/"}}')
    yield from ended(Gateway(tmp_path / "trusting", text, {**gateway_environ, "SSL_CERT_FILE": str(bundle)}).start())


def test_a_changed_ca_bundle_takes_over_on_sighup_and_one_that_cannot_be_used_does_not(
    trusting_gateway: Gateway, tmp_path: Path, tls_upstreams: dict[str, Upstream]
) -> None:
    tls_upstreams["good"].plays(b"HTTP/1.1 204 OK\r\n\r\n")
    bundle, first = tmp_path / "bundle.pem", set(trusting_gateway.worker_pids())
    assert trusting_gateway.ask("GET", "/tls").status == 502

    bundle.write_bytes((CERTS / "authority.pem").read_bytes())
    trusting_gateway.close_clients()
    trusting_gateway.signal(signal.SIGHUP)
    eventually(lambda: not first & set(trusting_gateway.worker_pids()), 30, "the first workers are gone")
    assert trusting_gateway.ask("GET", "/tls").status == 204
    bundle.write_text("no certificate")
    trusting_gateway.signal(signal.SIGHUP)
    error = eventually(lambda: errors_of(trusting_gateway), 10, "the problem is logged")

    assert "SSL_CERT_FILE: names a CA bundle that cannot be used" in error[0]
    killed = trusting_gateway.worker_pids()[-1]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in trusting_gateway.worker_pids(), 10, "the killed worker is replaced")
    assert {trusting_gateway.ask("GET", "/tls").status for _ in range(8)} == {204}
    tls_upstreams["good"].forget()


def test_a_refused_reload_leaves_the_authorities_as_they_were(
    trusting_gateway: Gateway, tmp_path: Path, tls_upstreams: dict[str, Upstream]
) -> None:
    """In workers, too, that start afterwards."""
    (tmp_path / "bundle.pem").write_bytes((CERTS / "authority.pem").read_bytes())
    trusting_gateway.config_path.write_text("general_settings: {pass_through_endpoints: [{path: /new}]}\n")

    trusting_gateway.signal(signal.SIGHUP)
    eventually(lambda: errors_of(trusting_gateway), 10, "the problem is logged")
    killed = trusting_gateway.worker_pids()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not {*killed} & {*trusting_gateway.worker_pids()}, 10, "the killed workers are replaced")

    assert {trusting_gateway.ask("GET", "/tls").status for _ in range(8)} == {502}
    tls_upstreams["good"].forget()


@pytest.mark.parametrize("target", ['"https://x.test/"', '"http://x.test/"', "own.adapter"])
def test_a_ca_bundle_that_cannot_be_used_ends_the_start(
    tmp_path: Path, gateway_environ: dict[str, str], target: str
) -> None:
    """Also where nothing of the gateway's own needs it: Redis or an adapter's library may."""
    (tmp_path / "junk.pem").write_text("no certificate")
    environ = {**gateway_environ, "SSL_CERT_FILE": str(tmp_path / "junk.pem")}
    gateway = Gateway(tmp_path / "bundle", config(f"{{path: /a, target: {target}}}"), environ)
    (gateway.folder / "own.py").write_text("import litellm\nadapter = None\n")

    gateway.launch()

    assert gateway.process.wait(START_DEADLINE_S) == 1
    words = gateway.words().decode()
    assert "environment: SSL_CERT_FILE: names a CA bundle that cannot be used" in words
    assert "Listening" not in words
    assert "Traceback" not in words


@pytest.fixture
def impatient_gateway(tmp_path: Path, plain_route: str, gateway_environ: dict[str, str]) -> Iterator[Gateway]:
    """A gateway that gives what still runs two seconds."""
    environ = {**gateway_environ, "GUNICORN_CMD_ARGS": "--graceful-timeout 2"}
    yield from ended(Gateway(tmp_path / "impatient", config(plain_route), environ, workers=1).start())


def test_event_stream_past_its_grace_is_told_and_cut(impatient_gateway: Gateway, upstream: Upstream) -> None:
    """DR-02: cut visibly, with a word in the stream and a line in the log."""
    events = [CHUNKED, ("Content-Type", "text/event-stream")]
    upstream.plays(head(200, events), chunk(b"data: 1\n\n"), SILENCE)
    client = impatient_gateway.client()
    client.send(request("GET", "/plain"))
    got = client.begin_answer()
    client.read_until(got, b"data: 1\n\n")

    end_worker(impatient_gateway)
    client.finish(got)

    assert got.ending in ("cut", "reset")
    assert b"server_stopping" in bytes(got.body)
    assert impatient_gateway.exchange(got.request_id)["outcome"] == "refused"
    assert upstream.requests[0].connection.ended.wait(10)


def test_call_past_its_grace_is_a_503(impatient_gateway: Gateway, upstream: Upstream) -> None:
    upstream.plays(SILENCE)
    client = impatient_gateway.client()
    client.send(request("GET", "/plain"))
    upstream.wait_for_request()

    end_worker(impatient_gateway)
    got = client.answer()

    assert (got.status, got.fields.one("retry-after")) == (503, "1")
    assert upstream.requests[0].connection.ended.wait(10)


def end_worker(gateway: Gateway) -> None:
    """Tell the only worker what the master would; the master kills when time is up, also one that got no time."""
    (pid,) = gateway.worker_pids()
    os.kill(pid, signal.SIGTERM)


def status_is(gateway: Gateway, path: str, status: int) -> Callable[[], bool]:
    return lambda: gateway.ask("GET", path).status == status


def errors_of(gateway: Gateway) -> list[str] | None:
    return [str(line) for line in gateway.records() if line["level"] == "error"] or None
