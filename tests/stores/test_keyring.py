"""Whose key it is: known from the file, read from the store, and kept no longer than is safe."""

import gevent
import pytest
from gevent.event import Event
from pydantic import SecretStr

from app.principal import Principal, digest_of
from app.store_errors import StoreUnavailable
from app.stores.key_database import KeyDatabase
from app.stores.keyring import MOST_RENEWED, MOST_UNKNOWN, KeyRing
from app.stores.keys import KeyStore
from app.stores.known_keys import NOBODY, KnownKeys
from tests.stores.key_values import a_key
from tests.stores.look_out import LookOut

FILE_KEY = Principal(digest_of("sk-file")[:16], digest_of("sk-file"), key_alias="from the file")


class Shelf:
    """A store of keys in memory that remembers what it was asked, and can go away."""

    def __init__(self, *keys):
        self.keys = {key.digest: key for key in keys}
        self.is_away = False
        self.found, self.renewed = [], []
        self.before_answer = lambda: None

    def put(self, digest, key):
        self.keys.pop(digest, None)
        if key is not None:
            self.keys[digest] = key

    def find(self, digest):
        self.found.append(digest)
        answer = self.keys.get(digest)
        self.before_answer()
        self._answer()
        return answer

    def renew(self, digests):
        self.renewed.append(set(digests))
        answer = {digest: self.keys[digest] for digest in digests if digest in self.keys}
        self.before_answer()
        self._answer()
        return answer

    def _answer(self):
        if self.is_away:
            raise StoreUnavailable


@pytest.fixture
def known(embedded):
    return KnownKeys(embedded)


@pytest.fixture
def shelf():
    return Shelf(a_key("sk-one", key_alias="one"), a_key("sk-two", key_alias="two"))


@pytest.fixture
def ring(shelf, known):
    return KeyRing([FILE_KEY], SecretStr("sk-master"), shelf, known)


@pytest.fixture
def change(shelf, known):
    """Change a key in the store, as another worker of this machine does; with no facts it is deleted."""

    def change_it(secret, **facts):
        key = a_key(secret, **facts) if facts else None
        with known.changing({digest_of(secret): key and key.principal()}):
            shelf.put(digest_of(secret), key)

    return change_it


def alias(ring, secret):
    principal = ring.resolve(secret)
    return None if principal is None else principal.key_alias


def test_each_kind_of_key_is_resolved(ring):
    assert [alias(ring, f"sk-{name}") for name in ("master", "file", "one", "none")] == [
        "master",
        "from the file",
        "one",
        None,
    ]
    assert ring.resolve("sk-master").is_master
    assert not ring.resolve("sk-one").is_master


def test_keys_of_the_file_need_no_store(ring, shelf):
    shelf.is_away = True

    assert alias(ring, "sk-file") == "from the file"
    assert ring.resolve("sk-master").is_master
    assert (shelf.found, shelf.renewed) == ([], [])


def test_without_a_store_other_keys_are_nobodys(known):
    ring = KeyRing([FILE_KEY], None, None, known)
    ring.renew()

    assert [alias(ring, f"sk-{name}") for name in ("file", "one", "master")] == ["from the file", None, None]


@pytest.mark.parametrize("secret", ["", "\x00", "ü", "\udcff", "sk-one ", "' OR 1=1 --", "%"])
def test_any_text_can_be_asked_for(ring, secret):
    """AU-16."""
    assert ring.resolve(secret) is None


@pytest.mark.parametrize("facts", [{"blocked": True}, {"expires_s": 1.0}])
def test_keys_that_let_nobody_in_are_told_as_what_they_are(ring, shelf, facts):
    key = a_key("sk-three", **facts)
    shelf.keys[key.digest] = key

    assert ring.resolve("sk-three") == key.principal()


def test_a_known_key_is_not_looked_up_again(ring, shelf):
    assert [alias(ring, "sk-one") for _ in range(3)] == ["one"] * 3

    assert (len(shelf.found), shelf.renewed) == (1, [])


