"""Makes the key store's tables, or alters them to what this version needs."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from app.stores.engines import POSTGRESQL, SQLITE
from app.stores.schema import METADATA, REVISION, STEPS_TAKEN

# Any number that no other user of the database takes for its advisory locks.
_MIGRATION_LOCK = 0x70_11_40_05_E


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or take the steps that are missing; any number of processes may do so at once.

    A database that a newer version has altered is left as it is: steps only add, so that machines can be
    upgraded one after another.
    """
    with _alone(engine), engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        if not inspect(connection).has_table(STEPS_TAKEN.name):
            _make(connection)
        elif (connection.scalar(select(STEPS_TAKEN.c.version_num)) or "") < REVISION:
            from app.stores.migrations.upgrade import upgrade

            upgrade(connection)


def _make(connection: Connection) -> None:
    """Make the tables as all steps together would (a test compares them).

    So a first start does without Alembic, which takes 12 MB and more time than all else that is done here. This
    is Alembic's own advice: alembic.sqlalchemy.org/en/latest/cookbook.html, "Building an Up to Date Database".
    """
    METADATA.create_all(connection, checkfirst=False)
    STEPS_TAKEN.create(connection)
    connection.execute(insert(STEPS_TAKEN).values(version_num=REVISION))


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold a file lock around the change to a SQLite file, which is made here, for its owner only.

    The change to WAL, by which readers and a writer do not wait for one another (sqlite.org/wal.html), needs
    the file for itself and does not wait for it.
    """
    if engine.dialect.name != SQLITE:
        yield
        return
    path = Path(str(engine.url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        yield
    finally:
        os.close(lock)
