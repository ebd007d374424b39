"""`python -m app keys` works straight on the store, and running workers know at once."""

import argparse

import pytest

from app import keys_command
from app.principal import digest_of
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys, understood
from tests.kit.gateway import free_port
from tests.stores.key_values import untold


@pytest.fixture
def environ(tmp_path):
    return {"DATA_DIR": str(tmp_path / "var")}


@pytest.fixture
def keys(environ, capsys):
    """Run the command; returns its exit status and what it wrote to stdout and stderr."""
    parser = argparse.ArgumentParser()
    keys_command.add_to(parser)

    def run(*arguments, **more):
        status = keys_command.run(parser.parse_args(arguments), {**environ, **more})
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def known(tmp_path):
    """Tell whom a key resolves to, as running workers look it up on each request."""

    def read(secret):
        embedded = EmbeddedStore(tmp_path / "var")
        try:
            digest = digest_of(secret)
            return understood(digest, KnownKeys(embedded).get(digest)).principal
        finally:
            embedded.close()

    return read


@pytest.fixture
def stored(environ):
    """Read the key that the store has for a secret."""

    def read(secret):
        database = KeyDatabase(store_url(environ), untold)
        try:
            return KeyStore(database).find(digest_of(secret))
        finally:
            database.close()

    return read


def test_a_key_is_created_and_goes_alone_to_stdout(keys, stored, known):
    status, out, err = keys("create", "--alias", "team-a", "--rpm-limit", "60", "--route", "/a", "--route", "/b")

    secret = out.removesuffix("\n")
    key = stored(secret)
    assert (status, err) == (0, f"key_id {digest_of(secret)[:16]}\n")
    assert (key.key_alias, key.rpm_limit, key.allowed_passthrough_routes) == ("team-a", 60, ("/a", "/b"))
    assert known(secret) == key.principal()


def test_an_alias_may_be_given_as_the_api_calls_it(keys, stored):
    secret = keys("create", "--key-alias", "team-a")[1].strip()

    assert stored(secret).key_alias == "team-a"


def test_the_list_tells_keys_and_no_secrets(keys):
    secret = keys("create", "--alias", "team-a", "--expires", "2030-01-31T00:00:00Z")[1].strip()
    keys("create", "--max-parallel-requests", "7")

    status, out, err = keys("list")

    names, *rows = [line.split() for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert names == ["key_id", "key_name", "key_alias", "rpm_limit", "max_parallel_requests", "expires", "blocked"]
    assert [digest_of(secret)[:16], f"sk-...{secret[-4:]}", "team-a", "2030-01-31", "00:00:00+00:00"] in rows
    assert secret not in out


def test_a_long_list_is_whole(keys, environ, monkeypatch):
    monkeypatch.setattr(keys_command, "PAGE", 2)
    for number in range(5):
        keys("create", "--alias", f"n{number}")

    out = keys("list")[1]

    assert [line.split()[2] for line in out.splitlines()[1:]] == ["n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize("by", ["key_id", "alias", "digest"])
def test_running_workers_are_told_what_was_done(keys, stored, known, by):
    secret = keys("create", "--alias", "team-a")[1].strip()
    key_id = digest_of(secret)[:16]
    name = {"key_id": key_id, "alias": "team-a", "digest": digest_of(secret)}[by]

    assert keys("block", name) == (0, f"{key_id} is blocked\n", "")
    assert (stored(secret).blocked, known(secret).is_blocked) == (True, True)

    assert keys("unblock", name) == (0, f"{key_id} is not blocked\n", "")
    assert (stored(secret).blocked, known(secret).is_blocked) == (False, False)

    status, out, _ = keys("delete", name)
    assert (status, out.endswith(" is deleted\n")) == (0, True)
    assert (stored(secret), known(secret)) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "--duration", "soon"], "duration is no duration; write 30s, 15m, 12h, 30d or 4w."),
        (["create", "--rpm-limit", "-1"], "rpm_limit must be greater than or equal to 0."),
        (["create", "--route", "v1"], "allowed_passthrough_routes is no path of a route; begin it with a slash."),
        (["block", "nobody"], "The store has no such key."),
        (["delete", "nobody"], "Not all of keys exist in the store; nothing was deleted."),
    ],
)
def test_what_was_not_done_is_told_and_is_status_1(keys, arguments, told):
    assert keys(*arguments) == (1, "", told + "\n")


def test_an_alias_twice_is_told(keys):
    keys("create", "--alias", "team-a")

    assert keys("create", "--alias", "team-a") == (1, "", "key_alias belongs to another key.\n")


@pytest.mark.parametrize("arguments", [["create"], ["list"], ["block", "x"]])
def test_a_store_that_is_away_is_told_without_its_password(keys, arguments):
    url = f"postgresql://u:pa55@127.0.0.1:{free_port()}/x"

    status, out, err = keys(*arguments, DATABASE_URL=url)

    assert (status, out) == (1, "")
    assert err.startswith("The key store cannot be reached; try again. ")
    assert "pa55" not in err


def test_a_url_of_another_database_is_told(keys):
    status, _, err = keys("list", DATABASE_URL="mysql://u:pa55@h/d")

    assert (status, err.split()[0]) == (1, "DATABASE_URL")
