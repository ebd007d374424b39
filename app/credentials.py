"""Keeps the gateway's own keys from travelling upstream, in whatever carrier a client puts them.

Found by value, because any header may be the one that a client's library uses. Credentials that are not the
gateway's pass, and bodies are never searched.
"""

from collections.abc import Sequence
from functools import lru_cache
from re import Pattern, escape
from re import compile as compile_pattern
from urllib.parse import unquote, unquote_plus

from app.carriers import bare, texts
from app.fields import Fields
from app.key_index import BESIDE_LONG, SHORTEST_LONG, KeyIndex

# A short key is a word of its own between blanks and the marks of lists, cookies and parameters (RFC 9110 §5.6,
# RFC 6265 §4.2).
BESIDE_SHORT = r'[^\s,;="]'
# How credentials begin in which a key is one part.
BASIC, SIGNED = HIDING = ("basic", "aws4-")
# A key that we issued (43 characters behind `sk-`), and what else is written so: providers' keys.
SECRET = compile_pattern(r"sk-[A-Za-z0-9_-]{32,}")
STARS = "****"


def without_keys(fields: Fields, keys: KeyIndex) -> Fields:
    """Return the fields in which none of these keys stands: bare, beside other words, in a URL or a Basic pair."""
    if not keys:
        return fields
    read = [value for _, value in fields]
    text = "\n".join(read)
    lower = text.lower()
    if "%" in text or BASIC in lower or SIGNED in lower:
        read = [_opened(value) for value in read]
        text = "\n".join(read)
    bring = {one for key in keys.among_words(text) for one in read if key in one and _alone(key).search(one)}
    return [field for field, one in zip(fields, read, strict=True) if one not in bring] if bring else fields


def _opened(value: str) -> str:
    """Return the value, and on lines of their own what it hides."""
    lines = [value]
    if "%" in value:
        lines.append(unquote(value))
    if value[:5].lower() in HIDING:
        lines += texts(value)
    return "\n".join(lines)


@lru_cache(maxsize=512)
def _alone(key: str) -> Pattern[str]:
    beside = BESIDE_LONG if len(key) >= SHORTEST_LONG else BESIDE_SHORT
    # What stands before it may be escaped: the mark and two digits are one character.
    before = f"(?:(?<!{beside})|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
    return compile_pattern(f"{before}{escape(key)}(?!{beside})")


def query_without_keys(query: str | None, keys: KeyIndex) -> str | None:
    """Return the raw query without the pairs in which one of these keys stands; the others keep every octet.

    A pair is what stands between two `&`, its name included. A short key must be its whole value, a long one may have
    anything beside it: a URL is kept in more logs than a field.
    """
    if not query or not keys or not (present := keys.within(_read(query))):
        return query
    return "&".join(pair for pair in query.split("&") if not _brings(pair, present)) or None


def _brings(pair: str, keys: Sequence[str]) -> bool:
    if bare(unquote_plus(pair.partition("=")[2])) in keys:
        return True
    text = _read(pair)
    return any(len(key) >= SHORTEST_LONG and key in text for key in keys)


def _read(text: str) -> str:
    """Return the text as the upstreams may read it: they do not agree whether a plus is a blank."""
    return "\n".join((text, unquote(text), unquote_plus(text)))


def path_without_keys(path: str, keys: KeyIndex) -> str:
    """Return the raw path as the log may show it: stars where one of these keys stands, or what looks like one."""
    read = f"{path}\n{unquote(path)}" if "%" in path else path
    present = keys.within(read)
    if "sk-" not in read and not present:
        return path
    for key in present:
        path = path.replace(key, STARS)  # One with a slash in it is in no single segment.
    return "/".join(STARS if _tells(unquote(segment), present) else segment for segment in path.split("/"))


def _tells(text: str, keys: Sequence[str]) -> bool:
    return SECRET.search(text) is not None or any(key in text for key in keys)
