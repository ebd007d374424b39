"""Where in a request a client's key can come, in the order in which it is looked for, and where else one may stand.

A carrier that is present decides: what comes behind it is not asked, so that a client cannot try several keys
in one request. A leading `Bearer ` (any case) is dropped everywhere, as LiteLLM does.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
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


def carried(fields: Fields, query: str | None, key_header: str | None = None, *, is_basic: bool = False) -> list[str]:
    """Return what could be a key, the one that decides first; empty text is left out.

    `key_header` is the lower-case name that `litellm_user_api_key` gives; `is_basic` makes the user half of
    Basic a carrier (`custom_auth_parser: langfuse`). Malformed base64 carries nothing.
    """
    return [text for text in _carried(fields, query, key_header, is_basic) if text]


def elsewhere(fields: Fields, query: str | None) -> set[str]:
    """Return texts that could be keys in places that are no carriers, or not on this route.

    That is whatever looks issued, in any field and pair, and any credential under a name like a carrier's. Other
    names are left alone: to ask a store for each value of them would cost more than it could find.
    """
    values = [value for _, value in fields]
    decoded = [_decoded(value) for value in values if value[:5].lower() == "basic"]
    found = set(_issued("\n".join((*values, *decoded, query or ""))))
    for name, value in fields:
        if name.lower() in ALIKE:
            found |= texts(value)
    found.update(bare(value) for name, value in _pairs(query) if name.lower() in ALIKE)
    return found - {""}


def _issued(text: str) -> list[str]:
    """Return what looks issued in the text, as it stands and without escapes."""
    if "%" in text:
        text = f"{text}\n{unquote(text)}"
    return ISSUED.findall(text) if "sk-" in text else []


def texts(value: str) -> set[str]:
    """Return every text in a field's value that could be a key, whatever the field is called."""
    if len((plain := bare(value)).split()) < 2:
        return {plain} - {""}
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


def query_values(query: str | None, name: str) -> list[str]:
    """Return what could be keys in the raw query's pairs of this name, decoded."""
    return [bare(value) for key, value in _pairs(query) if key == name]


def _pairs(query: str | None) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of the raw query's pairs, decoded."""
    if query:
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            yield unquote_plus(name), unquote_plus(value)


def _carried(fields: Fields, query: str | None, key_header: str | None, is_basic: bool) -> Iterator[str]:
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.lower(), []).append(value)
    authorizations = values.get("authorization", [])
    if key_header:
        yield from map(bare, values.get(key_header, []))
    if is_basic:
        yield from map(basic_user, authorizations)
    yield from map(bare, values.get("x-litellm-api-key", []))
    yield from (bare(value) for value in authorizations if BEARER.match(value) or not SCHEME.match(value))
    for name in PLAIN:
        yield from map(bare, values.get(name, []))
    yield from query_values(query, "key")
    yield from (found[1] for value in authorizations if (found := SIGV4.match(value)))
