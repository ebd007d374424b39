"""Whose key is this? The keys of the file, and those of the store as far as they were read."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gevent.event import AsyncResult
from gevent.lock import Semaphore
from pydantic import SecretStr

from app.principal import Principal, digest_of, master
from app.store_errors import StoreUnavailable
from app.stores.schema import StoredKey

# Other machines change keys without telling us: within 5 s what they did is known here, look-up included.
RENEW_S = 4.0
# How long a key goes on after it was last read, while the store is away.
GOES_ON_S = 300.0
UNKNOWN_S = 1.0
MOST_UNKNOWN = 10_000
# Renewed in one statement; what is left over has its turn when it is asked for.
MOST_RENEWED = 500


class Keys(Protocol):
    """Where issued keys are looked up; both calls raise StoreUnavailable."""

    def find(self, digest: str) -> StoredKey | None: ...

    def renew(self, digests: Collection[str]) -> Mapping[str, StoredKey]: ...


class Generations(Protocol):
    """Counts the changes of the keys, over all processes of the machine."""

    def generation(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A key as it was read: at `read_s` on the ring's clock, when the keys had changed `generation` times."""

    principal: Principal
    generation: int
    read_s: float


class KeyRing:
    """Resolves keys. One per worker; the file's keys cost a digest, a store's key one look-up now and then.

    What was read holds until any key is changed on this machine, and for `RENEW_S` at most. While the store is
    away known keys go on for `GOES_ON_S`. One that may have been changed since it was read does not: it could
    be the one that was revoked.
    """

    def __init__(
        self,
        file_keys: Iterable[Principal],
        master_key: SecretStr | None,
        store: Keys | None,
        embedded: Generations,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds that never go back."""
        self._own = {principal.digest: principal for principal in file_keys}
        if master_key is not None:
            principal = master(master_key.get_secret_value())
            self._own[principal.digest] = principal
        self._store = store
        self._embedded = embedded
        self._clock = clock
        self._known: dict[str, Seen] = {}
        self._unknown: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._under_way: dict[tuple[str, int], AsyncResult] = {}
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
            if noted is None or self._clock() > noted[1] + GOES_ON_S:
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

        So that a key revoked just before the store went away is known as revoked, and all others go on.
        Raises StoreUnavailable.
        """
        self._renew(self._embedded.generation())

    def _issued(self, digest: str) -> Principal | None:
        if self._store is None:
            return None
        # Before the look-up: a change that comes in between makes what is read one generation old.
        generation = self._embedded.generation()
        if digest in self._known:
            self._renew_for(digest, generation)
        elif not self._is_unknown(digest, generation):
            self._note(digest, self._found(digest, generation), generation)
        seen = self._known.get(digest)
        return None if seen is None else seen.principal

    def _renew_for(self, digest: str, generation: int) -> None:
        """Make sure that what is known of this key may be used."""
        if self._is_fresh(self._known[digest], generation):
            return
        try:
            self._renew(generation, digest)
        except StoreUnavailable:
            seen = self._known.get(digest)
            if seen and (seen.generation != generation or self._clock() - seen.read_s > GOES_ON_S):
                raise

    def _renew(self, generation: int, first: str | None = None) -> None:
        """Read stale keys again, `first` among them; who comes while that is going on waits for it."""
        with self._renewing:
            stale = [digest for digest, seen in self._known.items() if not self._is_fresh(seen, generation)]
            if self._store is None or not stale or (first is not None and first not in stale):
                return
            chosen = {*stale[:MOST_RENEWED]} | ({first} if first else set())
            found = self._store.renew(chosen)
            for digest in chosen:
                self._note(digest, found.get(digest), generation)

    def _found(self, digest: str, generation: int) -> StoredKey | None:
        """Look a key up; a burst of requests with one key makes one look-up."""
        assert self._store is not None
        flight = self._under_way.get((digest, generation))
        if flight is None:
            flight = self._under_way[digest, generation] = AsyncResult()
            try:
                flight.set(self._store.find(digest))
            except BaseException as fault:
                flight.set_exception(fault if isinstance(fault, StoreUnavailable) else StoreUnavailable())
                raise
            finally:
                del self._under_way[digest, generation]
        found: StoredKey | None = flight.get()
        return found

    def _note(self, digest: str, key: StoredKey | None, generation: int) -> None:
        if key is not None:
            self._known[digest] = Seen(key.principal(), generation, self._clock())
            return
        self._known.pop(digest, None)
        self._unknown[digest] = generation, self._clock() + UNKNOWN_S
        self._unknown.move_to_end(digest)
        if len(self._unknown) > MOST_UNKNOWN:
            self._unknown.popitem(last=False)

    def _is_fresh(self, seen: Seen, generation: int) -> bool:
        return seen.generation == generation and self._clock() - seen.read_s < RENEW_S

    def _is_unknown(self, digest: str, generation: int) -> bool:
        noted = self._unknown.get(digest)
        return noted is not None and noted[0] == generation and self._clock() < noted[1]
