"""From a sound file to the gateway it describes."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from app.principal import Principal, digest_of
from app.settings import adapters, fields, gateway, models
from app.settings.problems import spelled
from app.settings.understanding import ROUTES

_MB = 1024 * 1024


# The one method that the providers' SDKs use for completions; others take what a route for a URL takes.
_ADAPTER_METHODS = ("POST",)


def build(file: models.ConfigFile, loaded: adapters.Loaded, warnings: tuple[str, ...]) -> gateway.Gateway:
    """Return the gateway; the file must have passed every check, and its adapters be loaded."""
    general = file.general_settings
    megabytes = general.max_request_size_mb
    return gateway.Gateway(
        routes=tuple(route(index, endpoint, loaded) for index, endpoint in enumerate(general.pass_through_endpoints)),
        master_key=general.master_key,
        max_request_bytes=None if megabytes is None else max(1, int(megabytes * _MB)),
        warnings=warnings,
        keys=tuple(map(_key, file.keys)),
        refuses_on_limiter_failure=general.on_limiter_failure == "refuse",
        max_waiting_per_upstream=general.max_waiting_per_upstream,
        has_open_metrics=not general.require_auth_for_metrics_endpoint,
        models=tuple(gateway.Model(entry.model_name, _litellm_params(entry)) for entry in file.model_list),
    )


def route(index: int, endpoint: models.PassThroughEndpoint, loaded: adapters.Loaded) -> gateway.Route:
    """Return the route that the entry of this index describes."""
    if not isinstance(endpoint.target, gateway.HttpTarget):
        return _adapter_route(index, endpoint, adapters.target(endpoint, loaded))
    return _route(index, endpoint, endpoint.target)


def _adapter_route(index: int, endpoint: models.PassThroughEndpoint, target: gateway.AdapterTarget) -> gateway.Route:
    route, written = _route(index, endpoint, target), endpoint.model_fields_set
    return replace(
        route,
        methods=route.methods if "methods" in written else _ADAPTER_METHODS,
        # A shipped adapter knows its paths; an adapter of the operator's has the one that it stands at.
        include_subpath=route.include_subpath or not target.takes_litellms_own,
        error_format=route.error_format if "error_format" in written else target.schema.dialect,
    )


def _route(
    index: int, endpoint: models.PassThroughEndpoint, target: gateway.HttpTarget | gateway.AdapterTarget
) -> gateway.Route:
    return gateway.Route(
        place=spelled((*ROUTES, index)),
        path=endpoint.path,
        target=target,
        methods=endpoint.methods,
        include_subpath=endpoint.include_subpath,
        forward_headers=endpoint.forward_headers,
        headers=_headers(endpoint),
        default_query_params=_query_params(endpoint),
        timeouts=_timeouts(endpoint),
        error_format=endpoint.error_format,
        auth=asks_for_key(endpoint),
        key_header=_key_header(endpoint),
        custom_auth_parser=endpoint.custom_auth_parser,
    )


def asks_for_key(endpoint: models.PassThroughEndpoint) -> bool:
    """Tell whether clients need a gateway key: as written, else where something else of the route says so."""
    if "auth" in endpoint.model_fields_set:
        return endpoint.auth
    names_key_header = fields.LITELLM_USER_API_KEY in map(str.lower, endpoint.headers)
    is_adapter = not isinstance(endpoint.target, gateway.HttpTarget)
    return is_adapter or names_key_header or endpoint.custom_auth_parser is not None


def _litellm_params(entry: models.ModelEntry) -> dict[str, Any]:
    """Return the arguments as litellm knows them: lists are lists there."""
    return {name: _listed(value) for name, value in entry.litellm_params.model_dump().items()}


def _listed(value: object) -> object:
    if isinstance(value, dict):
        return {name: _listed(child) for name, child in value.items()}
    return [_listed(child) for child in value] if isinstance(value, tuple | list) else value


def _key(entry: models.KeyEntry) -> gateway.GatewayKey:
    digest = digest_of(entry.key.get_secret_value())
    principal = Principal(
        key_id=digest[:16],
        digest=digest,
        key_alias=entry.key_alias,
        rpm_limit=entry.rpm_limit,
        max_parallel_requests=entry.max_parallel_requests,
        allowed_passthrough_routes=entry.allowed_passthrough_routes or (),
        expires_s=entry.expires.timestamp() if entry.expires else None,
        is_blocked=entry.blocked,
    )
    return gateway.GatewayKey(entry.key, principal)


def _key_header(endpoint: models.PassThroughEndpoint) -> str | None:
    named = (v for name, v in endpoint.headers.items() if name.lower() == fields.LITELLM_USER_API_KEY)
    return next((value.get_secret_value().lower() for value in named), None)


def _headers(endpoint: models.PassThroughEndpoint) -> tuple[tuple[str, SecretStr], ...]:
    """Return the fields as to be sent, in the order written; the Langfuse pair where its public half stands."""
    secret_key = {name.lower(): value for name, value in endpoint.headers.items()}.get(fields.LANGFUSE_SECRET_KEY)
    result = []
    for name, value in endpoint.headers.items():
        lower = name.lower()
        if lower == fields.LANGFUSE_PUBLIC_KEY and secret_key:
            result.append(("Authorization", _basic(value, secret_key)))
        elif lower not in (fields.LANGFUSE_SECRET_KEY, fields.LITELLM_USER_API_KEY):
            result.append((name, SecretStr(fields.octets_as_text(value.get_secret_value()))))
    return tuple(result)


def _basic(user: SecretStr, password: SecretStr) -> SecretStr:
    """Return the value of Authorization for this pair (RFC 7617 §2)."""
    pair = f"{user.get_secret_value()}:{password.get_secret_value()}"
    return SecretStr("Basic " + b64encode(pair.encode()).decode())


def _query_params(endpoint: models.PassThroughEndpoint) -> tuple[tuple[str, SecretStr], ...]:
    return tuple(
        (name, SecretStr(str(value)) if isinstance(value, int) else value)
        for name, value in endpoint.default_query_params.items()
    )


def _timeouts(endpoint: models.PassThroughEndpoint) -> gateway.Timeouts:
    if endpoint.timeout is not None:
        seconds = endpoint.timeout
        return gateway.Timeouts(connect_s=min(5.0, seconds), first_byte_s=seconds, idle_s=seconds)
    if endpoint.timeouts is None:
        return gateway.Timeouts()
    written = endpoint.timeouts
    return gateway.Timeouts(written.connect, written.first_byte, written.idle, written.total)
