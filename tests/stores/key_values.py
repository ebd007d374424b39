"""Keys for tests."""

from contextlib import nullcontext

from app.principal import digest_of
from app.stores.schema import StoredKey


def untold(_after):
    """Stands in for the machine's known keys, where nobody is to be told of a change."""
    return nullcontext()


def a_key(secret="sk-secret", **facts):
    digest = digest_of(secret)
    defaults = {"digest": digest, "key_id": digest[:16], "key_name": f"sk-...{secret[-4:]}"}
    return StoredKey(**{**defaults, "created_s": 1000.5, "updated_s": 1000.5, **facts})
