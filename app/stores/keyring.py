"""Whose key is this? The keys of the file, and those of the store as far as they were read."""

import hmac
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from gevent.event import AsyncResult
from gevent.lock import Semaphore
from pydantic import SecretStr

from app.principal import Principal, digest_of, master
from app.store_errors import StoreUnavailable
from app.stores.embedded import STORE_FAULTS
from app.stores.known_keys import GOES_ON_NS, SECOND_NS, Found, Known, KnownKeys, is_settled, understood
from app.stores.schema import StoredKey

# Other machines change keys without telling us: within 5 s what they did is known here, look-up included.
RENEW_NS = 4 * SECOND_NS
UNKNOWN_NS = SECOND_NS
MOST_UNKNOWN = 10_000
# Renewed though nobody asks for them; others are when somebody does.
MOST_KEPT = 10_000
# Renewed in one statement; what is left over has its turn when it is asked for.
MOST_RENEWED = 500


class Keys(Protocol):
    """Where issued keys are looked up; both calls raise StoreUnavailable."""

    def find(self, digest: str) -> StoredKey | None: ...

    def renew(self, digests: Collection[str]) -> Mapping[str, StoredKey]: ...


class KeyRing:
    """Resolves keys. One per worker; the file's keys cost a digest, a store's key one look-up now and then.

    What any worker of the machine has read holds for `RENEW_NS`, or until the key is changed on this machine.
    While the store is away it goes on to hold, for `GOES_ON_NS`; a key that is being changed, or of which it is
    not sure what became of the change, does not go on: it could be the one that was revoked.
    """

    def __init__(
        self, file_keys: Iterable[Principal], master_key: SecretStr | None, store: Keys | None, known: KnownKeys
    ) -> None:
        self._own = {principal.digest: principal for principal in file_keys}
        if master_key is not None:
            principal = master(master_key.get_secret_value())
            self._own[principal.digest] = principal
        self._store = store
        self._known = known
        self._clock = known.clock
        # Records as this worker last saw them, so that each is understood once; of the others' it knows the names.
        self._seen: dict[str, Known | None] = {} if store is None else dict.fromkeys(known.digests()[:MOST_KEPT])
        self._unknown: OrderedDict[str, int] = OrderedDict()
        self._under_way: dict[tuple[str, bytes | None], AsyncResult] = {}
        self._renewing = Semaphore(1)

    def resolve(self, secret: str) -> Principal | None:
        """Return whose key this is, None for nobody's; expired and blocked keys are told as what they are.

        Raises StoreUnavailable when that cannot be known.
        """
        try:
            digest = digest_of(secret)
        except UnicodeEncodeError:  # half of a surrogate pair: no key has one
            return None
        principal = self._own.get(digest) or self._issued(digest)
        # Found by a digest that nobody can choose; compared whole all the same, and in constant time.
        return principal if principal and hmac.compare_digest(principal.digest, digest) else None

    def is_key(self, secret: str) -> bool:
        """Tell whether this is anybody's key, so that it is withheld from upstreams.

        What was nobody's a short while ago still counts as nobody's while the store is away: clients of open
        routes who bring credentials of their own do not depend on it. Raises StoreUnavailable for new ones.
        """
        try:
            return self.resolve(secret) is not None
        except StoreUnavailable:
            noted = self._unknown.get(digest_of(secret))
            if noted is None or self._clock() > noted + GOES_ON_NS:
                raise
            return False

    def is_own(self, secret: str) -> bool:
        """Tell whether this is the master key or a key of the file, which no store may give out again."""
        return digest_of(secret) in self._own

    @property
    def own_aliases(self) -> frozenset[str]:
        """The aliases of those keys."""
        return frozenset(key.key_alias for key in self._own.values() if key.key_alias is not None)

    def renew(self) -> None:
        """Read again what may have changed; a worker without requests calls this about once a second.

        So that what other machines did is known when the store goes away. Raises StoreUnavailable.
        """
        with self._renewing:
            self._renew({})

    def _issued(self, digest: str) -> Principal | None:
        if self._store is None:
            return None
        known = self._look(digest)
        if known is not None and self._is_fresh(known):
            return known.principal
        if known is None and self._clock() < self._unknown.get(digest, 0):
            return None
        try:
            if known is None or known.read_ns is None:
                return self._found(digest, None if known is None else known.record)
            return self._renewed(digest)
        except StoreUnavailable:
            # As it is now: another worker may have been told of a change since.
            known = self._look(digest)
            if known is None or known.read_ns is None or self._clock() > known.read_ns + GOES_ON_NS:
                raise
            return known.principal

    def _look(self, digest: str) -> Known | None:
        """Return what the machine knows of this key."""
        record = self._known.get(digest)
        seen = self._seen.get(digest)
        if seen is not None and seen.record == record:
            return seen
        self._seen.pop(digest, None)
        if record is None:
            return None
        self._seen[digest] = seen = understood(digest, record)
        if len(self._seen) > MOST_KEPT:
            del self._seen[next(iter(self._seen))]
        return seen

    def _found(self, digest: str, before: bytes | None) -> Principal | None:
        """Look a key up of which the machine has that record; a burst of requests with one key makes one look-up."""
        flight = self._under_way.get((digest, before))
        if flight is None:
            flight = self._under_way[digest, before] = AsyncResult()
            try:
                flight.set(self._asked_for(digest, before))
            except BaseException as fault:
                flight.set_exception(fault if isinstance(fault, StoreUnavailable) else StoreUnavailable())
                raise
            finally:
                del self._under_way[digest, before]
        principal: Principal | None = flight.get()
        return principal

    def _asked_for(self, digest: str, before: bytes | None) -> Principal | None:
        assert self._store is not None
        may_note, asked_ns = is_settled(before), self._clock()
        key = self._store.find(digest)
        principal = None if key is None else key.principal()
        if may_note:
            self._note({digest: (before, principal)}, asked_ns)
            self._look(digest)  # From now on it is renewed, if nobody asks for it again.
        if principal is None:
            self._unknown[digest] = self._clock() + UNKNOWN_NS
            self._unknown.move_to_end(digest)
            if len(self._unknown) > MOST_UNKNOWN:
                self._unknown.popitem(last=False)
        return principal

    def _renewed(self, digest: str) -> Principal | None:
        """Read a stale key again, and others with it; who comes while that is going on waits for it."""
        with self._renewing:
            known = self._look(digest)
            if known is None or known.read_ns is None:  # Changed, or thrown away, while we waited.
                return self._found(digest, None if known is None else known.record)
            if self._is_fresh(known):
                return known.principal
            return self._renew({digest: known.record}).get(digest)

    def _renew(self, first: dict[str, bytes]) -> dict[str, Principal | None]:
        """Return whom these stale keys, and some more, resolve to now."""
        records = first | self._stale(MOST_RENEWED)
        if self._store is None or not records:
            return {}
        asked_ns = self._clock()
        keys = self._store.renew(records.keys())
        found = {digest: keys[digest].principal() if digest in keys else None for digest in records}
        self._note({digest: (records[digest], principal) for digest, principal in found.items()}, asked_ns)
        return found

    def _stale(self, most: int) -> dict[str, bytes]:
        """Return records of keys that were in use and may be read again now."""
        stale: dict[str, bytes] = {}
        for digest, seen in list(self._seen.items()):
            if len(stale) == most:
                break
            if seen is not None and self._is_fresh(seen):
                continue
            known = self._look(digest)
            if known is None or (known.read_ns is not None and known.principal is None):
                self._seen.pop(digest, None)
            elif not self._is_fresh(known) and is_settled(known.record):
                stale[digest] = known.record
        return stale

    def _note(self, found: Found, asked_ns: int) -> None:
        with suppress(*STORE_FAULTS):  # Then it is asked again.
            self._known.note(found, asked_ns)

    def _is_fresh(self, known: Known) -> bool:
        return known.read_ns is not None and self._clock() - known.read_ns < RENEW_NS
