"""The stores that a worker shares with the others, opened after its fork."""

import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import gevent

from app.settings import environment
from app.settings.gateway import Gateway
from app.store_errors import StoreUnavailable
from app.stores.counters import Counters
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keyring import KeyRing
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys
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

    def keys_away_since_s(self) -> float | None:
        """Return since when, in Unix seconds, a worker of this machine finds the key store away."""
        return self.reports.since_s(KEYS_AWAY)


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
    stores = Stores(embedded, reports, database, keys, ring, counters)
    gevent.spawn(_keep_fresh, stores)
    gevent.spawn(_tell_of_shared_aliases, stores)
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


def _tell_of_shared_aliases(stores: Stores) -> None:
    """Warn of keys of the store with an alias that the file has been given since."""
    for alias in sorted(stores.ring.own_aliases):
        while (is_shared := _is_in_store(stores.keys, alias)) is None:
            gevent.sleep(CHECK_EVERY_S)
        if is_shared and stores.reports.report(f"shared alias {alias}", True):
            logger.warning(
                "a key of the store has the alias %r of a key in the file: logs and metrics tell both by one name",
                alias,
            )


def _is_in_store(keys: KeyStore, alias: str) -> bool | None:
    """Tell whether a key of the store has this alias; None while that cannot be known."""
    try:
        return keys.page(0, 1, key_alias=alias)[1] > 0
    except StoreUnavailable:
        return None
