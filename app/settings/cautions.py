"""What works and deserves a warning at start; no sentence holds a secret."""

from collections.abc import Iterator, Sequence

from pydantic import SecretStr

from app.principal import covers
from app.settings.building import asks_for_key
from app.settings.gateway import HttpTarget
from app.settings.models import ConfigFile, PassThroughEndpoint
from app.settings.problems import shown, spelled
from app.settings.understanding import IGNORED

# A key of fewer characters can be guessed; these can be read in documentation.
_SHORTEST_GOOD_KEY = 16
_WELL_KNOWN = frozenset(
    "sk-1234 sk-12345 sk-123456 sk-12345678 sk-1234567890 sk-1234567890abcdef sk-master-key-change-me"
    " changeme-changeme your-master-key-here".split()
)
WEAK = "is short or well known; make a long random one: openssl rand -hex 32"
# What says how a request is relayed; a completion is made anew.
_FOR_URLS = ("forward_headers", "default_query_params")


def warnings(file: ConfigFile) -> Iterator[str]:
    """Yield ready sentences about a file that has passed every check."""
    ignored = [name for name in IGNORED if name in file.model_fields_set]
    if ignored:
        yield f"{', '.join(ignored)}: known to LiteLLM and ignored here"
    master_key = file.general_settings.master_key
    if master_key and is_weak(master_key):
        yield f"general_settings.master_key {WEAK}"
    endpoints = file.general_settings.pass_through_endpoints
    yield from _keys(file, [endpoint.path for endpoint in endpoints])
    if not endpoints:
        yield "general_settings.pass_through_endpoints has no route: every request will get 404"
    yield from _adapters(file, [endpoint for endpoint in endpoints if not isinstance(endpoint.target, HttpTarget)])
    open_paths = dict.fromkeys(endpoint.path for endpoint in endpoints if not asks_for_key(endpoint))
    if open_paths:
        yield f"open to everyone who can reach this gateway, no key asked: {', '.join(open_paths)}"


def _keys(file: ConfigFile, paths: Sequence[str]) -> Iterator[str]:
    for index, entry in enumerate(file.keys):
        if is_weak(entry.key):
            yield f"{spelled(('keys', index, 'key'))} {WEAK}"
        allowed = entry.allowed_passthrough_routes or ()
        idle = [path for path in allowed if not any(covers(path, route_path) for route_path in paths)]
        if idle:
            place = spelled(("keys", index, "allowed_passthrough_routes"))
            yield f"{place}: no route stands at or below {', '.join(map(shown, idle))}"


def _adapters(file: ConfigFile, endpoints: Sequence[PassThroughEndpoint]) -> Iterator[str]:
    if endpoints and not file.model_list:
        yield "model_list is empty: every request of an adapter route will get 404"
    if file.model_list and not endpoints:
        yield "model_list: no route leads to an adapter, so nothing uses it"
    for endpoint in endpoints:
        idle = [name for name in _FOR_URLS if name in endpoint.model_fields_set]
        if idle:
            yield f"{', '.join(idle)} of {endpoint.path}: without effect on an adapter route"


def is_weak(key: SecretStr) -> bool:
    """Tell whether the key could be guessed."""
    secret = key.get_secret_value()
    return len(secret) < _SHORTEST_GOOD_KEY or secret.lower() in _WELL_KNOWN or len(set(secret)) < 6
