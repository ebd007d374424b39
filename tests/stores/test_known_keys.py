"""What one process reads or changes, all know; and no kill leaves a key admitted on what was true before."""

import subprocess
import sys

import lmdb
import pytest

from app.principal import Principal, digest_of
from app.store_errors import StoreUnavailable
from app.stores import known_keys as module
from app.stores.embedded import EmbeddedStore
from app.stores.known_keys import GOES_ON_NS, NOBODY, KnownKeys, is_settled, understood
from tests.stores.clock import SECOND
from tests.stores.key_values import a_key
from tests.values import logged

ONE = a_key("sk-one", key_alias="one").principal()
BLOCKED = a_key("sk-one", key_alias="one", blocked=True).principal()


@pytest.fixture
def known(embedded):
    return KnownKeys(embedded)


def resolved(known, digest=ONE.digest):
    """Return whom a key resolves to, or in a word why that is not known."""
    record = known.get(digest)
    if record is None:
        return "no record"
    found = understood(digest, record)
    return found.principal if found.read_ns is not None else "unsure"


def note(known, principal, digest=ONE.digest, *, before=None):
    known.note({digest: (before, principal)}, known.clock())


@pytest.mark.parametrize(
    "principal",
    [
        pytest.param(Principal("0123456789abcdef", ONE.digest), id="nothing but the key"),
        pytest.param(
            Principal("0" * 16, ONE.digest, "team ä \u2028", 0, 2**31, ("/a", "/b/{c}"), 1893456000.25, True),
            id="everything",
        ),
    ],
)
def test_a_key_is_known_to_others_as_it_was_noted(known, embedded, clock, principal):
    note(known, principal)

    assert resolved(KnownKeys(embedded)) == principal
    assert understood(ONE.digest, known.get(ONE.digest)).read_ns == clock.now_ns


def test_of_nobodys_key_nothing_is_noted(known):
    """RL-10: guessing fills no store."""
    note(known, None)

    assert resolved(known) == "no record"


def test_who_was_somebody_is_nobody_from_then_on(known):
    note(known, ONE)

    note(known, None, before=known.get(ONE.digest))

    assert resolved(known) is None


def test_a_reading_overtaken_by_a_change_is_not_noted(known):
    note(known, ONE)
    before = known.get(ONE.digest)

    with known.changing({ONE.digest: BLOCKED}):
        note(known, ONE, before=before)
        during = resolved(known)
    note(known, ONE, before=before)

    assert (during, resolved(known)) == ("unsure", BLOCKED)


def test_a_reading_overtaken_by_a_change_of_an_unknown_key_is_not_noted(known):
    before = known.get(ONE.digest)

    with known.changing({ONE.digest: None}):
        pass
    note(known, ONE, before=before)

    assert resolved(known) is None


def test_a_reading_that_took_too_long_is_not_noted(known, clock):
    read_ns = clock.now_ns
    clock.go(61)

    known.note({ONE.digest: (None, ONE)}, read_ns)

    assert resolved(known) == "no record"


def test_the_last_of_two_changes_holds_whoever_tells_first(known, embedded):
    other = KnownKeys(embedded)

    with known.changing({ONE.digest: ONE}):
        last = other.changing({ONE.digest: BLOCKED})
        last.__enter__()
    between = resolved(known)
    last.__exit__(None, None, None)

    assert (between, resolved(known)) == ("unsure", BLOCKED)


def test_a_change_of_one_key_leaves_the_others(known):
    note(known, ONE)

    with known.changing({digest_of("sk-two"): None}):
        during = resolved(known)

    assert (during, resolved(known)) == (ONE, ONE)


def test_after_a_commit_that_failed_nothing_is_sure(known):
    note(known, ONE)

    with pytest.raises(OSError, match="away"), known.changing({ONE.digest: BLOCKED}):
        raise OSError("away")

    assert resolved(known) == "unsure"
    assert is_settled(known.get(ONE.digest))


def test_who_cannot_tell_does_not_begin(known, monkeypatch):
    """Better no change than one that the other workers do not hear of."""
    note(known, ONE)
    monkeypatch.setattr(KnownKeys, "_put", fail)
    committed = []

    with pytest.raises(StoreUnavailable), known.changing({ONE.digest: BLOCKED}):
        committed.append(True)

    assert (committed, resolved(known)) == ([], ONE)


def fail(*_):
    raise lmdb.MapFullError("put")


def test_what_cannot_be_told_after_the_commit_leaves_the_key_unsure(known, embedded, monkeypatch):
    embedded._file.env.set_mapsize(256 * 1024)
    note(known, ONE)

    with logged("tollhouse") as records, known.changing({ONE.digest: BLOCKED}):
        monkeypatch.setattr(module, "_written", lambda *_: b"r" + b"x" * 2**20)

    assert (resolved(known), len(records)) == ("unsure", 1)


def test_a_key_is_settled_unless_a_process_that_lives_is_changing_it(known, embedded):
    settled = [is_settled(known.get(ONE.digest))]
    for worker in (None, NOBODY):
        with KnownKeys(embedded, worker).changing({ONE.digest: ONE}):
            settled.append(is_settled(known.get(ONE.digest)))
    settled.append(is_settled(known.get(ONE.digest)))

    assert settled == [True, False, True, True]


KILLED = """
import os, signal, sys
from pathlib import Path
from app.stores.embedded import EmbeddedStore
from app.stores.known_keys import KnownKeys
known = KnownKeys(EmbeddedStore(Path(sys.argv[1])))
with known.changing({sys.argv[2]: None}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_beside_its_commit_leaves_the_key_unsure_and_to_be_read(known, tmp_path):
    note(known, ONE)

    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "var"), ONE.digest], check=False)
    mark = known.get(ONE.digest)
    after = resolved(known), is_settled(mark)
    note(known, BLOCKED, before=mark)

    assert after == ("unsure", True)
    assert resolved(known) == BLOCKED


def test_what_is_of_no_use_makes_room(known, embedded, clock):
    for number in range(100):
        note(known, ONE, digest_of(f"old {number}"))
    clock.go(GOES_ON_NS / SECOND + 1)
    for number in range(100):
        note(known, ONE, digest_of(f"new {number}"))

    assert sorted(known.digests()) == sorted(digest_of(f"new {number}") for number in range(100))


def test_what_is_unsure_is_not_thrown_away(known, clock):
    """Its process may still be at it, and a reading from before would then find nothing in its way."""
    with known.changing({ONE.digest: None}):
        clock.go(GOES_ON_NS / SECOND + 1)
        for number in range(20):
            note(known, ONE, digest_of(f"new {number}"))

        assert resolved(known) == "unsure"


def test_readings_fill_no_more_than_so_many_records_and_changes_are_always_told(known, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    for number in range(5):
        note(known, ONE, digest_of(f"key {number}"))
    with known.changing({ONE.digest: BLOCKED}):
        pass

    assert len(known.digests()) == 4
    assert resolved(known) == BLOCKED


def test_no_secret_is_in_the_file(tmp_path):
    store = EmbeddedStore(tmp_path)
    note(KnownKeys(store), a_key("sk-a-secret-to-be-found", key_alias="found").principal())
    store.close()

    octets = (tmp_path / "counters.lmdb").read_bytes()
    assert b"found" in octets
    assert b"sk-a-secret-to-be-found" not in octets
