"""What must hold between the fields of a route, between routes, and between a route and this gateway."""

from collections.abc import Iterator, Mapping

from app.settings import gateway, paths
from app.settings.fields import LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY
from app.settings.models import ConfigFile, PassThroughEndpoint
from app.settings.problems import Finding, Place, spelled
from app.settings.understanding import Candidate
from app.settings.urls import is_loopback
from app.targets import pair_names


def findings(candidates: Mapping[Place, Candidate], own_port: int) -> Iterator[Finding]:
    """Yield what is wrong across fields; the candidates stand under their places in the file."""
    for place, candidate in candidates.items():
        endpoint = candidate.endpoint
        yield from _repeated_names(place, endpoint)
        yield from _langfuse_pair(place, endpoint)
        yield from _two_timeouts(place, endpoint)
        if "path" not in candidate.unsound:
            yield from _target_names(place, endpoint)
        yield from _fixed_pairs(place, endpoint)
        yield from _own_address(place, endpoint, own_port)
    comparable = (item for item in candidates.items() if not item[1].unsound & {"path", "methods"})
    yield from _overlaps({place: candidate.endpoint for place, candidate in comparable})


def key_findings(file: ConfigFile) -> Iterator[Finding]:
    """Yield what is wrong between the keys of the file, and between them and the master key."""
    master_key = file.general_settings.master_key
    secrets: dict[str, Place] = {}
    if master_key:
        secrets[master_key.get_secret_value()] = ("general_settings", "master_key")
    aliases: dict[str, Place] = {}
    for index, entry in enumerate(file.keys):
        place: Place = ("keys", index)
        other = secrets.setdefault(entry.key.get_secret_value(), place)
        if other != place:
            yield Finding((*place, "key"), f"is the same key as {spelled(other)}; give each its own")
        if entry.key_alias and aliases.setdefault(entry.key_alias, place) != place:
            message = f"is also the name of {spelled(aliases[entry.key_alias])}; give each its own"
            yield Finding((*place, "key_alias"), message)


def _repeated_names(place: Place, endpoint: PassThroughEndpoint) -> Iterator[Finding]:
    """Names of header fields have no case (RFC 9110 §5.1): two spellings would be two fields of one name."""
    seen = set()
    for name in endpoint.headers:
        if name.lower() in seen:
            yield Finding((*place, "headers", name), "is written twice, in another case; keep one")
        seen.add(name.lower())


def _langfuse_pair(place: Place, endpoint: PassThroughEndpoint) -> Iterator[Finding]:
    spellings = {name.lower(): name for name in endpoint.headers}
    pair = {LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY}
    written = pair & spellings.keys()
    if len(written) == 1:
        (missing,) = pair - written
        message = f"is half a pair; add {missing.upper()}"
        yield Finding((*place, "headers", spellings[written.pop()]), message)
    elif written and "authorization" in spellings:
        message = "contradicts the Langfuse pair, which becomes Authorization: Basic; keep one of them"
        yield Finding((*place, "headers", spellings["authorization"]), message)
    public = spellings.get(LANGFUSE_PUBLIC_KEY)
    if public and ":" in endpoint.headers[public].get_secret_value():
        message = "has a colon, which ends the user half of Basic (RFC 7617 §2); correct it"
        yield Finding((*place, "headers", public), message)


def _two_timeouts(place: Place, endpoint: PassThroughEndpoint) -> Iterator[Finding]:
    if endpoint.timeout is not None and endpoint.timeouts is not None:
        yield Finding((*place, "timeout"), "contradicts timeouts; keep one of them")


def _target_names(place: Place, endpoint: PassThroughEndpoint) -> Iterator[Finding]:
    if isinstance(endpoint.target, gateway.HttpTarget):
        for name in sorted(set(paths.names(endpoint.target.path)) - set(paths.names(endpoint.path))):
            message = f"uses {{{name}}}, which path does not have; add it there, or write %7B and %7D for braces"
            yield Finding((*place, "target"), message)


def _fixed_pairs(place: Place, endpoint: PassThroughEndpoint) -> Iterator[Finding]:
    if isinstance(endpoint.target, gateway.HttpTarget):
        fixed = pair_names(endpoint.target.query.get_secret_value())
        for name in endpoint.default_query_params.keys() & fixed:
            message = "stands in the target's query already, which clients cannot override; keep one of them"
            yield Finding((*place, "default_query_params", name), message)


def _own_address(place: Place, endpoint: PassThroughEndpoint, own_port: int) -> Iterator[Finding]:
    target = endpoint.target
    if isinstance(target, gateway.HttpTarget) and target.port == own_port and is_loopback(target.host):
        message = f"leads to this gateway itself, port {own_port}; name another address, or set PORT"
        yield Finding((*place, "target"), message)


def _overlaps(endpoints: Mapping[Place, PassThroughEndpoint]) -> Iterator[Finding]:
    """Yield the later of two routes that would take the same requests: equal paths, and a common method."""
    earlier: dict[str, list[Place]] = {}
    for place, endpoint in endpoints.items():
        alike = earlier.setdefault(paths.shape(endpoint.path), [])
        for other in alike:
            common = [method for method in endpoint.methods if method in endpoints[other].methods]
            if common:
                message = f"is also that of {spelled(other)}, for {', '.join(common)}; change path or methods of one"
                yield Finding((*place, "path"), message)
                break
        alike.append(place)
