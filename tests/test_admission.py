"""Who may enter, and which keys must not travel on."""

from base64 import b64encode

import pytest

from app.admission import MOST_ASKED, Admission
from app.errors import KeyRequired, MasterKeyRequired, RouteForbidden
from app.exchange import Exchange, NoBody
from app.key_index import KeyIndex
from app.principal import Principal
from app.store_errors import StoreUnavailable
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
        "gk-of-the-tests-team": principal("team"),
        "gk-of-the-tests-rerank": principal("rerank", allowed_passthrough_routes=("/v1/rerank",)),
        "gk-of-the-tests-blocked": principal("blocked", is_blocked=True),
        "gk-of-the-tests-over": principal("over", expires_s=NOW_S),
        "gk-of-the-tests-soon": principal("soon", expires_s=NOW_S + 1),
        "gk-of-the-tests-master": principal("master", is_master=True),
    }
)


def withheld(exchange):
    return exchange.keys_withheld.own | (exchange.keys_withheld._base or KeyIndex()).own


def admitted(route, fields, query=None):
    exchange = Exchange("id", 0.0, "POST", "/v1/rerank", fields, NoBody(), query=query)
    Admission(RING, now=lambda: NOW_S).admit(exchange, route)
    return exchange


@pytest.mark.parametrize(
    "key", ["gk-of-the-tests-team", "gk-of-the-tests-soon", "gk-of-the-tests-rerank", "gk-of-the-tests-master"]
)
def test_a_valid_key_is_admitted_and_withheld_from_the_upstream(key):
    exchange = admitted(a_route("/v1/rerank", auth=True), [("Authorization", f"Bearer {key}")])

    assert exchange.principal is RING[key]
    assert exchange.key_alias == RING[key].key_alias
    assert withheld(exchange) == {key}


def test_a_missing_key_is_a_401_that_says_how_to_send_one():
    with pytest.raises(KeyRequired, match="Authorization: Bearer KEY") as refused:
        admitted(a_route("/v1/rerank", auth=True), [])

    assert refused.value.fields() == [("WWW-Authenticate", 'Bearer realm="tollhouse"')]


@pytest.mark.parametrize(
    "key",
    [
        "gk-of-the-tests-unknown",
        "gk-of-the-tests-blocked",
        "gk-of-the-tests-over",
        "' OR 1=1 --",
        "gk-of-the-tests-team "[:-2],
    ],
)
def test_what_is_wrong_with_a_key_is_not_told(key):
    """AU-02, AU-16: one text for all."""
    with pytest.raises(KeyRequired) as refused:
        admitted(a_route("/v1/rerank", auth=True), [("X-Api-Key", key)])

    assert refused.value.message == "The gateway key is not valid: unknown, expired or blocked."


def test_a_langfuse_route_asks_for_basic():
    route = a_route("/v1/rerank", auth=True, custom_auth_parser="langfuse")
    pair = b64encode(b"gk-of-the-tests-team:anything").decode()

    exchange = admitted(route, [("Authorization", f"Basic {pair}"), ("X-Langfuse-Public-Key", "gk-of-the-tests-team")])

    assert exchange.principal is RING["gk-of-the-tests-team"]
    with pytest.raises(KeyRequired) as refused:
        admitted(route, [])
    assert refused.value.fields() == [("WWW-Authenticate", 'Basic realm="tollhouse"')]


def test_a_key_for_other_routes_is_a_403():
    with pytest.raises(RouteForbidden, match="/v1/embed"):
        admitted(a_route("/v1/embed", auth=True), [("Authorization", "Bearer gk-of-the-tests-rerank")])


def test_the_first_carrier_decides_and_no_second_key_is_tried():
    with pytest.raises(KeyRequired):
        admitted(
            a_route("/v1/rerank", auth=True),
            [("Authorization", "Bearer provider"), ("X-Api-Key", "gk-of-the-tests-team")],
        )


def test_an_open_route_admits_everyone_and_still_finds_keys():
    """AU, contract section 8: stripped on open routes too; other credentials travel."""
    fields = [
        ("Authorization", "Bearer provider"),
        ("X-Api-Key", "gk-of-the-tests-team"),
        ("X-Langfuse-Public-Key", "gk-of-the-tests-blocked"),
    ]

    exchange = admitted(a_route("/v1/rerank"), fields, query="key=gk-of-the-tests-over")

    assert exchange.principal is None
    assert withheld(exchange) == {"gk-of-the-tests-team", "gk-of-the-tests-blocked", "gk-of-the-tests-over"}


@pytest.mark.parametrize(
    ("key", "refusal"),
    [("gk-of-the-tests-team", MasterKeyRequired), ("gk-of-the-tests-unknown", KeyRequired), ("", KeyRequired)],
)
def test_only_the_master_key_manages(key, refusal):
    """AU-20."""
    exchange = Exchange("id", 0.0, "POST", "/key/list", [("Authorization", f"Bearer {key}")], NoBody())

    with pytest.raises(refusal):
        Admission(RING, now=lambda: NOW_S).require_master(exchange)


def test_keys_of_the_file_are_withheld_wherever_they_stand():
    exchange = an_exchange(fields=[("X-Odd", "gk-file")])

    Admission(RING, known=KeyIndex({"gk-file"})).admit(exchange, a_route())

    assert withheld(exchange) == {"gk-file"}


class Away(Ring):
    """A ring that knows the keys it holds, and cannot ask for others; it notes for which it was asked."""

    def __init__(self, keys=()):
        super().__init__(keys)
        self.asked = []

    def is_key(self, secret):
        self.asked.append(secret)
        if secret not in self:
            raise StoreUnavailable
        return True


ISSUED = "sk-" + "i" * 43


@pytest.mark.parametrize("name", ["X-Odd", "Authorization", "x_api_key"])
def test_while_the_store_is_away_what_looks_issued_is_withheld(name):
    exchange = an_exchange(fields=[(name, f"Bearer {ISSUED}")])

    Admission(Away()).admit(exchange, a_route())

    assert withheld(exchange) == {ISSUED}


def test_while_the_store_is_away_an_open_route_refuses_what_may_be_a_key():
    with pytest.raises(StoreUnavailable):
        Admission(Away()).admit(an_exchange(fields=[("api_key", "chosen-perhaps-0")]), a_route())


def test_while_the_store_is_away_a_known_key_goes_on_whatever_comes_beside_it():
    """AK-11. What comes beside it may be a key, and stays here."""
    ring = Away(RING)
    exchange = an_exchange(fields=[("Authorization", "Bearer gk-of-the-tests-team"), ("x-api-key", "chosen-perhaps-0")])

    Admission(ring).admit(exchange, a_route(auth=True))

    assert exchange.principal is RING["gk-of-the-tests-team"]
    assert withheld(exchange) == {"gk-of-the-tests-team", "chosen-perhaps-0"}


@pytest.mark.parametrize("text", ["short", "blanks are in no key", "Basic!Basic!Basic!", "a" * 257])
def test_what_cannot_be_a_key_of_the_store_is_not_asked_for(text):
    ring = Away()

    Admission(ring).admit(an_exchange(fields=[("x-api-key", text)]), a_route())

    assert ring.asked == []


def test_one_request_causes_few_look_ups():
    """RL-10. What there is too much of to ask for is withheld."""
    texts = [f"sk-{number:043}" for number in range(1000)]
    ring = Away()
    exchange = an_exchange(fields=[("x-api-key", text) for text in texts])

    Admission(ring).admit(exchange, a_route())

    assert len(ring.asked) == MOST_ASKED
    assert withheld(exchange) == set(texts)
