"""Where in a request a client's key can come, in the order in which it is looked for, and where else one may stand.

A carrier that is present decides: what comes behind it is not asked, so that a client cannot try several keys
in one request. A leading `Bearer ` (any case) is dropped everywhere, as LiteLLM does.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import lru_cache
from re import IGNORECASE
from re import compile as compile_pattern
from urllib.parse import unquote, unquote_plus

from app.fields import Fields

BEARER = compile_pattern(r"bearer(?:\s+|$)", IGNORECASE)
BASIC = compile_pattern(r"basic\s+(\S+)\s*$", IGNORECASE)
# RFC 9110 §11.4: other schemes than Bearer bring something that is not a key as it stands.
SCHEME = compile_pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\s+\S")
# Signature Version 4: `AWS4-HMAC-SHA256 Credential=<access key id>/<date>/<region>/<service>/aws4_request, ...`
SIGV4 = compile_pattern(r"AWS4-HMAC-SHA256\s.*?Credential=([^/,\s]+)/")
PLAIN = ("api-key", "x-api-key", "x-goog-api-key")
CARRIERS = frozenset(("x-litellm-api-key", "authorization", *PLAIN))
# Stands for the pair of a query: no field has such a name.
QUERY_KEY = "?key"
# What is taken for a carrier's name: other marks between its words (`api_key`), a field's name in a query.
ALIKE = frozenset(
    name.replace("-", mark)
    for name in ("authorization", "x-litellm-api-key", *PLAIN, "key", "x-langfuse-public-key")
    for mark in ("-", "_", "")
)
# What the store takes for a key; other texts are none of its keys, and it need not be asked.
STORABLE = compile_pattern(r"[A-Za-z0-9\-._~]{16,256}")
# A key that the store issued, unless somebody chose it: `sk-` and 32 octets in base64url. Within a URL that is
# itself in a query, what stands before it may be escaped (`%3D`), once or several times.
# The pattern begins with what is rare, so that texts are passed over fast.
ISSUED = compile_pattern(r"sk-(?:(?<![A-Za-z0-9_-]sk-)|(?<=%[0-9A-Fa-f]{2}sk-))[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")

# A carrier's name, and what reads a key out of its value.
Place = tuple[str, Callable[[str], str]]


def carried(fields: Fields, query: str | None, key_header: str | None = None, *, is_basic: bool = False) -> list[str]:
    """Return what could be a key, the one that decides first; empty text is left out.

    `key_header` is the lower-case name that `litellm_user_api_key` gives; `is_basic` makes the user half of
    Basic a carrier (`custom_auth_parser: langfuse`). Malformed base64 carries nothing.
    """
    values: dict[str, list[str]] = {}
    for name, value in fields:
        if (known := name.lower()) in CARRIERS or known == key_header:
            values.setdefault(known, []).append(value)
    if query:
        values[QUERY_KEY] = [value for name, value in _pairs(query) if name == "key"]
    places = _places(key_header, is_basic)
    return [text for name, read in places for value in values.get(name, ()) if (text := read(value))]


def elsewhere(fields: Fields, query: str | None) -> set[str]:
    """Return texts that could be keys in places that are no carriers, or not on this route.

    That is whatever looks issued, in any field and pair, and any credential under a name like a carrier's. Other
    names are left alone: to ask a store for each value of them would cost more than it could find.
    """
    values = [value for _, value in fields]
    text = "\n".join(values)
    if "basic" in text.lower():
        text = "\n".join((text, *map(_decoded, values)))
    found = set(_issued(f"{text}\n{query}" if query else text))
    for name, value in fields:
        if name.lower() in ALIKE:
            found |= texts(value)
    if query:
        found.update(bare(value) for _, value in _pairs(query))
        found.discard("")
    return found


def _issued(text: str) -> list[str]:
    """Return what looks issued in the text, as it stands and without escapes."""
    if "%" in text:
        text = f"{text}\n{unquote(text)}"
    return ISSUED.findall(text) if "sk-" in text else []


def texts(value: str) -> set[str]:
    """Return every text in a field's value that could be a key, whatever the field is called."""
    if len(words := (plain := bare(value)).split()) < 2:
        return set(words)
    signed = SIGV4.match(value)
    _, _, behind_scheme = value.strip().partition(" ")
    decoded = _decoded(value)
    user, _, password = decoded.partition(":")
    return {plain, behind_scheme.strip(), bare(user), password, signed[1] if signed else ""} - {""}


def basic_user(value: str) -> str:
    """Return the user half of a Basic credential (RFC 7617 §2), "" for anything else and without its colon.

    Padding may be missing, as it often is; a `Bearer ` in front of the user is dropped as everywhere.
    """
    user, colon, _ = _decoded(value).partition(":")
    return bare(user) if colon else ""


def _decoded(value: str) -> str:
    basic = BASIC.match(value)
    if basic is None:
        return ""
    encoded = basic[1].rstrip("=")
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def bare(value: str) -> str:
    """Return the text without blanks around it and without a leading `Bearer`."""
    text = value.strip()
    scheme = BEARER.match(text)
    return text if scheme is None else text[scheme.end() :].strip()


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    """Yield (name, value), decoded, of the raw query's pairs with names like a carrier's."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if (name := unquote_plus(name)).lower() in ALIKE:
            yield name, unquote_plus(value)


@lru_cache
def _places(key_header: str | None, is_basic: bool) -> tuple[Place, ...]:
    """Return the carriers of a route in their order."""
    return (
        *([(key_header, bare)] if key_header else []),
        *([("authorization", basic_user)] if is_basic else []),
        ("x-litellm-api-key", bare),
        ("authorization", _of_no_other_scheme),
        *((name, bare) for name in (*PLAIN, QUERY_KEY)),
        ("authorization", _access_key_id),
    )


def _of_no_other_scheme(value: str) -> str:
    return bare(value) if BEARER.match(value) or not SCHEME.match(value) else ""


def _access_key_id(value: str) -> str:
    signed = SIGV4.match(value)
    return signed[1] if signed else ""
