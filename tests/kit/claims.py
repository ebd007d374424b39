"""Claims that many journeys make."""

from __future__ import annotations

import json
from typing import Any

from tests.kit.client import Answer, Client
from tests.kit.upstream import Upstream


def gateway_error(answer: Answer) -> dict[str, Any]:
    """Return the members of the gateway's own error, in the openai dialect, having checked its shape."""
    assert answer.is_whole, f"ended {answer.ending}"
    assert answer.fields.one("content-type").startswith("application/json"), bytes(answer.body)
    assert answer.fields.one("cache-control") == "no-store"
    assert answer.request_id
    (name, error), *others = json.loads(answer.body).items()
    assert (name, others) == ("error", [])
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return dict(error)


def assert_refused(client: Client, upstream: Upstream, statuses: tuple[int, ...] = (400,)) -> None:
    """Check that the octets just sent get an error of the gateway, a close, and never reach the upstream."""
    answer = client.answer()
    assert answer.status in statuses, (answer.status, bytes(answer.body))
    gateway_error(answer)
    assert client.is_closed_by_peer()
    assert upstream.octets == 0
