"""A worker's counts outlive it, its gauges do not, and its files are gone."""

import pytest

from app.telemetry.ended import EndedWorkers
from app.telemetry.metrics_folder import unmoved
from tests.telemetry.counting import left_behind, told
from tests.values import logged


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def test_counts_of_ended_workers_stay_and_are_added_up_with_those_of_the_living(tmp_path):
    left_behind(tmp_path / "counter_1.db", a=1, b=2)
    left_behind(tmp_path / "counter_2.db", b=4, c=8)
    left_behind(tmp_path / "counter_3.db", a=16, c=32)
    before = told(tmp_path)
    ended = EndedWorkers(tmp_path)

    ended.add(1)
    ended.add(2)

    assert before == told(tmp_path) == {"a": 17, "b": 6, "c": 40}
    assert names(tmp_path) == ["counter_3.db", "counter_ended.db"]


def test_gauges_end_with_their_worker(tmp_path):
    for name in ("gauge_livesum_1.db", "gauge_livesum_12.db", "gauge_livesum_2.db"):
        left_behind(tmp_path / name, a=1)

    EndedWorkers(tmp_path).add(1)

    assert names(tmp_path) == ["gauge_livesum_12.db", "gauge_livesum_2.db"]


def test_each_kind_is_kept_for_itself(tmp_path):
    left_behind(tmp_path / "counter_1.db", a=1)
    left_behind(tmp_path / "histogram_1.db", b=2)

    EndedWorkers(tmp_path).add(1)

    assert names(tmp_path) == ["counter_ended.db", "histogram_ended.db"]


def test_many_ended_workers_take_no_more_room_than_what_they_counted(tmp_path):
    ended = EndedWorkers(tmp_path)

    for pid in range(1, 41):
        left_behind(tmp_path / f"counter_{pid}.db", a=1, b=pid)
        ended.add(pid)

    assert told(tmp_path) == {"a": 40, "b": 820}
    assert (tmp_path / "counter_ended.db").stat().st_size < 4096


def test_nothing_is_moved_under_a_readers_eyes_and_all_of_it_later(tmp_path):
    for pid in (1, 2, 3):
        left_behind(tmp_path / f"counter_{pid}.db", a=pid)
    ended = EndedWorkers(tmp_path)
    ended.add(1)

    with unmoved(tmp_path):
        ended.add(2)
        during = names(tmp_path)
    ended.add(3)

    assert during == ["counter_2.db", "counter_3.db", "counter_ended.db"]
    assert (names(tmp_path), told(tmp_path)) == (["counter_ended.db"], {"a": 6})


def test_a_file_whose_number_has_come_back_to_life_is_left_to_it(tmp_path):
    for pid in (1, 2):
        left_behind(tmp_path / f"counter_{pid}.db", a=pid)
    ended = EndedWorkers(tmp_path)
    with unmoved(tmp_path):
        ended.add(1)

    ended.add(2, alive={1})

    assert names(tmp_path) == ["counter_1.db", "counter_ended.db"]


def test_a_worker_that_counted_nothing_leaves_nothing(tmp_path):
    EndedWorkers(tmp_path).add(1)

    assert names(tmp_path) == []


@pytest.mark.parametrize("octets", [b"", b"\x10\0", b"\xff\xff\0\0\0\0\0\0" + b"x" * 99], ids=["empty", "cut", "wrong"])
def test_a_file_that_cannot_be_read_stops_nobody(tmp_path, octets):
    left_behind(tmp_path / "counter_ended.db", a=1)
    (tmp_path / "counter_1.db").write_bytes(octets)

    with logged("tollhouse") as records:
        EndedWorkers(tmp_path).add(1)

    assert [record.levelname for record in records] == ["WARNING"]
    assert (tmp_path / "counter_1.db").read_bytes() == octets
