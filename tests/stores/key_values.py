"""Keys for tests, and stores that are closed with the test."""

from app.principal import digest_of
from app.stores.schema import StoredKey


class Clock:
    """A clock that goes when it is told."""

    def __init__(self, now_s=1000.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s

    def advance(self, seconds):
        self.now_s += seconds


class Generations:
    """Stands in for the embedded store: counts changes of the keys."""

    def __init__(self):
        self.number = 0

    def generation(self):
        return self.number

    def advance(self):
        self.number += 1


def a_key(secret="sk-secret", **facts):
    digest = digest_of(secret)
    defaults = {"digest": digest, "key_id": digest[:16], "key_name": f"sk-...{secret[-4:]}"}
    return StoredKey(**{**defaults, "created_s": 1000.5, "updated_s": 1000.5, **facts})
