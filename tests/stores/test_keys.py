"""Keys are stored, found, changed and deleted alike on SQLite and PostgreSQL."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from app.principal import Principal, digest_of
from app.stores.engines import opened
from app.stores.key_database import KeyDatabase
from app.stores.keys import KeyStore, Taken
from tests.stores.key_values import a_key, untold

FULL = {
    "key_alias": "team ä",
    "rpm_limit": 2**31 - 1,
    "max_parallel_requests": 7,
    "allowed_passthrough_routes": ("/v1/rerank", "/x"),
    "metadata": {"a": [1, 1.5, None, {"b": "\u0000 \ud800 ü"}], "n": 10**30},
    "blocked": True,
    "expires_s": 1893456000.25,
}


class Told:
    """Stands in for the machine's known keys: remembers what was told, before and after each commit."""

    def __init__(self):
        self.begun, self.ended = [], []

    @contextmanager
    def changing(self, after):
        self.begun.append(after)
        yield
        self.ended.append(after)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def store(url, told):
    database = KeyDatabase(url, told.changing)
    database.open()
    yield KeyStore(database)
    database.close()


@pytest.mark.parametrize("facts", [pytest.param({}, id="nothing but the key"), pytest.param(FULL, id="everything")])
def test_a_key_is_read_as_it_was_stored(store, facts):
    key = a_key(**facts)

    store.add(key)

    assert store.find(key.digest) == key
    assert store.renew([key.digest, "0" * 64]) == {key.digest: key}


def test_a_stored_key_says_whom_it_resolves_to():
    assert a_key("sk-secret", **FULL).principal() == Principal(
        key_id=digest_of("sk-secret")[:16],
        digest=digest_of("sk-secret"),
        key_alias="team ä",
        rpm_limit=2**31 - 1,
        max_parallel_requests=7,
        allowed_passthrough_routes=("/v1/rerank", "/x"),
        expires_s=1893456000.25,
        is_blocked=True,
    )


@pytest.mark.parametrize("secret", ["' OR 1=1 --", "%", "_", "\x00", "sk-secre", "sk-secret ", "SK-SECRET"])
def test_another_text_finds_no_key(store, secret):
    """AU-16."""
    store.add(a_key("sk-secret"))

    assert store.find(digest_of(secret)) is None
    assert store.read(secret) is None
    assert store.page(0, 10)[1] == 1


def test_keys_that_begin_alike_are_two(store):
    """AU-14."""
    first, second = (a_key("sk-" + "a" * 60 + end) for end in "12")

    store.add(first)
    store.add(second)

    assert (store.find(first.digest), store.find(second.digest)) == (first, second)


@pytest.mark.parametrize("reference", ["sk-secret", digest_of("sk-secret"), digest_of("sk-secret")[:16]])
def test_a_key_is_named_by_itself_its_digest_or_its_key_id(store, reference):
    store.add(a_key("sk-other"))
    store.add(a_key("sk-secret"))

    assert store.read(reference).digest == digest_of("sk-secret")
    assert store.change(reference, {"rpm_limit": 5}).rpm_limit == 5
    assert store.page(0, 10, reference=reference)[1] == 1
    assert store.delete([reference]) == {reference: digest_of("sk-secret")[:16]}
    assert [key.digest for key in store.page(0, 10)[0]] == [digest_of("sk-other")]


@pytest.mark.parametrize(
    ("again", "field"),
    [
        pytest.param(a_key("sk-two", key_alias="team"), "key_alias", id="its alias"),
        pytest.param(a_key("sk-one", key_alias="other"), "key", id="the key"),
        pytest.param(a_key("sk-one"), "key", id="the key, without an alias"),
    ],
)
def test_what_another_key_has_is_taken(store, again, field):
    first = a_key("sk-one", key_alias="team")
    store.add(first)

    with pytest.raises(Taken) as taken:
        store.add(again)

    assert taken.value.field == field
    assert store.page(0, 10) == ([first], 1)


def test_keys_without_an_alias_do_not_share_one(store):
    store.add(a_key("sk-one"))
    store.add(a_key("sk-two"))

    assert store.page(0, 10)[1] == 2


