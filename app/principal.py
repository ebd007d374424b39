"""Whom a gateway key resolves to."""

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Principal:
    """What a key may do. Nothing in it is secret: the key itself is kept nowhere."""

    key_id: str
    """Public name of the key: the first 16 hex digits of its digest."""
    digest: str
    """SHA-256 of the whole key in hex; what is stored and looked up."""
    key_alias: str | None = None
    rpm_limit: int | None = None
    """Requests in any 60 s; None sets no limit, 0 refuses every request (403)."""
    max_parallel_requests: int | None = None
    allowed_passthrough_routes: tuple[str, ...] = ()
    """Paths of routes, each with what lies below it; empty for every route."""
    expires_s: float | None = None
    """Unix time in seconds."""
    is_blocked: bool = False
    is_master: bool = False


def digest_of(secret: str) -> str:
    """Return the digest under which a key is stored: SHA-256 of all of it, in hex."""
    return sha256(secret.encode()).hexdigest()


def master(secret: str) -> Principal:
    """Return whom the master key resolves to."""
    digest = digest_of(secret)
    return Principal(digest[:16], digest, key_alias="master", is_master=True)


def may_use(principal: Principal, route_path: str) -> bool:
    """Tell whether the key may use the route with this path."""
    allowed = principal.allowed_passthrough_routes
    return not allowed or any(covers(path, route_path) for path in allowed)


def covers(allowed: str, route_path: str) -> bool:
    """Tell whether an entry of `allowed_passthrough_routes` opens the route with this path."""
    return route_path == allowed or route_path.startswith(allowed.rstrip("/") + "/")
