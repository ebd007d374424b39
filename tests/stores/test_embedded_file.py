"""The file of the embedded store: whose it is, and what becomes of one that is of no use."""

import errno
import os

import pytest

from app.stores import embedded_file as module
from app.stores.embedded import EmbeddedStore
from tests.stores.counting import count, counted, start
from tests.values import logged


def test_only_the_owner_may_read_the_file(embedded, tmp_path):
    files = ["counters.lmdb", "counters.lmdb-lock", "counters.lock"]

    assert [(tmp_path / "var" / name).stat().st_mode & 0o777 for name in files] == [0o600] * 3


def test_the_file_has_its_blocks_from_the_start(embedded, tmp_path):
    assert (tmp_path / "var" / "counters.lmdb").stat().st_blocks * 512 >= module.ALLOCATED_BYTES


def test_a_disk_too_small_is_told_with_folder_and_need_and_leaves_no_file_without_blocks(tmp_path, monkeypatch):
    """Such a file would be taken for a whole one by the next worker, which a SIGBUS ends."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)

    with pytest.raises(OSError, match="No space left on device") as caught:
        EmbeddedStore(tmp_path)

    assert caught.value.errno == errno.ENOSPC
    assert "DATA_DIR needs 48 MiB" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert not (tmp_path / "counters.lmdb").exists()


def damage_magic(path):
    path.write_bytes(b"not LMDB" * 10_000)


def cut_short(path):
    os.truncate(path, 100)


def damage_tree(path):
    octets = bytearray(path.read_bytes()[: 64 * 1024])
    octets[2 * 4096 :] = b"\xff" * (len(octets) - 2 * 4096)
    path.write_bytes(octets)


@pytest.mark.parametrize("damage", [damage_magic, cut_short, damage_tree])
def test_a_file_that_cannot_be_read_is_put_aside_with_one_line_in_the_log(tmp_path, damage):
    first = EmbeddedStore(tmp_path)
    count(first)
    first.close()
    damage(tmp_path / "counters.lmdb")

    with logged("tollhouse") as records:
        second = EmbeddedStore(tmp_path)

    assert counted(second) == 0
    count(second)
    assert counted(second) == 1
    assert (tmp_path / "counters.unreadable").exists()
    assert len(records) == 1
    assert "counters.unreadable" in records[0].getMessage()
    second.close()


def test_processes_that_find_it_damaged_at_the_same_time_share_the_new_one(tmp_path):
    (tmp_path / "counters.lmdb").write_bytes(b"damage" * 10_000)

    processes = [start(tmp_path) for _ in range(4)]
    found = [process.stdout.readline() for process in processes]
    for process in processes:
        process.communicate(b"\n")

    store = EmbeddedStore(tmp_path)
    assert (found, counted(store)) == ([b"0\n"] * 4, 4)
    store.close()


def test_what_an_earlier_boot_left_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BOOT_ID", tmp_path / "boot_id")
    (tmp_path / "boot_id").write_text("first\n")
    first = EmbeddedStore(tmp_path)
    count(first)
    first.close()
    (tmp_path / "boot_id").write_text("second\n")

    second = EmbeddedStore(tmp_path)

    assert counted(second) == 0
    second.close()