def test_an_unknown_key_is_looked_up_once_a_second(ring, shelf, clock):
    for _ in range(8):
        assert ring.resolve("sk-none") is None
        clock.go(0.25)

    assert len(shelf.found) == 2


@pytest.mark.parametrize(
    ("facts", "expected"), [pytest.param({}, None, id="deleted"), pytest.param({"blocked": True}, True, id="blocked")]
)
@pytest.mark.parametrize("is_away", [False, True])
def test_what_is_changed_on_this_machine_holds_at_once(ring, shelf, change, facts, expected, is_away):
    """AU-13, AK-13: the record is read on each request, so the store need not be there any more."""
    ring.resolve("sk-one")
    change("sk-one", **facts)
    shelf.is_away = is_away

    principal = ring.resolve("sk-one")

    assert (principal.is_blocked if principal else None) == expected
    assert (len(shelf.found), shelf.renewed) == (1, [])


def test_a_new_key_can_be_used_at_once(ring, change):
    assert ring.resolve("sk-three") is None

    change("sk-three", key_alias="three")

    assert alias(ring, "sk-three") == "three"


def test_a_change_of_one_key_makes_no_other_unsure(ring, shelf, change):
    ring.resolve("sk-one")

    change("sk-two", blocked=True)
    change("sk-three", key_alias="three")
    shelf.is_away = True

    assert alias(ring, "sk-one") == "one"


def test_what_one_worker_has_read_all_know(ring, shelf, known):
    ring.resolve("sk-one")
    shelf.is_away = True
    other = KeyRing([], None, shelf, known)

    assert alias(other, "sk-one") == "one"
    with pytest.raises(StoreUnavailable):
        other.resolve("sk-two")


def test_a_key_in_the_midst_of_a_change_is_looked_up_each_time(ring, shelf, known):
    """Its end is near, and unknown; nothing is noted that the end could find outdated."""
    ring.resolve("sk-one")
    one = a_key("sk-one", blocked=True)

    with known.changing({one.digest: one.principal()}):
        during = [ring.resolve("sk-one").is_blocked for _ in range(2)]
        shelf.is_away = True
        with pytest.raises(StoreUnavailable):
            ring.resolve("sk-one")

    assert (during, len(shelf.found)) == ([False, False], 4)
    assert ring.resolve("sk-one").is_blocked


def test_of_a_change_that_failed_it_is_looked_up_what_became_of_it(ring, shelf, known):
    ring.resolve("sk-one")

    del shelf.keys[digest_of("sk-one")]
    with pytest.raises(OSError, match="gone"), known.changing({digest_of("sk-one"): None}):
        raise OSError("gone")
    shelf.is_away = True
    with pytest.raises(StoreUnavailable):
        ring.resolve("sk-one")
    shelf.is_away = False

    assert [ring.resolve("sk-one") for _ in range(2)] == [None, None]
    assert len(shelf.found) == 3


def test_a_renewal_reads_what_a_killed_process_left_unsure(ring, shelf, embedded, clock):
    """So that the key is sure again before the store may go away."""
    ring.resolve("sk-one")
    with KnownKeys(embedded, NOBODY).changing({digest_of("sk-one"): None}):
        clock.go(4)
        ring.renew()
        shelf.is_away = True

        assert alias(ring, "sk-one") == "one"


def test_what_is_changed_elsewhere_holds_within_5_s(ring, shelf, clock):
    assert alias(ring, "sk-one") == "one"
    shelf.keys.clear()
    clock.go(3.9)
    assert alias(ring, "sk-one") == "one"
    clock.go(0.2)

    assert ring.resolve("sk-one") is None


