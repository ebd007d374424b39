"""A key of the gateway's is found by its value wherever it travels; what is no key of ours is left alone."""

from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.carriers import carried
from app.credentials import path_without_keys, query_without_keys, without_keys
from app.key_index import NO_KEYS, KeyIndex
from tests.values import PROPERTY

KEYS = KeyIndex({"sk-master", "gk-2"})


def basic(pair):
    return "Basic " + b64encode(pair.encode()).decode()


SIGV4 = "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab"

CARRYING = [
    pytest.param("sk-master", id="bare"),
    pytest.param("Bearer sk-master", id="Bearer"),
    pytest.param("bEARER   sk-master", id="Bearer, cased and spaced"),
    pytest.param("Bearer\tsk-master", id="Bearer and a tab"),
    pytest.param("Token gk-2", id="another scheme"),
    pytest.param(basic("sk-master:x"), id="user half of Basic"),
    pytest.param(basic("x:sk-master"), id="password half of Basic"),
    pytest.param(basic("sk-master:x").rstrip("="), id="Basic without padding"),
    pytest.param(basic("sk-master:x").replace(" ", "\t"), id="Basic and a tab"),
    pytest.param(basic("Bearer sk-master:x"), id="Bearer within Basic"),
    pytest.param(SIGV4.format("sk-master"), id="access key id of SigV4"),
]


@pytest.mark.parametrize("name", ["AUTHORIZATION", "X-API-KEY", "X-Langfuse-Public-Key", "X_ODD"])
@pytest.mark.parametrize("value", CARRYING)
def test_a_field_that_carries_a_key_stays_here(name, value):
    assert without_keys([("X-A", "1"), (name, value), ("X-B", "2")], KEYS) == [("X-A", "1"), ("X-B", "2")]


@pytest.mark.parametrize(
    "value",
    [
        "Bearer sk-other",
        "sk-master-2",
        "xsk-master",
        "SK-MASTER",
        basic("user:pass"),
        "Basic !!!",
        "Basic",
        "",
        "Bearer",
    ],
)
def test_a_field_that_carries_none_travels(value):
    assert without_keys([("AUTHORIZATION", value)], KEYS) == [("AUTHORIZATION", value)]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        pytest.param("key=sk-master", None, id="the only pair"),
        pytest.param("a=1&key=sk-master&b=%20&b=", "a=1&b=%20&b=", id="among others"),
        pytest.param("token=gk-2&x", "x", id="by any name"),
        pytest.param("key=sk%2Dmaster&x=1", "x=1", id="in another spelling"),
        pytest.param("key=sk-other", "key=sk-other", id="none of ours"),
        pytest.param("sk-master", "sk-master", id="a short one as a name"),
        pytest.param("q=to-sk-master", "q=to-sk-master", id="a short one in a word"),
        pytest.param("a=sk-master;b", "a=sk-master;b", id="a short one in a value"),
        pytest.param("", "", id="an empty query"),
        pytest.param(None, None, id="no query"),
        pytest.param("key=Bearer%20sk-master&x=1", "x=1", id="Bearer"),
    ],
)
def test_a_pair_that_carries_a_key_stays_here(query, kept):
    assert query_without_keys(query, KEYS) == kept


# As `openssl rand -base64` makes them, and issued ones.
LONG = ["gk/of+the/tests=", "sk-" + "Aa0_-" * 8 + "xyz"]


@pytest.mark.parametrize("key", LONG)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "{}",
            "Bearer {}",
            "Bearer Bearer {}",
            '"{}"',
            "key={}",
            "u:{}",
            "â\x80\x9c{}â\x80\x9d",
            "http://{}@h/",
            "http://h/?k={}",
        ),
        *("a=1; k={}; b", "Digest username={}, a=b", "http://h/?u=http%3A%2F%2Fh%3Fk%3D{}", "/%253Dk%253D{}", SIGV4),
    ],
)
def test_a_long_key_is_found_beside_any_other_text(key, value):
    left = without_keys([("X-A", "1"), ("X-ODD", value.format(key)), ("X-B", value.format("other"))], KeyIndex({key}))

    assert left == [("X-A", "1"), ("X-B", value.format("other"))]


@pytest.mark.parametrize("key", LONG)
@pytest.mark.parametrize("pair", ["{}:x", "x:{}", "{}", "a:b:{}", "a:k={}&b"])
def test_a_long_key_is_found_within_basic(key, pair):
    assert without_keys([("X-ODD", basic(pair.format(key)))], KeyIndex({key})) == []


