"""The file of the embedded store: opened once by each process, made where there is none that can be used."""

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path

import lmdb

from app.stores.file_id import FileId, file_id, id_of

logger = logging.getLogger("tollhouse")

# Address space, most of it a hole in the file.
MAP_BYTES = 256 * 1024 * 1024
# What is written through a memory map must have its blocks: a full disk would be a SIGBUS. Enough for the
# windows of a million admitted requests a minute and some 100,000 known keys.
ALLOCATED_BYTES = 48 * 1024 * 1024
MAX_PROCESSES = 512

UNREADABLE = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError, lmdb.PageNotFoundError)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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


def file_in(data_dir: Path, path: Path, lost: FileId | None = None) -> File:
    """Open the file, or make it, while no other process does; instead of one that has lost its lock, if that is there.

    No process may open one file twice.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with _alone(data_dir / "counters.lock") as boot_file:
        _forget_earlier_boot(boot_file, path)
        if lost is not None and file_id(path) == lost:
            _remove(path)
        return File(_opened(path), path, id_of(path.stat()), id_of(lock_of(path).stat()))


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
    for file in (path, lock_of(path)):
        file.unlink(missing_ok=True)


def lock_of(path: Path) -> Path:
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
