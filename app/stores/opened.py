"""The stores that a worker shares with the others, opened after its fork."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

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

logger = logging.getLogger("tollhouse")

RENEW_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Stores:
    """What a worker needs to know keys, to issue them and to keep them to their limits."""

    embedded: EmbeddedStore
    database: KeyDatabase
    keys: KeyStore
    ring: KeyRing
    counters: Counters


def open_stores(gateway: Gateway, environ: Mapping[str, str]) -> Stores:
    """Return the stores that the environment names (DATA_DIR, DATABASE_URL, REDIS_URL).

    A key store that is away is logged and asked again; it does not keep the gateway from starting.
    """
    embedded = EmbeddedStore(environment.data_dir(environ))
    database = KeyDatabase(store_url(environ), embedded.advance_generation)
    database.open()
    keys = KeyStore(database)
    ring = KeyRing([key.principal for key in gateway.keys], gateway.master_key, keys, embedded)
    gevent.spawn(_keep_fresh, ring)
    counters = Counters(embedded, environ.get("REDIS_URL") or None, gateway.refuses_on_limiter_failure)
    return Stores(embedded, database, keys, ring, counters)


def _keep_fresh(ring: KeyRing) -> None:
    """Read changed keys again although nobody asks, so that none is unknown when the store goes away."""
    while True:
        gevent.sleep(RENEW_EVERY_S)
        try:
            ring.renew()
        except StoreUnavailable:
            logger.debug("the keys could not be renewed")
