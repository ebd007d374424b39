"""Which texts can be the `path` of a route."""

import re

from app.targets import PLACEHOLDER, has_dot_segment

# RFC 3986 §3.3: what a path may hold as it stands; anything else comes percent-encoded on the request line,
# and paths are matched as sent, so such a route would never be found.
_SENDABLE = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/{}]|%[0-9A-Fa-f]{2})*")

# The gateway's own doors. Those that end in "/" take everything below, and the name alone.
OWN_PATHS = ("/admin/", "/health/", "/key/", "/metrics", "/openapi.json")


def route_path(text: str) -> str:
    """Return the path, unchanged. Raises ValueError, with a way out, when no route can have it."""
    for complaint in (_form(text), _names(text), _collision(text)):
        if complaint:
            raise ValueError(complaint)
    return text


def names(path: str) -> tuple[str, ...]:
    """Return the names that the path's `{name}` segments give, in order."""
    return tuple(PLACEHOLDER.findall(path))


def shape(path: str) -> str:
    """Return the path with every `{name}` alike: two paths of one shape take the same requests."""
    return PLACEHOLDER.sub("{}", path)


def _form(path: str) -> str | None:
    if not path.startswith("/"):
        return "does not begin with a slash; write /" + ("…" if path else "")
    if path.startswith("//"):
        return "begins with two slashes, which name a host in a URL; write one"
    if "?" in path or "#" in path:
        return "has a query or a fragment; a path ends before ? and #, put fixed query pairs into target"
    if path.endswith("/*"):
        return "ends in a star, which stands only for itself; leave /* out and write include_subpath: true"
    if not _SENDABLE.fullmatch(path):
        return "has characters that no client sends as they are; percent-encode them, as in /a%20b"
    if has_dot_segment(path):
        return "has a segment . or .. (plain or percent-encoded), which is refused in requests; write the path out"
    return None


def _names(path: str) -> str | None:
    for segment in path.split("/"):
        if ("{" in segment or "}" in segment) and not PLACEHOLDER.fullmatch(segment):
            return "has braces that are no {name} alone in its segment; write /{name}/, of letters, digits and _"
    if any(name.endswith("__") for name in names(path)):
        return "uses a {name} that ends in two underscores, which are the router's own; take another"
    if len(set(names(path))) < len(names(path)):
        return "uses a {name} twice; give each segment its own name"
    return None


def _collision(path: str) -> str | None:
    for own in OWN_PATHS:
        if path == own.rstrip("/") or (own.endswith("/") and path.startswith(own)):
            return f"collides with the gateway's own {own}; choose another path, such as /upstream{own}"
    return None
