"""What works and should not stay so is told at start."""

from __future__ import annotations

import pytest

from tests.settings.conftest import one_route

STRONG = "sk-8c1f0a6e4b7d92f3"


def about(word, gateway):
    return [warning for warning in gateway.warnings if word in warning]


@pytest.mark.parametrize(
    "key", ["sk-1234", "SK-1234", "secret", "changeme-changeme", "aaaaaaaaaaaaaaaaaaaaaaaa", "short-but-odd-1"]
)
def test_a_weak_master_key_works_with_a_warning_that_does_not_tell_it(loaded, key):
    gateway = loaded(f"general_settings: {{master_key: {key}}}\n")

    assert gateway.master_key.get_secret_value() == key
    (warning,) = about("master_key", gateway)
    assert key not in warning


@pytest.mark.parametrize("fields", [f"master_key: {STRONG}", "max_request_size_mb: 1"])
def test_a_strong_master_key_or_none_brings_no_warning(loaded, fields):
    assert about("master_key", loaded(f"general_settings: {{{fields}}}\n")) == []


def test_a_weak_key_of_the_file_works_with_a_warning_that_does_not_tell_it(loaded):
    gateway = loaded(f"{one_route()}keys: [{{key: {STRONG}}}, {{key: sesame}}]\n")

    assert [key.secret.get_secret_value() for key in gateway.keys] == [STRONG, "sesame"]
    (warning,) = about("keys", gateway)
    assert warning == "keys[1].key is short or well known; make a long random one: openssl rand -hex 32"


@pytest.mark.parametrize(
    ("allowed", "told"),
    [("['/a']", []), ("['/']", []), ("[]", []), ("['/a', /ab, /a/b, /nosuch/]", ["/ab, /a/b, /nosuch/"])],
)
def test_a_key_for_routes_that_the_file_does_not_have_brings_a_warning(loaded, allowed, told):
    gateway = loaded(f"{one_route()}keys: [{{key: {STRONG}, allowed_passthrough_routes: {allowed}}}]\n")

    place = "keys[0].allowed_passthrough_routes: no route stands at or below "
    assert about("keys", gateway) == [place + paths for paths in told]


def test_open_routes_are_listed_in_one_warning(loaded):
    text = one_route("auth: false") + "    - {path: /c, target: 'https://up.example'}\n"

    (warning,) = about("open to everyone", loaded(text))

    assert warning.endswith(": /a, /c")


def test_what_litellm_knows_is_ignored_with_one_warning_that_names_it(loaded):
    sections = "litellm_settings: {drop_params: true}\nrouter_settings: [os.environ/UNSET]\nenvironment_variables:\n"

    (warning,) = about("LiteLLM", loaded(one_route() + sections))

    assert warning.startswith("litellm_settings, router_settings, environment_variables:")


def test_a_file_without_routes_works_with_a_warning(loaded):
    assert len(about("has no route", loaded("general_settings: {}\n"))) == 1


def test_a_file_in_order_brings_only_the_warning_about_open_routes(loaded):
    assert len(loaded(f"{one_route()}  master_key: {STRONG}\n").warnings) == 1


MODEL = "model_list: [{model_name: m, litellm_params: {model: x}}]\n"
ADAPTER = "app.adapters.anthropic_adapter"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (one_route(target=ADAPTER), "model_list is empty: every request of an adapter route will get 404"),
        (MODEL + one_route("auth: true"), "model_list: no route leads to an adapter, so nothing uses it"),
        (
            MODEL + one_route("forward_headers: true\ndefault_query_params: {a: b}", target=ADAPTER),
            "forward_headers, default_query_params of /a: without effect on an adapter route",
        ),
    ],
)
def test_what_adapters_leave_idle_is_told(loaded, text, warning):
    assert loaded(text).warnings == (warning,)


def test_an_adapter_with_models_is_no_cause_for_a_warning(loaded):
    assert loaded(MODEL + one_route(target=ADAPTER)).warnings == ()
