"""G31: every name of the public lists, before the real gateway: refused with nothing sent on, or taken as it stands."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from tests.conftest import Launch
from tests.faults.probes import Probe, cispa, conditions, gunicorn_corpus, http11probe, smuggling
from tests.kit.claims import gateway_error
from tests.kit.client import Answer, Client
from tests.kit.gateway import Gateway
from tests.kit.upstream import Upstream

TABLES = {
    "Http11Probe": http11probe.PROBES + smuggling.PROBES + conditions.PROBES,
    "gunicorn": gunicorn_corpus.PROBES,
    "CISPA": cispa.PROBES,
}
PROBES = [pytest.param(probe, id=f"{name} {probe.name}") for name, rows in TABLES.items() for probe in rows]
DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} [\d:]{8} GMT"
)


@pytest.fixture(scope="module")
def probed(start_gateway: Launch, shared_upstream: Upstream) -> Gateway:
    up = f"http://{shared_upstream.authority}/up"
    return start_gateway(
        f"""
        general_settings:
          pass_through_endpoints:
            - {{path: /p, target: "{up}", include_subpath: true, forward_headers: true}}
            - {{path: /only-get, target: "{up}", methods: [GET]}}
        """,
        workers=1,
    )


@pytest.fixture
def client(probed: Gateway) -> Iterator[Client]:
    yield probed.client()
    probed.close_clients()


@pytest.mark.parametrize("probe", PROBES)
def test_each_name_of_the_lists_gets_what_it_should(probe: Probe, client: Client, upstream: Upstream) -> None:
    upstream.plays(probe.upstream)
    sending = client.send_in_background(probe.octets)  # What is hopeless is refused before all of it is sent.
    if probe.end == "left":
        sending.join()
        client.half_close()

    answers = [client.answer("HEAD" if probe.octets.startswith(b"HEAD ") else "GET") for _ in probe.answers]

    sending.join()
    assert tuple(answer.status for answer in answers) == probe.answers
    for answer in answers:
        assert_sound(answer, probe)
    assert_ended(probe, client)
    assert_arrived(probe, upstream)


def assert_sound(answer: Answer, probe: Probe) -> None:
    assert answer.is_whole
    (date,) = answer.fields.every("date")
    assert DATE.fullmatch(date)
    assert (answer.status == 405) == bool(answer.fields.every("allow")) or probe.bodies
    assert not (answer.informational and b"HTTP/1.0" in probe.octets)
    if not probe.bodies:
        gateway_error(answer)


def assert_ended(probe: Probe, client: Client) -> None:
    """A connection on which framing was in doubt is closed by the gateway; one that is kept has nothing more to say."""
    if probe.end == "kept":
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: gateway.test\r\n\r\n")
        assert client.answer().status == 404
        client.half_close()
    assert client.is_closed_by_peer()


def assert_arrived(probe: Probe, upstream: Upstream) -> None:
    seen = list(upstream.requests)
    for request in seen:
        request.wait_until_finished()
    assert [bytes(request.body) for request in seen if request.whole] == list(probe.bodies)
    assert [request.target[:4] for request in seen if b"hidden" in request.raw_head] == []
    assert [
        request.raw_head
        for request in seen
        if re.search(rb"(?i)(length|encoding)_|(content|transfer)_", request.raw_head)
    ] == []
    assert all(line in seen[0].raw_head.lower() for line in probe.lines)
    if not probe.bodies and probe.end != "left":
        assert upstream.octets == 0


def test_what_is_refused_is_refused_in_pieces_too(probed: Gateway, upstream: Upstream) -> None:
    """A good beginning of a body may be streamed on; it never becomes a whole request."""
    rows = [probe for table in TABLES.values() for probe in table if probe.end == "closed" and not probe.bodies]
    small = [probe for probe in rows if len(probe.octets) < 400]

    told = {}
    for probe in small:
        client = probed.client()
        with contextlib.suppress(ConnectionError):  # The rest comes too late.
            for at in range(0, len(probe.octets), 7):
                client.send(probe.octets[at : at + 7])
        told[probe.name] = (client.answer().status,)
        client.close()

    assert told == {probe.name: probe.answers for probe in small}
    for request in upstream.requests:
        request.wait_until_finished()
        assert not request.whole
    assert len(small) > 150


@pytest.mark.parametrize(("table", "count"), [("Http11Probe", 215), ("gunicorn", 137)])
def test_no_name_of_a_list_is_left_out(table: str, count: int) -> None:
    assert len({probe.name for probe in TABLES[table]}) == count == len(TABLES[table])
