"""Right, or known not to be: whatever an upstream does to its answers (G2, G4, G5, G6, G9, G29, G30)."""

from __future__ import annotations

from pathlib import Path

from tests.faults import plans, scenarios
from tests.faults.conftest import Play
from tests.kit.gateway import Gateway
from tests.kit.waiting import eventually


def test_no_client_gets_anothers_answer(play: Play) -> None:
    """G6: interim answers, no bodies, extra octets, early ends, uploads, all on kept connections."""
    found = play(lambda port, up: scenarios.answers(port, up, 1_500, 6, plans.WHOLE, uploads=20_000))

    assert found.complaints == []
    assert found.figures["upstream connections"] < found.figures["requests"]


def test_no_answer_that_broke_off_passes_for_whole(play: Play) -> None:
    """G4: at any octet, by FIN or RST; ST-04, ST-05, ST-08, CF-13."""
    found = play(lambda port, up: scenarios.answers(port, up, 400, 4, plans.CUT, most=70_000))

    assert found.complaints == []
    assert found.figures["of them rst"] > 100


def test_errors_are_exactly_the_faults(play: Play) -> None:
    """G29: one request in ten fails, and nothing else does."""
    kinds = (*plans.WHOLE * 9, *plans.CUT, *plans.DEAD)

    found = play(lambda port, up: scenarios.answers(port, up, 1_000, 29, kinds))

    assert found.complaints == []


def test_no_upload_that_broke_off_arrives_whole(play: Play) -> None:
    """G5; RB-07, RB-08."""
    found = play(lambda port, up: scenarios.cut_uploads(port, up, 150, 5))

    assert found.complaints == []
    assert found.figures["begun upstream"] > 50


def test_nothing_is_done_twice_on_a_stale_connection(play: Play) -> None:
    """G30; CF-07, CF-08."""
    found = play(lambda port, up: scenarios.stale(port, up, 800, 30, idle_s=0.05, callers=16))

    assert found.complaints == []
    assert found.figures["upstream connections"] > 16


def test_upstream_connections_end_with_their_clients(play: Play, faults_gateway: Gateway) -> None:
    """G2, G9; ST-16, ST-17, ST-23, OR-11: and no descriptor stays behind."""
    play(lambda port, up: scenarios.departures(port, up, 20, 8))
    before = open_files(faults_gateway)

    found = play(lambda port, up: scenarios.departures(port, up, 200, 9))

    assert found.complaints == []
    eventually(lambda: open_files(faults_gateway) <= before + 2, 10, "descriptors are at their baseline")


def open_files(gateway: Gateway) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in gateway.worker_pids())
