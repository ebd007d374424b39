"""The client's wishes, the operator's word, and what neither may change."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from app.adapters import litellm_library
from app.adapters.schema import CompletionRequest
from app.relay.arguments import Arguments, dropped_field
from app.settings.gateway import Timeouts
from tests.values import a_route

LIBRARY = litellm_library.load()
PARAMS = {"model": "openai/gpt-4o", "api_key": "k"}


def arguments(wishes=None, params=PARAMS, route=None, **facts):
    return Arguments(route or a_route(), LIBRARY).of(CompletionRequest("m", wishes or {}, **facts), params)


def test_a_call_has_a_time_and_is_made_once():
    made, dropped = arguments({"messages": []}, route=a_route(timeouts=Timeouts(first_byte_s=7.0)))

    assert made == {"model": "openai/gpt-4o", "api_key": "k", "messages": [], "timeout": 7.0, "max_retries": 0}
    assert dropped == []


def test_the_operator_may_ask_for_another_try_and_another_time():
    made, _ = arguments(params={**PARAMS, "max_retries": 2, "num_retries": 1, "timeout": 3})

    assert (made["max_retries"], made["num_retries"], made["timeout"]) == (2, 1, 3)


def test_a_stream_asks_for_its_usage():
    made, _ = arguments(is_streaming=True)

    assert (made["stream"], made["stream_options"]) == (True, {"include_usage": True})


def test_what_the_operator_wrote_is_a_default_for_what_a_client_may_choose():
    made, _ = arguments({"temperature": 1.0}, {**PARAMS, "temperature": 0.5, "max_tokens": 10})

    assert (made["temperature"], made["max_tokens"]) == (1.0, 10)


def test_where_a_call_goes_is_the_operators_alone():
    """AD-01, even where a schema should let it through."""
    wishes = {"api_base": "http://evil/", "api_key": "evil", "model": "evil", "aws_region_name": "evil"}

    made, _ = arguments(wishes, {**PARAMS, "api_base": "http://good/", "aws_region_name": "good"})

    assert (made["api_base"], made["api_key"], made["model"]) == ("http://good/", "k", "openai/gpt-4o")
    assert made["aws_region_name"] == "good"


def test_what_the_model_does_not_take_is_dropped_under_the_clients_name():
    wishes = {"messages": [], "top_k": 3, "thinking": {"type": "enabled"}, "temperature": 1}

    made, dropped = arguments(wishes, origins={"top_k": "generationConfig.topK"}, dropped=("safetySettings",))

    assert dropped == ["safetySettings", "generationConfig.topK", "thinking"]
    assert {"top_k", "thinking"} & set(made) == set()


def test_a_server_that_speaks_openais_format_may_know_more():
    made, dropped = arguments({"top_k": 3}, {**PARAMS, "api_base": "http://vllm/v1"})

    assert (made["top_k"], dropped) == (3, [])


def test_a_model_that_takes_it_gets_it():
    made, dropped = arguments({"top_k": 3, "thinking": {}}, {"model": "anthropic/claude-sonnet-4-5"})

    assert (made["top_k"], made["thinking"], dropped) == (3, {}, [])


def test_the_operator_may_allow_what_litellm_does_not_know():
    made, _ = arguments({"reasoning_effort": "low"}, {**PARAMS, "allowed_openai_params": ["reasoning_effort"]})

    assert made["reasoning_effort"] == "low"


def test_a_routes_headers_go_along():
    route = a_route(headers=(("X-Team", SecretStr("a")), ("X-B", SecretStr("b"))))

    made, _ = arguments(params={**PARAMS, "extra_headers": {"X-B": "model", "X-C": "c"}}, route=route)

    assert made["extra_headers"] == {"X-Team": "a", "X-B": "b", "X-C": "c"}


def test_names_of_dropped_fields_are_one_safe_header():
    names = ["a", "a", "messages[0].cache_control", "x\r\ny", "é", "a,b", "\ud800"]

    assert dropped_field(names) == "a, messages[0].cache_control, x%0D%0Ay, %C3%A9, a%2Cb, %3F"


def test_too_many_names_are_counted():
    field = dropped_field(f"name{i}" for i in range(1000))

    assert len(field) < 2010
    assert field.endswith(f", +{1000 - field.count('name')}")


@pytest.mark.parametrize(
    "name",
    "model_id guardrailConfig token fake_stream mock_tool_calls mock_delay deployment_url project_id space_id"
    " custom_endpoint cached_content bucket_name api_base timeout deployment_id default_headers anything".split(),
)
def test_no_name_that_decides_where_a_call_goes_is_a_clients(name):
    """AD-01: what litellm's providers read, whether litellm declares it or not."""
    assert not LIBRARY.is_clients(name)


@pytest.mark.parametrize(
    "name", "messages temperature stop tools thinking reasoning_effort response_format top_k".split()
)
def test_parameters_of_chat_completions_are_the_clients(name):
    assert LIBRARY.is_clients(name)
