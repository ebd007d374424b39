"""What the operator meant, as plain frozen values: references resolved, defaults filled in.

Everything a worker needs to know about the file stands here; the shape of the file itself is in
`models.py`. Whatever may hold a secret is a `SecretStr`, so that printing any of these values shows stars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from app.adapters.schema import Schema
from app.principal import Principal

# Who waits costs memory only, and a model may think for minutes. Four fifths of a worker's connections
# (gunicorn.conf.py): 5,000 streams opened at once are a healthy burst, and 2,000 places stay for the others.
MOST_WAITING = 8000


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long an exchange may wait for the upstream, in seconds; `total_s` None sets no end."""

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 600.0
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Where a URL route leads, taken apart once so that nothing is rebuilt or re-quoted per request."""

    scheme: str
    """`http` or `https`."""
    host: str
    """Name or address to connect to: IDNA-encoded, an IPv6 address without brackets."""
    port: int
    authority: str
    """Value of the Host field: the host, with `:port` where that is not the scheme's default."""
    path: str = field(repr=False)
    """As written, "" when there is none; may hold `{name}`, and at some upstreams a credential."""
    query: SecretStr
    """As written, without "?", "" when there is none; often holds a credential."""


@dataclass(frozen=True, slots=True)
class AdapterTarget:
    """Which wire schema an adapter route speaks."""

    name: str
    """As written: `app.adapters.anthropic_adapter`, `custom_callbacks.my_adapter`."""
    schema: Schema
    takes_litellms_own: bool
    """The schema is an adapter of the operator's, and takes litellm's objects instead of plain ones."""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of `model_list`."""

    name: str
    """What clients ask for; may hold `*`."""
    litellm_params: Mapping[str, Any] = field(repr=False)
    """`model`, and whatever else `litellm.completion` takes; holds credentials."""


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `pass_through_endpoints`."""

    place: str
    """Where it stands in the file: `general_settings.pass_through_endpoints[2]`."""
    path: str
    """As written; may hold `{name}`, which matches one segment."""
    target: HttpTarget | AdapterTarget
    methods: tuple[str, ...]
    include_subpath: bool
    forward_headers: bool | tuple[str, ...]
    """True, False, or lower-case names and globs."""
    headers: tuple[tuple[str, SecretStr], ...]
    """As to be sent: the Langfuse pair is one `Authorization: Basic`, `litellm_user_api_key` is left out."""
    default_query_params: tuple[tuple[str, SecretStr], ...]
    """Decoded names and values, as written in the file."""
    timeouts: Timeouts
    error_format: str
    """`openai`, `anthropic`, `google`, `bedrock`, `cohere` or `langfuse`."""
    auth: bool
    """Whether a client needs a gateway key."""
    key_header: str | None = None
    """Lower-case name of the header that `litellm_user_api_key` gives; it is not sent upstream."""
    custom_auth_parser: str | None = None
    """`langfuse`: the client's key is the user half of Basic."""


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A key that stands in the file, and whom it resolves to."""

    secret: SecretStr
    principal: Principal


@dataclass(frozen=True, slots=True)
class Gateway:
    """The whole file, checked."""

    routes: tuple[Route, ...]
    master_key: SecretStr | None
    max_request_bytes: int | None
    """None sets no limit."""
    warnings: tuple[str, ...] = ()
    """Ready sentences for the log at start; none holds a secret."""
    keys: tuple[GatewayKey, ...] = ()
    refuses_on_limiter_failure: bool = False
    """What becomes of limited requests while Redis cannot be reached: refused, or counted on this machine alone."""
    max_waiting_per_upstream: int = MOST_WAITING
    """Exchanges of one worker that wait for one upstream."""
    has_open_metrics: bool = False
    """/metrics answers without the master key."""
    models: tuple[Model, ...] = ()
    """In the order of the file; several of one name take turns."""

    @property
    def needs_keys(self) -> bool:
        """Whether there is anything that a key of the store could open."""
        return self.master_key is not None or any(route.auth for route in self.routes)

    @property
    def needs_tls(self) -> bool:
        """Whether the certificate of some URL route's upstream has to be verified."""
        return any(isinstance(route.target, HttpTarget) and route.target.scheme == "https" for route in self.routes)

    @property
    def needs_litellm(self) -> bool:
        """Whether a route leads to an adapter."""
        return any(isinstance(route.target, AdapterTarget) for route in self.routes)
