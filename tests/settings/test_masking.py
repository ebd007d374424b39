"""What is shown of the settings cannot tell a secret."""

from __future__ import annotations

import pytest

from app.settings.masking import masked, starred, starred_query
from tests.settings.conftest import one_route


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "bearer abc", "bearer ****"),
        ("authorization", "Basic YTpi", "Basic ****"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 ****"),
        ("Authorization", "abc", "****"),
        ("x-api-key", "abc", "****"),
        ("api_token", "abc", "****"),
        ("Cookie", "a=b; c=d", "****"),
        ("x-langfuse-public-key", "pk", "****"),
        ("X-Client-Secret", "abc", "****"),
        ("content-type", "application/json", "application/json"),
        ("accept", "*/*", "*/*"),
    ],
)
def test_a_value_under_a_telling_name_is_stars(name, value, shown):
    assert starred(name, value) == shown


def test_stars_stay_stars():
    assert starred("Authorization", starred("Authorization", "bearer abc")) == "bearer ****"


def test_a_query_shows_its_order_and_form():
    assert starred_query("a=1&key=abc&&b&sig=x&api_key=&c=%2F+") == "a=1&key=****&&b&sig=****&api_key=&c=%2F+"


@pytest.mark.parametrize(
    ("target", "base", "path", "query"),
    [
        pytest.param("https://up.example/bot-os.environ/X/send", "s3cret", "/bot-****/send", "", id="in the path"),
        pytest.param("os.environ/X/v1?a=1", "https://up.example", "/v1", "a=1", id="only the host"),
        pytest.param("os.environ/X/v1?a=1", "https://up.example/hook", "/****/v1", "a=1", id="host and path"),
        pytest.param("os.environ/X", "https://up.example/hook?k=v", "/****", "****", id="all of it"),
        pytest.param("https://up.example/?k=os.environ/X&a=1", "s3cret", "/", "k=****&a=1", id="in the query"),
    ],
)
def test_of_a_target_only_what_was_referred_to_is_stars(inspected, target, base, path, query):
    (route,) = masked(inspected(one_route(target=target), X=base)).routes

    assert (route.target.path, route.target.query.get_secret_value()) == (path, query)
    assert route.target.host == "up.example"


def test_headers_and_pairs_show_what_is_written_around_a_reference(inspected):
    fields = "headers: {A: 'x os.environ/X y', B: literal, LANGFUSE_PUBLIC_KEY: p, LANGFUSE_SECRET_KEY: os.environ/X}\n"
    fields += "default_query_params: {p: 'v-os.environ/X', q: 5}"

    (route,) = masked(inspected(one_route(fields), X="s3cret")).routes

    assert [(name, value.get_secret_value()) for name, value in route.headers] == [
        ("A", "x **** y"),
        ("B", "literal"),
        ("Authorization", "Basic ****"),
    ]
    assert [value.get_secret_value() for _, value in route.default_query_params] == ["v-****", "5"]


def test_a_mounted_secret_is_stars(inspected, tmp_path):
    (tmp_path / "key").write_text("s3cret\n")

    (route,) = masked(inspected(one_route("headers: {A: file/key}"))).routes

    assert route.headers[0][1].get_secret_value() == "****"


def test_a_masked_gateway_has_no_master_key(inspected):
    assert masked(inspected("general_settings: {master_key: s3cret-s3cret-s3cret}\n")).master_key is None
