"""From the path and query that a client sent to those of the upstream, byte for byte.

Everything here works on the raw text of the request line (RFC 9112 §3.2): nothing is
decoded except to compare, so what is sent is what was received.
"""

from collections.abc import Iterable, Mapping
from re import compile as compile_pattern
from urllib.parse import quote, unquote, unquote_plus, urlsplit

# RFC 3986 §3.2.2: a name, an IPv4 address or a bracketed IPv6 one, and perhaps a port. In http it is never empty
# (RFC 9110 §4.2.1). Possessive: by its first character it is clear what each part is, and the name is one run mostly.
HOST = compile_pattern(
    r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})++)(?::[0-9]*)?",
)
PLACEHOLDER = compile_pattern(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def split_request_target(request_target: str) -> tuple[str, str | None]:
    """Return (raw path, raw query or None) of a request-target.

    Absolute-form (`http://host/path`, RFC 9112 §3.2.2) is reduced to its path: the authority in it
    never decides where a request goes. Raises ValueError for the authority and asterisk forms, which
    name no path, for an authority that is none, and for a fragment, which never belongs in a request.
    """
    if "#" in request_target:
        raise ValueError("the request target has a fragment")
    if not request_target.startswith("/"):
        request_target = _origin_form(request_target)
    path, separator, query = request_target.partition("?")
    return path, query if separator else None


def has_dot_segment(raw_path: str) -> bool:
    """Tell whether a segment decodes to `.`, or to a path that has `..` between its slashes, of either kind.

    Such a path would leave the route's prefix at an upstream that resolves it (RFC 3986 §5.2.4), before or after
    it decodes the slashes.
    """
    if "." not in raw_path and "%2" not in raw_path:
        return False
    return any(_is_dot_segment(segment) for segment in raw_path.split("/"))


def upstream_path(target_path: str, segments: Mapping[str, str], remainder: str) -> str:
    """Return the raw path to ask the upstream for.

    `segments` are the raw values of the route's `{name}` parts, `remainder` is what the client's path
    has below the route's ("" or beginning with "/"). One slash at the target's end is dropped before a
    remainder is joined; a path that would be empty is "/".
    """
    path = PLACEHOLDER.sub(lambda found: segments[found[1]], target_path) if segments else target_path
    if remainder:
        path = path.removesuffix("/") + remainder
    return path or "/"


def upstream_query(target_query: str, client_query: str | None, defaults: Iterable[tuple[str, str]] = ()) -> str | None:
    """Return the raw query to send, or None for none.

    The target's own pairs come first and cannot be overridden: a client's pair whose decoded name
    stands in the target's query is left out. `defaults` (decoded pairs) are added where neither has
    a pair of that name. What remains of the client's query keeps its order and every byte.
    """
    if client_query and target_query:
        fixed = pair_names(target_query)
        client_query = "&".join(pair for pair in client_query.split("&") if not pair or _pair_name(pair) not in fixed)
    parts = [part for part in (target_query, client_query) if part]
    if defaults:
        taken = pair_names("&".join(parts))
        parts += [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in defaults if name not in taken]
    if parts:
        return "&".join(parts)
    return client_query


def pair_names(raw_query: str) -> set[str]:
    """Return the decoded names of the pairs of a raw query."""
    return {_pair_name(pair) for pair in raw_query.split("&") if pair}


def _origin_form(request_target: str) -> str:
    parts = urlsplit(request_target)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme.lower() not in ("http", "https") or HOST.fullmatch(host) is None:
        raise ValueError("the request target names no path")
    _, _, rest = request_target.partition("//")
    cut = min((i for i in map(rest.find, "/?") if i >= 0), default=len(rest))
    origin = rest[cut:]
    return origin if origin.startswith("/") else "/" + origin


def _is_dot_segment(segment: str) -> bool:
    decoded = unquote(segment)
    return decoded == "." or ".." in decoded.replace("\\", "/").split("/")


def _pair_name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
