"""The one file that every process of this machine shares, counters above all: an LMDB environment.

LMDB copies what it writes to, so what a process was doing when it was killed has not happened. Its lock is a
mutex in shared memory, whose wake-up is lost with a process killed just after it was woken: the others then
wait for ever (seen once in some hundred kills). So writers queue for a lock of the file itself, which the
kernel keeps for processes, and find LMDB's own always free.
"""

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path

import lmdb

from app.stores.carried import carry_over
from app.stores.file_id import FileId, file_id, id_of

logger = logging.getLogger("tollhouse")

# Every record of the file begins with one of these.
WINDOWS = b"w"
PARALLEL = b"p"
KEY = b"k"
REPORT = b"r"

# Address space, most of it a hole in the file.
MAP_BYTES = 256 * 1024 * 1024
# What is written through a memory map must have its blocks: a full disk would be a SIGBUS. Enough for the
# windows of a million admitted requests a minute and some 100,000 known keys.
ALLOCATED_BYTES = 48 * 1024 * 1024
MAX_PROCESSES = 512

# What a transaction raises when it did not take place.
STORE_FAULTS = (lmdb.Error, OSError)
UNREADABLE = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError, lmdb.PageNotFoundError)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class EmbeddedStore:
    """Counters in `data_dir`, and what the workers know of keys and stores.

    Open it once per process and after the fork: LMDB's locks do not survive one. What it holds lives for
    minutes, so nothing is ever synced to the disk, and what an earlier boot left is thrown away unread.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` gives nanoseconds that never go back and are the same in all processes of the machine."""
        self.clock = clock
        self._data_dir, self._path = data_dir, data_dir / "counters.lmdb"
        self._file = _file_in(data_dir, self._path)
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
        is_there = file_id(self._path) == self._file.id and file_id(_lock_of(self._path)) == self._file.lock_id
        return None if is_there else self._path

    def take_up(self) -> bool:
        """Go on with the file that is at the path now, made if need be; tells whether it knows what the other did.

        Raises one of STORE_FAULTS when there can be none; then the one before stays in use.
        """
        before, now = self._file, _file_in(self._data_dir, self._path, self._file.id)
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


@dataclass(frozen=True, slots=True)
class File:
    """One file, open."""

    env: lmdb.Environment
    path: Path
    id: FileId
    lock_id: FileId
    """LMDB's lock file says which page is the last: processes with two of these would overwrite each other's."""
    descriptors: list[int] = field(default_factory=list)

    def descriptor(self) -> int:
        """Return one more descriptor of the file, for a lock of its own. Raises OSError when the path shows another."""
        self.descriptors.append(os.open(self.path, os.O_RDWR))
        if id_of(os.fstat(self.descriptors[-1])) != self.id:
            raise OSError(errno.ESTALE, "another file has just taken its place", str(self.path))
        return self.descriptors[-1]

    def close(self) -> None:
        while self.descriptors:  # The numbers are other files' soon.
            os.close(self.descriptors.pop())
        self.env.close()


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


def _file_in(data_dir: Path, path: Path, lost: FileId | None = None) -> File:
    """Open the file, or make it, while no other process does; instead of one that has lost its lock, if that is there.

    No process may open one file twice.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with _alone(data_dir / "counters.lock") as boot_file:
        _forget_earlier_boot(boot_file, path)
        if lost is not None and file_id(path) == lost:
            _remove(path)
        return File(_opened(path), path, id_of(path.stat()), id_of(_lock_of(path).stat()))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Hold the lock of the file, which dies with the process; yields its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        flock(descriptor, LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _forget_earlier_boot(boot_file: int, path: Path) -> None:
    """Remove a file last opened before this machine started: unsynced it may be torn, and its clock was another."""
    boot = BOOT_ID.read_bytes() if BOOT_ID.exists() else b""
    if os.pread(boot_file, 100, 0) != boot:
        _remove(path)
        os.ftruncate(boot_file, 0)
        os.pwrite(boot_file, boot, 0)


def _opened(path: Path) -> lmdb.Environment:
    """Return the environment of that file; one that cannot be read is put aside and made anew."""
    try:
        return _open(path)
    except UNREADABLE as fault:
        aside = path.with_suffix(".unreadable")
        logger.error("%s cannot be read (%s); counting starts anew, the file is kept as %s", path, fault, aside.name)
        path.replace(aside)
        _remove(path)
        return _open(path)


def _remove(path: Path) -> None:
    for file in (path, _lock_of(path)):
        file.unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + "-lock")


def _open(path: Path) -> lmdb.Environment:
    is_new = not path.exists()
    env = lmdb.Environment(
        str(path), subdir=False, mode=0o600, map_size=MAP_BYTES, max_readers=MAX_PROCESSES, max_spare_txns=2,
        sync=False, metasync=False, writemap=True, meminit=False,
    )  # fmt: skip
    try:
        if is_new:
            _allocate(path)
        env.reader_check()  # A process killed while it read would keep old pages from being used again.
        with env.begin() as txn:
            for _ in txn.cursor():  # A page that cannot be read shows now, and not on a request.
                pass
    except BaseException:
        env.close()
        if is_new:  # Without its blocks it would be taken for a whole one next time.
            _remove(path)
        raise
    return env


def _allocate(path: Path) -> None:
    """Give the file its blocks. Raises OSError when the disk has no room for them."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, ALLOCATED_BYTES)
    except OSError as fault:
        needed = f"DATA_DIR needs {ALLOCATED_BYTES >> 20} MiB for {path.name} in {path.parent.absolute()}"
        raise OSError(fault.errno, f"{needed}: {fault.strerror}") from fault
    finally:
        os.close(descriptor)
