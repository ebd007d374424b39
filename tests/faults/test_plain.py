"""The quick reader takes nothing for plain that h11 reads otherwise."""

from __future__ import annotations

import pytest

from tests.faults import differential, mutants, plain
from tests.faults.mutants import Reading
from tests.faults.test_requests import as_h11_reads

BODILESS = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_plain_answers_are_whole_to_h11(seed: int) -> None:
    taken = 0
    for number in range(seed * 1_000_000, seed * 1_000_000 + 2_000):
        octets = mutants.mutant(number)
        try:
            answer = plain.answer(octets, "GET")
        except plain.Odd:
            continue
        if answer is not None:
            taken += 1
            assert mutants.read(octets[: answer.end]) == Reading(
                answer.status, answer.fields, answer.body, is_whole=True, is_kept=not answer.is_last
            ), octets
    assert taken > 100


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_plain_requests_are_requests_to_h11(seed: int) -> None:
    taken = 0
    for number in range(seed * 1_000_000, seed * 1_000_000 + 2_000):
        octets = differential.mutant(number)
        try:
            found = plain.request(octets)
        except plain.Odd:
            continue
        judged = as_h11_reads(octets)
        # A request without Host is the gateway's to refuse, or to mend.
        if found is not None and len(octets) >= found[3] and judged != "Missing mandatory Host: header":
            taken += 1
            target, _lines, start, end = found
            assert judged == (octets.split(b" ")[0].decode(), target, octets[start:end], octets[end:]), octets
    assert taken > 100


@pytest.mark.parametrize("cut", range(1, len(CHUNKED) + 5))
def test_a_chunked_answer_in_two_pieces_is_never_whole_too_early(cut: int) -> None:
    whole = CHUNKED + b"0\r\n\r\n"

    first, both = plain.answer(whole[:cut], "GET"), plain.answer(whole, "GET")

    assert first is None
    assert both is not None
    assert both.body == b"helloabcdefghijklmnopqrstuvwxyz"


def test_a_head_has_no_body_to_wait_for() -> None:
    answer = plain.answer(BODILESS, "HEAD")

    assert answer is not None
    assert (answer.body, answer.end) == (b"", len(BODILESS))
