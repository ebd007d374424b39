"""Secrets planted everywhere in a file are found nowhere in what is said about it."""

from __future__ import annotations

import pytest

from app.explain import explain
from app.settings.listing import listing
from app.settings.load import inspect
from app.settings.problems import SettingsInvalid

# Lower case, so that they survive where a host or name is lowered.
CANARY = "canary-5e1f"
ENVIRON = {f"CANARY_{n}": f"{CANARY}-{n}-0123456789" for n in range(9)}

SOUND = """\
general_settings:
  master_key: os.environ/CANARY_0
  pass_through_endpoints:
    - path: /a/{x}
      target: https://up.example/os.environ/CANARY_1/{x}?key=os.environ/CANARY_2&token=canary-5e1f-literal
      include_subpath: true
      headers:
        Authorization: Bearer os.environ/CANARY_3
        X-Plain: os.environ/CANARY_4
        x-api-key: canary-5e1f-literal
        LITERAL_TOKEN: canary-5e1f-literal
      default_query_params: {plain: os.environ/CANARY_5, secret: canary-5e1f-literal}
    - path: /b
      target: https://up.example
      headers: {LANGFUSE_PUBLIC_KEY: os.environ/CANARY_6, LANGFUSE_SECRET_KEY: os.environ/CANARY_7}
litellm_settings: {api_key: canary-5e1f-literal}
environment_variables: {OPENAI_API_KEY: canary-5e1f-literal}
"""
# base64 of the pair above begins so.
BASIC = "Y2FuYXJ5"


def found(text: str) -> list[str]:
    return [mark for mark in (CANARY, BASIC) if mark in text]


@pytest.fixture
def sound(file):
    file.write_text(SOUND)
    return inspect(file, ENVIRON)


def test_the_canaries_are_really_there(sound):
    first, second = sound.gateway.routes

    assert CANARY in first.headers[0][1].get_secret_value()
    assert CANARY in first.target.path + first.target.query.get_secret_value()
    assert BASIC in second.headers[0][1].get_secret_value()


def test_a_gateway_and_its_warnings_print_none(sound):
    assert found(f"{sound.gateway!r} {sound.gateway} {sound.gateway.warnings}") == []


def test_the_listing_prints_none(sound):
    assert found(listing(sound)) == []


@pytest.mark.parametrize("path", ["/a/1", "/a/1/below?x=1", "/b", "/nowhere", "/a/.."])
def test_an_explanation_prints_none(sound, path):
    client = [("Authorization", f"Bearer {CANARY}"), ("Cookie", CANARY), ("x-pass-x-token", CANARY)]

    told = explain(sound, "GET", path, client)

    assert found(told.text) == []


BAD = [
    pytest.param("general_settings: {master_key: ' canary-5e1f'}", id="master key with a blank"),
    pytest.param("general_settings: {master_key: *canary-5e1f}", id="alias of nothing"),
    pytest.param("general_settings: {master_key: !canary-5e1f x}", id="tag"),
    pytest.param("general_settings: {master_key: [canary-5e1f]}", id="list for text"),
    pytest.param('general_settings: {master_key: "canary-5e1f}', id="unclosed quote"),
    pytest.param("general_settings:\n  master_key: canary-5e1f\n  - canary-5e1f\n", id="text and list"),
    pytest.param("canary-5e1f\n", id="text at the top"),
    pytest.param("'Authorization: Bearer canary-5e1f': x\n", id="name and value in one name"),
    pytest.param("keys: [{key: canary-5e1f, expires: 5, blocked: 'canary-5e1f'}]", id="wrong types of a key"),
    pytest.param("model_list: [{model_name: 5, litellm_params: {api_key: canary-5e1f}}]", id="wrong types of a model"),
]
BAD_ROUTES = [
    "path: 'canary-5e1f'",
    "path: '/canary-5e1f ?x'",
    "target: canary-5e1f",
    "target: 'canary-5e1f://up.example'",
    "target: 'https://canary-5e1f@up.example/'",
    "target: 'https://up.example:canary-5e1f/'",
    "target: 'https://up.example/#canary-5e1f'",
    "target: 'https://169.254.169.254/canary-5e1f'",
    "target: 'http://127.0.0.1:4000/canary-5e1f'",
    "target: os.environ/BROKEN",
    'headers: {Authorization: "Bearer canary-5e1f\\n"}',
    'headers: {Authorization: "os.environ/BROKEN"}',
    "headers: {'X: canary-5e1f': y}",
    "headers: {LANGFUSE_SECRET_KEY: canary-5e1f}",
    "headers: [canary-5e1f]",
    "headers: {A: canary-5e1f, a: canary-5e1f}",
    "auth: canary-5e1f",
    "methods: [canary-5e1f]",
    "error_format: canary-5e1f",
    "custom_auth_parser: canary-5e1f",
    "timeout: canary-5e1f",
    "timeouts: canary-5e1f",
    "forward_headers: ['canary-5e1f: x']",
    "default_query_params: {a: [canary-5e1f]}",
    "default_query_params: canary-5e1f",
    "rpm_limit: canary-5e1f",
    "unknown: canary-5e1f",
]


def route(fields: str) -> str:
    rest = [rest for rest in ("path: /a", "target: 'https://up.example'") if rest.split(":")[0] not in fields]
    return f"general_settings: {{pass_through_endpoints: [{{{', '.join([fields, *rest])}}}]}}"


@pytest.mark.parametrize("text", [*BAD, *(pytest.param(route(fields), id=fields) for fields in BAD_ROUTES)])
def test_a_refusal_prints_none(file, text):
    file.write_text(text)

    with pytest.raises(SettingsInvalid) as refused:
        inspect(file, {"BROKEN": f"{CANARY}\r\nX-Injected: {CANARY}"})

    assert found(f"{refused.value} {refused.value!r}") == []
