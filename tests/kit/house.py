"""What the master key does to keys, over HTTP: a house that issues them."""

from __future__ import annotations

import json
from typing import Any

from tests.kit import canaries
from tests.kit.client import Answer, Client
from tests.kit.gateway import Gateway

Field = tuple[str, str]

MASTER: Field = ("Authorization", f"Bearer {canaries.OPERATOR['MASTER_KEY']}")


def bearer(key: str) -> Field:
    return "Authorization", f"Bearer {key}"


class House:
    """A gateway that issues keys, and every secret that it has told."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.told: list[str] = []

    def post(self, page: str, through: Client | None = None, **form: Any) -> Answer:
        """Ask for something with the master key, through a worker of the test's choice or any."""
        fields = [MASTER, ("Content-Type", "application/json")]
        got = (through or self.gateway.client()).ask("POST", f"/key/{page}", fields, json.dumps(form).encode())
        if got.status == 200 and page in ("generate", "regenerate"):
            self.told.append(json.loads(bytes(got.body))["key"])
        return got

    def done(self, page: str, through: Client | None = None, **form: Any) -> dict[str, Any]:
        """Return the answer to what must succeed."""
        got = self.post(page, through, **form)
        assert got.status == 200, bytes(got.body)
        return dict(json.loads(bytes(got.body)))

    def new_key(self, **form: Any) -> str:
        return str(self.done("generate", **form)["key"])

    def listed(self) -> list[dict[str, Any]]:
        got = self.gateway.ask("GET", "/key/list?size=100&return_full_object=true", [MASTER])
        assert got.status == 200
        return list(json.loads(bytes(got.body))["keys"])
