"""When the database does not answer, everybody is told so in time, and when it is back it is used again."""

import logging
import sqlite3
import subprocess
import sys
from dataclasses import replace

import gevent
import pytest

from app.store_errors import StoreUnavailable
from app.stores.engines import POSTGRESQL, store_url
from app.stores.key_database import LOOK_UP_S, KeyDatabase
from app.stores.keys import KeyStore
from app.stores.native_thread import ThreadStuck
from tests.kit.gateway import free_port
from tests.kit.waiting import PATIENT_S
from tests.stores.key_values import a_key, untold
from tests.stores.look_out import LookOut
from tests.values import logged

# Holds the file's write lock until it is told to let go.
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def look_out():
    return LookOut()


@pytest.fixture
def opened_database(look_out):
    opened = []

    def open_database(url):
        opened.append(KeyDatabase(url, untold, wait=look_out.wait))
        opened[-1].open()
        return opened[-1]

    yield open_database
    for database in opened:
        database.close()


def lose_patience(database):
    """Wait no longer than a gateway does, and not as long for writes: the server is about to stand still."""
    database.look_ups = replace(database.look_ups, timeout_s=0.09)
    database.renewals = replace(database.renewals, timeout_s=0.09)
    database._writer = replace(database._writer, timeout_s=0.2)


def be_patient(database):
    for name in ("look_ups", "renewals", "_reader", "_writer"):
        setattr(database, name, replace(getattr(database, name), timeout_s=PATIENT_S))


def is_refused(call, *arguments):
    with pytest.raises(StoreUnavailable) as refused:
        call(*arguments)
    return refused.value.fields() == [("Retry-After", "1")]


def given_up_after(call, *arguments):
    """Return for how long a call has waited that nobody answers, as it was told to and not as a clock saw it."""
    with pytest.raises(StoreUnavailable) as refused:
        call(*arguments)
    assert isinstance(refused.value.__cause__, ThreadStuck)
    return str(refused.value.__cause__).removeprefix("no answer within ")


def test_a_client_with_an_unknown_key_waits_less_than_100_ms():
    assert LOOK_UP_S[POSTGRESQL] < 0.1


def test_a_locked_file_is_read_and_not_written(opened_database, sqlite_url, monkeypatch):
    """AK-10, with the lock of another process, for which SQLite waits half of the time of a write."""
    monkeypatch.setattr("app.stores.key_database.WRITE_S", 0.2)
    database = opened_database(sqlite_url)
    be_patient(database)
    store = KeyStore(database)
    store.add(a_key("sk-one"))
    command = [sys.executable, "-c", HOLDER, sqlite_url.database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"

        assert is_refused(store.add, a_key("sk-two"))
        assert is_refused(store.delete, ["sk-one"])
        assert store.find(a_key("sk-one").digest) == a_key("sk-one")
        assert store.renew([a_key("sk-one").digest]) != {}
        assert store.page(0, 10) == ([a_key("sk-one")], 1)
        assert not database.is_away

    store.add(a_key("sk-two"))
    assert store.page(0, 10)[1] == 2


def test_a_writer_does_not_hold_up_the_event_loop(opened_database, sqlite_url, monkeypatch):
    """The look-ups and all else go on while a write waits for the lock."""
    monkeypatch.setattr("app.stores.key_database.WRITE_S", 2 * PATIENT_S)
    store = KeyStore(opened_database(sqlite_url))
    store.add(a_key("sk-one"))
    holder = sqlite3.connect(sqlite_url.database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    writing = gevent.spawn(store.add, a_key("sk-two"))
    found = [store.find(a_key("sk-one").digest) for _ in range(20)]
    assert not writing.ready()
    holder.execute("ROLLBACK")
    holder.close()
    writing.get()

    assert found == [a_key("sk-one")] * 20
    assert store.find(a_key("sk-two").digest) is not None


def test_a_file_that_is_none_is_a_store_that_is_away(opened_database, tmp_path):
    path = tmp_path / "keys.sqlite3"
    path.write_bytes(b"no database " * 1000)

    database = opened_database(store_url({"DATABASE_URL": f"sqlite:///{path}"}))

    assert is_refused(KeyStore(database).find, "0" * 64)
    assert is_refused(KeyStore(database).add, a_key())
    assert path.read_bytes() == b"no database " * 1000


def test_a_store_that_is_away_at_start_is_used_when_it_comes(opened_database, look_out, stopped_postgres, postgres_url):
    """AK-11: the tables are made then."""
    stopped_postgres.stop()
    with logged("tollhouse", logging.WARNING) as records:
        database = opened_database(postgres_url)
        store = KeyStore(database)
        assert is_refused(store.find, a_key().digest)
        assert is_refused(store.add, a_key())
        stopped_postgres.start()
        look_out.look_until(lambda: not database.is_away)

        # Making the tables may take longer than a look-up may wait; it is done all the same.
        store.add(a_key())
        assert store.find(a_key().digest) == a_key()

    assert not database.is_away
    gone, back = (record.getMessage() for record in records)
    assert gone.startswith("the key store cannot be reached: OperationalError: connection failed")
    assert back == "the key store answers again"


def test_a_restart_of_the_database_fails_nobody(opened_database, stopped_postgres, postgres_url):
    """The connections that we had are dead, and each connection finds that out for itself."""
    store = KeyStore(opened_database(postgres_url))
    store.add(a_key("sk-one"))
    assert store.renew([a_key("sk-one").digest])
    assert store.page(0, 10)[1] == 1

    stopped_postgres.stop()
    stopped_postgres.start()

    assert store.find(a_key("sk-one").digest) == a_key("sk-one")
    assert store.renew([a_key("sk-one").digest])
    assert store.page(0, 10)[1] == 1
    store.add(a_key("sk-two"))


def test_a_database_that_stalls_is_away_in_time(opened_database, look_out, stopped_postgres, postgres_url):
    """G15, SIGSTOP: the connections stand, and nothing answers."""
    database = opened_database(postgres_url)
    store = KeyStore(database)
    store.add(a_key("sk-one"))
    lose_patience(database)
    stopped_postgres.stall()

    assert given_up_after(store.find, a_key("sk-one").digest) == "0.09 s"
    assert is_refused(store.renew, [a_key("sk-one").digest])
    assert given_up_after(store.add, a_key("sk-two")) == "0.2 s"
    assert database.is_away

    be_patient(database)
    stopped_postgres.go_on()
    look_out.look_until(lambda: not database.is_away)
    assert store.page(0, 10)[1] >= 1
    assert store.find(a_key("sk-one").digest) == a_key("sk-one")


def test_nobody_listens_where_the_store_should_be(opened_database):
    database = opened_database(store_url({"DATABASE_URL": f"postgresql://u:pa55@127.0.0.1:{free_port()}/x"}))

    with logged("tollhouse", logging.WARNING) as records:
        refused = is_refused(KeyStore(database).check)

    assert refused
    assert "pa55" not in str([record.getMessage() for record in records])


def test_a_store_that_answers_is_not_away(opened_database, url):
    database = opened_database(url)

    KeyStore(database).check()

    assert not database.is_away
