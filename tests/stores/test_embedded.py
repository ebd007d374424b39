"""The store that processes and threads of one machine share."""

from gevent.threadpool import ThreadPool

from app.stores.embedded import EmbeddedStore
from tests.stores.counting import count, counted, start


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
