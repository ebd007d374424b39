"""The stores that a worker shares with the others, opened after its fork."""

import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import gevent

from app.settings import environment
from app.settings.gateway import Gateway
from app.settings.problems import Problem, SettingsInvalid
from app.store_errors import StoreUnavailable
from app.stores.counters import Counters
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keyring import KeyRing
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys
from app.stores.lost_files import LostFiles, seconds_to_look
from app.stores.reports import Reports

logger = logging.getLogger("tollhouse")

RENEW_EVERY_S = 1.0
# So that readiness tells of a store that is away, although nobody has asked for a key.
CHECK_EVERY_S = 5.0
KEYS_AWAY = "key store away"


@dataclass(frozen=True, slots=True)
class Stores:
    """What a worker needs to know keys, to issue them and to keep them to their limits."""

    embedded: EmbeddedStore
    reports: Reports
    database: KeyDatabase
    keys: KeyStore
    ring: KeyRing
    counters: Counters
    files: LostFiles
    tasks: list[gevent.Greenlet] = field(default_factory=list)

    def keys_away_since_s(self) -> float | None:
        """Return since when, in Unix seconds, a worker of this machine finds the key store away."""
        return self.reports.since_s(KEYS_AWAY)

    def tell_of_shared_aliases(self) -> None:
        """Warn of keys of the store with an alias that the file has been given since. Raises StoreUnavailable."""
        for alias in sorted(self.ring.own_aliases):
            is_shared = self.keys.page(0, 1, key_alias=alias)[1] > 0
            if is_shared and self.reports.report(f"shared alias {alias}", True):
                logger.warning(
                    "a key of the store has the alias %r of a key in the file; logs and metrics mix them", alias
                )

    def close(self) -> None:
        """Let go of everything."""
        gevent.killall(self.tasks)
        self.counters.close()
        self.database.close()
        self.embedded.close()


def load_drivers(environ: Mapping[str, str]) -> None:
    """Import what speaks to the servers that the environment names: before the fork, once for all workers.

    Raises SettingsInvalid for a DATABASE_URL of no server that is spoken to.
    """
    try:
        store_url(environ).get_dialect().import_dbapi()
    except ValueError as fault:
        raise SettingsInvalid([Problem("environment", None, "", str(fault))]) from fault
    if environ.get("REDIS_URL"):
        import app.stores.failover
        import app.stores.redis_windows  # noqa: F401


def open_stores(gateway: Gateway, environ: Mapping[str, str]) -> Stores:
    """Return the stores that the environment names (DATA_DIR, DATABASE_URL, REDIS_URL).

    A key store that is away is logged and asked again; it does not keep the gateway from starting.
    """
    embedded = EmbeddedStore(environment.data_dir(environ))
    reports = Reports(embedded)
    known = KnownKeys(embedded)
    database = KeyDatabase(store_url(environ), known.changing, partial(reports.report, KEYS_AWAY))
    database.open()
    keys = KeyStore(database)
    ring = KeyRing([key.principal for key in gateway.keys], gateway.master_key, keys, known)
    counters = Counters(embedded, environ.get("REDIS_URL") or None, gateway.refuses_on_limiter_failure, reports)
    files = LostFiles(embedded, database, reports, keys.count)
    stores = Stores(embedded, reports, database, keys, ring, counters, files)
    stores.tasks.extend(gevent.spawn(task, stores) for task in (_keep_fresh, _keep_files, _tell_once))
    return stores


def _keep_fresh(stores: Stores) -> None:
    """Read keys again although nobody asks, so that what other machines did is known when the store goes away."""
    for turn in itertools.count():
        gevent.sleep(RENEW_EVERY_S)
        try:
            stores.ring.renew()
            if turn % (CHECK_EVERY_S / RENEW_EVERY_S) == 0:
                stores.keys.check()
        except StoreUnavailable:
            logger.debug("the keys could not be renewed")


def _keep_files(stores: Stores) -> None:
    while True:
        gevent.sleep(seconds_to_look())
        stores.files.look()


def _tell_once(stores: Stores) -> None:
    """Warn of shared aliases as soon as the store answers."""
    while True:
        try:
            stores.tell_of_shared_aliases()
            return
        except StoreUnavailable:
            gevent.sleep(CHECK_EVERY_S)
