"""What a worker's stores do by themselves."""

from types import SimpleNamespace

import pytest

from app.principal import Principal, digest_of
from app.store_errors import StoreUnavailable
from app.stores.opened import open_stores
from tests.kit.gateway import free_port
from tests.stores.key_values import a_key
from tests.values import logged

OWN = Principal(digest_of("sk-file")[:16], digest_of("sk-file"), key_alias="team-a")
GATEWAY = SimpleNamespace(keys=[SimpleNamespace(principal=OWN)], master_key=None, refuses_on_limiter_failure=False)


@pytest.fixture
def opened(tmp_path):
    made = []

    def open_them(**environ):
        made.append(open_stores(GATEWAY, {"DATA_DIR": str(tmp_path / "var"), **environ}))
        return made[-1]

    yield open_them
    for stores in made:
        stores.close()


@pytest.mark.parametrize(("alias", "lines"), [("team-a", 1), ("team-b", 0), (None, 0)])
def test_an_alias_in_file_and_store_is_warned_of_by_the_first_worker(opened, alias, lines):
    # From before the key is there: the stores look by themselves as well, and either may be the first to tell.
    with logged("tollhouse") as records:
        stores = opened()
        stores.keys.add(a_key("sk-one", key_alias=alias))
        for _ in range(2):
            stores.tell_of_shared_aliases()

    assert [record.levelname for record in records] == ["WARNING"] * lines
    assert all("'team-a'" in record.getMessage() for record in records)


def test_a_store_that_is_away_is_reported_and_keeps_nobody_from_starting(opened):
    stores = opened(DATABASE_URL=f"postgresql://user@127.0.0.1:{free_port()}/keys")

    assert stores.keys_away_since_s() is not None
    assert stores.ring.resolve("sk-file") == OWN
    with pytest.raises(StoreUnavailable):
        stores.ring.resolve("sk-one")


def test_a_store_that_answers_is_not_reported(opened):
    assert opened().keys_away_since_s() is None