def test_an_alias_cannot_be_changed_to_anothers(store):
    store.add(a_key("sk-one", key_alias="one"))
    store.add(a_key("sk-two", key_alias="two"))

    with pytest.raises(Taken) as taken:
        store.change("sk-two", {"key_alias": "one", "rpm_limit": 1})

    assert taken.value.field == "key_alias"
    assert store.read("sk-two") == a_key("sk-two", key_alias="two")


def test_a_change_of_no_key_changes_none(store):
    store.add(a_key("sk-one"))

    assert store.change("sk-two", {"blocked": True}) is None
    assert store.read("sk-one") == a_key("sk-one")


def test_a_new_secret_takes_the_place_of_the_old_one(store):
    store.add(a_key("sk-old", key_alias="team"))
    new = a_key("sk-new", key_alias="team")

    changed = store.change("sk-old", {"digest": new.digest, "key_id": new.key_id, "key_name": new.key_name})

    assert changed == new
    assert (store.find(digest_of("sk-old")), store.find(new.digest)) == (None, new)


def test_all_are_deleted_or_none(store):
    for name in ("one", "two", "three"):
        store.add(a_key(f"sk-{name}", key_alias=name))

    assert store.delete(["sk-one", "sk-none"])["sk-none"] is None
    assert store.page(0, 10)[1] == 3
    assert store.delete(["sk-one", "sk-one"], ["three"]) == {
        "sk-one": digest_of("sk-one")[:16],
        "three": digest_of("sk-three")[:16],
    }
    assert store.page(0, 10) == ([a_key("sk-two", key_alias="two")], 1)


def test_the_newest_come_first_a_page_at_a_time(store):
    keys = [a_key(f"sk-{number}", created_s=float(number), key_alias=f"n{number}") for number in range(5)]
    for key in keys:
        store.add(key)

    assert store.page(0, 2) == ([keys[4], keys[3]], 5)
    assert store.page(4, 2) == ([keys[0]], 5)
    assert store.page(6, 2) == ([], 5)
    assert store.page(0, 2, key_alias="n1") == ([keys[1]], 1)
    assert store.page(0, 2, key_alias="n%") == ([], 0)


def test_each_change_is_told_before_and_after_it_can_be_read(url):
    seen = []
    other = opened(url, writes=False, timeout_s=1)

    def look():
        with other.connect() as connection:
            seen.append(connection.scalar(text("SELECT count(*) FROM gateway_keys")))

    @contextmanager
    def changing(_after):
        look()
        yield
        look()

    database = KeyDatabase(url, changing)
    database.open()
    store = KeyStore(database)

    store.add(a_key())
    store.delete(["sk-secret"])
    database.close()
    other.dispose()

    assert seen == [0, 1, 1, 0]


def test_it_is_told_whom_the_keys_of_a_change_resolve_to(store, told):
    old, new = a_key("sk-old", key_alias="team"), a_key("sk-new", key_alias="team")
    changed = {"digest": new.digest, "key_id": new.key_id, "key_name": new.key_name}

    store.add(old)
    store.change(old.key_id, {"blocked": True})
    store.change("sk-old", {**changed, "blocked": False})
    store.delete([], ["team"])

    assert told.ended == [
        {old.digest: old.principal()},
        {old.digest: replace(old, blocked=True).principal()},
        {old.digest: None, new.digest: new.principal()},
        {new.digest: None},
    ]


def test_a_change_that_was_refused_is_told_to_nobody(store, told):
    store.add(a_key())

    with pytest.raises(Taken):
        store.add(a_key())
    store.change("sk-none", {"blocked": True})
    store.delete(["sk-secret", "sk-none"])

    assert (len(told.begun), len(told.ended)) == (1, 1)


def test_the_secret_is_in_no_file(sqlite_url):
    """AK-04: a dump of the database opens nothing."""
    database = KeyDatabase(sqlite_url, untold)
    database.open()
    KeyStore(database).add(a_key("sk-a-secret-to-be-found", key_alias="found"))

    octets = b"".join(path.read_bytes() for path in Path(sqlite_url.database).parent.iterdir())
    database.close()

    assert b"found" in octets
    assert b"sk-a-secret-to-be-found" not in octets
