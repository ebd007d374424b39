"""What the tests of the stores share."""

import pytest

from app.stores.embedded import EmbeddedStore
from tests.stores.clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def embedded(tmp_path, clock):
    store = EmbeddedStore(tmp_path / "var", clock)
    yield store
    store.close()
