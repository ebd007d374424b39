"""The one file that every process of this machine shares, counters above all: an LMDB environment.

LMDB copies what it writes to, so what a process was doing when it was killed has not happened. Its lock is a
mutex in shared memory, whose wake-up is lost with a process killed just after it was woken: the others then
wait for ever (seen once in some hundred kills). So writers queue for a lock of the file itself, which the
kernel keeps for processes, and find LMDB's own always free.
"""

import time
from collections.abc import Callable
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path

import lmdb

from app.stores.carried import carry_over
from app.stores.embedded_file import File, file_in, lock_of
from app.stores.file_id import FileId, file_id

# Every record of the file begins with one of these.
WINDOWS = b"w"
PARALLEL = b"p"
KEY = b"k"
REPORT = b"r"

# What a transaction raises when it did not take place.
STORE_FAULTS = (lmdb.Error, OSError)


class EmbeddedStore:
    """Counters in `data_dir`, and what the workers know of keys and stores.

    Open it once per process and after the fork: LMDB's locks do not survive one. What it holds lives for
    minutes, so nothing is ever synced to the disk, and what an earlier boot left is thrown away unread.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` gives nanoseconds that never go back and are the same in all processes of the machine."""
        self.clock = clock
        self._data_dir, self._path = data_dir, data_dir / "counters.lmdb"
        self._file = file_in(data_dir, self._path)
        self._former: list[File] = []
        self._writings: list[Writing] = []
        self._writing = self.another_writing()

    def reading(self) -> "lmdb.Transaction[bytes]":
        """Return a transaction that sees the store as it is now; for a with statement."""
        return self._file.env.begin()

    def writing(self) -> "Writing":
        """Return what gives a transaction in a with statement, in which nothing may wait: all others do."""
        return self._writing

    def another_writing(self) -> "Writing":
        """Return what does the same for another thread: two of them may not share one."""
        self._writings.append(Writing(self._file.env, self._file.descriptor()))
        return self._writings[-1]

    @property
    def opened_id(self) -> FileId:
        """Which file is in use."""
        return self._file.id

    def lost(self) -> Path | None:
        """Return the path of the file in use when it shows another one, or none; else None."""
        is_there = file_id(self._path) == self._file.id and file_id(lock_of(self._path)) == self._file.lock_id
        return None if is_there else self._path

    def take_up(self) -> bool:
        """Go on with the file that is at the path now, made if need be; tells whether it knows what the other did.

        Raises one of STORE_FAULTS when there can be none; then the one before stays in use.
        """
        before, now = self._file, file_in(self._data_dir, self._path, self._file.id)
        try:
            descriptors = [now.descriptor() for _ in self._writings]
        except OSError:
            now.close()
            raise
        # Another thread may be in a transaction of it: closed at the end.
        self._former.append(before)
        self._file = now
        for writing, descriptor in zip(self._writings, descriptors, strict=True):
            writing.turn_to(now.env, descriptor)
        try:
            with before.env.begin() as known, self._writing as txn:
                carry_over(known, txn, self.clock())
        except STORE_FAULTS:
            return False
        return True

    def close(self) -> None:
        for file in (*self._former, self._file):
            file.close()


class Writing:
    """One write transaction after the other; committed at the end of the with statement, or undone by an exception."""

    __slots__ = ("_descriptor", "_env", "_next", "_txn")

    def __init__(self, env: lmdb.Environment, descriptor: int) -> None:
        self.turn_to(env, descriptor)

    def turn_to(self, env: lmdb.Environment, descriptor: int) -> None:
        """Write there, from the next transaction on."""
        self._next = env, descriptor

    def __enter__(self) -> "lmdb.Transaction[bytes]":
        self._env, self._descriptor = self._next
        flock(self._descriptor, LOCK_EX)
        try:
            self._txn = self._env.begin(write=True)
        except BaseException:
            flock(self._descriptor, LOCK_UN)
            raise
        return self._txn

    def __exit__(self, kind: object, fault: object, trace: object) -> None:
        try:
            if kind is None:
                self._txn.commit()
            else:
                self._txn.abort()
        finally:
            flock(self._descriptor, LOCK_UN)
