"""Where in a request a client's key can come, in the order in which it is looked for.

A carrier that is present decides: what comes behind it is not asked, so that a client cannot try several keys
in one request. A leading `Bearer ` (any case) is dropped everywhere, as LiteLLM does.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from re import IGNORECASE
from re import compile as compile_pattern
from urllib.parse import unquote_plus

from app.fields import Fields

BEARER = compile_pattern(r"bearer\s+", IGNORECASE)
# RFC 9110 §11.4: other schemes than Bearer bring something that is not a key as it stands.
SCHEME = compile_pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s+\S")
# Signature Version 4: `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/<region>/<service>/aws4_request, ...`
SIGV4 = compile_pattern(r"AWS4-HMAC-SHA256\s.*?Credential=([^/,\s]+)/")
PLAIN = ("api-key", "x-api-key", "x-goog-api-key")


def carried(fields: Fields, query: str | None, key_header: str | None = None, *, is_basic: bool = False) -> list[str]:
    """Return what could be a key, the one that decides first; empty text is left out.

    `key_header` is the lower-case name that `litellm_user_api_key` gives; `is_basic` makes the user half of
    Basic a carrier (`custom_auth_parser: langfuse`). Malformed base64 carries nothing.
    """
    return [text for text in _carried(fields, query, key_header, is_basic) if text]


def basic_pair(value: str) -> tuple[str, str]:
    """Return (user, password) of a Basic credential (RFC 7617 §2), two empty texts for anything else."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def query_values(query: str | None, name: str) -> list[str]:
    """Return the decoded values of the raw query's pairs of this name."""
    pairs = (pair.partition("=") for pair in (query or "").split("&"))
    return [unquote_plus(value) for key, _, value in pairs if unquote_plus(key) == name]


def _carried(fields: Fields, query: str | None, key_header: str | None, is_basic: bool) -> Iterator[str]:
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(value)
    authorizations = values.get("authorization", [])
    if key_header:
        yield from map(_bare, values.get(key_header, []))
    if is_basic:
        yield from (basic_pair(value)[0] for value in authorizations)
    yield from map(_bare, values.get("x-litellm-api-key", []))
    yield from (_bare(value) for value in authorizations if BEARER.match(value) or not SCHEME.match(value))
    for name in PLAIN:
        yield from map(_bare, values.get(name, []))
    yield from query_values(query, "key")
    yield from (found[1] for value in authorizations if (found := SIGV4.match(value)))


def _bare(value: str) -> str:
    return BEARER.sub("", value, count=1).strip() if BEARER.match(value) else value.strip()
