"""What an upstream does with one request, and what its client must see then. A plan travels in the query."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Ends well: the client gets the whole answer, and its own.
WHOLE = ("plain", "interim", "pause", "drip", "nothing", "empty", "unchanged", "spare", "early", "last")
# Ends in mid-body: the client sees that, and no octet of another answer.
CUT = ("fin", "rst")
# Takes its time, and is whole unless the upstream's process is killed meanwhile.
MORTAL = "slowly"
# Not to be waited for: the client leaves when it has seen something, or has waited in vain for a while.
LEFT = ("endless", "silence")
# No answer at all: the client is told so.
DEAD = ("mute", "reset", "garbage", "torn")
STATUSES = {"nothing": 204, "unchanged": 304}
# After these the connection must carry no other request.
SPOILS = frozenset({"spare", "early", "last", *CUT, *DEAD})


@dataclass(frozen=True, slots=True)
class Plan:
    """`size` octets are in the body; a fault strikes behind octet `at` of the body, or of the head for `torn`.

    No text has a character that a query would encode.
    """

    tag: str
    kind: str
    method: str = "GET"
    framing: str = "length"
    size: int = 0
    at: int = 0
    upload: int = 0

    @property
    def target(self) -> str:
        return (
            f"?tag={self.tag}&kind={self.kind}&method={self.method}&framing={self.framing}"
            f"&size={self.size}&at={self.at}&upload={self.upload}"
        )

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
    values = [pair.partition("=")[2] for pair in target.partition("?")[2].split("&")]
    tag, kind, method, framing, *numbers = values
    return Plan(tag, kind, method, framing, *map(int, numbers))


def drawn(count: int, seed: int, kinds: Sequence[str], most: int = 5_000, uploads: int = 0) -> Iterator[Plan]:
    """Yield plans of these kinds, the same for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        yield _plan(f"{seed}-{number}", chance, chance.choice(kinds), most, uploads)


def _plan(tag: str, chance: random.Random, kind: str, most: int, uploads: int) -> Plan:
    # An end of the connection is the usual end of a body without a length: only a reset breaks that off.
    framings = ("length", "chunked") if kind in ("fin", "spare", MORTAL) else ("length", "chunked", "close")
    size = 0 if kind in STATUSES or kind == "empty" else chance.randrange(2, most)
    method = "GET" if kind in (*CUT, *LEFT, MORTAL) else chance.choice(("GET", "GET", "GET", "HEAD", "POST"))
    upload = chance.randrange(1, uploads) if uploads and method == "POST" else 0
    return Plan(tag, kind, method, chance.choice(framings), size, chance.randrange(size) if size else 0, upload)
