"""Keeps the gateway's own keys from travelling upstream, in whatever carrier a client puts them.

Found by value, because any header may be the one that a client's library uses. Credentials that are not the
gateway's pass, and bodies are never searched.
"""

from collections.abc import Sequence, Set
from re import compile as compile_pattern
from re import escape, search
from urllib.parse import unquote, unquote_plus

from app.carriers import bare, texts
from app.fields import Fields

# A key with one of these beside it is part of something else. A short key of the file may stand within other text by
# accident, and is a word of its own between blanks and the marks of lists, cookies and parameters (RFC 9110 §5.6,
# RFC 6265 §4.2). No key of the store is short.
BESIDE_LONG, BESIDE_SHORT = "[A-Za-z0-9_-]", r'[^\s,;="]'
SHORTEST_LONG = 16
MANY = 100
# A key that we issued (43 characters behind `sk-`), and what else is written so: providers' keys.
SECRET = compile_pattern(r"sk-[A-Za-z0-9_-]{32,}")
STARS = "****"


def without_keys(fields: Fields, keys: Set[str]) -> Fields:
    """Return the fields in which none of these keys stands: bare, beside other words, in a URL or a Basic pair."""
    if not keys:
        return fields
    opened = [_opened(value) for _, value in fields]
    present = _present("\n".join(opened), keys)
    return [field for field, text in zip(fields, opened, strict=True) if not any(_stands(key, text) for key in present)]


def _opened(value: str) -> str:
    """Return the value, and on lines of their own what it hides."""
    lines = [value]
    if "%" in value:
        lines.append(unquote(value))
    if value[:5].lower() in ("basic", "aws4-"):
        lines += texts(value)
    return "\n".join(lines)


def _present(text: str, keys: Set[str]) -> list[str]:
    # A file may have many keys, and a request has few of them: first by how they begin, which costs a tenth.
    if len(keys) > MANY:
        starts = {text[at : at + SHORTEST_LONG] for at in range(len(text))}
        return [key for key in keys if (len(key) < SHORTEST_LONG or key[:SHORTEST_LONG] in starts) and key in text]
    return [key for key in keys if key in text]


def _stands(key: str, text: str) -> bool:
    if key not in text:
        return False
    beside = BESIDE_LONG if len(key) >= SHORTEST_LONG else BESIDE_SHORT
    # What stands before it may be escaped: the mark and two digits are one character.
    before = f"(?:(?<!{beside})|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
    return search(f"{before}{escape(key)}(?!{beside})", text) is not None


def query_without_keys(query: str | None, keys: Set[str]) -> str | None:
    """Return the raw query without the pairs in which one of these keys stands; the others keep every octet.

    A pair is what stands between two `&`, its name included. A short key must be its whole value, a long one may have
    anything beside it: a URL is kept in more logs than a field.
    """
    if not query or not keys or not (present := _present(_read(query), keys)):
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
