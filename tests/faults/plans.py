"""What an upstream does with one request, and what its client must see then. A plan travels in the query."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import parse_qsl, urlencode

# Ends well: the client gets the whole answer, and its own.
WHOLE = ("plain", "interim", "pause", "drip", "nothing", "empty", "unchanged", "spare", "early", "last")
# Ends in mid-body: the client sees that, and no octet of another answer.
CUT = ("fin", "rst")
# No answer at all: the client is told so.
DEAD = ("mute", "reset", "garbage", "torn")
STATUSES = {"nothing": 204, "unchanged": 304}
# After these the connection must carry no other request.
SPOILS = frozenset({"spare", "early", "last", *CUT, *DEAD})


@dataclass(frozen=True, slots=True)
class Plan:
    """`size` octets are in the body; a fault strikes behind octet `at` of the body, or of the head for `torn`."""

    tag: str
    kind: str
    method: str = "GET"
    framing: str = "length"
    size: int = 0
    at: int = 0
    upload: int = 0

    @property
    def target(self) -> str:
        return "?" + urlencode(asdict(self))

    @property
    def status(self) -> int:
        return STATUSES.get(self.kind, 200)

    @property
    def body(self) -> bytes:
        """The octets of the answer's body, all of them its own."""
        return spread(self.tag, self.size)

    @property
    def is_bodiless(self) -> bool:
        return self.method == "HEAD" or self.kind in STATUSES


def spread(tag: str, size: int) -> bytes:
    """Return `size` octets in which the tag stands again and again."""
    unit = f"{tag};".encode()
    return (unit * (size // len(unit) + 1))[:size]


def read(target: str) -> Plan:
    """Return the plan that stands in a request target."""
    pairs = dict(parse_qsl(target.partition("?")[2]))
    numbers = {name: int(pairs.pop(name)) for name in ("size", "at", "upload")}
    return Plan(**pairs, **numbers)


def drawn(count: int, seed: int, kinds: Sequence[str], most: int = 5_000, uploads: int = 0) -> list[Plan]:
    """Return plans of these kinds, the same for the same seed."""
    chance = random.Random(seed)
    return [_plan(f"{seed}-{number}", chance, chance.choice(kinds), most, uploads) for number in range(count)]


def _plan(tag: str, chance: random.Random, kind: str, most: int, uploads: int) -> Plan:
    # An end of the connection is the usual end of a body without a length: only a reset breaks that off.
    framings = ("length", "chunked") if kind in ("fin", "spare") else ("length", "chunked", "close")
    size = 0 if kind in STATUSES or kind == "empty" else chance.randrange(2, most)
    method = "GET" if kind in CUT else chance.choice(("GET", "GET", "GET", "HEAD", "POST"))
    upload = chance.randrange(1, uploads) if uploads and method == "POST" else 0
    return Plan(tag, kind, method, chance.choice(framings), size, chance.randrange(size) if size else 0, upload)
