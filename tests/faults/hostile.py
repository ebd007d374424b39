"""Mutated answers, and what may become of one: a 502, or what a strict reader reads, or a visible break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from tests.faults import mutants
from tests.faults.apart import crowd
from tests.faults.callers import Verdict, judged
from tests.faults.ledger import Ledger
from tests.faults.mutants import Reading
from tests.faults.plans import Plan
from tests.faults.scenarios import Findings
from tests.faults.upstream import PlannedUpstream

# What the gateway says itself, and what it leaves out (RFC 9110 §7.6.1, and the framing of its own connection).
OWN = frozenset("server date connection transfer-encoding x-gateway-request-id server-timing content-length".split())

LAST_WORDS = b'data: {"error": {"message": "The upstream\'s event stream broke off.'


def octets_of(plan: Plan) -> bytes:
    return mutants.mutant(int(plan.kind))


def prepare(upstream: PlannedUpstream) -> None:
    """Let an upstream answer with mutants."""
    upstream.octets_of = octets_of
    upstream.spoils = lambda plan: not mutants.read(octets_of(plan)).is_kept


def drawn(count: int, seed: int) -> Iterator[Plan]:
    for number in range(count):
        yield Plan(f"{seed}-{number}", str(seed * 1_000_000 + number))


@dataclass(slots=True)
class Judge:
    """Compares what a client saw with what a strict reader reads; counts what became of the answers."""

    became: Counter[str] = field(default_factory=Counter)

    def __call__(self, verdict: Verdict) -> str | None:
        octets = octets_of(verdict.plan)
        kind, wrong = _judged(verdict, mutants.read(octets))
        self.became[kind] += 1
        return wrong and f"{wrong}: {octets!r} became {verdict.status} {bytes(verdict.body[:80])!r}"


async def mutated_answers(
    port: int, upstream: Ledger, count: int, seed: int, callers: int = 32, processes: int = 0
) -> Findings:
    """G33: 0 worker deaths, 0 injected fields, 0 connections used again after a bad answer.

    An upstream in another process must have been prepared there, where the clients are in processes, too.
    """
    draw, judge = partial(drawn, count, seed), Judge()
    if isinstance(upstream, PlannedUpstream):
        prepare(upstream)
    if processes:
        wrong, judges = await crowd(port, draw, callers, judge, processes)
    else:
        wrong, judges = await judged(port, draw(), callers, judge), [judge]
    await upstream.caught_up()
    became = sum((judge.became for judge in judges), Counter[str]())
    return Findings([*map(str, wrong), *upstream.complaints], {"hostile answers": count, **became})


def _judged(verdict: Verdict, reading: Reading) -> tuple[str, str | None]:
    """Return what became of an answer, and what is wrong with that."""
    if verdict.ending not in ("whole", "cut", "reset"):
        return "neither answered nor broken off", verdict.ending
    if verdict.status == 502 and _is_own(verdict):
        return "told 502", None
    if verdict.status >= 500 and _is_own(verdict):
        return "told otherwise", f"a {verdict.status}"
    if verdict.status and verdict.status != reading.status:
        return "relayed wrong", "a status that the strict reader does not see"
    if foreign := [field for field in verdict.fields if field[0] not in OWN and field not in _lowered(reading)]:
        return "relayed wrong", f"fields that the strict reader does not see, {foreign}"
    if not reading.body.startswith(_relayed(verdict)):
        return "relayed wrong", "octets that the strict reader does not see"
    if verdict.ending != "whole":
        return "broken off", None
    is_true = reading.is_whole and reading.body == bytes(verdict.body)
    return "relayed whole", None if is_true else f"taken for whole, {reading.fault}"


def _lowered(reading: Reading) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in reading.fields]


def _relayed(verdict: Verdict) -> bytes:
    """Return the octets that are the upstream's: the gateway ends a broken event stream with a word of its own."""
    relayed, last_words, _ = bytes(verdict.body).partition(LAST_WORDS)
    return relayed.removesuffix(b"\n\n") if last_words else relayed


def _is_own(verdict: Verdict) -> bool:
    """Tell whether the gateway made this answer."""
    return ("cache-control", "no-store") in verdict.fields and b'"error"' in verdict.body
