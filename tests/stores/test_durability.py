"""A process killed while it writes leaves whole keys, and all those it was told are stored."""

import os
import random
import signal
import sqlite3
import subprocess
import sys

import pytest

from app.store_errors import StoreUnavailable
from app.stores.embedded import EmbeddedStore
from app.stores.key_database import KeyDatabase
from app.stores.keyring import KeyRing
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys
from tests.stores.key_values import a_key, untold

KILLS = 200
# Forks a writer for each line it reads, so that all that is slow is imported once; answers with its pid.
NURSERY = """
import os, sys
import app.stores.keys, app.stores.migrations.upgrade
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from tests.stores.key_values import a_key, untold

def write(name):
    database = KeyDatabase(store_url({"DATABASE_URL": sys.argv[1]}), untold)
    store = app.stores.keys.KeyStore(database)
    for number in range(1000):
        secret = f"{name}-{number}"
        store.add(a_key(secret, key_alias=secret, metadata={"long": "x" * 3000}))
        os.write(1, f"{secret}\\n".encode())

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        write(line.strip())
    os.write(1, f"pid {pid}\\n".encode())
    os.waitpid(pid, 0)
    os.write(1, b"gone\\n")
"""


def test_a_kill_in_200_writes_leaves_no_half_key(sqlite_url):
    """AK-14, G16."""
    assert told_and_whole(sqlite_url, KILLS) >= KILLS


def told_and_whole(sqlite_url, kills):
    """Kill so many writers; return how many keys were told as stored, all of which must be there, and be whole."""
    database = KeyDatabase(sqlite_url, untold)
    database.open()
    database.close()
    chance, told = random.Random(16), []
    command = [sys.executable, "-c", NURSERY, f"sqlite:///{sqlite_url.database}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        for kill in range(kills):
            told += killed_writes(nursery, f"w{kill}", chance)
        nursery.stdin.close()
        told += nursery.stdout.read().split()

    with sqlite3.connect(sqlite_url.database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT key_alias, length(digest), metadata FROM gateway_keys").fetchall()
    connection.close()
    assert {alias for alias, *_ in rows} >= set(told)
    assert {(length, metadata) for _, length, metadata in rows} == {(64, '{"long": "' + "x" * 3000 + '"}')}
    return len(told)


def killed_writes(nursery, name, chance):
    """Start a writer, kill it in the midst of a write, and return what it said was stored."""
    nursery.stdin.write(name + "\n")
    nursery.stdin.flush()
    told, pid, wanted = [], None, chance.randint(1, 4)
    for line in nursery.stdout:
        word = line.strip()
        if word == "gone":
            break
        if word.startswith("pid "):
            pid = int(word[4:])
        else:
            told.append(word)
        if pid is not None and len(told) >= wanted:
            for _ in range(chance.randint(0, 20_000)):
                pass  # So that the kill meets each part of a write.
            os.kill(pid, signal.SIGKILL)
            wanted = 10_000
    return told


# Blocks a key and is killed at one of the three steps of telling the machine.
BLOCKER = """
import os, signal, sys
from pathlib import Path
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys
folder, step = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

known = KnownKeys(EmbeddedStore(Path(folder)))
database = KeyDatabase(store_url({"DATA_DIR": folder}), known.changing)
database.open()
if step == "before the mark":
    known._put = die
elif step == "before the commit":
    from sqlalchemy.engine import RootTransaction
    RootTransaction.commit = die
else:
    known._replace = die
KeyStore(database).change("sk-one", {"blocked": True})
"""


@pytest.mark.parametrize(
    ("step", "is_blocked", "is_sure"),
    [("before the mark", False, True), ("before the commit", False, False), ("after the commit", True, False)],
)
def test_a_kill_beside_a_commit_admits_nobody_on_what_was_before(tmp_path, sqlite_url, step, is_blocked, is_sure):
    """What the database says is what holds, and where the two may differ nobody is let in without it."""
    folder = str(tmp_path / "var")
    embedded = EmbeddedStore(tmp_path / "var")
    known = KnownKeys(embedded)
    database = KeyDatabase(sqlite_url, known.changing)
    store = KeyStore(database)
    store.add(a_key("sk-one"))

    killed = subprocess.run([sys.executable, "-c", BLOCKER, folder, step], check=False)
    without = KeyRing([], None, Away(), known)
    sure = is_known_without(without)
    told = [KeyRing([], None, store, known).resolve("sk-one").is_blocked for _ in range(2)]
    after = is_known_without(without)
    database.close()
    embedded.close()

    assert killed.returncode == -signal.SIGKILL
    assert (sure, told) == (is_sure, [is_blocked] * 2)
    assert after


class Away:
    """A store that is."""

    def find(self, _digest):
        raise StoreUnavailable

    renew = find


def is_known_without(ring):
    try:
        return ring.resolve("sk-one") is not None
    except StoreUnavailable:
        return False
