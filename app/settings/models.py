"""The shape of the whole file: every field, its type, and what it does.

The descriptions become the JSON Schema (`schema.py`). Types are strict: a quoted "true" is text, not a
boolean. What needs more than one field is in `checks.py`; what this version does not act on, in `unserved.py`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    SecretStr,
    Tag,
    WithJsonSchema,
)

from app.settings import fields, gateway, paths, urls

# Python's sockets refuse time-outs beyond some 292 years; a year is surely long enough for an exchange.
_A_YEAR_S = 366 * 24 * 3600


def _secret(check: Any) -> AfterValidator:
    return AfterValidator(lambda secret: SecretStr(check(secret.get_secret_value())))


def _target(value: object) -> gateway.HttpTarget | str:
    """Return where a target leads: a URL taken apart, or the dotted path of an adapter as it stands."""
    if not isinstance(value, str):
        raise ValueError("must be text; write https://HOST/PATH")
    return value if urls.is_adapter(value) else urls.http_target(value)


def _moment(value: object) -> datetime:
    """Return the moment written; without a time zone it would mean another one on each machine."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("is no moment; write ISO 8601 with a time zone, 2030-01-31T00:00:00Z")
    return moment


def _methods(methods: tuple[str, ...]) -> tuple[str, ...]:
    if not methods:
        raise ValueError("is empty; name at least one method, or leave the field out for all")
    if len(set(methods)) < len(methods):
        raise ValueError("names a method twice; name each once")
    return methods


