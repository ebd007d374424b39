"""A process killed while it writes leaves whole keys, and all those it was told are stored."""

import os
import random
import signal
import sqlite3
import subprocess
import sys

from app.stores.key_database import KeyDatabase
from tests.stores.key_values import untold

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
    database = KeyDatabase(sqlite_url, untold)
    database.open()
    database.close()
    chance, told = random.Random(16), []
    command = [sys.executable, "-c", NURSERY, f"sqlite:///{sqlite_url.database}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        for kill in range(KILLS):
            told += killed_writes(nursery, f"w{kill}", chance)
        nursery.stdin.close()
        told += nursery.stdout.read().split()

    with sqlite3.connect(sqlite_url.database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT key_alias, length(digest), metadata FROM gateway_keys").fetchall()
    connection.close()
    assert {alias for alias, *_ in rows} >= set(told)
    assert {(length, metadata) for _, length, metadata in rows} == {(64, '{"long": "' + "x" * 3000 + '"}')}
    assert len(told) >= KILLS


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
