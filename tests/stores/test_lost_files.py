"""The folder of the files is removed or replaced while a worker uses them."""

import shutil
from functools import partial

import pytest

from app.store_errors import StoreUnavailable
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys
from app.stores.lost_files import NOT_READY_S, LostFiles
from app.stores.opened import KEYS_AWAY
from app.stores.parallel import Parallel
from app.stores.reports import Reports
from app.stores.stamps import PAGE_STAMPS
from app.stores.windows import WINDOW_S, Windows
from tests.stores.key_values import a_key
from tests.values import logged


class Worker:
    """What one worker has open in a folder."""

    def __init__(self, folder, clock):
        self.embedded = EmbeddedStore(folder, clock)
        self.windows, self.parallel = Windows(self.embedded), Parallel(self.embedded)
        known, reports = KnownKeys(self.embedded), Reports(self.embedded)
        url = store_url({"DATA_DIR": str(folder)})
        self.database = KeyDatabase(url, known.changing, partial(reports.report, KEYS_AWAY))
        self.database.open()
        self.keys = KeyStore(self.database)
        self.now_s = 5000.0
        self.files = LostFiles(self.embedded, self.database, reports, self.keys.count, lambda: self.now_s)

    def admitted(self, limit, of):
        return sum(self.windows.acquire("team", limit).is_admitted for _ in range(of))

    def close(self):
        self.database.close()
        self.embedded.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "var"


@pytest.fixture
def open_worker(clock):
    opened = []

    def open_it(folder):
        opened.append(Worker(folder, clock))
        return opened[-1]

    yield open_it
    for worker in opened:
        worker.close()


@pytest.fixture
def worker(open_worker, folder):
    return open_worker(folder)


def test_files_that_are_there_are_left_alone(worker, folder):
    worker.keys.add(a_key())

    with logged("tollhouse") as records:
        worker.files.look()

    assert (records, worker.files.since_s()) == ([], None)
    assert worker.keys.count() == 1


@pytest.mark.parametrize("limit", [3, 2 * PAGE_STAMPS + 7])
def test_what_was_counted_in_a_folder_that_is_gone_still_counts(worker, folder, limit):
    assert worker.admitted(limit, of=limit - 1) == limit - 1
    assert worker.parallel.begin("team", 2)
    shutil.rmtree(folder)

    worker.files.look()

    assert (folder / "counters.lmdb").exists()
    assert worker.admitted(limit, of=3) == 1
    assert [worker.parallel.begin("team", 2) for _ in range(2)] == [True, False]


def test_a_worker_started_since_shares_what_the_others_go_on_with(worker, open_worker, folder, clock, tmp_path):
    """The new one has made files before the old one looked; what it counted there stands."""
    worker.admitted(5, of=3)
    folder.rename(tmp_path / "gone")
    started = open_worker(folder)
    assert started.windows.acquire("other", 1).is_admitted
    started.close()

    worker.files.look()

    assert worker.admitted(5, of=3) == 2
    assert not worker.windows.acquire("other", 1).is_admitted


def test_windows_that_are_over_are_not_taken_along(worker, folder, clock):
    worker.admitted(5, of=5)
    clock.go(WINDOW_S + 1)
    shutil.rmtree(folder)

    worker.files.look()

    with worker.embedded.reading() as txn:
        assert [key for key, _ in txn.cursor() if key.startswith(b"w")] == []


def test_keys_that_were_lost_are_told_in_one_line_that_names_the_folder(worker, folder):
    worker.keys.add(a_key("sk-one"))
    worker.keys.add(a_key("sk-two"))
    shutil.rmtree(folder)

    with logged("tollhouse") as records:
        worker.files.look()
        worker.files.look()

    (line,) = [record.getMessage() for record in records]
    assert str(folder) in line
    assert "2 keys and has 0 now" in line
    assert worker.keys.find(a_key("sk-one").digest) is None


def test_a_second_loss_is_told_too(worker, folder):
    with logged("tollhouse") as records:
        for _ in range(2):
            shutil.rmtree(folder)
            worker.files.look()

    assert len(records) == 2


def test_no_key_is_told_as_stored_in_a_file_that_is_gone(worker, folder):
    shutil.rmtree(folder)

    with pytest.raises(StoreUnavailable):
        worker.keys.add(a_key())
    worker.files.look()
    worker.keys.add(a_key())

    assert worker.keys.count() == 1


def test_keys_of_a_folder_that_was_put_in_its_place_are_used(worker, open_worker, folder, tmp_path):
    other = open_worker(tmp_path / "backup")
    other.keys.add(a_key("sk-of-the-backup"))
    other.close()
    worker.keys.add(a_key("sk-since"))
    folder.rename(tmp_path / "gone")
    (tmp_path / "backup").rename(folder)

    worker.files.look()

    found = [worker.keys.find(a_key(secret).digest) for secret in ("sk-of-the-backup", "sk-since")]
    assert [key is not None for key in found] == [True, False]


def test_a_lost_database_alone_is_made_anew(worker, folder):
    worker.keys.add(a_key())
    for path in folder.glob("keys.sqlite3*"):
        path.unlink()

    worker.files.look()
    worker.keys.add(a_key("sk-since"))

    assert worker.keys.count() == 1
    assert worker.files.since_s() == 5000.0


def test_a_file_that_has_lost_its_lock_is_replaced(worker, folder):
    """Who opens it now would write where the others do not look."""
    worker.admitted(5, of=3)
    (folder / "counters.lmdb-lock").unlink()

    worker.files.look()

    assert worker.admitted(5, of=3) == 2
    assert worker.embedded.lost() is None


def test_not_ready_is_told_until_all_workers_have_looked(worker, folder):
    shutil.rmtree(folder)

    told = []
    for seconds in (0.0, 1.0, NOT_READY_S - 1.0):
        worker.now_s += seconds
        worker.files.look()
        told.append(worker.files.since_s())

    assert told == [5000.0, 5000.0, None]


def test_where_there_can_be_no_files_counting_goes_on_in_the_lost_ones_until_there_can(worker, folder):
    worker.admitted(5, of=3)
    shutil.rmtree(folder)
    folder.write_text("in the way")

    with logged("tollhouse") as records:
        worker.files.look()
        worker.files.look()
        assert [str(folder) in record.getMessage() for record in records] == [True]
        assert worker.admitted(5, of=1) == 1
        worker.now_s += 100
        worker.files.look()
        assert worker.files.since_s() == 5000.0
        folder.unlink()
        worker.files.look()

    assert len(records) == 2
    assert worker.admitted(5, of=3) == 1
