"""The gateway with stars for its secrets, so that it can be shown: what is printed from it cannot tell one.

Masked is whatever came from a reference, but for a target's host and port: where a route leads must be seen.
What the operator wrote out in the file itself is masked by name, when it is shown (`starred`).
"""

import re
from dataclasses import replace

from pydantic import SecretStr

from app.headers import CREDENTIALS
from app.settings import references, urls
from app.settings.gateway import Gateway, HttpTarget, Model, Route
from app.settings.load import Inspection
from app.settings.problems import Place
from app.settings.understanding import ROUTES

STARS = "****"
# Stands for one character of a secret; no URL and no header value has it (Unicode: private use).
_HIDDEN = "\ue000"
_TELLING = re.compile(r"auth|token|key|secret|cookie|passw|credential|session|signature|^sig$", re.IGNORECASE)
# An authentication scheme (RFC 9110 §11.1) in front of the credential.
_SCHEME = re.compile(r"(bearer|basic|digest|token|apikey|key|negotiate|aws4-hmac-sha256)[ \t]+", re.IGNORECASE)


def masked(inspection: Inspection) -> Gateway:
    """Return the gateway with stars wherever a reference brought something in."""
    routes = (_route(route, index, inspection) for index, route in enumerate(inspection.gateway.routes))
    models = (_model(model, index, inspection) for index, model in enumerate(inspection.gateway.models))
    return replace(inspection.gateway, routes=tuple(routes), master_key=None, keys=(), models=tuple(models))


def is_telling(name: str) -> bool:
    """Tell whether a header field or query pair of this name may hold a credential."""
    return name.lower() in CREDENTIALS or _TELLING.search(name) is not None


def starred(name: str, value: str) -> str:
    """Return the value as it can be shown under its name: `bearer ****`, or as it is."""
    if not is_telling(name):
        return value
    scheme = _SCHEME.match(value)
    return (scheme[0] if scheme else "") + STARS


def starred_query(query: str) -> str:
    """Return the raw query with stars for the values of telling names."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(f"{name}={STARS}" if value and is_telling(name) else name + eq + value for name, eq, value in pairs)


def _route(route: Route, index: int, inspection: Inspection) -> Route:
    place = (*ROUTES, index)
    headers = tuple(
        (name, _header(name, value, (*place, "headers", name), inspection)) for name, value in route.headers
    )
    defaults = tuple(
        (name, _value(value, (*place, "default_query_params", name), inspection))
        for name, value in route.default_query_params
    )
    target = route.target
    if isinstance(target, HttpTarget):
        target = _target(target, (*place, "target"), inspection)
    return replace(route, headers=headers, default_query_params=defaults, target=target)


def _model(model: Model, index: int, inspection: Inspection) -> Model:
    """Return the entry with stars in all of its `litellm_params` that are no more than numbers or a name."""
    place: Place = ("model_list", index, "litellm_params")
    shown = {name: _param(name, value, (*place, name), inspection) for name, value in model.litellm_params.items()}
    return replace(model, litellm_params=shown)


def _param(name: str, value: object, place: Place, inspection: Inspection) -> object:
    if isinstance(value, str) and not inspection.secrets.get(place):
        return starred(name, value)
    return value if isinstance(value, int | float | None) else STARS


def _header(name: str, value: SecretStr, place: Place, inspection: Inspection) -> SecretStr:
    """Return the value with stars; the Langfuse pair stands nowhere in the file under the name it has now."""
    if _written(place, inspection) is None:
        return SecretStr(starred(name, value.get_secret_value()))
    return _value(value, place, inspection)


def _value(value: SecretStr, place: Place, inspection: Inspection) -> SecretStr:
    secrets = inspection.secrets.get(place)
    written = _written(place, inspection)
    if not secrets or not isinstance(written, str):
        return value
    return SecretStr(references.put_in(written, [STARS] * len(secrets)))


def _target(target: HttpTarget, place: Place, inspection: Inspection) -> HttpTarget:
    secrets = inspection.secrets.get(place)
    written = _written(place, inspection)
    if not secrets or not isinstance(written, str):
        return target
    hidden = references.put_in(written, [_HIDDEN * len(secret) for secret in secrets])
    path, query = urls.cut(references.put_in(written, secrets), hidden)
    if path.startswith(_HIDDEN):
        path = "/" + path
    return replace(target, path=_stars(path), query=SecretStr(_stars(query)))


def _stars(text: str) -> str:
    return re.sub(f"{_HIDDEN}+", STARS, text)


def _written(place: Place, inspection: Inspection) -> object:
    """Return what stands at the place in the file, or None."""
    value = inspection.written
    for part in place:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, tuple) and isinstance(part, int):
            value = value[part]
        else:
            return None
    return value
