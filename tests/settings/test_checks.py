"""Fields agree with each other, routes with each other, and none leads back here."""

from __future__ import annotations

import pytest

from tests.settings.conftest import one_route

ENDPOINTS = "general_settings.pass_through_endpoints"


def routes(*entries: str) -> str:
    """A file with these routes, in flow style, from line 3 on."""
    return "general_settings:\n  pass_through_endpoints:\n" + "".join(f"    - {{{entry}}}\n" for entry in entries)


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        pytest.param("path: /a", "path: /a", "GET, HEAD, POST", id="CE-13 the same path"),
        pytest.param(
            "path: /a, methods: [GET, PUT]", "path: /a, methods: [POST, PUT]", "for PUT", id="CE-13 one method"
        ),
        pytest.param("path: /a", "path: /a, include_subpath: true", "GET", id="CE-13 exact, and with what is below"),
        pytest.param("path: '/{a}/x'", "path: '/{b}/x'", "GET", id="CE-13 other names, one shape"),
    ],
)
def test_two_routes_for_the_same_requests_are_refused(problems, first, second, common):
    target = "target: 'https://up.example'"

    (problem,) = problems(routes(f"{first}, {target}", f"{second}, {target}"))

    assert (problem.line, problem.place) == (4, f"{ENDPOINTS}[1].path")
    assert f"is also that of {ENDPOINTS}[0]" in problem.message
    assert common in problem.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("path: /a, methods: [GET]", "path: /a, methods: [POST]", id="other methods"),
        pytest.param("path: /a", "path: /a/", id="a slash at the end"),
        pytest.param("path: /a", "path: /A", id="another case"),
        pytest.param("path: /a, include_subpath: true", "path: /a/b", id="one below the other"),
        pytest.param("path: '/{x}'", "path: /a", id="a name and a text"),
    ],
)
def test_two_routes_that_can_be_told_apart_are_served(loaded, first, second):
    target = "target: 'https://up.example'"

    assert len(loaded(routes(f"{first}, {target}", f"{second}, {target}")).routes) == 2


def test_of_three_alike_each_later_one_is_told(problems):
    found = problems(routes(*["path: /a, target: 'https://up.example'"] * 3))

    assert [problem.place for problem in found] == [f"{ENDPOINTS}[1].path", f"{ENDPOINTS}[2].path"]


@pytest.mark.parametrize(
    ("headers", "place", "said"),
    [
        ("LANGFUSE_PUBLIC_KEY: pk", "LANGFUSE_PUBLIC_KEY", "is half a pair; add LANGFUSE_SECRET_KEY"),
        ("LANGFUSE_SECRET_KEY: sk", "LANGFUSE_SECRET_KEY", "is half a pair; add LANGFUSE_PUBLIC_KEY"),
        ("langfuse_public_key: pk", "langfuse_public_key", "is half a pair; add LANGFUSE_SECRET_KEY"),
        (
            "LANGFUSE_PUBLIC_KEY: pk, LANGFUSE_SECRET_KEY: sk, authorization: x",
            "authorization",
            "contradicts the Langfuse pair",
        ),
        ("LANGFUSE_PUBLIC_KEY: 'p:k', LANGFUSE_SECRET_KEY: sk", "LANGFUSE_PUBLIC_KEY", "has a colon"),
        ("X-A: a, x-a: b", "x-a", "is written twice, in another case"),
    ],
)
def test_headers_that_contradict_each_other_are_refused(problems, headers, place, said):
    (problem,) = problems(one_route(f"headers: {{{headers}}}"))

    assert problem.place == f"{ENDPOINTS}[0].headers.{place}"
    assert problem.message.startswith(said)


def test_timeout_and_timeouts_contradict_each_other(problems):
    (problem,) = problems(one_route("timeout: 5\ntimeouts: {connect: 1}"))

    assert (problem.line, problem.place) == (5, f"{ENDPOINTS}[0].timeout")


def test_a_name_in_the_target_must_stand_in_the_path(problems):
    (problem,) = problems(one_route(path="/a/{x}", target="https://up.example/{x}/{y}"))

    assert problem.place == f"{ENDPOINTS}[0].target"
    assert "uses {y}, which path does not have" in problem.message


def test_a_default_pair_that_the_target_fixes_already_is_refused(problems):
    text = one_route("default_query_params: {api version: 1}", target="https://up.example/b?api+version=2")

    (problem,) = problems(text)

    assert problem.message.startswith("stands in the target's query already")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "app.localhost", "[::1]", "0.0.0.0", "127.9.9.9"])
def test_the_gateway_itself_is_no_target(problems, host):
    """CE-11"""
    (problem,) = problems(one_route(target=f"http://{host}:4567/x"), PORT="4567")

    assert problem.place == f"{ENDPOINTS}[0].target"
    assert "leads to this gateway itself, port 4567" in problem.message


def test_the_gateways_port_is_4000_unless_told(problems):
    """CE-11"""
    assert len(problems(one_route(target="http://127.0.0.1:4000/x"))) == 1
    assert problems(one_route(target="http://127.0.0.1:4000/x"), PORT="4001") == []


@pytest.mark.parametrize("target", ["http://127.0.0.1:4001/x", "http://192.0.2.1:4000/x", "https://up.example:4000/x"])
def test_another_port_or_machine_is_a_target(problems, target):
    """CE-11"""
    assert problems(one_route(target=target)) == []
