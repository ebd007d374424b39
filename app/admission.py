"""Room: who is it? A gateway key becomes a Principal, or the request is refused with 401 or 403.

Also finds every gateway key in the request, on open routes too, so that none travels upstream. Keys of the file
are withheld wherever they stand. Keys of the store are looked for in the carriers, under names like theirs, and
by their shape everywhere; one that somebody chose, under another name, is not found where it opens nothing.
"""

import time
from collections.abc import Callable
from typing import Protocol

from app.carriers import ISSUED, STORABLE, carried, elsewhere
from app.errors import KeyRequired, MasterKeyRequired, RouteForbidden
from app.exchange import Exchange
from app.key_index import NO_KEYS, KeyIndex
from app.principal import Principal, digest_of, master, may_use
from app.settings.gateway import Gateway, Route
from app.store_errors import StoreUnavailable

# So many look-ups a client without a key may cause with one request.
MOST_ASKED = 16

HOW_TO_SEND = {"Bearer": "as Authorization: Bearer KEY", "Basic": "as the user of Authorization: Basic"}


class KeyRing(Protocol):
    """Knows the gateway's keys."""

    def resolve(self, secret: str) -> Principal | None:
        """Return whose key this is, None for nobody's; raises StoreUnavailable when that cannot be known."""

    def is_key(self, secret: str) -> bool:
        """Tell whether this is anybody's key, whatever its state; raises StoreUnavailable as `resolve` does."""


class Admission:
    """Decides about exchanges by the keys of a ring.

    `known` are keys that cost nothing to recognise, and so are found in any field; `now` is Unix time in seconds.
    """

    def __init__(self, ring: KeyRing, known: KeyIndex = NO_KEYS, now: Callable[[], float] = time.time) -> None:
        self._ring = ring
        self._known = known
        self._now = now

    def admit(self, exchange: Exchange, route: Route) -> None:
        """Set the exchange's principal and the keys to withhold from the upstream.

        Raises KeyRequired (401) for a missing, unknown, expired or blocked key where the route asks for
        one, RouteForbidden (403) where the key is not for this route, StoreUnavailable (503).
        """
        is_basic = route.custom_auth_parser == "langfuse"
        presented = carried(exchange.fields, exchange.query, route.key_header, is_basic=is_basic)
        if route.auth:
            principal = self._valid(presented, "Basic" if is_basic else "Bearer")
            if not may_use(principal, route.path):
                raise RouteForbidden(f"This key may not use the route {route.path}.")
            exchange.principal = principal
            exchange.key_alias = principal.key_alias
        found = self._found(presented, exchange)
        exchange.keys_withheld = KeyIndex(found, self._known) if found else self._known

    def require_master(self, exchange: Exchange) -> Principal:
        """Return the master principal; raises KeyRequired (401) without a valid key, MasterKeyRequired (403)."""
        principal = self._valid(carried(exchange.fields, exchange.query), "Bearer")
        exchange.principal, exchange.key_alias = principal, principal.key_alias
        if not principal.is_master:
            raise MasterKeyRequired("Only the master key may do this.")
        return principal

    def _found(self, presented: list[str], exchange: Exchange) -> set[str]:
        """Return the keys of the store in the request; what there is too much of to ask for is taken for keys."""
        is_admitted = exchange.principal is not None
        texts = {*presented, *elsewhere(exchange.fields, exchange.query)} - self._known.own
        found = {presented[0]} & texts if is_admitted else set()
        if texts != found:
            doubtful = [text for text in texts - found if STORABLE.fullmatch(text)]
            found.update(text for text in doubtful[:MOST_ASKED] if self._is_key(text, is_admitted))
            found.update(doubtful[MOST_ASKED:])
        return found

    def _is_key(self, secret: str, is_admitted: bool) -> bool:
        """Tell whether the secret is to be withheld.

        While the store is away, what looks issued is, so that clients can go on using open routes with their keys;
        and what comes beside a valid key is, as that one goes on. Raises StoreUnavailable for anything else.
        """
        try:
            return self._ring.is_key(secret)
        except StoreUnavailable:
            if is_admitted or ISSUED.fullmatch(secret):
                return True
            raise

    def _valid(self, presented: list[str], scheme: str) -> Principal:
        """Return the principal of the key that decides; one answer for all that is wrong with it."""
        if not presented:
            raise KeyRequired(f"A gateway key is required; send it {HOW_TO_SEND[scheme]}.", scheme=scheme)
        principal = self._ring.resolve(presented[0])
        if principal is None or principal.is_blocked or self._is_over(principal):
            raise KeyRequired("The gateway key is not valid: unknown, expired or blocked.", scheme=scheme)
        return principal

    def _is_over(self, principal: Principal) -> bool:
        return principal.expires_s is not None and principal.expires_s <= self._now()


def known_keys(gateway: Gateway) -> KeyIndex:
    """Return the keys that stand in the file, as they are presented."""
    secrets = [key.secret for key in gateway.keys]
    if gateway.master_key is not None:
        secrets.append(gateway.master_key)
    return KeyIndex(secret.get_secret_value() for secret in secrets)


class FileKeys:
    """The ring of a gateway that needs no store: none of its routes asks for a key, and nobody manages any."""

    def __init__(self, gateway: Gateway) -> None:
        self._principals = {key.principal.digest: key.principal for key in gateway.keys}
        if gateway.master_key is not None:
            principal = master(gateway.master_key.get_secret_value())
            self._principals[principal.digest] = principal

    def resolve(self, secret: str) -> Principal | None:
        return self._principals.get(digest_of(secret))

    def is_key(self, secret: str) -> bool:
        return self.resolve(secret) is not None
