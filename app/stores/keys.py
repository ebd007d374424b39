"""The key store: gateway keys issued over the API, in SQLite or PostgreSQL."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from app.errors import GatewayError
from app.principal import digest_of
from app.stores.key_database import After, KeyDatabase
from app.stores.schema import KEYS, StoredKey, stored_key

T = TypeVar("T")

KEY_ID = re.compile(r"[0-9a-f]{16}")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Taken(GatewayError):
    """Another key has this already; `field` is `key_alias` or `key`."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class KeyStore:
    """Reads and writes keys; every call raises StoreUnavailable when the database does not answer in time.

    A `reference` names a key: the secret, its digest, or its key_id. No secret looks like the other two.
    """

    def __init__(self, database: KeyDatabase) -> None:
        self._database = database

    def check(self) -> None:
        """Return when the store answers (readiness asks)."""
        self._database.asked(self._database.look_ups, lambda connection: connection.execute(text("SELECT 1")))

    def count(self) -> int:
        """Return how many keys there are."""
        counted = select(func.count()).select_from(KEYS)
        return self._database.asked(self._database.look_ups, lambda connection: connection.scalar(counted) or 0)

    def find(self, digest: str) -> StoredKey | None:
        """Return the key with this digest, for a client that presents it."""
        return self._database.asked(
            self._database.look_ups, lambda connection: _one(connection, KEYS.c.digest == digest)
        )

    def renew(self, digests: Collection[str]) -> dict[str, StoredKey]:
        """Return those of these keys that still exist, by digest; for some hundred at a time."""
        wanted = select(KEYS).where(KEYS.c.digest.in_(digests))

        def look(connection: Connection) -> dict[str, StoredKey]:
            return {row["digest"]: stored_key(row) for row in connection.execute(wanted).mappings()}

        return self._database.asked(self._database.renewals, look)

    def read(self, reference: str) -> StoredKey | None:
        """Return the key that the operator means."""
        return self._database.listed(lambda connection: _one(connection, _named(reference)))

    def page(
        self, offset: int, size: int, *, key_alias: str | None = None, reference: str | None = None
    ) -> tuple[list[StoredKey], int]:
        """Return some keys, the newest first, and how many there are in all; the filters are exact."""
        wanted = [KEYS.c.key_alias == key_alias] if key_alias is not None else []
        wanted += [_named(reference)] if reference is not None else []

        def look(connection: Connection) -> tuple[list[StoredKey], int]:
            rows = select(KEYS).where(*wanted).order_by(KEYS.c.created_s.desc(), KEYS.c.digest)
            total = connection.scalar(select(func.count()).select_from(KEYS).where(*wanted))
            found = connection.execute(rows.offset(offset).limit(size)).mappings()
            return [stored_key(row) for row in found], total or 0

        return self._database.listed(look)

    def add(self, key: StoredKey) -> None:
        """Store a new key. Raises Taken when its alias, or the key itself, exists."""
        values = {**asdict(key), "allowed_passthrough_routes": list(key.allowed_passthrough_routes)}

        def insert_it(connection: Connection) -> tuple[None, After]:
            connection.execute(insert(KEYS).values(values))
            return None, {key.digest: key.principal()}

        self._written(insert_it)

    def change(self, reference: str, changes: Mapping[str, Any]) -> StoredKey | None:
        """Return the key with these columns changed; None when no key has this reference. Raises Taken."""
        wanted = select(KEYS.c.digest).where(_named(reference)).with_for_update()

        def alter(connection: Connection) -> tuple[StoredKey | None, After]:
            digest = connection.scalar(wanted)
            if digest is None:
                return None, {}
            statement = update(KEYS).where(KEYS.c.digest == digest).values(**changes).returning(*KEYS.c)
            changed = stored_key(connection.execute(statement).mappings().one())
            return changed, {digest: None, changed.digest: changed.principal()}

        return self._written(alter)

    def delete(self, references: Iterable[str] = (), key_aliases: Iterable[str] = ()) -> dict[str, str | None]:
        """Delete all of these keys, or none when some do not exist.

        Returns the key_id for each name; None where it names no key.
        """
        wanted = {reference: _named(reference) for reference in references}
        wanted |= {alias: KEYS.c.key_alias == alias for alias in key_aliases}

        def remove(connection: Connection) -> tuple[dict[str, str | None], After]:
            found = {name: _one(connection, condition, is_locked=True) for name, condition in wanted.items()}
            keys = [key for key in found.values() if key is not None]
            key_ids = {name: None if key is None else key.key_id for name, key in found.items()}
            if len(keys) < len(found):
                return key_ids, {}
            digests = [key.digest for key in keys]
            connection.execute(delete(KEYS).where(KEYS.c.digest.in_(digests)))
            nobodys: After = dict.fromkeys(digests)
            return key_ids, nobodys

        return self._written(remove)

    def _written(self, work: Callable[[Connection], tuple[T, After]]) -> T:
        try:
            return self._database.written(work)
        except IntegrityError as fault:
            raise Taken("key_alias" if "key_alias" in str(fault.orig) else "key") from None


def _named(reference: str) -> ColumnElement[bool]:
    if KEY_ID.fullmatch(reference):
        return KEYS.c.key_id == reference
    return KEYS.c.digest == (reference if DIGEST.fullmatch(reference) else digest_of(reference))


def _one(connection: Connection, condition: ColumnElement[bool], *, is_locked: bool = False) -> StoredKey | None:
    wanted = select(KEYS).where(condition)
    row = connection.execute(wanted.with_for_update() if is_locked else wanted).mappings().one_or_none()
    return None if row is None else stored_key(row)
