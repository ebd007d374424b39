"""Room: how many? Requests of the last 60 s and requests under way, per key, or 429."""

import math
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial

from flask import Flask
from flask_limiter import Limiter

from app.arrival import current_exchange
from app.exchange import Exchange
from app.fields import Fields
from app.limit_errors import LimiterUnavailable, RateLimited, RequestsForbidden, TooManyParallel
from app.principal import Principal
from app.settings.gateway import Route
from app.stores import limits_storage
from app.stores.counters import Counters
from app.stores.windows import WINDOW_S, Standing

# A standing tells whole seconds; to ask for it again costs as much as a third of counting.
TRUE_FOR_S = 0.1
# Of a limit of 0: nothing has to be counted for it.
NONE_AT_ALL = Standing(is_admitted=False, limit=0, remaining=0, reset_s=0.0)


class RateLimit:
    """Keeps keys to their limits. Who has no key, or a key without limits, passes."""

    def __init__(self, counters: Counters, now: Callable[[], float] = time.perf_counter) -> None:
        """`now` is the clock of `Exchange.started_s`."""
        self._counters = counters
        self._now = now

    def admit(self, exchange: Exchange, _route: Route) -> None:
        """Count the exchange for its key, over all routes.

        Raises RequestsForbidden (403), RateLimited or TooManyParallel (429), LimiterUnavailable (503).
        """
        principal = exchange.principal
        if principal is None:
            return
        if principal.rpm_limit == 0:
            exchange.answer_fields = limit_fields(NONE_AT_ALL)
            raise RequestsForbidden("This key may send no requests: its rpm_limit is 0.")
        # The request refused for its neighbours under way is not to count among the last 60 s.
        if principal.max_parallel_requests is not None:
            self._begin(exchange, principal, principal.max_parallel_requests)
        if principal.rpm_limit is not None:
            standing = self._counters.acquire(principal.key_id, principal.rpm_limit)
            exchange.answer_fields = limit_fields(standing)
            if not standing.is_admitted:
                raise RateLimited(
                    f"This key may send {standing.limit} requests in {WINDOW_S} s, and has.",
                    retry_after_s=_whole(standing.reset_s),
                )

    def announce(self, exchange: Exchange, _names: AbstractSet[str]) -> None:
        """Add to an answer that begins where its key stands now; hours may have gone by since it was admitted."""
        principal = exchange.principal
        if principal is None or not principal.rpm_limit:
            return  # What is told of a limit of 0 is true for ever.
        if exchange.answer_fields and self._now() - exchange.started_s < TRUE_FOR_S:
            return  # What was told at its admission is true still.
        with suppress(LimiterUnavailable):
            exchange.answer_fields = limit_fields(self._counters.peek(principal.key_id, principal.rpm_limit))

    def _begin(self, exchange: Exchange, principal: Principal, limit: int) -> None:
        if not self._counters.begin(principal.key_id, limit):
            raise TooManyParallel(f"This key may have {limit} requests under way at a time, and has.")
        exchange.endings.append(partial(self._counters.end, principal.key_id))


def init_app(app: Flask, counters: Counters) -> RateLimit:
    """Give flask-limiter its storage, the counters, and return the gate and observer that use them.

    What it does for each request, to find which limits apply, takes ten times as long as to count:
    here a key has one limit, so its hooks stay away, and the gate asks the storage itself.
    """
    app.config.update(
        RATELIMIT_STORAGE_URI=f"{limits_storage.SCHEME}://",
        RATELIMIT_STORAGE_OPTIONS={"windows": counters.windows},
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_HEADERS_ENABLED=False,
    )
    limiter = Limiter(_key)
    app.extensions["limiter"] = {limiter}  # One that is known already adds no hooks (flask-limiter 4.1).
    limiter.init_app(app)
    return RateLimit(counters)


def limit_fields(standing: Standing) -> Fields:
    """Return the header fields that tell a standing.

    `RateLimit` and its policy are those of draft-ietf-httpapi-ratelimit-headers (08 and later), the others OpenAI's.
    A limit of 0 has no moment at which it would let anything pass.
    """
    policy = ("RateLimit-Policy", f'"key-rpm";q={standing.limit};w={WINDOW_S}')
    counts = [
        ("x-ratelimit-limit-requests", str(standing.limit)),
        ("x-ratelimit-remaining-requests", str(standing.remaining)),
    ]
    if not standing.limit:
        return [policy, ("RateLimit", '"key-rpm";r=0'), *counts]
    reset_s = _whole(standing.reset_s)
    return [
        policy,
        ("RateLimit", f'"key-rpm";r={standing.remaining};t={reset_s}'),
        *counts,
        ("x-ratelimit-reset-requests", f"{reset_s}s"),
    ]


def _whole(seconds: float) -> int:
    """Who waits so many seconds has waited long enough.

    A stamp counts for a nanosecond longer than the window, which is over before anybody has read the answer.
    """
    return min(math.ceil(seconds), WINDOW_S)


def _key() -> str:
    """Return the key of the current request, as flask-limiter's own limits would ask."""
    principal = current_exchange().principal
    return principal.key_id if principal else ""
