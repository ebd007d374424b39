"""litellm, loaded late and tamed: the one module that imports it."""

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import metadata
from inspect import signature
from re import compile as compile_pattern
from typing import Any

from app.adapters.litellm_faults import in_stream, refusal_of
from app.adapters.litellm_refusals import keep_refusals
from app.adapters.litellm_tamed import HEARD, tame
from app.errors import StreamBroken, UpstreamInvalidResponse

# 1.82.7 and 1.82.8 stole credentials (BerriAI/litellm issue 24512); of 1.107 the registry holds nothing any more.
NEVER = compile_pattern(r"1\.82\.[78]|1\.107(\..*)?")
INSTALL = "pip install -r requirements.txt"

# Read by litellm and httpx: nothing is fetched at import, no .env file is read, and the proxies of the gateway's own
# environment are not for its upstreams (CONTRACT §3).
ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "NO_PROXY": "*", "no_proxy": "*"}

# Arguments that decide where a call goes, as whom, and what is done with it, by the providers' prefixes.
CONNECTION = compile_pattern(
    r"(aws|azure|vertex|watsonx|databricks|sagemaker|oci|snowflake|sap|gigachat|bedrock|anthropic|openai|litellm)_.*"
    r"|_.*|.*(api_?key|api_?base|base_?url|_token|_secret|credentials?|callbacks?|callback|logger|_cost_.*)"
    r"|organization|project|region|host|proxy|proxies|extra_body|extra_query|extra_headers|default_headers|headers"
    r"|http_client|drop_params|additional_drop_params|allowed_openai_params|input_callback|num_retries_per_request"
)
# Names of litellm's that are the client's to set: they shape the answer, or are notes of its own.
CLIENTS_OWN = frozenset(
    "messages model temperature top_p n stream stop max_completion_tokens max_tokens modalities prediction audio"
    " presence_penalty frequency_penalty logit_bias user reasoning_effort verbosity response_format seed tools"
    " tool_choice logprobs top_logprobs parallel_tool_calls web_search_options safety_identifier service_tier store"
    " functions function_call thinking metadata prompt_cache_key stream_options".split()
)
# Names of models that are remembered with what they take; a pattern in `model_list` lets clients make up more.
MODELS_KNOWN = 1024
# What many models take that OpenAI's have not.
BEYOND_OPENAI = frozenset({"top_k"})


def unusable() -> str | None:
    """Return what keeps litellm from being used, with a way out; None when it can be. Imports nothing of it."""
    try:
        version = metadata.version("litellm")
    except metadata.PackageNotFoundError:
        return f"needs litellm, which is not installed; {INSTALL}"
    if NEVER.fullmatch(version):
        return f"needs litellm, of which {version} must never be run; {INSTALL}"
    return None


