"""Which names and values can stand in `headers` and `forward_headers`."""

import re

from app.headers import FRAMING

# RFC 9110 §5.6.2: a field name is a token.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Names, and patterns as of fnmatch.
_GLOB = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z?\[\]-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# Names in `headers` that are instructions to the gateway, not header fields (LiteLLM's page).
LANGFUSE_PUBLIC_KEY = "langfuse_public_key"
LANGFUSE_SECRET_KEY = "langfuse_secret_key"
LITELLM_USER_API_KEY = "litellm_user_api_key"


def header_name(name: str) -> str:
    """Return the name. Raises ValueError when it is no token, or a field that is the gateway's to set."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("is no header name; use letters, digits and -, and put the value behind a colon")
    if name.lower() in FRAMING:
        raise ValueError("is set by the gateway itself, from target and body; leave it out")
    return name


def header_value(value: str) -> str:
    """Return the value without blanks around it (RFC 9110 §5.5).

    Raises ValueError when it has control characters: a line break would begin another field.
    """
    value = value.strip(" \t")
    if _CONTROL.search(value):
        raise ValueError("has a line break or control character; set the value again without it")
    return value


def key(value: str) -> str:
    """Return the key. Raises ValueError when no client could send it in a header as it is."""
    if not value or value != value.strip() or not value.isascii() or not value.isprintable():
        raise ValueError("is empty, begins or ends with a blank, or is not printable ASCII; choose another key")
    return value


def forwarded_name(name: str) -> str:
    """Return the name or glob in lower case. Raises ValueError when nothing of that name is ever forwarded."""
    if not _GLOB.fullmatch(name):
        raise ValueError("is no header name; write names and globs, such as anthropic-*")
    if name.lower() in FRAMING:
        raise ValueError("is about one connection and never forwarded; leave it out")
    return name.lower()


def octets_as_text(value: str) -> str:
    """Return the value as WSGI has it (PEP 3333): each character one octet of its UTF-8 form."""
    return value.encode().decode("latin-1")
