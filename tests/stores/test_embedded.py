"""The file of counters: shared by processes, made anew when it is of no use."""

import errno
import os
import subprocess
import sys

import pytest
from gevent.threadpool import ThreadPool

from app.stores import embedded as module
from app.stores.embedded import ALLOCATED_BYTES, EmbeddedStore
from tests.values import logged

OPEN_AND_COUNT = """
import sys
from pathlib import Path
from app.stores.embedded import EmbeddedStore
from tests.stores.test_embedded import count, counted
store = EmbeddedStore(Path(sys.argv[1]))
print(counted(store), flush=True)
sys.stdin.readline()
count(store)
"""


def counted(store):
    with store.reading() as txn:
        return int(txn.get(b"n", b"0"))


def count(store):
    with store.writing() as txn:
        txn.put(b"n", b"%d" % (int(txn.get(b"n", b"0")) + 1))


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_COUNT, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_what_two_threads_write_is_written_one_after_the_other(embedded):
    """Each with a `Writing` of its own; one that begins while the other is at it waits."""
    mine, other = embedded.writing(), embedded.another_writing()
    pool = ThreadPool(1)

    def write():
        with other as txn:
            txn.put(b"n", txn.get(b"n") + b" then the other")

    with mine as txn:
        writing = pool.spawn(write)
        txn.put(b"n", b"this")
    writing.get()
    pool.kill()

    with embedded.reading() as txn:
        assert txn.get(b"n") == b"this then the other"


def test_what_another_process_counted_is_seen_at_once(embedded, tmp_path):
    with start(tmp_path / "var") as other:
        other.communicate(b"\n")

    assert other.returncode == 0
    assert counted(embedded) == 1


def test_the_store_outlives_the_processes_that_use_it(tmp_path):
    first = EmbeddedStore(tmp_path)
    count(first)
    first.close()

    second = EmbeddedStore(tmp_path)

    assert counted(second) == 1
    second.close()


def test_only_the_owner_may_read_the_file(embedded, tmp_path):
    files = ["counters.lmdb", "counters.lmdb-lock", "counters.lock"]

    assert [(tmp_path / "var" / name).stat().st_mode & 0o777 for name in files] == [0o600] * 3


def test_the_file_has_its_blocks_from_the_start(embedded, tmp_path):
    assert (tmp_path / "var" / "counters.lmdb").stat().st_blocks * 512 >= ALLOCATED_BYTES


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