def changes(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what litellm is to find in its environment in place of what this one has."""
    bundle = environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE")  # it knows only the first
    return {**ENVIRONMENT, "SSL_CERT_FILE": bundle} if bundle else ENVIRONMENT


@cache
def load() -> "Library":
    """Return litellm, imported at the first call; some 2 s and 150 MB, so do it once and before the fork."""
    os.environ.update(changes(os.environ))
    litellm = importlib.import_module("litellm")
    tame(litellm)
    _restore(litellm.AnthropicConfig)
    return Library(litellm)


def module() -> Any:
    """Return litellm itself, for adapters that are written over it."""
    load()
    return importlib.import_module("litellm")


def warm_up() -> None:
    """Load what litellm would load at the first call, some 2 s of it: in the master, before there are workers."""
    litellm = module()
    # What was read of CA bundles at an earlier time, and clients made with it.
    importlib.import_module("litellm.llms.custom_httpx.http_handler")._ssl_context_cache.clear()
    litellm.in_memory_llm_clients_cache.flush_cache()
    call = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "-"}], "mock_response": "-"}
    litellm.completion(**call)
    for _ in litellm.completion(**call, stream=True, stream_options={"include_usage": True}):
        pass
    client = importlib.import_module("openai").OpenAI(api_key="-", base_url="http://127.0.0.1/")
    client.chat.completions.with_raw_response  # noqa: B018 - its modules are loaded when it is asked for
    client.close()


class Library:
    """What the gateway uses of litellm."""

    def __init__(self, litellm: Any) -> None:
        self._litellm = litellm
        self._names = frozenset(signature(litellm.completion).parameters) - {"kwargs"}
        utils = importlib.import_module("litellm.types.utils")
        self._reserved = (self._names | frozenset(utils.all_litellm_params)) - CLIENTS_OWN
        self._openai = frozenset(litellm.OPENAI_CHAT_COMPLETION_PARAMS)
        self._supported = lru_cache(MODELS_KNOWN)(self._asked_supported)

    def is_reserved(self, name: str) -> bool:
        """Tell whether an argument of this name is the operator's alone: no client decides where a call goes."""
        return name in self._reserved or CONNECTION.fullmatch(name) is not None

    def is_clients(self, name: str) -> bool:
        """Tell whether an argument of this name is the client's to set: a parameter of chat completions."""
        return name in CLIENTS_OWN or name in BEYOND_OPENAI or (name in self._openai and not self.is_reserved(name))

    def is_taken(self, name: str, params: Mapping[str, Any]) -> bool:
        """Tell whether the model behind these `litellm_params` takes an argument of this name."""
        if name in ("messages", *params.get("allowed_openai_params", ())):
            return True
        provider, supported = self._supported(params["model"], params.get("custom_llm_provider"))
        if name in self._openai:
            return supported is None or name in supported
        # Names beyond OpenAI's: its own API refuses them, a server that only speaks its format may know them.
        is_public = provider in ("openai", "azure") and not (params.get("api_base") or params.get("base_url"))
        return not is_public or bool(supported and name in supported)

    def upstream(self, params: Mapping[str, Any]) -> str:
        """Return what these `litellm_params` lead to: the address that they name, or else the provider."""
        address = params.get("api_base") or params.get("base_url")
        provider, _ = self._supported(params["model"], params.get("custom_llm_provider"))
        return str(address or provider or "")

    def complete(self, arguments: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """Return litellm's ModelResponse, or its stream where `arguments` ask for one.

        Raises a Refusal for whatever goes wrong at the model's side; `params` are kept out of its message.
        """
        HEARD.status = None
        try:
            # Its MCP gateway is not ours, and needs a package of its own for every call that has tools.
            answer = self._litellm.completion(**arguments, _skip_mcp_handler=True)
        except Exception as fault:
            raise refusal_of(fault, params, HEARD.status)  # noqa: B904 - its cause is what may be told of the fault
        if not getattr(answer, "choices", True):
            raise UpstreamInvalidResponse("The model's provider sent an answer without a choice.")
        return answer

    def chunks(self, stream: Any, params: Mapping[str, Any]) -> Iterator[Any]:
        """Yield litellm's chunks; raises a Refusal where the stream breaks off.

        Some of litellm's providers are called only when the first chunk is asked for.
        """
        has_begun = False
        keep_refusals(stream)
        try:
            for chunk in stream:
                if _is_made_up(stream, chunk):
                    raise StreamBroken("The model's stream ended before the answer did.")
                yield chunk
                has_begun = True
        except Exception as fault:
            refusal = refusal_of(fault, params, HEARD.status)
            raise in_stream(refusal) if has_begun else refusal  # noqa: B904

    def count_tokens(self, params: Mapping[str, Any], arguments: Mapping[str, Any]) -> int:
        """Return how many tokens the messages and tools have, as far as litellm can tell."""
        named = {name: arguments[name] for name in ("messages", "tools", "tool_choice") if name in arguments}
        try:
            # It would fetch an image by its URL to learn its size.
            counted = self._litellm.token_counter(model=params["model"], use_default_image_token_count=True, **named)
            return int(counted)
        except Exception as fault:
            raise refusal_of(fault, params)  # noqa: B904

    def _asked_supported(self, model: str, provider: str | None) -> tuple[str | None, frozenset[str] | None]:
        try:
            # "openai/gpt-4o" with its prefix on is a model that litellm knows nothing of.
            model, provider, *_ = self._litellm.get_llm_provider(model, provider)
            supported = self._litellm.get_supported_openai_params(model=model, custom_llm_provider=provider)
        except Exception:  # it does not know the model: the call itself will say so
            return provider, None
        return provider, None if supported is None else frozenset(supported)


def plain(answer: Any) -> dict[str, Any]:
    """Return a ModelResponse or chunk as OpenAI's JSON object."""
    return answer if isinstance(answer, dict) else dict(answer.model_dump(exclude_none=True))


def close(stream: Any) -> None:
    """Let go of a stream's connection; harmless when the stream has ended."""
    inner = getattr(stream, "completion_stream", stream)
    for source in (inner, getattr(inner, "response", None)):
        end: Callable[[], Any] | None = getattr(source, "close", None)
        if end is not None:
            end()


def _is_made_up(stream: Any, chunk: Any) -> bool:
    """Tell whether this is the end that litellm gives a stream which its provider never finished."""
    if not hasattr(stream, "received_finish_reason") or not any(choice.finish_reason for choice in chunk.choices):
        return False
    return stream.received_finish_reason is None and stream.intermittent_finish_reason is None


def _restore(config: Any) -> None:
    """Give back the two helpers that the adapter on LiteLLM's page calls (litellm 1.44 had them)."""
    page = importlib.import_module("app.adapters.anthropic.page")
    for name in ("translate_anthropic_to_openai", "translate_openai_response_to_anthropic"):
        if not hasattr(config, name):
            setattr(config, name, staticmethod(getattr(page, name)))
