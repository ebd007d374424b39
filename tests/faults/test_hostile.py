"""An upstream that answers anything at all (G33): nothing of it crosses that is not plainly an answer."""

from __future__ import annotations

import pytest

from tests.faults import hostile, mutants
from tests.faults.conftest import Play
from tests.kit.gateway import Gateway


def test_hostile_answers_are_refused_or_relayed_as_read_by_a_strict_judge(play: Play, faults_gateway: Gateway) -> None:
    """G33; SH-01, SH-07, SH-08, SH-13, SH-14, SH-23, ST-08, CF-10."""
    workers = faults_gateway.worker_pids()

    found = play(lambda port, up: hostile.mutated_answers(port, up, 2_000, 33))

    assert found.complaints == []
    assert found.figures["told 502"] > 500
    assert found.figures["relayed whole"] > 200
    assert faults_gateway.worker_pids() == workers


@pytest.mark.parametrize("octets", mutants.SEEDS)
def test_an_answer_that_is_right_is_relayed(octets: bytes) -> None:
    """The judge of the judge: each mutant begins as a sound answer."""
    assert mutants.read(octets).is_whole