@pytest.mark.parametrize("value", ["{}x", "x{}", "Bearer {}-2", "my_{}", "x-{}"])
def test_a_long_key_and_more_is_another_credential(value):
    fields = [("X-ODD", value.format(LONG[1]))]

    assert without_keys(fields, KeyIndex({LONG[1]})) == fields


@pytest.mark.parametrize("key", LONG)
@pytest.mark.parametrize(
    "pair",
    ["{}", "{}=1", "x={}", "q=foo{}bar", "key={};a=1", "a=1;key={}", "url=http://x?key={}", "X-Credential={}/2026/eu"],
)
@pytest.mark.parametrize("write", [str, quote, quote_plus, lambda text: "".join(f"%{ord(c):02x}" for c in text)])
def test_a_pair_in_which_a_long_key_stands_stays_here(key, pair, write):
    query = f"a=%20&{pair.format(write(key))}&b=c+d&&"

    assert query_without_keys(query, KeyIndex({key, "another-key-of-the-tests"})) == "a=%20&b=c+d&&"


@pytest.mark.parametrize("key", [*LONG, "gk-short", "gk-of-the-tests.", "0123456789abcdefg"])
def test_among_many_keys_each_is_found(key):
    keys = KeyIndex({key, *(f"another-key-of-the-tests-{number}" for number in range(1000))})

    assert without_keys([("X-ODD", f"Token {key}"), ("X-A", "1")], keys) == [("X-A", "1")]
    assert query_without_keys(f"a=1&key={quote(key)}", keys) == "a=1"


def test_without_keys_there_is_nothing_to_look_for():
    fields = [("AUTHORIZATION", "Bearer sk-master")]

    assert without_keys(fields, NO_KEYS) == fields
    assert query_without_keys("key=sk-master", NO_KEYS) == "key=sk-master"


# A tab instead of the space is left out as long as it is not mended.
white = st.text(" ", min_size=1, max_size=2)
secrets = st.sampled_from(sorted(KEYS.own))
bearers = st.tuples(st.sampled_from(["Bearer", "bearer", "BEARER"]), white, secrets).map("".join)
credentials = st.one_of(secrets, bearers, secrets.map(lambda key: basic(f"{key}:x")), secrets.map(SIGV4.format))
names = st.sampled_from(["AUTHORIZATION", "API-KEY", "X-API-KEY", "X-GOOG-API-KEY", "X-LITELLM-API-KEY", "X-OWN"])


@given(fields=st.lists(st.tuples(names, credentials | st.sampled_from(["Bearer other", "other", ""])), max_size=4))
@PROPERTY
def test_whatever_admits_a_client_is_not_sent_upstream(fields):
    left = without_keys(fields, KEYS)

    assert not KEYS.own & set(carried(left, None, "x-own", is_basic=True))
    assert [field for field in fields if field in left] == left


@pytest.mark.parametrize("value", ["k=sk-master", "a=1; k=sk-master; b=2", "sk-master,sk-master", 'key="sk-master"'])
def test_a_key_among_parameters_stays_here(value):
    assert without_keys([("Cookie", value), ("X-A", "1")], KeyIndex({"sk-master"})) == [("X-A", "1")]


ISSUED = "sk-" + "Aa0_-" * 8 + "xyz"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param("/v1/sk-master/x", "/v1/****/x", id="a segment"),
        pytest.param("/v1/key=sk-master;b//x", "/v1/key=****;b//x", id="a part of one"),
        pytest.param("/v1/sk%2Dmaster/%2F", "/v1/****/%2F", id="another spelling"),
        pytest.param("/a/%73k-master:x/b", "/a/****/b", id="another spelling of a part"),
        pytest.param(f"/v1/{ISSUED}/x", "/v1/****/x", id="issued"),
        pytest.param(f"/v1/{ISSUED.replace('-', '%2d')}/x", "/v1/****/x", id="issued, in another spelling"),
        pytest.param(f"/v1/a,{ISSUED}x,b", "/v1/****", id="like an issued one"),
        pytest.param("/v1/sk-short/%2F//", "/v1/sk-short/%2F//", id="none"),
        pytest.param("", "", id="no path"),
    ],
)
def test_a_path_is_shown_without_keys(path, shown):
    assert path_without_keys(path, KEYS) == shown


def test_a_key_with_a_slash_is_not_shown():
    assert path_without_keys("/v1/a/b/c", KeyIndex({"a/b"})) == "/v1/****/c"
