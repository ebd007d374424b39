"""Texts of an adapter's own, such as its exceptions', without the secrets that it was given."""

from collections.abc import Iterable

STARS = "****"
# A shorter value is a word that may stand in any sentence.
SHORTEST_SECRET = 4
# So much of a secret tells too much of it: pydantic quotes the two ends of what it was given.
TELLING_RUN = 12
LONGEST_READ = 20_000


def without(text: str, secrets: Iterable[str]) -> str:
    """Return the text with stars for each secret; stars alone where a longer piece of one is left."""
    secrets = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    text = starred(text[:LONGEST_READ], secrets)
    return STARS if any(_has_piece(text, secret) for secret in secrets if "://" not in secret) else text


def starred(text: str, secrets: Iterable[str]) -> str:
    """Return the text with stars for each secret, of two that overlap for the longer one."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, STARS)
    return text


def _has_piece(text: str, secret: str) -> bool:
    starts = range(len(secret) - TELLING_RUN + 1)
    return any(secret[start : start + TELLING_RUN] in text for start in starts)
