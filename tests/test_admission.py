"""Who may enter, and which keys must not travel on."""

from base64 import b64encode

import pytest

from app.admission import Admission
from app.errors import KeyRequired, MasterKeyRequired, RouteForbidden
from app.exchange import Exchange, NoBody
from app.principal import Principal
from tests.values import a_route, an_exchange

NOW_S = 1_800_000_000.0


class Ring(dict):
    """Keys by their secret."""

    def resolve(self, secret):
        return self.get(secret)

    def is_key(self, secret):
        return secret in self


def principal(name, **facts):
    return Principal(key_id=name, digest=name, key_alias=name, **facts)


RING = Ring(
    {
        "gk-team": principal("team"),
        "gk-rerank": principal("rerank", allowed_passthrough_routes=("/v1/rerank",)),
        "gk-blocked": principal("blocked", is_blocked=True),
        "gk-over": principal("over", expires_s=NOW_S),
        "gk-soon": principal("soon", expires_s=NOW_S + 1),
        "gk-master": principal("master", is_master=True),
    }
)


def admitted(route, fields, query=None):
    exchange = Exchange("id", 0.0, "POST", "/v1/rerank", fields, NoBody(), query=query)
    Admission(RING, now=lambda: NOW_S).admit(exchange, route)
    return exchange


@pytest.mark.parametrize("key", ["gk-team", "gk-soon", "gk-rerank", "gk-master"])
def test_a_valid_key_is_admitted_and_withheld_from_the_upstream(key):
    exchange = admitted(a_route("/v1/rerank", auth=True), [("Authorization", f"Bearer {key}")])

    assert exchange.principal is RING[key]
    assert exchange.key_alias == RING[key].key_alias
    assert exchange.keys_withheld == {key}


def test_a_missing_key_is_a_401_that_says_how_to_send_one():
    with pytest.raises(KeyRequired, match="Authorization: Bearer KEY") as refused:
        admitted(a_route("/v1/rerank", auth=True), [])

    assert refused.value.fields() == [("WWW-Authenticate", 'Bearer realm="tollhouse"')]


@pytest.mark.parametrize("key", ["gk-unknown", "gk-blocked", "gk-over", "' OR 1=1 --", "gk-team "[:-2]])
def test_what_is_wrong_with_a_key_is_not_told(key):
    """AU-02, AU-16: one text for all."""
    with pytest.raises(KeyRequired) as refused:
        admitted(a_route("/v1/rerank", auth=True), [("X-Api-Key", key)])

    assert refused.value.message == "The gateway key is not valid: unknown, expired or blocked."


def test_a_langfuse_route_asks_for_basic():
    route = a_route("/v1/rerank", auth=True, custom_auth_parser="langfuse")
    pair = b64encode(b"gk-team:anything").decode()

    exchange = admitted(route, [("Authorization", f"Basic {pair}"), ("X-Langfuse-Public-Key", "gk-team")])

    assert exchange.principal is RING["gk-team"]
    with pytest.raises(KeyRequired) as refused:
        admitted(route, [])
    assert refused.value.fields() == [("WWW-Authenticate", 'Basic realm="tollhouse"')]


def test_a_key_for_other_routes_is_a_403():
    with pytest.raises(RouteForbidden, match="/v1/embed"):
        admitted(a_route("/v1/embed", auth=True), [("Authorization", "Bearer gk-rerank")])


def test_the_first_carrier_decides_and_no_second_key_is_tried():
    with pytest.raises(KeyRequired):
        admitted(a_route("/v1/rerank", auth=True), [("Authorization", "Bearer provider"), ("X-Api-Key", "gk-team")])


def test_an_open_route_admits_everyone_and_still_finds_keys():
    """AU, contract section 8: stripped on open routes too; other credentials travel."""
    fields = [("Authorization", "Bearer provider"), ("X-Api-Key", "gk-team"), ("X-Langfuse-Public-Key", "gk-blocked")]

    exchange = admitted(a_route("/v1/rerank"), fields, query="key=gk-over")

    assert exchange.principal is None
    assert exchange.keys_withheld == {"gk-team", "gk-blocked", "gk-over"}


@pytest.mark.parametrize(
    ("key", "refusal"), [("gk-team", MasterKeyRequired), ("gk-unknown", KeyRequired), ("", KeyRequired)]
)
def test_only_the_master_key_manages(key, refusal):
    """AU-20."""
    exchange = Exchange("id", 0.0, "POST", "/key/list", [("Authorization", f"Bearer {key}")], NoBody())

    with pytest.raises(refusal):
        Admission(RING, now=lambda: NOW_S).require_master(exchange)


def test_keys_of_the_file_are_withheld_wherever_they_stand():
    exchange = an_exchange(fields=[("X-Odd", "gk-file")])

    Admission(RING, known=frozenset({"gk-file"})).admit(exchange, a_route())

    assert exchange.keys_withheld == {"gk-file"}
