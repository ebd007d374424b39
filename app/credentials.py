"""Keeps the gateway's own keys from travelling upstream, in whatever carrier a client puts them.

Found by value, because any header may be the one that a client's library uses. Credentials that are not the
gateway's pass, and bodies are never searched.
"""

from collections.abc import Set
from re import compile as compile_pattern
from urllib.parse import unquote, unquote_plus

from app.carriers import bare, texts
from app.fields import Fields

# What stands between blanks, and between the marks of lists, cookies and parameters (RFC 9110 §5.6, RFC 6265 §4.2).
WORDS = compile_pattern(r'[^\s,;="]+')
# A key that we issued (43 characters behind `sk-`), and what else is written so: providers' keys.
SECRET = compile_pattern(r"sk-[A-Za-z0-9_-]{32,}")
STARS = "****"


def without_keys(fields: Fields, keys: Set[str]) -> Fields:
    """Return the fields that carry none of these keys: bare, after a scheme, in a Basic pair or a SigV4 credential."""
    if not keys:
        return fields
    return [field for field in fields if not _carries(field[1], keys)]


def _carries(value: str, keys: Set[str]) -> bool:
    # Most fields are no credential of any kind: their words are looked at, and nothing is taken apart.
    if value in keys or not keys.isdisjoint(WORDS.findall(value)):
        return True
    return value[:5].lower() in ("basic", "aws4-") and not keys.isdisjoint(texts(value))


def query_without_keys(query: str | None, keys: Set[str]) -> str | None:
    """Return the raw query without the pairs whose value is one of these keys; the others keep every octet."""
    if not query or not keys:
        return query
    kept = [pair for pair in query.split("&") if bare(unquote_plus(pair.partition("=")[2])) not in keys]
    return "&".join(kept) or None


def path_without_keys(path: str, keys: Set[str]) -> str:
    """Return the raw path as the log may show it: stars where one of these keys stands, or what looks like one."""
    decoded = unquote(path) if "%" in path else path
    if "sk-" not in decoded and not any(key in decoded for key in keys):
        return path
    for key in keys:
        path = path.replace(key, STARS)  # One with a slash in it is in no single segment.
    return "/".join(STARS if _tells(unquote(segment), keys) else segment for segment in path.split("/"))


def _tells(text: str, keys: Set[str]) -> bool:
    return SECRET.search(text) is not None or any(key in text for key in keys)
