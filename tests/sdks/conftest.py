"""One gateway with a route for each provider, and the operator who issues keys for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.kit.gateway import Gateway
from tests.kit.house import House
from tests.kit.upstream import Upstream
from tests.sdks.providers import PROVIDERS, Provider

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - path: /openai
      target: "{upstream}"
      include_subpath: true
      auth: true
      forward_headers: true
      headers: {{Authorization: "Bearer os.environ/CREDENTIAL"}}
    - path: /anthropic
      target: "{upstream}"
      include_subpath: true
      forward_headers: true
      headers: {{litellm_user_api_key: x-api-key, x-api-key: os.environ/CREDENTIAL}}
      error_format: anthropic
    - path: /cohere
      target: "{upstream}"
      include_subpath: true
      auth: true
      headers: {{Authorization: "bearer os.environ/CREDENTIAL"}}
      error_format: cohere
    - path: /gemini
      target: "{upstream}"
      include_subpath: true
      auth: true
      forward_headers: true
      headers: {{x-goog-api-key: os.environ/CREDENTIAL}}
      error_format: google
    - path: /bedrock
      target: "{upstream}"
      include_subpath: true
      auth: true
      forward_headers: true
      headers: {{Authorization: "Bearer os.environ/CREDENTIAL"}}
      error_format: bedrock
    - path: /langfuse
      target: "{upstream}"
      include_subpath: true
      forward_headers: true
      custom_auth_parser: langfuse
      headers: {{LANGFUSE_PUBLIC_KEY: os.environ/PUBLIC_HALF, LANGFUSE_SECRET_KEY: os.environ/SECRET_HALF}}
      error_format: langfuse
"""
# What would change where an SDK calls, or with what; AWS_ also keeps boto3 from asking the machine it runs on.
TELLING = ("ANTHROPIC_", "AWS_", "CO_", "COHERE_", "GEMINI_", "GOOGLE_", "LANGFUSE_", "OPENAI_", "OTEL_")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(TELLING) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def shared_house(start_gateway: Callable[..., Gateway], shared_upstream: Upstream) -> House:
    return House(start_gateway(CONFIG.format(upstream=f"http://{shared_upstream.authority}")))


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """A gateway with a route for each provider, that issues keys."""
    yield shared_house
    shared_house.gateway.close_clients()


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request: pytest.FixtureRequest, upstream: Upstream) -> Provider:
    """One SDK, and its provider answering."""
    upstream.plays(request.param.answer())
    found: Provider = request.param
    return found
