"""Where a key is looked for, and what is no key."""

from base64 import b64encode
from string import printable

import pytest
from pydantic import TypeAdapter, ValidationError

from app.carriers import ISSUED, STORABLE, basic_user, carried, elsewhere, texts
from app.issuing.forms import NewKey
from app.issuing.issuer import new_secret


def basic(pair: str) -> str:
    return "Basic " + b64encode(pair.encode()).decode()


EVERYWHERE = [
    ("X-Api-Key", "from x-api-key"),
    ("Api-Key", "from api-key"),
    ("X-Goog-Api-Key", "from x-goog-api-key"),
    ("Authorization", "Bearer from-authorization"),
    ("X-Litellm-Api-Key", "Bearer from-litellm"),
    ("X-Mine", "from the named header"),
]


def test_carriers_are_asked_in_the_order_of_the_contract():
    found = carried(EVERYWHERE, "a=1&key=from%20query", "x-mine")

    assert found == [
        "from the named header",
        "from-litellm",
        "from-authorization",
        "from api-key",
        "from x-api-key",
        "from x-goog-api-key",
        "from query",
    ]


def test_the_user_half_of_basic_counts_where_the_route_says_langfuse():
    fields = [("Authorization", basic("gk-1:any:thing")), ("X-Api-Key", "other")]

    assert carried(fields, None, is_basic=True) == ["gk-1", "other"]
    assert carried(fields, None) == ["other"]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("Bearer gk-1", "gk-1"),
        ("bearer gk-1", "gk-1"),
        ("BEARER   gk-1 ", "gk-1"),
        ("gk-1", "gk-1"),
    ],
)
@pytest.mark.parametrize("name", ["authorization", "X-API-KEY", "x-litellm-api-key"])
def test_a_leading_bearer_is_dropped_everywhere(name, value, key):
    assert carried([(name, value)], None) == [key]


def test_the_access_key_id_of_a_signature_is_a_carrier():
    signed = (
        "AWS4-HMAC-SHA256 Credential=gk-1/20261122/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab"
    )

    assert carried([("Authorization", signed)], None) == ["gk-1"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Basic !!!", id="AU-05 bad base64"),
        pytest.param("Basic " + b64encode(b"\xff\xfe:x").decode(), id="AU-05 no text"),
        pytest.param(basic(":secret"), id="AU-05 empty user"),
        pytest.param("Basic", id="AU-05 nothing"),
        pytest.param("Digest username=x", id="another scheme"),
        pytest.param("", id="empty"),
        pytest.param("Bearer ", id="Bearer and nothing"),
    ],
)
def test_what_carries_nothing_is_no_key(value):
    assert carried([("Authorization", value)], None, is_basic=True) in ([], ["Basic"], ["Bearer"])


def test_a_password_may_hold_colons():
    assert basic_user(basic("gk-1:a:b")) == "gk-1"
    assert texts(basic("gk-1:a:b")) >= {"gk-1", "a:b"}


def test_a_basic_credential_needs_its_colon_and_is_withheld_without():
    assert basic_user(basic("gk-1")) == ""
    assert "gk-1" in texts(basic("gk-1"))


def test_query_values_are_decoded_and_keep_their_order():
    assert carried([], "key=a%2Bb&k%65y=c+d&kEy=e&key&key=Bearer%20f") == ["a+b", "c d", "f"]


ISSUED_KEY = "sk-" + "Aa0_-" * 8 + "xyz"


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param([("X-Odd", ISSUED_KEY)], None, id="any field"),
        pytest.param([("X-Odd", f"Bearer {ISSUED_KEY}")], None, id="behind a scheme"),
        pytest.param([("Cookie", f"a=1; k={ISSUED_KEY}; b=2")], None, id="a cookie"),
        pytest.param([("X-Odd", basic(f"{ISSUED_KEY}:x"))], None, id="a Basic pair of any field"),
        pytest.param([("Referer", f"http://x/?u=http%3A%2F%2Fy%3Fk%3D{ISSUED_KEY}")], None, id="a URL within a URL"),
        pytest.param([("X-Odd", f"â\x80\x9c{ISSUED_KEY}â\x80\x9d")], None, id="quoted by a text editor"),
        pytest.param([], f"a=1&odd={ISSUED_KEY}&b=2", id="any pair"),
        pytest.param([], f"a=1&{ISSUED_KEY}&b=2", id="a name"),
        pytest.param([], f"a=1;odd={ISSUED_KEY};b=2", id="behind a semicolon"),
        pytest.param([], f"url=http%253A%252F%252Fx%253Fkey%253D{ISSUED_KEY}", id="a URL in a pair, escaped twice"),
        pytest.param([], f"odd={ISSUED_KEY.replace('-', '%2d')}", id="any pair, escaped"),
    ],
)
def test_what_looks_issued_is_found_everywhere(fields, query):
    assert elsewhere(fields, query) == {ISSUED_KEY}


@pytest.mark.parametrize("value", ["Bearer Bearer {}", '"{}"', "key={}", "https://x/?key={}", "a={}; b", "{};a=1"])
@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "key"])
def test_what_looks_issued_is_found_within_other_text_under_a_carriers_name_too(name, value):
    value = value.format(ISSUED_KEY)

    assert ISSUED_KEY in elsewhere([(name, value)], None)
    assert ISSUED_KEY in elsewhere([], f"{name}={value}")


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "Api-Key", "X_API_KEY", "key", "authorization", "X-Goog-Api-Key"]
)
def test_names_like_a_carriers_are_looked_under(name):
    assert elsewhere([(name, "chosen")], None) == {"chosen"}
    assert elsewhere([], f"{name}=chosen") == {"chosen"}


def test_other_names_and_looks_are_left_alone():
    fields = [("Idempotency-Key", "1234"), ("X-Odd", "sk-too-short"), ("X-Even", ISSUED_KEY + "x"), ("Host", "a")]

    assert elsewhere(fields, f"a={ISSUED_KEY}x&token=chosen&api_key=") == set()


def test_what_is_issued_looks_so():
    """The pattern and the maker of keys stand on floors that cannot meet."""
    secret = new_secret()

    assert ISSUED.fullmatch(secret)
    assert STORABLE.fullmatch(secret)


@pytest.mark.parametrize("tail", [*printable, "", "a" * 240, "a" * 241])
def test_the_store_is_asked_for_whatever_it_takes_for_a_key(tail):
    chosen = "Zchosen-chosen._"[: 16 if tail else 15] + tail

    try:
        TypeAdapter(NewKey).validate_python(chosen)
    except ValidationError:
        assert not STORABLE.fullmatch(chosen)
    else:
        assert STORABLE.fullmatch(chosen)