HeaderName = Annotated[str, AfterValidator(fields.header_name)]
HeaderValue = Annotated[SecretStr, _secret(fields.header_value)]
Key = Annotated[SecretStr, _secret(fields.key)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_ALL_METHODS: tuple[Method, ...] = get_args(Method)
_METHODS_SCHEMA = {"type": "array", "items": {"enum": list(_ALL_METHODS)}, "minItems": 1, "uniqueItems": True}
_MOMENT_SCHEMA = {"type": "string", "format": "date-time"}
Seconds = Annotated[float, Field(gt=0, le=_A_YEAR_S, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# The tags keep pydantic from complaining about both branches when one was meant.
Forwarded = Annotated[
    Annotated[bool, Tag("all")]
    | Annotated[tuple[Annotated[str, AfterValidator(fields.forwarded_name)], ...], Tag("listed")],
    Discriminator(lambda value: "listed" if isinstance(value, tuple | list) else "all"),
]


class _Entry(BaseModel):
    """What all parts of the file share: no unknown field, no bent type, no change, no value in an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Timeouts(_Entry):
    """How long an exchange may wait for its upstream, in seconds."""

    connect: Seconds = Field(default=5.0, description="Until the connection stands, TLS included.")
    first_byte: Seconds = Field(default=600.0, description="From the request sent to the first byte of the answer.")
    idle: Seconds = Field(default=600.0, description="Between two pieces of the answer.")
    total: Seconds | None = Field(default=None, description="For the whole exchange; null sets no end.")


class PassThroughEndpoint(_Entry):
    """A path of the gateway, and where it leads."""

    path: Annotated[str, AfterValidator(paths.route_path)] = Field(
        description="Exact path, as clients send it. `{name}` matches one segment and may be used in `target`."
    )
    target: Annotated[
        gateway.HttpTarget | str, PlainValidator(_target), WithJsonSchema({"type": "string", "minLength": 1})
    ] = Field(
        repr=False, description="Where it leads: `http(s)://…`, or the dotted path of an adapter, `module.instance`."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="Sent upstream; they win over the client's. `LANGFUSE_PUBLIC_KEY` with `LANGFUSE_SECRET_KEY` "
        "become one `Authorization: Basic`; `litellm_user_api_key` names the header with the client's gateway key.",
    )
    forward_headers: Forwarded = Field(
        default=False,
        description="Which of the client's headers travel beside those about body, negotiation and trace: "
        "false for no more, true for every end-to-end one, or a list of names and globs.",
    )
    include_subpath: bool = Field(
        default=False, description="Take everything below `path` too; the remainder is appended to the target."
    )
    methods: Annotated[tuple[Method, ...], AfterValidator(_methods), WithJsonSchema(_METHODS_SCHEMA)] = Field(
        default=_ALL_METHODS, description="Methods taken; others get 405. All seven if left out."
    )
    auth: bool = Field(
        default=False,
        description="Ask the client for a gateway key. If left out: false for a URL; true for an adapter, or with "
        "`litellm_user_api_key` or `custom_auth_parser`.",
    )
    custom_auth_parser: Literal["langfuse"] | None = Field(
        default=None, description="`langfuse`: the client's gateway key is the user half of Basic."
    )
    default_query_params: dict[Annotated[str, Field(min_length=1)], SecretStr | int] = Field(
        default_factory=dict, description="Query pairs added where the client sent none of that name."
    )
    timeout: Seconds | None = Field(
        default=None, description="Seconds to the first byte and between bytes; the connection gets at most 5 of them."
    )
    timeouts: Timeouts | None = Field(default=None, description="The same in detail; not together with `timeout`.")
    error_format: Literal["openai", "anthropic", "google", "bedrock", "cohere", "langfuse"] = Field(
        default="openai", description="Dialect of the gateway's own errors on this route."
    )
    rpm_limit: Count | None = Field(default=None, description="Requests per minute on this route, per key.")
    cost_per_request: Usd | None = Field(default=None, description="USD booked per request.")


class GeneralSettings(_Entry):
    """The gateway as a whole."""

    master_key: Key | None = Field(
        default=None,
        description="The operator's key: all routes, no limit, key management. Without it management is off.",
    )
    max_request_size_mb: Annotated[float, Field(gt=0, le=2**40, allow_inf_nan=False)] | None = Field(
        default=None, description="Largest request body, in MB of 1024 × 1024 bytes; a larger one gets 413."
    )
    max_waiting_per_upstream: Count = Field(
        default=gateway.MOST_WAITING,
        description="Requests of one worker that may wait for one upstream's answer to begin; one more gets 503.",
    )
    on_limiter_failure: Literal["admit", "refuse"] = Field(
        default="admit", description="What happens to limited requests when Redis cannot be reached."
    )
    require_auth_for_metrics_endpoint: bool = Field(default=True, description="Ask for the master key at /metrics.")
    pass_through_endpoints: tuple[PassThroughEndpoint, ...] = Field(default=(), description="The routes.")


class KeyEntry(_Entry):
    """A gateway key that needs no store."""

    key: Key = Field(description="What the client presents; best a reference.")
    key_alias: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Its name in logs and metrics."
    )
    allowed_passthrough_routes: tuple[str, ...] | None = Field(
        default=None, description="Paths of routes it may use, with what lies below them; all if left out."
    )
    rpm_limit: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Requests in any 60 s, over all routes; 0 refuses every request (403)."
    )
    tpm_limit: Count | None = Field(default=None, description="Tokens per minute.")
    max_parallel_requests: Count | None = Field(default=None, description="Requests at one time.")
    max_budget: Usd | None = Field(default=None, description="USD it may spend in a budget_duration.")
    budget_duration: str | None = Field(default=None, description="When the budget begins anew: 30s, 15m, 12h, 30d.")
    expires: Annotated[datetime, PlainValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)] | None = Field(
        default=None, description="Moment it ends, ISO 8601 with its time zone: 2030-01-31T00:00:00Z."
    )
    blocked: bool = Field(default=False, description="Refuse it.")
    metadata: dict[str, object] = Field(default_factory=dict, description="Your own notes.", repr=False)


class LitellmParams(_Entry):
    """What `litellm.completion` is called with; besides `model`, whatever it takes."""

    model_config = ConfigDict(extra="allow")

    model: Annotated[str, Field(min_length=1)] = Field(description="litellm's name of the model: openai/gpt-4o.")

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        # The others hold credentials under names that only litellm knows.
        yield "model", self.model


class ModelEntry(_Entry):
    """A model that adapters can ask for."""

    model_name: Annotated[str, Field(min_length=1)] = Field(description="What clients ask for; may hold *.")
    litellm_params: LitellmParams = Field(description="What litellm.completion is called with.")
    model_info: dict[str, object] = Field(default_factory=dict, description="Your own notes.", repr=False)


class ConfigFile(_Entry):
    """Settings of Tollhouse, a pass-through gateway."""

    general_settings: GeneralSettings = Field(default_factory=GeneralSettings, description="The gateway, its routes.")
    model_list: tuple[ModelEntry, ...] = Field(default=(), description="Models for adapter routes.")
    keys: tuple[KeyEntry, ...] = Field(default=(), description="Gateway keys that need no store.")
    litellm_settings: object = Field(default=None, description="LiteLLM's; ignored, with a warning.", repr=False)
    router_settings: object = Field(default=None, description="LiteLLM's; ignored, with a warning.", repr=False)
    environment_variables: object = Field(default=None, description="LiteLLM's; ignored, with a warning.", repr=False)