def test_a_renewal_leaves_a_key_alone_that_is_being_changed(ring, shelf, known, clock):
    """It would note what the change has not reached, in the place where the change is to be told."""
    ring.resolve("sk-one")
    blocked = a_key("sk-one", blocked=True)

    with known.changing({blocked.digest: blocked.principal()}):
        clock.go(4)
        ring.renew()
        shelf.put(blocked.digest, blocked)

    assert ring.resolve("sk-one").is_blocked


@pytest.mark.parametrize("is_known", [True, False])
def test_a_change_in_the_midst_of_a_look_up_is_not_missed(ring, shelf, change, clock, is_known):
    def revoke():
        shelf.before_answer = lambda: None
        change("sk-one")

    # What was read is older than the change, which comes before the answer does.
    if is_known:
        ring.resolve("sk-one")
        clock.go(4)
    shelf.before_answer = revoke
    before = ring.resolve("sk-one")

    assert (before.key_alias, ring.resolve("sk-one")) == ("one", None)


def test_all_known_keys_are_renewed_together(ring, shelf, clock):
    ring.resolve("sk-one")
    ring.resolve("sk-two")
    clock.go(4)

    ring.resolve("sk-two")
    ring.resolve("sk-one")

    assert shelf.renewed == [{digest_of("sk-one"), digest_of("sk-two")}]


def test_a_renewal_is_bounded_and_has_the_key_that_is_asked_for(ring, shelf, clock):
    secrets = [f"sk-{number}" for number in range(MOST_RENEWED + 50)]
    shelf.keys |= {a_key(secret).digest: a_key(secret) for secret in secrets}
    for secret in secrets:
        ring.resolve(secret)
    clock.go(4)

    ring.resolve(secrets[-1])

    (renewed,) = shelf.renewed
    assert len(renewed) == MOST_RENEWED + 1
    assert digest_of(secrets[-1]) in renewed


def test_a_burst_with_one_key_is_one_look_up(ring, shelf):
    shelf.before_answer = gevent.idle

    burst = [gevent.spawn(alias, ring, "sk-one") for _ in range(50)]

    assert [greenlet.get() for greenlet in burst] == ["one"] * 50
    assert len(shelf.found) == 1


def test_a_burst_with_a_key_that_is_stale_is_one_renewal(ring, shelf, clock):
    ring.resolve("sk-one")
    clock.go(4)
    shelf.before_answer = gevent.idle

    burst = [gevent.spawn(alias, ring, "sk-one") for _ in range(50)]

    assert [greenlet.get() for greenlet in burst] == ["one"] * 50
    assert len(shelf.renewed) == 1


def test_who_is_killed_while_looking_up_leaves_nobody_waiting(ring, shelf):
    shelf.before_answer = Event().wait
    first = gevent.spawn(ring.resolve, "sk-one")
    gevent.idle()
    second = gevent.spawn(ring.resolve, "sk-one")
    gevent.idle()
    shelf.before_answer = lambda: None

    first.kill()
    second.join()

    assert isinstance(second.exception, StoreUnavailable)
    assert alias(ring, "sk-one") == "one"


def test_guessing_fills_no_memory(ring):
    for number in range(MOST_UNKNOWN + 100):
        ring.resolve(f"guess-{number}")

    assert len(ring._unknown) == MOST_UNKNOWN


def test_guessing_pushes_no_known_key_out(ring, shelf):
    ring.resolve("sk-one")
    for number in range(MOST_UNKNOWN + 100):
        ring.resolve(f"guess-{number}")
    shelf.is_away = True

    assert alias(ring, "sk-one") == "one"


def test_known_keys_go_on_for_300_s_and_unknown_ones_do_not(ring, shelf, clock):
    """AK-11, G15."""
    ring.resolve("sk-one")
    shelf.is_away = True

    for _ in range(3):
        clock.go(100)
        assert alias(ring, "sk-one") == "one"
        with pytest.raises(StoreUnavailable):
            ring.resolve("sk-two")
        with pytest.raises(StoreUnavailable):
            ring.resolve("sk-none")
    clock.go(0.1)

    with pytest.raises(StoreUnavailable):
        ring.resolve("sk-one")


