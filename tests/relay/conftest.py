"""The transport under test, and a way to ask it for one answer."""

from functools import partial

import pytest

from app.exchange import NoBody
from app.relay.upstream import UpstreamAdapter, UpstreamRequest
from app.settings import trust
from app.settings.urls import http_target
from tests.values import QUICK


@pytest.fixture
def adapter():
    adapter = UpstreamAdapter(partial(trust.read, {}))
    yield adapter
    adapter.close()


@pytest.fixture
def send(adapter, upstream):
    """Send a request to the scripted upstream and return the answer; its body can be read while the test lasts."""
    answers = []

    def send(method="GET", target="/plain", fields=(), upload=None, timeouts=QUICK):
        leads_to = http_target(f"http://{upstream.authority}")
        request = UpstreamRequest(method, leads_to, target, list(fields), upload or NoBody())
        answers.append(adapter.send(request, timeout=timeouts))
        return answers[-1]

    yield send
    for answer in answers:
        answer.raw.close()


@pytest.fixture
def read():
    """Read an answer's body to its end."""

    def read(response):
        return b"".join(iter(response.raw.read1, b""))

    return read
