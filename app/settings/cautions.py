"""What works and deserves a warning at start; no sentence holds a secret."""

from collections.abc import Iterator

from pydantic import SecretStr

from app.settings.building import asks_for_key
from app.settings.models import ConfigFile
from app.settings.understanding import IGNORED

# A key of fewer characters can be guessed; these can be read in documentation.
_SHORTEST_GOOD_KEY = 16
_WELL_KNOWN = frozenset(
    "sk-1234 sk-12345 sk-123456 sk-12345678 sk-1234567890 sk-1234567890abcdef sk-master-key-change-me"
    " changeme-changeme your-master-key-here".split()
)


def warnings(file: ConfigFile) -> Iterator[str]:
    """Yield ready sentences about a file that has passed every check."""
    ignored = [name for name in IGNORED if name in file.model_fields_set]
    if ignored:
        yield f"{', '.join(ignored)}: known to LiteLLM and ignored here"
    master_key = file.general_settings.master_key
    if master_key and is_weak(master_key):
        yield "general_settings.master_key is short or well known; make a long random one: openssl rand -hex 32"
    endpoints = file.general_settings.pass_through_endpoints
    if not endpoints:
        yield "general_settings.pass_through_endpoints has no route: every request will get 404"
    open_paths = dict.fromkeys(endpoint.path for endpoint in endpoints if not asks_for_key(endpoint))
    if open_paths:
        yield f"open to everyone who can reach this gateway, no key asked: {', '.join(open_paths)}"


def is_weak(key: SecretStr) -> bool:
    """Tell whether the key could be guessed."""
    secret = key.get_secret_value()
    return len(secret) < _SHORTEST_GOOD_KEY or secret.lower() in _WELL_KNOWN or len(set(secret)) < 6
