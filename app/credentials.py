"""Keeps the gateway's own keys from travelling upstream, in whatever carrier a client puts them.

Found by value, because any header may be the one that a client's library uses. Credentials that are not the
gateway's pass, and bodies are never searched.
"""

import binascii
from base64 import b64decode
from collections.abc import Set
from hmac import compare_digest
from urllib.parse import unquote_plus

from app.fields import Fields


def without_keys(fields: Fields, keys: Set[str]) -> Fields:
    """Return the fields that carry none of these keys: bare, after a scheme, or in a Basic pair (RFC 7617)."""
    if not keys:
        return fields
    return [field for field in fields if not any(_is_key(part, keys) for part in _parts(field[1]))]


def query_without_keys(query: str | None, keys: Set[str]) -> str | None:
    """Return the raw query without the pairs whose value is one of these keys; the others keep every octet."""
    if not query or not keys:
        return query
    kept = [pair for pair in query.split("&") if not _is_key(unquote_plus(pair.partition("=")[2]), keys)]
    return "&".join(kept)


def _parts(value: str) -> list[str]:
    """Return what may be a key in a field's value."""
    scheme, _, rest = value.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "basic":
        user, _, password = _decoded(rest).partition(":")
        return [user, password]
    return [value, rest]


def _decoded(encoded: str) -> str:
    try:
        return b64decode(encoded).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def _is_key(text: str, keys: Set[str]) -> bool:
    return any(compare_digest(text.encode(), key.encode()) for key in keys)
