"""From the text of `target` to where it leads."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from pydantic import SecretStr

from app.settings.gateway import HttpTarget
from app.targets import PLACEHOLDER, has_dot_segment

_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]+))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Forms such as 0x7f.1 and 2130706433, which the resolver takes for addresses.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ADAPTER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_DEFAULT_PORT = {"http": 80, "https": 443}

# Where clouds tell a machine its credentials. Besides link-local (RFC 3927, RFC 4291 §2.5.6): AWS over IPv6,
# Alibaba, Azure's wire server, Oracle.
_METADATA_ADDRESSES = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")))
_METADATA_NAMES = frozenset(
    ("metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal")
)


def is_adapter(text: object) -> bool:
    """Tell whether the text has the form of an adapter's dotted path, `module.instance`."""
    return isinstance(text, str) and _ADAPTER.fullmatch(text) is not None


def http_target(text: str) -> HttpTarget:
    """Return where the URL leads. Raises ValueError, with a way out and without the URL, when nowhere.

    Path and query stay as written; only the host is brought into one form (lower case, IDNA).
    """
    scheme, authority, path, query = _parts(text)
    host, port = _host_and_port(authority, _DEFAULT_PORT[scheme])
    _refuse_metadata(host)
    _refuse_path(path)
    if "{" in query or "}" in query:
        raise ValueError("has braces in its query; {name} can stand only in the path, write %7B for a brace")
    return HttpTarget(scheme, host, port, _host_field(scheme, host, port), path, SecretStr(query))


def cut(url: str, like: str) -> tuple[str, str]:
    """Return what stands in `like` where the path and the query of `url` stand; both texts are of one length."""
    found = _URL.fullmatch(url)
    assert found is not None
    assert len(url) == len(like)
    return like[slice(*found.span(3))], like[slice(*found.span(4))] if found[4] else ""


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine itself, by address or by name (RFC 6761 §6.3)."""
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _parts(text: str) -> tuple[str, str, str, str]:
    """Return (scheme, authority, path, query), scheme in lower case."""
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("has blanks or control characters; remove them, or write %20 in the path")
    found = _URL.fullmatch(text)
    if not found:
        raise ValueError(_no_url(text))
    scheme, authority, path, query, fragment = found.groups(default="")
    if fragment:
        raise ValueError("has a fragment, which is never sent; leave out # and what follows")
    if not (path + query).isascii() or "\\" in path + query:
        raise ValueError("has characters in its path or query that cannot be sent; percent-encode them")
    return scheme.lower(), authority, path, query


def _no_url(text: str) -> str:
    wrong = re.match(r"(file|ftps?|wss?|unix|redis|grpc|tcp|mailto|data|gopher|ldap|ssh):", text, re.IGNORECASE)
    if wrong:
        return f"is {wrong[1].lower()}:, not http, https or an adapter path; write https://HOST/PATH"
    return "is not http, https or an adapter path (module.instance); write https://HOST/PATH"


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError("has a user or password before @; put them into headers.Authorization")
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        raise ValueError("has a host or port that cannot be read; write HOST or HOST:PORT, IPv6 in brackets")
    bracketed, name, digits = found.groups()
    port = int(digits) if digits else default_port
    if not 0 < port < 65536:
        raise ValueError("has a port outside 1 to 65535; correct it")
    return _ipv6(bracketed) if bracketed is not None else _name(name), port


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ValueError("has no IPv6 address between the brackets; correct it") from None
    if address.scope_id:
        raise ValueError("has an IPv6 zone, which means nothing outside one machine; leave out % and the zone")
    return str(address)


def _name(text: str) -> str:
    if not text:
        raise ValueError("has no host; write https://HOST/PATH")
    host = _idna(text).lower()
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("has a host that is no name or address; correct it")
    if _NUMBER.fullmatch(labels[-1]) and not isinstance(_address(host), IPv4Address):
        raise ValueError("has a host of digits that is no plain IPv4 address; write it as 192.0.2.1")
    return host


def _idna(text: str) -> str:
    if text.isascii():
        return text
    import idna  # only here, because its tables take longer to load than this package

    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("has a host that is no international name (IDNA 2008); correct it") from None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that the host is, an IPv4 one where it hides in IPv6; None for a name."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _refuse_metadata(host: str) -> None:
    address = _address(host)
    if host.removesuffix(".") in _METADATA_NAMES or (
        address is not None and (address.is_link_local or address in _METADATA_ADDRESSES)
    ):
        raise ValueError("leads to a cloud's metadata service, which hands out credentials; name another host")


def _refuse_path(path: str) -> None:
    if has_dot_segment(path):
        raise ValueError("has a segment . or .. in its path; write the path out")
    if "{" in PLACEHOLDER.sub("", path) or "}" in PLACEHOLDER.sub("", path):
        raise ValueError("has braces that are no {name}; use a name of the route's path, or write %7B")


def _host_field(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == _DEFAULT_PORT[scheme] else f"{name}:{port}"
