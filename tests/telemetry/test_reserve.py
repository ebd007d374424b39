"""What is counted has its blocks on the disk before it is counted; without them it is not, and nobody dies of it."""

import contextlib
import os
import resource
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from app.telemetry.metrics_folder import used_bytes
from app.telemetry.reserve import AGAIN_S, FIRST_BYTES, MARGIN_BYTES, Reserve
from tests.values import logged


@pytest.fixture
def counter_path(tmp_path):
    return tmp_path / f"counter_{os.getpid()}.db"


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@contextlib.contextmanager
def files_no_longer_than(size_bytes):
    """As on a full disk, writes of this process fail (setrlimit(2))."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_each_file_has_room_before_it_is_used(tmp_path):
    assert Reserve(tmp_path).has_room()

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes == {f"{kind}_{os.getpid()}.db": FIRST_BYTES for kind in ("counter", "histogram", "gauge_livesum")}


def test_a_file_grows_before_it_is_full_and_under_the_eyes_of_its_writer(tmp_path, counter_path):
    reserve = Reserve(tmp_path)
    reserve.has_room()
    counts = MmapedDict(str(counter_path))

    for number in range(30):
        assert reserve.has_room()
        assert counter_path.stat().st_size >= used_bytes(counter_path) + MARGIN_BYTES
        for line in range(20):
            counts.write_value(f"{number}-{line}-" + "x" * 1000, 1.0, 0.0)
    counts.close()

    assert len(list(MmapedDict.read_all_values_from_file(str(counter_path)))) == 600
    assert counter_path.stat().st_blocks * 512 >= used_bytes(counter_path)


def test_without_blocks_there_is_no_room_and_the_log_says_so_once(tmp_path, clock):
    reserve = Reserve(tmp_path, clock)

    with logged("tollhouse") as records, files_no_longer_than(1000):
        found = [reserve.has_room()]
        clock.now_s += AGAIN_S
        found.append(reserve.has_room())

    assert found == [False, False]
    assert list(tmp_path.iterdir()) == []
    (record,) = records
    assert (record.levelname, "cannot grow" in record.getMessage()) == ("ERROR", True)


@pytest.mark.parametrize("ends_after", [0, 40_000, FIRST_BYTES - 1])
def test_a_file_that_cannot_be_extended_keeps_its_size(tmp_path, counter_path, clock, ends_after):
    """What its writer would make longer by itself, from a size that is no double, would be a hole."""
    reserve = Reserve(tmp_path, clock)
    reserve.has_room()
    counts = MmapedDict(str(counter_path))
    counts.write_value("x" * (FIRST_BYTES - MARGIN_BYTES), 1.0, 0.0)
    counts.close()

    with logged("tollhouse"), files_no_longer_than(FIRST_BYTES + ends_after):
        assert not reserve.has_room()

    assert counter_path.stat().st_size == FIRST_BYTES
    clock.now_s += AGAIN_S
    assert reserve.has_room()
    assert counter_path.stat().st_size == 2 * FIRST_BYTES


def test_there_is_room_again_a_while_after_the_disk_has_some(tmp_path, clock):
    reserve = Reserve(tmp_path, clock)
    with logged("tollhouse"), files_no_longer_than(1000):
        reserve.has_room()

    found = [reserve.has_room()]
    clock.now_s += AGAIN_S
    found.append(reserve.has_room())

    assert found == [False, True]


def test_a_folder_that_is_gone_is_no_room(tmp_path):
    with logged("tollhouse"):
        assert not Reserve(Path(tmp_path) / "gone").has_room()
