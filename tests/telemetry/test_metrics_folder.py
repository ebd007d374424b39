"""All workers count in one folder, emptied at the start, in which nobody reads while counts are moved."""

from pathlib import Path

import pytest

from app.telemetry.metrics_folder import VARIABLE, appoint, appointed, blank, clear, unmoved, unread, used_bytes


def test_the_folder_is_in_data_dir_and_named_to_the_library(tmp_path):
    environ = {"DATA_DIR": str(tmp_path), VARIABLE: "/elsewhere"}

    folder = appoint(environ)

    assert (folder, environ[VARIABLE]) == (tmp_path / "metrics", str(tmp_path / "metrics"))
    assert appointed(environ) == folder
    assert not folder.exists()


def test_a_process_that_was_told_of_no_folder_counts_for_itself():
    assert appointed({"DATA_DIR": "var"}) is None


@pytest.mark.parametrize("environ", [{}, {"DATA_DIR": ""}], ids=["unset", "empty"])
def test_the_folder_stays_the_same_when_the_process_goes_elsewhere(environ):
    assert appoint(environ) == Path.cwd() / "var" / "metrics"


def test_a_start_forgets_what_an_earlier_gateway_counted(tmp_path):
    for name in ("counter_1.db", "gauge_livesum_2.db", "counter_3.new", "counter_ended.sum", "notes.txt"):
        (tmp_path / name).touch()

    clear(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_folder_is_made_where_there_is_none(tmp_path):
    clear(tmp_path / "var" / "metrics")

    assert list((tmp_path / "var" / "metrics").iterdir()) == []


def test_counts_are_not_moved_while_anybody_reads(tmp_path):
    with unmoved(tmp_path), unmoved(tmp_path), unread(tmp_path) as is_unread:
        assert not is_unread


def test_counts_are_moved_by_one_alone_once_the_readers_have_gone(tmp_path):
    with unmoved(tmp_path):
        pass

    with unread(tmp_path) as is_unread, unread(tmp_path) as is_unread_too:
        assert (is_unread, is_unread_too) == (True, False)


def test_a_blank_file_has_its_blocks_and_nothing_in_use(tmp_path):
    blank(tmp_path / "counter_1.db", 1 << 17)

    (path,) = tmp_path.iterdir()
    assert (path.name, path.stat().st_size, used_bytes(path)) == ("counter_1.db", 1 << 17, 0)
    assert path.stat().st_blocks * 512 >= 1 << 17


def test_a_folder_that_is_gone_is_made_again(tmp_path):
    folder = tmp_path / "removed" / "metrics"

    with unmoved(folder):
        blank(folder / "counter_1.db", 64)

    assert (folder / "counter_1.db").stat().st_size == 64
