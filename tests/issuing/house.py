"""As much of the gateway as the management of keys needs, in this process and on SQLite."""

import itertools
import json

from flask import Flask
from pydantic import SecretStr

from app import ledger, management, refusals, router
from app.admission import Admission
from app.issuing.issuer import Issuer
from app.principal import Principal, digest_of
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keyring import KeyRing
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys
from tests.values import ask

MASTER = {"Authorization": "Bearer sk-master"}
NOW_S = 1_900_000_000.25
FILE_KEY = Principal(digest_of("sk-key-of-the-file")[:16], digest_of("sk-key-of-the-file"), key_alias="from-the-file")


class House:
    """Its `ring` is that of another worker of the machine."""

    def __init__(self, folder):
        self.embedded = EmbeddedStore(folder)
        self.known = KnownKeys(self.embedded)
        self.url = store_url({"DATA_DIR": str(folder)})
        self.database = KeyDatabase(self.url, self.known.changing)
        self.database.open()
        self.store = KeyStore(self.database)
        self.ring = self.a_ring()
        own = self.a_ring()
        numbers = itertools.count()
        self.app = Flask("managed", static_folder=None)
        ledger.init_app(self.app)
        refusals.init_app(self.app)
        router.init_app(self.app)
        issuer = Issuer(
            self.store, own.is_own, own.own_aliases, lambda: NOW_S, lambda: f"sk-issued-{next(numbers):04d}-abcdefgh"
        )
        management.init_app(self.app, issuer, Admission(own, now=lambda: NOW_S).require_master)
        self.client = self.app.test_client()

    def a_ring(self):
        return KeyRing([FILE_KEY], SecretStr("sk-master"), self.store, KnownKeys(self.embedded))

    def post(self, path, body=None, headers=MASTER):
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return ask(self.client, "POST", path, data=data, headers=headers)

    def get(self, path, headers=MASTER):
        return ask(self.client, "GET", path, headers=headers)

    def generate(self, **sent):
        answer = self.post("/key/generate", sent)
        assert answer.status_code == 200, answer.text
        return answer.json

    def count(self):
        return self.store.page(0, 1)[1]

    def close(self):
        self.database.close()
        self.embedded.close()
