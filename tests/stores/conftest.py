"""What the tests of the stores share."""

import pytest

from app.stores.embedded import EmbeddedStore
from tests.kit.databases import postgres, postgres_url, sqlite_url, stopped_postgres, url  # noqa: F401  fixtures
from tests.stores.clock import Clock
from tests.stores.redis_server import RedisServer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def embedded(tmp_path, clock):
    store = EmbeddedStore(tmp_path / "var", clock)
    yield store
    store.close()


@pytest.fixture
def redis_server(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.stop()
