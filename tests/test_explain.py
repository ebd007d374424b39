"""An explanation tells what the upstream would see, and sends nothing."""

from __future__ import annotations

import pytest

from app.explain import explain
from app.settings.load import inspect

FILE = """\
general_settings:
  pass_through_endpoints:
    - path: /exact
      target: http://127.0.0.1:9/there?fixed=1
      headers: {X-Mine: mine}
      default_query_params: {added: a b, key: k}
    - path: /all/{team}
      target: http://[2001:db8::1]:81/of/{team}/
      include_subpath: true
      forward_headers: true
      methods: [GET]
      error_format: anthropic
"""


@pytest.fixture
def gateway(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(FILE)
    return inspect(file, {}).gateway


def head(explanation):
    return explanation.text.partition("\n\n")[2].splitlines()[:-1]


def test_the_request_line_is_byte_for_byte(gateway):
    told = explain(gateway, "GET", "/all/a%20b/c%2Fd//e?x=%20+&x=&y", [])

    assert head(told) == ["GET /of/a%20b/c%2Fd//e?x=%20+&x=&y HTTP/1.1", "Host: [2001:db8::1]:81"]
    assert told.is_relayed


def test_queries_are_joined_and_credentials_masked(gateway):
    told = explain(gateway, "POST", "/exact?fixed=2&x=1&api_key=canary", [])

    assert head(told)[0] == "POST /there?fixed=1&x=1&api_key=****&added=a%20b&key=**** HTTP/1.1"


def test_fields_are_those_that_travel(gateway):
    fields = [("accept", "a/b"), ("X-Other", "o"), ("x-mine", "theirs"), ("Connection", "close"), ("x-pass-X-New", "n")]

    told = explain(gateway, "POST", "/exact", fields)

    assert head(told)[1:] == ["Host: 127.0.0.1:9", "Accept: a/b", "X-New: n", "X-Mine: mine"]


def test_the_clients_credentials_are_masked(gateway):
    fields = [
        ("Authorization", "Bearer canary"),
        ("X-Goog-Api-Key", "canary"),
        ("Cookie", "c=canary"),
        ("X-Other", "o"),
    ]

    told = explain(gateway, "GET", "/all/t", fields)

    assert head(told)[2:] == ["Authorization: Bearer ****", "X-Goog-Api-Key: ****", "Cookie: ****", "X-Other: o"]


def test_the_route_and_the_address_are_told(gateway):
    told = explain(gateway, "GET", "/all/t", [])

    assert told.text.splitlines()[:2] == ["route     /all/{team}", "connects  http://[2001:db8::1]:81"]


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("GET", "/exact/", 404, "route_not_found"),
        ("GET", "/exact/../x", 400, "invalid_request"),
        ("GET", "/all/t/%2e%2e/x", 400, "invalid_request"),
        ("POST", "/all/t", 405, "The route /all/{team} takes GET."),
        ("GET", "*", 400, "invalid_request"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused_as_it_would(gateway, method, path, status, said):
    told = explain(gateway, method, path, [])

    assert (told.status, told.is_relayed) == (status, False)
    assert said in told.text


def test_a_host_of_the_clients_own_is_looked_at(gateway):
    assert explain(gateway, "GET", "/exact", [("Host", "a b")]).status == 400
