"""What holds for every SDK alike: CONTRACT §3 (errors in dialects) and §4 (where the key is looked for)."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import pytest

from tests.kit.house import House
from tests.kit.upstream import Seen, Upstream
from tests.sdks.providers import Provider

UNKNOWN = "sk-of-nobody-0123456789"


def url(house: House) -> str:
    return f"http://127.0.0.1:{house.gateway.port}"


def spellings(key: str) -> list[bytes]:
    """Return the key plainly, escaped, and as the user of a Basic pair (three octets make four letters)."""
    pair = b64encode(key.encode())
    return [key.encode(), quote(key, safe="").encode(), pair[: len(pair) // 4 * 4 - 4]]


def assert_no_key(seen: Seen, house: House) -> None:
    for key in house.told:
        assert [spelling for spelling in spellings(key) if spelling in seen.raw_head] == []


def test_a_call_arrives_with_the_credential_and_without_the_key(
    house: House, upstream: Upstream, provider: Provider
) -> None:
    """RH-07, RH-08, AU-04."""
    key = house.new_key()

    assert provider.call(url(house), key) == provider.read
    (seen,) = upstream.requests
    name, value = provider.credential
    assert (seen.target, seen.fields.one(name)) == (provider.target, value)
    assert_no_key(seen, house)
    assert seen.whole


@pytest.mark.parametrize(
    ("form", "key", "status"),
    [
        pytest.param(None, UNKNOWN, 401, id="AU-02 unknown"),
        pytest.param({"blocked": True}, "", 401, id="AU-02 blocked"),
        pytest.param({"allowed_passthrough_routes": ["/elsewhere"]}, "", 403, id="not for this route"),
        pytest.param({"rpm_limit": 0}, "", 403, id="AK-16 no requests at all"),
    ],
)
def test_a_refusal_is_the_error_that_the_sdks_users_know(
    house: House, upstream: Upstream, provider: Provider, form: dict[str, object] | None, key: str, status: int
) -> None:
    """CONTRACT §3: the dialect of the route. Nothing goes upstream."""
    key = key if form is None else house.new_key(**form)

    with pytest.raises(Exception) as raised:  # noqa: PT011 - each SDK has its own, told by name below
        provider.call(url(house), key)
    assert type(raised.value).__name__ == provider.errors[status]
    assert provider.status_of(raised.value) == status
    assert key not in str(raised.value)
    assert upstream.octets == 0


def test_a_key_over_its_limit_is_the_error_that_the_sdks_users_know(
    house: House, upstream: Upstream, provider: Provider
) -> None:
    """RL-04."""
    key = house.new_key(rpm_limit=1)
    assert provider.call(url(house), key) == provider.read

    with pytest.raises(Exception) as raised:  # noqa: PT011 - each SDK has its own, told by name below
        provider.call(url(house), key)

    assert type(raised.value).__name__ == provider.errors[429]
    assert provider.status_of(raised.value) == 429
    assert len(upstream.requests) == 1
