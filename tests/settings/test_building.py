"""A sound file becomes the gateway it describes, defaults filled in."""

from __future__ import annotations

from base64 import b64decode

import pytest

from app.settings.gateway import Timeouts
from tests.settings.conftest import one_route


def revealed(pairs):
    return [(name, value.get_secret_value()) for name, value in pairs]


def test_a_route_says_everything_that_was_left_out(loaded):
    (route,) = loaded(one_route()).routes

    assert route.place == "general_settings.pass_through_endpoints[0]"
    assert route.path == "/a"
    assert (route.target.scheme, route.target.host, route.target.path) == ("https", "up.example", "/b")
    assert route.methods == ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    assert (route.include_subpath, route.forward_headers, route.auth) == (False, False, False)
    assert (route.headers, route.default_query_params) == ((), ())
    assert route.timeouts == Timeouts(connect_s=5.0, first_byte_s=600.0, idle_s=600.0, total_s=None)
    assert route.error_format == "openai"


def test_the_gateway_says_everything_that_was_left_out(loaded):
    gateway = loaded("general_settings: {}\n")

    assert (gateway.routes, gateway.master_key, gateway.max_request_bytes) == ((), None, None)


@pytest.mark.parametrize(("fields", "most"), [("{}", 8000), ("{max_waiting_per_upstream: 7}", 7)])
def test_waiting_for_one_upstream_has_an_end(loaded, fields, most):
    assert loaded(f"general_settings: {fields}\n").max_waiting_per_upstream == most


@pytest.mark.parametrize(
    ("fields", "timeouts"),
    [
        ("timeout: 60", Timeouts(5.0, 60.0, 60.0, None)),
        ("timeout: 2", Timeouts(2.0, 2.0, 2.0, None)),
        ("timeout: 0.5", Timeouts(0.5, 0.5, 0.5, None)),
        ("timeouts: {connect: 1, first_byte: 2, idle: 3, total: 4}", Timeouts(1, 2, 3, 4)),
        ("timeouts: {idle: 3}", Timeouts(5.0, 600.0, 3.0, None)),
        ("timeouts: {total: null}", Timeouts(5.0, 600.0, 600.0, None)),
    ],
)
def test_timeouts_are_seconds(loaded, fields, timeouts):
    assert loaded(one_route(fields)).routes[0].timeouts == timeouts


@pytest.mark.parametrize(
    ("megabytes", "octets"), [("1", 1048576), ("0.5", 524288), ("0.0000001", 1), ("100", 104857600)]
)
def test_a_size_is_in_megabytes_of_1024_times_1024(loaded, megabytes, octets):
    assert loaded(f"general_settings: {{max_request_size_mb: {megabytes}}}\n").max_request_bytes == octets


def test_headers_are_as_to_be_sent(loaded):
    text = one_route(
        "headers: {B: ' padded ', A: 'bearer os.environ/KEY', content-type: application/json, X-Empty: ''}"
    )

    headers = loaded(text, KEY="s3cret").routes[0].headers

    assert revealed(headers) == [
        ("B", "padded"),
        ("A", "bearer s3cret"),
        ("content-type", "application/json"),
        ("X-Empty", ""),
    ]


def test_a_header_beyond_ascii_is_its_octets(loaded):
    ((_, value),) = revealed(loaded(one_route("headers: {X-Title: Café}")).routes[0].headers)

    assert value.encode("latin-1") == "Café".encode()


@pytest.mark.parametrize(
    "names", [("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"), ("langfuse_public_key", "Langfuse_Secret_Key")]
)
def test_the_langfuse_pair_becomes_one_authorization(loaded, names):
    text = one_route(f"headers: {{X-A: a, {names[1]}: os.environ/SK, {names[0]}: pk-é, X-B: b}}")

    headers = revealed(loaded(text, SK="sk-1").routes[0].headers)

    assert [name for name, _ in headers] == ["X-A", "Authorization", "X-B"]
    assert headers[1][1].startswith("Basic ")
    assert b64decode(headers[1][1].removeprefix("Basic ")).decode() == "pk-é:sk-1"


def test_query_params_are_text_in_the_order_written(loaded):
    text = one_route("default_query_params: {version: 2024-10-21, n: 10, k: os.environ/KEY}")

    params = loaded(text, KEY="a b&c").routes[0].default_query_params

    assert revealed(params) == [("version", "2024-10-21"), ("n", "10"), ("k", "a b&c")]


def test_a_list_of_forwarded_headers_is_in_lower_case(loaded):
    (route,) = loaded(one_route('forward_headers: ["Anthropic-*", openai-beta]')).routes

    assert route.forward_headers == ("anthropic-*", "openai-beta")


def test_a_target_may_come_from_the_environment(loaded):
    (route,) = loaded(
        one_route(target="os.environ/BASE/v1?key=os.environ/KEY"), BASE="http://up.example:81", KEY="k"
    ).routes

    assert (route.target.authority, route.target.path) == ("up.example:81", "/v1")
    assert route.target.query.get_secret_value() == "key=k"


def test_a_bad_target_from_the_environment_is_refused_without_being_shown(problems):
    (problem,) = problems(one_route(target="os.environ/BASE"), BASE="canary:canary")

    assert "is not http, https" in problem.message
    assert "canary" not in str(problem)
