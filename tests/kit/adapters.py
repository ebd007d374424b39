"""A gateway's settings with every shipped adapter, before an OpenAIServer."""

from __future__ import annotations

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /v1/messages, target: app.adapters.anthropic_adapter, headers: {{litellm_user_api_key: x-api-key}}}}
    - {{path: /bedrock, target: app.adapters.bedrock_adapter}}
    - {{path: /gemini, target: app.adapters.gemini_adapter}}
    - {{path: /hasty, target: app.adapters.anthropic_adapter, timeout: 0.5}}
model_list:
  - model_name: gpt-*
    litellm_params: {{model: "openai/gpt-*", api_key: os.environ/CREDENTIAL, api_base: "{base_url}"}}
  - model_name: alias
    litellm_params: {{model: openai/gpt-say, api_key: os.environ/CREDENTIAL, api_base: "{base_url}"}}
  - model_name: unreachable
    litellm_params: {{model: openai/gpt-say, api_key: os.environ/CREDENTIAL, api_base: "{refused}"}}
keys:
  - {{key: os.environ/TEAM_KEY, key_alias: team}}
"""
"""To be formatted with `base_url` (OpenAIServer.base_url) and `refused` (a URL on which nobody listens)."""
