"""An explanation tells what the upstream would see, and sends nothing."""

from __future__ import annotations

from base64 import b64encode

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
    return inspect(file, {})


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


@pytest.mark.parametrize(
    ("method", "target", "field"),
    [
        pytest.param("get", "/exact", ("X", "1"), id="methods have no lower case"),
        pytest.param("GET", "/a b", ("X", "1"), id="a blank in the path"),
        pytest.param("GET", "/exact", ("X Y", "1"), id="a blank in a name"),
        pytest.param("GET", "/exact", ("Host", "a\r\nHost: b"), id="two hosts"),
        pytest.param("GET", "/exact", ("Content-Length", "x"), id="no length"),
    ],
)
def test_what_the_gateway_could_not_read_is_refused_as_it_would(gateway, method, target, field):
    told = explain(gateway, method, target, [field])

    assert (told.status, told.is_relayed) == (400, False)
    assert "invalid_request" in told.text


GUARDED = """\
general_settings:
  master_key: sk-master-of-this-file
  pass_through_endpoints:
    - {path: /closed, target: "http://127.0.0.1:9/", auth: true, forward_headers: true}
    - {path: /open, target: "http://127.0.0.1:9/", forward_headers: true, default_query_params: {key: ours}}
    - path: /langfuse
      target: http://127.0.0.1:9/
      custom_auth_parser: langfuse
      forward_headers: true
keys:
  - {key: sk-key-of-this-file, key_alias: team}
"""
ISSUED = "sk-" + "i" * 43


@pytest.fixture
def guarded(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(GUARDED)
    return inspect(file, {})


@pytest.mark.parametrize("key", ["sk-key-of-this-file", "sk-master-of-this-file", ISSUED])
@pytest.mark.parametrize("path", ["/closed", "/open", "/langfuse"])
def test_keys_stay_here_as_they_would(guarded, path, key):
    """What is told to the operator is not that a key travels, stars or no stars."""
    fields = [("Authorization", f"Bearer {key}"), ("X-Odd", key), ("X-Kept", "1")]

    told = explain(guarded, "GET", f"{path}?token={key}&x=1", fields)

    assert [line for line in head(told)[2:] if not line.startswith("Host")] == ["X-Kept: 1"]
    assert "token" not in head(told)[0]
    assert key not in told.text


def test_what_admits_the_client_stays_here_and_other_credentials_travel(guarded):
    fields = [("Authorization", "Bearer chosen-key"), ("X-Api-Key", "other"), ("X-Odd", "chosen-key")]

    closed, opened = (explain(guarded, "GET", path, fields) for path in ("/closed", "/open"))

    assert head(closed)[2:] == ["X-Api-Key: ****"]
    assert head(opened)[2:] == ["Authorization: Bearer ****", "X-Api-Key: ****", "X-Odd: chosen-key"]


def test_a_basic_user_admits_where_the_route_says_langfuse(guarded):
    pair = "Basic " + b64encode(b"chosen-key:x").decode()

    told = explain(guarded, "GET", "/langfuse", [("Authorization", pair), ("X-Odd", "chosen-key")])

    assert head(told)[2:] == []


def test_a_withheld_pair_leaves_its_place_to_the_default(guarded):
    told = explain(guarded, "GET", f"/open?key={ISSUED}", [])

    assert head(told)[0] == "GET /?key=**** HTTP/1.1"
    assert head(explain(guarded, "GET", "/open?key=theirs&x", []))[0] == "GET /?key=****&x HTTP/1.1"


MODELS = """\
general_settings:
  pass_through_endpoints:
    - {path: /bedrock, target: app.adapters.bedrock_adapter}
model_list:
  - {model_name: "gpt-*", litellm_params: {model: "openai/gpt-*", api_key: k}}
  - {model_name: gpt-special, litellm_params: {model: openai/special, api_key: k}}
  - {model_name: other, litellm_params: {model: openai/other, api_key: k}}
"""


@pytest.fixture
def modelled(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(MODELS)
    return inspect(file, {})


@pytest.mark.parametrize(("asked", "served"), [("gpt-4", "gpt-*: model=openai/gpt-*"), ("other", "other: model=")])
def test_of_a_model_in_the_path_its_own_entry_is_told(modelled, asked, served):
    told = explain(modelled, "POST", f"/bedrock/model/{asked}/converse", [])

    (entry,) = (line for line in told.text.splitlines() if ": model=" in line)
    assert entry.startswith(served)
    assert told.is_relayed


def test_a_model_in_the_path_that_is_not_listed_is_refused_as_it_would_be(modelled):
    told = explain(modelled, "POST", "/bedrock/model/nope/converse", [])

    assert (told.is_relayed, told.status) == (False, 404)
    assert "nope" in told.text