def test_the_300_s_begin_with_the_last_good_read(ring, shelf, clock):
    ring.resolve("sk-one")
    clock.go(200)
    ring.resolve("sk-one")
    shelf.is_away = True
    clock.go(299)

    assert alias(ring, "sk-one") == "one"


def test_keys_revoked_before_the_store_went_away_stay_refused(ring, shelf, change, clock):
    for name in ("one", "two"):
        ring.resolve(f"sk-{name}")
    change("sk-one", blocked=True)
    change("sk-two")
    shelf.is_away = True

    for _ in range(3):
        assert ring.resolve("sk-one").is_blocked
        assert ring.resolve("sk-two") is None
        clock.go(99)


def test_what_another_machine_revoked_stays_refused_though_nobody_has_asked(ring, shelf, clock):
    ring.resolve("sk-one")
    shelf.keys[digest_of("sk-one")] = a_key("sk-one", blocked=True)
    clock.go(4)
    ring.renew()
    shelf.is_away = True

    assert ring.resolve("sk-one").is_blocked


def test_when_the_store_is_back_everything_is_as_before(ring, shelf, clock):
    ring.resolve("sk-one")
    shelf.is_away = True
    clock.go(301)
    with pytest.raises(StoreUnavailable):
        ring.resolve("sk-one")
    shelf.is_away = False

    assert [alias(ring, f"sk-{name}") for name in ("one", "two", "none")] == ["one", "two", None]


def test_a_worker_renews_what_nobody_asks_for_and_other_workers_knew(ring, shelf, known, clock):
    """Those that it replaces: keys go on for 300 s from when the store goes away, whoever was asked for them."""
    ring.resolve("sk-one")
    new = KeyRing([], None, shelf, known)
    for _ in range(3):
        clock.go(200)
        new.renew()
        new.renew()
    shelf.is_away = True
    clock.go(299)

    assert shelf.renewed == [{digest_of("sk-one")}] * 3
    assert alias(new, "sk-one") == "one"


def test_the_keys_of_the_file_are_known_as_such(ring):
    assert [ring.is_own(f"sk-{name}") for name in ("master", "file", "one")] == [True, True, False]
    assert ring.own_aliases == {"master", "from the file"}


@pytest.fixture
def look_out():
    return LookOut()


@pytest.fixture
def real_database(postgres_url, known, look_out):
    database = KeyDatabase(postgres_url, known.changing, wait=look_out.wait)
    database.open()
    yield database
    database.close()


def test_a_real_database_may_be_away_for_300_s(stopped_postgres, real_database, known, clock, look_out):
    """AK-11, G15, with PostgreSQL ended at once and started again."""
    real_store = KeyStore(real_database)
    ring = KeyRing([FILE_KEY], None, real_store, known)
    for name in ("one", "two", "three"):
        real_store.add(a_key(f"sk-{name}", key_alias=name))
    assert [alias(ring, f"sk-{name}") for name in ("one", "two")] == ["one", "two"]
    real_store.change("sk-two", {"blocked": True})
    stopped_postgres.stop()

    for _ in range(3):
        clock.go(99)
        assert alias(ring, "sk-one") == "one"
        assert ring.resolve("sk-two").is_blocked
        assert alias(ring, "sk-file") == "from the file"
        with pytest.raises(StoreUnavailable):
            ring.resolve("sk-none")
        with pytest.raises(StoreUnavailable):
            real_store.change("sk-one", {"blocked": True})
    clock.go(4)
    with pytest.raises(StoreUnavailable):
        ring.resolve("sk-one")

    stopped_postgres.start()
    look_out.look_until(lambda: not real_database.is_away)
    assert [alias(ring, f"sk-{name}") for name in ("one", "three", "none")] == ["one", "three", None]
