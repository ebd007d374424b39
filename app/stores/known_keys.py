"""What was last read of each key, for all processes of this machine: records of the embedded store.

A record says whom a key resolved to when the database was read, or that nobody had it, or that this is unsure.
Every worker looks at it on every request, so what is written here holds in all of them from the next one on,
also when the database has gone away since. The secret is in none of them.

A change is told in three steps: its keys are marked unsure, the database commits, the new state takes the
mark's place. Wherever the process is killed, nobody is admitted on what was true before a commit:

- before the mark nothing has happened, and before the commit the mark costs one look-up in the database;
- after the commit the mark stands, and the key is looked up (503 when the database is away as well). What the
  database was sent and has not done yet, when its sender died, nobody was told: it is found within seconds,
  as what other machines change is.

What was read is noted only where the record is still the one from before the reading, and was no mark of a
process that lives: a change that overtakes a reading is so never undone by it. Of changes of one key that
follow each other each has a mark of its own, so that only the last one takes effect.
"""

import json
import logging
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import lmdb

from app.principal import Principal
from app.store_errors import StoreUnavailable
from app.stores.embedded import KEY, STORE_FAULTS, EmbeddedStore
from app.stores.processes import Worker, is_alive, this_worker

logger = logging.getLogger("tollhouse")

SECOND_NS = 1_000_000_000
# How long a key goes on after it was last read, while the database is away; after that a record is of no use.
GOES_ON_NS = 300 * SECOND_NS
# A reading that takes longer is not noted: a record that was made and thrown away meanwhile would be missed.
NOTED_WITHIN_NS = 60 * SECOND_NS
# Some 300 octets each. Keys beyond are asked of the database each time; a change is always noted.
MOST = 100_000
SWEPT_AT_ONCE = 4

READ = b"r"
UNSURE = b"u"
# When it was read.
_HEAD = struct.Struct("<cq")
# When it was marked, by which process; eight octets make it a mark of its own.
_MARK = struct.Struct("<cqqq8s")
# Runs nowhere: process 0 never started.
NOBODY: Worker = (0, -2)

Found = Mapping[str, tuple[bytes | None, Principal | None]]


@dataclass(frozen=True, slots=True)
class Known:
    """A record, understood."""

    record: bytes
    read_ns: int | None
    """When the database was asked, on the machine's clock; None for an unsure one."""
    principal: Principal | None


class KnownKeys:
    """The records of one machine; digests name keys. Calls may raise one of STORE_FAULTS, `changing` does not."""

    def __init__(self, store: EmbeddedStore, worker: Worker | None = None) -> None:
        self._store, self.clock = store, store.clock
        self._worker = worker or this_worker()
        # Changes are told from the thread that commits them.
        self._telling = store.another_writing()
        self._swept = KEY

    def get(self, digest: str) -> bytes | None:
        """Return the record of a key; the same octets mean that nothing has changed."""
        with self._store.reading() as txn:
            return txn.get(KEY + digest.encode())

    def digests(self) -> list[str]:
        """Return all keys with a record."""
        with self._store.reading() as txn, txn.cursor() as cursor:
            is_found, found = cursor.set_range(KEY), []
            while is_found and cursor.key().startswith(KEY):
                found.append(cursor.key()[len(KEY) :].decode())
                is_found = cursor.next()
        return found

    def note(self, found: Found, read_ns: int) -> None:
        """Note what the database was found to say, for each key with the record from before it was asked.

        `read_ns` is when it was asked. Leave out what `is_settled` did not hold for then.
        """
        with self._store.writing() as txn:
            if self.clock() - read_ns > NOTED_WITHIN_NS:
                return
            for digest, (before, principal) in found.items():
                key = KEY + digest.encode()
                is_guess = before is None and (principal is None or txn.stat()["entries"] >= MOST)
                if not is_guess and txn.get(key) == before:
                    self._put(txn, key, _written(principal, read_ns))

    @contextmanager
    def changing(self, after: Mapping[str, Principal | None]) -> Iterator[None]:
        """Commit a change in the with statement; `after` is whom its keys resolve to then, None for nobody.

        Raises StoreUnavailable, and does not begin, where the machine cannot be told.
        """
        now = self.clock()
        mark = _MARK.pack(UNSURE, now, *self._worker, os.urandom(8))
        try:
            with self._telling as txn:
                for digest in after:
                    self._put(txn, KEY + digest.encode(), mark)
        except STORE_FAULTS as fault:
            raise StoreUnavailable from fault
        try:
            yield
        except BaseException:  # Whether it was committed is not known.
            self._replace(mark, dict.fromkeys(after, _MARK.pack(UNSURE, now, *NOBODY, os.urandom(8))))
            raise
        self._replace(mark, {digest: _written(principal, now) for digest, principal in after.items()})

    def _replace(self, mark: bytes, records: Mapping[str, bytes]) -> None:
        try:
            with self._telling as txn:
                for digest, record in records.items():
                    if txn.get(KEY + digest.encode()) == mark:
                        txn.put(KEY + digest.encode(), record)
        except STORE_FAULTS as fault:  # The mark stands: the database is asked each time.
            logger.error("a change of keys could not be noted: %s", fault)

    def _put(self, txn: "lmdb.Transaction[bytes]", key: bytes, record: bytes) -> None:
        is_new = not txn.replace(key, record)
        if is_new:
            self._sweep(txn)

    def _sweep(self, txn: "lmdb.Transaction[bytes]") -> None:
        """Throw away what is too old among a few records; what makes the store grow keeps it small."""
        seen: list[tuple[bytes, bytes]] = []
        with txn.cursor() as cursor:
            is_found = cursor.set_range(self._swept)
            while is_found and cursor.key().startswith(KEY) and len(seen) < SWEPT_AT_ONCE:
                seen.append((cursor.key(), cursor.value()))
                is_found = cursor.next()
        oldest_ns = self.clock() - GOES_ON_NS
        for key, record in seen:
            kind, read_ns = _HEAD.unpack_from(record)
            if kind == READ and read_ns < oldest_ns:
                txn.delete(key)
        self._swept = seen[-1][0] + b"\0" if len(seen) == SWEPT_AT_ONCE else KEY


def understood(digest: str, record: bytes) -> Known:
    """Return what a record of this key says."""
    kind, read_ns = _HEAD.unpack_from(record)
    if kind == UNSURE:
        return Known(record, None, None)
    facts = json.loads(record[_HEAD.size :])
    if facts is None:
        return Known(record, read_ns, None)
    key_id, key_alias, rpm_limit, max_parallel_requests, routes, expires_s, is_blocked = facts
    principal = Principal(
        key_id, digest, key_alias, rpm_limit, max_parallel_requests, tuple(routes), expires_s, is_blocked
    )
    return Known(record, read_ns, principal)


def is_settled(record: bytes | None) -> bool:
    """Tell whether no process is about to change this key; to be asked before the database is."""
    if record is None or record[:1] != UNSURE:
        return True
    _, _, pid, start, _ = _MARK.unpack(record)
    return not is_alive((pid, start))


def _written(principal: Principal | None, read_ns: int) -> bytes:
    facts = principal and (
        principal.key_id,
        principal.key_alias,
        principal.rpm_limit,
        principal.max_parallel_requests,
        principal.allowed_passthrough_routes,
        principal.expires_s,
        principal.is_blocked,
    )
    return _HEAD.pack(READ, read_ns) + json.dumps(facts, separators=(",", ":")).encode()
