"""What `litellm.completion` is called with: the client's wishes, the operator's word, and what neither may change."""

from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import quote

from app.adapters.schema import CompletionRequest
from app.relay.model_choice import Params
from app.settings.gateway import Route

# As long as a header field may be that every client and proxy takes; what is left out is counted.
MAX_FIELD_CHARACTERS = 2000


class Names(Protocol):
    """What has to be known of litellm's arguments."""

    def is_taken(self, name: str, params: Params) -> bool: ...

    def is_reserved(self, name: str) -> bool: ...


class Arguments:
    """One route's arguments."""

    def __init__(self, route: Route, names: Names) -> None:
        self._names = names
        self._timeout_s = route.timeouts.first_byte_s
        self._headers = {name: value.get_secret_value() for name, value in route.headers}

    def of(self, request: CompletionRequest, params: Params) -> tuple[dict[str, Any], list[str]]:
        """Return the arguments for this request, and the client's fields that are not in them.

        A model's `litellm_params` are defaults for what a client may choose; where a call goes and as whom is
        the operator's alone. Nothing is tried twice unless the operator asks for it: the first try may have been
        processed.
        """
        wishes = {n: value for n, value in request.arguments.items() if n in params or self._names.is_taken(n, params)}
        dropped = [request.origins.get(name, name) for name in request.arguments if name not in wishes]
        fixed = {name: value for name, value in params.items() if name == "model" or self._names.is_reserved(name)}
        arguments = {"timeout": self._timeout_s, "max_retries": 0, **params, **wishes, **fixed}
        if self._headers:
            arguments["extra_headers"] = {**arguments.get("extra_headers", {}), **self._headers}
        if request.is_streaming:
            arguments |= {"stream": True, "stream_options": {"include_usage": True}}
        return arguments, [*request.dropped, *dropped]


def dropped_field(names: Iterable[str]) -> str:
    """Return the value of x-gateway-dropped; a name is the client's own text, so all that is unusual is escaped."""
    escaped = [quote(name, safe="[]._-:$@/*~", errors="replace") for name in dict.fromkeys(names)]
    told: list[str] = []
    length = 0
    for name in escaped:
        length += len(name) + 2
        if length > MAX_FIELD_CHARACTERS:
            return ", ".join([*told, f"+{len(escaped) - len(told)}"])
        told.append(name)
    return ", ".join(told)
