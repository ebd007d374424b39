"""A file is loaded whole, or refused with everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings.load import config_path, load
from app.settings.problems import Problem, SettingsInvalid

# Word for word from LiteLLM's page "Create Pass Through Endpoints", in its present and its older form.
LITELLM_PAGE = """\
general_settings:
  master_key: sk-1234
  pass_through_endpoints:
    - path: "/v1/rerank"                                  # Route on LiteLLM Proxy
      target: "https://api.cohere.com/v1/rerank"          # Target endpoint
      headers:                                            # Headers to forward
        Authorization: "bearer os.environ/COHERE_API_KEY"
        content-type: application/json
        accept: application/json
      forward_headers: True                               # Forward all incoming headers
    - path: "/api/public/ingestion"
      target: "https://us.cloud.langfuse.com/api/public/ingestion"
      auth: false
      headers:
        LANGFUSE_PUBLIC_KEY: "os.environ/LANGFUSE_DEV_PUBLIC_KEY"
        LANGFUSE_SECRET_KEY: "os.environ/LANGFUSE_DEV_SK_KEY"
"""
LITELLM_ADAPTER = """\
model_list:
  - model_name: my-claude-endpoint
    litellm_params:
      model: gpt-3.5-turbo
      api_key: os.environ/OPENAI_API_KEY

general_settings:
  master_key: sk-1234
  pass_through_endpoints:
    - path: "/v1/messages"
      target: custom_callbacks.anthropic_adapter
      headers:
        litellm_user_api_key: "x-api-key"
"""
ENVIRON = {"COHERE_API_KEY": "co-1", "LANGFUSE_DEV_PUBLIC_KEY": "pk-1", "LANGFUSE_DEV_SK_KEY": "sk-1"}


def test_the_file_of_litellms_page_loads_unchanged(loaded):
    rerank, ingestion = loaded(LITELLM_PAGE, **ENVIRON).routes

    assert [(name, value.get_secret_value()) for name, value in rerank.headers] == [
        ("Authorization", "bearer co-1"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ]
    assert rerank.forward_headers is True
    assert [(name, value.get_secret_value()) for name, value in ingestion.headers] == [
        ("Authorization", "Basic cGstMTpzay0x")
    ]


def test_the_adapter_file_of_litellms_page_wants_its_adapter_beside_it(problems):
    (found,) = problems(LITELLM_ADAPTER, OPENAI_API_KEY="x")

    assert found.place == "general_settings.pass_through_endpoints[0].target"
    assert "no custom_callbacks.py beside this file" in found.message


def test_a_missing_variable_is_told_where_it_is_asked_for(problems, file):
    """CE-07: the variable is named, and everything that is missing at once."""
    found = problems(LITELLM_PAGE, LANGFUSE_DEV_SK_KEY="canary")

    assert [(problem.line, problem.message.partition(";")[0]) for problem in found] == [
        (7, "the environment variable COHERE_API_KEY is not set"),
        (15, "the environment variable LANGFUSE_DEV_PUBLIC_KEY is not set"),
    ]
    place = "general_settings.pass_through_endpoints[0].headers.Authorization"
    assert str(found[0]).startswith(f"{file}:7: {place}: the environment variable COHERE_API_KEY is not set; ")


def test_a_file_that_is_not_there_is_told_with_a_way_out(tmp_path):
    with pytest.raises(SettingsInvalid, match=r"nowhere\.yaml: cannot be read: No such file.*CONFIG_FILE_PATH"):
        load(tmp_path / "nowhere.yaml", {})


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SettingsInvalid, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_a_mounted_secret_is_looked_for_beside_the_file(tmp_path, loaded):
    (tmp_path / "cohere.txt").write_text("co-1\n")

    gateway = loaded(LITELLM_PAGE.replace("bearer os.environ/COHERE_API_KEY", "file/cohere.txt"), **ENVIRON)

    assert gateway.routes[0].headers[0][1].get_secret_value() == "co-1"


def test_loading_changes_nothing(tmp_path, loaded):
    environ = dict(ENVIRON)

    loaded(LITELLM_PAGE, **environ)

    assert environ == ENVIRON
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "config/config.yaml"),
        ({"CONFIG_FILE_PATH": ""}, "config/config.yaml"),
        ({"CONFIG_FILE_PATH": "x.yaml"}, "x.yaml"),
    ],
)
def test_the_environment_names_the_file(environ, path):
    assert config_path(environ) == Path(path)


def test_problems_are_told_in_the_order_of_lines():
    problems = [Problem("f", line, place, "m") for line, place in [(10, "a"), (9, "b"), (None, ""), (9, "a")]]

    told = SettingsInvalid(problems)

    assert str(told) == "f: m\nf:9: a: m\nf:9: b: m\nf:10: a: m"
    assert [problem.line for problem in told.problems] == [None, 9, 9, 10]
