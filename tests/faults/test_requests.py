"""Mutated requests, read by the gateway's own server side and by h11: what both take, they read alike (G31, G32)."""

from __future__ import annotations

import random

import h11
import pytest

from app.arriving import ArrivingBody
from app.errors import GatewayError
from app.serving.head import Limits, request_head
from app.serving.incoming import Incoming
from tests.faults import differential

LIMITS = Limits()
Read = tuple[str, str, bytes, bytes]


class Pieces:
    """A client whose octets arrive in pieces drawn from a seed; then it is gone."""

    def __init__(self, octets: bytes, seed: int) -> None:
        self.rest = octets
        self._chance = random.Random(seed)

    def settimeout(self, _timeout_s: float | None) -> None:
        """All is here."""

    def gettimeout(self) -> float:
        return 1.0

    def sendall(self, _octets: bytes) -> None:
        """Nobody reads."""

    def recv(self, most: int) -> bytes:
        size = min(most, self._chance.choice((1, 7, 60, 10_000)))
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


def as_we_read(octets: bytes, seed: int) -> Read | None:
    """Return method, target, body and what follows; None for what is refused."""
    client = Pieces(octets, seed)
    incoming = Incoming(client)  # type: ignore[arg-type]
    try:
        read = incoming.head(1.0, LIMITS)
        if not read:
            return None
        head = request_head(read, LIMITS)
        body = ArrivingBody(head, incoming)
        whole = body.arrived() + b"".join(body.pieces())
        return head.method, head.target, whole, incoming.take_buffered() + client.rest
    except (GatewayError, OSError):
        return None


def as_h11_reads(octets: bytes) -> Read | str:
    judge = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 18)
    body = b""
    try:
        judge.receive_data(octets)
        while not isinstance(event := judge.next_event(), h11.EndOfMessage):
            match event:
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                case _:
                    return "not whole"
    except h11.RemoteProtocolError as broken:
        return str(broken)
    return head.method.decode(), head.target.decode(), body, bytes(judge.trailing_data[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_we_take_h11_reads_alike(seed: int) -> None:
    """Where one request ends and the next begins above all. A missing Host is refused later, by `app.arrival`."""
    taken = 0
    for number in range(seed * 1_000_000, seed * 1_000_000 + 2_000):
        octets = differential.mutant(number)
        ours = as_we_read(octets, number)
        theirs = as_h11_reads(octets)
        if ours is not None and theirs != "Missing mandatory Host: header":
            taken += 1
            assert ours == theirs, octets
    assert taken > 400
