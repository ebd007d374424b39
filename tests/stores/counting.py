"""A count kept in an embedded store, by this process or another."""

import subprocess
import sys

OPEN_AND_COUNT = """
import sys
from pathlib import Path
from app.stores.embedded import EmbeddedStore
from tests.stores.counting import count, counted
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
