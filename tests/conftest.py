"""What the journeys share: one gateway, its upstreams, and the promise that no secret is ever written."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType

import pytest
from hypothesis import settings

from tests.kit import adapters, canaries
from tests.kit.client import Client
from tests.kit.gateway import Gateway, free_port
from tests.kit.openai_server import OpenAIServer
from tests.kit.upstream import Upstream, answer

# A busy machine is no finding, and what fails once must fail again.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# Eight thousand tests and what they import stay to the end: nothing for the collector to go through each time.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


HERE = Path(__file__).parent
CERTS = HERE / "kit" / "certs"

Launch = Callable[..., Gateway]


def stopped(upstream: Upstream) -> Iterator[Upstream]:
    yield upstream
    upstream.stop()


def as_told(upstream: Upstream) -> Iterator[Upstream]:
    """Give out the upstream for one test; a script that failed in its thread fails the test."""
    upstream.forget()
    yield upstream
    surprises = upstream.surprises
    upstream.forget()
    assert surprises == []


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    yield from stopped(Upstream())


@pytest.fixture(scope="session")
def shared_other_upstream() -> Iterator[Upstream]:
    yield from stopped(Upstream())


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Iterator[Upstream]:
    yield from as_told(shared_upstream)


@pytest.fixture
def other_upstream(shared_other_upstream: Upstream) -> Iterator[Upstream]:
    """Another host, behind /other."""
    yield from as_told(shared_other_upstream)


@pytest.fixture(scope="session")
def proxy_trap() -> Iterator[Upstream]:
    """The proxy that the gateway's own environment names, and that nobody may ever call."""
    trap = Upstream()
    yield from stopped(trap)
    assert trap.connections == []


@pytest.fixture(scope="session")
def tls_upstreams() -> Iterator[dict[str, Upstream]]:
    """Upstreams that speak TLS, by the name of their certificate; "no" is one that speaks plain HTTP."""
    with contextlib.ExitStack() as stack:
        upstreams = {"no": Upstream(greeting=answer(400, body=b"speak plainly"))}
        stack.callback(upstreams["no"].stop)
        for name in ("good", "self-signed", "expired", "wrong-name"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTS / f"{name}.pem")
            upstreams[name] = Upstream(tls=context)
            stack.callback(upstreams[name].stop)
        yield upstreams


@pytest.fixture(scope="session")
def full_backlog() -> Iterator[str]:
    """The URL of a listener on which no connection ever completes: nobody accepts, its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="session")
def shared_config(
    shared_upstream: Upstream,
    shared_other_upstream: Upstream,
    tls_upstreams: dict[str, Upstream],
    full_backlog: str,
) -> str:
    """The text of journeys/gateway.yaml for this run."""
    tls_ports = {f"{name.replace('-', '_')}_tls": up.port for name, up in tls_upstreams.items()}
    return Template((HERE / "journeys" / "gateway.yaml").read_text(encoding="utf-8")).substitute(
        upstream=f"http://{shared_upstream.authority}",
        other=f"http://{shared_other_upstream.authority}",
        refused=f"http://127.0.0.1:{free_port()}",
        backlog=full_backlog,
        **tls_ports,
    )


@pytest.fixture(scope="session")
def gateway_environ(proxy_trap: Upstream) -> dict[str, str]:
    """The environment of every gateway: the operator's secrets, and variables that must not act."""
    trap = f"http://{proxy_trap.authority}"
    return {
        **canaries.OPERATOR,
        **canaries.UNUSED,
        "HTTP_PROXY": trap, "http_proxy": trap, "HTTPS_PROXY": trap, "https_proxy": trap,
        "ALL_PROXY": trap, "all_proxy": trap, "NO_PROXY": "", "no_proxy": "",
        "SSL_CERT_FILE": str(CERTS / "authority.pem"),
        "RES_OPTIONS": "timeout:1 attempts:1",  # resolv.conf(5): an unknown name is to be given up soon
    }  # fmt: skip


@pytest.fixture(scope="session")
def start_gateway(tmp_path_factory: pytest.TempPathFactory, gateway_environ: dict[str, str]) -> Iterator[Launch]:
    """Start a gateway with a config and more environment; the session ends it, cleanly and no secret told."""
    with contextlib.ExitStack() as stack:
        started: list[Gateway] = []

        def start(
            config: str,
            workers: int = 2,
            netrc: str = "",
            files: Mapping[str, str] = MappingProxyType({}),
            **environ: str,
        ) -> Gateway:
            folder = tmp_path_factory.mktemp("gateway")
            for name, text in {".netrc": netrc, **files}.items():
                (folder / name).write_text(text, encoding="utf-8")
            gateway = Gateway(folder, config, {**gateway_environ, **environ}, workers)
            stack.callback(check_words, gateway)
            stack.callback(gateway.stop)
            started.append(gateway)
            return gateway.start()

        yield start
        for gateway in started:  # Each takes a second or two to end: let them do so side by side.
            gateway.begin_stop()


def check_words(gateway: Gateway) -> None:
    """Grep all that a gateway wrote, at the end of the suite (RELIABILITY §4.6, G35)."""
    assert canaries.found(gateway.words()) == []


@pytest.fixture(scope="session")
def shared_gateway(start_gateway: Launch, shared_config: str) -> Gateway:
    netrc = "machine 127.0.0.1 login netrc password netrc\ndefault login netrc password netrc\n"
    return start_gateway(shared_config, netrc=netrc)


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Iterator[Gateway]:
    """The gateway with the routes of journeys/gateway.yaml."""
    yield shared_gateway
    shared_gateway.close_clients()


@pytest.fixture(scope="session")
def shared_openai_server() -> Iterator[OpenAIServer]:
    server = OpenAIServer()
    yield server
    server.stop()


@pytest.fixture
def openai_server(shared_openai_server: OpenAIServer) -> Iterator[OpenAIServer]:
    """The models behind the adapters."""
    shared_openai_server.forget()
    yield shared_openai_server
    shared_openai_server.forget()


@pytest.fixture(scope="session")
def shared_adapters(start_gateway: Launch, shared_openai_server: OpenAIServer) -> Gateway:
    refused = f"http://127.0.0.1:{free_port()}/v1"
    config = adapters.CONFIG.format(base_url=shared_openai_server.base_url, refused=refused)
    return start_gateway(config, **canaries.GATEWAY_KEYS)


@pytest.fixture
def adapters_gateway(shared_adapters: Gateway, openai_server: OpenAIServer) -> Iterator[Gateway]:
    """The gateway with all shipped adapters, in front of `openai_server`; TEAM_KEY opens them."""
    yield shared_adapters
    shared_adapters.close_clients()


@pytest.fixture(scope="session")
def shared_small_gateway(start_gateway: Launch, shared_upstream: Upstream) -> Gateway:
    return start_gateway(
        f"""
        general_settings:
          max_request_size_mb: 0.5
          pass_through_endpoints:
            - {{path: /plain, target: "http://{shared_upstream.authority}/plain", forward_headers: true}}
        """,
        workers=1,
    )


@pytest.fixture
def small_gateway(shared_small_gateway: Gateway) -> Iterator[Gateway]:
    """A gateway that takes bodies of half a MiB at most."""
    yield shared_small_gateway
    shared_small_gateway.close_clients()


@pytest.fixture
def client(gateway: Gateway) -> Client:
    """One connection to the gateway, and so to one worker and its pool."""
    return gateway.client()
