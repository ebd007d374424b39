"""Requests that public lists name, in octets of our own, and what must become of each (G31).

The names are those of the lists, so that a reader can look up what each is about; the octets are not theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SERVED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
# As the gateway ends the connection by itself; as it waits for another request; as we end it, because it must wait.
End = Literal["closed", "kept", "left"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One row: the octets a client sends at once, and what each side must see."""

    name: str
    octets: bytes
    answers: tuple[int, ...]
    """Statuses, in order; whatever else the gateway says fails."""
    bodies: tuple[bytes, ...] = ()
    """Of the requests that reach the upstream whole, in order; without any, no octet may reach it."""
    end: End = "closed"
    lines: tuple[bytes, ...] = ()
    """What stands in the heads that reach the upstream, in small letters."""
    upstream: bytes = SERVED
    why: str = ""
    """Where the list asks for something else, or leaves open what happens, why it is so here."""


def head(*lines: str, host: str | None = "gateway.test") -> bytes:
    """Return the octets of a head, its empty line included; `host` of None leaves that field out."""
    first, *fields = lines
    named = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([first, *named, *fields, "", ""]).encode("latin-1")


def get(*fields: str, path: str = "/p/a", host: str | None = "gateway.test") -> bytes:
    return head(f"GET {path} HTTP/1.1", *fields, host=host)


def post(*fields: str, body: bytes = b"", path: str = "/p/a") -> bytes:
    return head(f"POST {path} HTTP/1.1", *fields) + body


def chunked(body: bytes, *fields: str) -> bytes:
    return post("Transfer-Encoding: chunked", *fields, body=body)


def refused(name: str, octets: bytes, status: int = 400, why: str = "") -> Probe:
    """One answer of the gateway's own, then it closes: where the next request begins is in doubt."""
    return Probe(name, octets, (status,), why=why)


def spoken(name: str, octets: bytes, *statuses: int, why: str = "") -> Probe:
    """The gateway answers by itself, and goes on listening: where the request ends was never in doubt."""
    return Probe(name, octets, statuses, end="kept", why=why)


def taken(name: str, octets: bytes, *bodies: bytes, end: End = "kept", why: str = "") -> Probe:
    """Each request reaches the upstream whole, and its answer comes back."""
    bodies = bodies or (b"",)
    return Probe(name, octets, (200,) * len(bodies), bodies, end, why=why)


def unfinished(name: str, octets: bytes, why: str = "") -> Probe:
    """More was announced than comes before we end our side: nothing whole reaches the upstream, and nobody answers."""
    return Probe(name, octets, (), end="left", why=why)
