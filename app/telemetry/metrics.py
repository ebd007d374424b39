"""What is counted and timed of every exchange, under the names that OpenTelemetry gives it.

https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ in Prometheus spelling. Labels are taken from
lists that end: the routes of the file, the methods of HTTP, classes of status, codes of refusals, and aliases
of keys up to a number. A path or a key is never one.
"""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from app.errors import StreamBroken
from app.exchange import Exchange, Outcome

# OpenTelemetry advises up to 10 s; a model's answer takes minutes.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE".split())
CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
OTHER = "other"
NONE = ""

# In each worker every alias takes a histogram for each route, method and class of status it meets.
MOST_ALIASES = 500

M = TypeVar("M", bound=MetricWrapperBase)


class Metrics:
    """Observes exchanges for the ledger; one per worker, whose counts are added to those of the others."""

    def __init__(self, has_room: Callable[[], bool] = lambda: True) -> None:
        """`has_room` is asked before a new set of labels is counted; while there is no room, it is not."""
        self.registry = registry = CollectorRegistry()
        self._aliases: set[str] = set()
        timed = partial(Histogram, buckets=BUCKETS_S, registry=registry)
        counted = partial(Counter, registry=registry)
        under_way = partial(Gauge, multiprocess_mode="livesum", registry=registry)
        self._served = Series(
            timed(
                "http_server_request_duration_seconds",
                "From a request's arrival to the last octet of its answer.",
                ("route", "method", "status_class", "key_alias"),
            ),
            has_room,
        )
        self._called = Series(
            timed(
                "http_client_request_duration_seconds",
                "From the call of an upstream to the head of its answer; no status_class where none came.",
                ("route", "method", "status_class"),
            ),
            has_room,
        )
        text = "Requests under way, this one included."
        self._active = Series(under_way("http_server_active_requests", text, ("method",)), has_room)
        text = "Upstreams' answers under way whose length was not told: event streams and their like."
        self._streams = Series(under_way("tollhouse_active_streams", text, ("route",)), has_room)
        text = "Requests that the gateway refused, by the code it gave."
        self._refusals = Series(counted("tollhouse_refusals", text, ("reason", "route", "key_alias")), has_room)
        text = "Exchanges that failed for their upstream's fault, by the code of the error."
        self._upstream_failures = Series(counted("tollhouse_upstream_failures", text, ("kind", "route")), has_room)

    def opened(self, exchange: Exchange) -> None:
        """Count a request as under way, until its exchange ends."""
        if active := self._active.of(_method(exchange)):
            active.inc()
            exchange.endings.append(active.dec)

    def answered(self, exchange: Exchange, names: AbstractSet[str]) -> None:
        """Count a relayed answer that may have no end in sight as a stream, until its exchange ends."""
        if exchange.upstream_status is None or "content-length" in names:
            return
        if streams := self._streams.of(exchange.route or NONE):
            streams.inc()
            exchange.endings.append(streams.dec)

    def closed(self, exchange: Exchange) -> None:
        """Count and time the exchange, which is over."""
        duration_s = time.perf_counter() - exchange.started_s
        route, method, alias = exchange.route or NONE, _method(exchange), self._alias(exchange)
        if served := self._served.of(route, method, _class(exchange.status), alias):
            served.observe(duration_s)
        if exchange.upstream_s:
            upstream_class = NONE if exchange.upstream_status is None else _class(exchange.upstream_status)
            if called := self._called.of(route, method, upstream_class):
                called.observe(exchange.upstream_s)
        if failures := self._failures_like(exchange, route, alias):
            failures.inc()

    def _failures_like(self, exchange: Exchange, route: str, alias: str) -> Counter | None:
        if exchange.outcome is Outcome.REFUSED:
            return self._refusals.of(exchange.reason or OTHER, route, alias)
        if exchange.outcome is Outcome.UPSTREAM_FAILED:
            # Only refusals have a code; what fails behind the head has broken off.
            return self._upstream_failures.of(exchange.reason or StreamBroken.code, route)
        return None

    def _alias(self, exchange: Exchange) -> str:
        alias = exchange.key_alias
        if alias is None:
            return NONE
        if alias not in self._aliases:
            if len(self._aliases) >= MOST_ALIASES:
                return OTHER
            self._aliases.add(alias)
        return alias


class Series(Generic[M]):
    """A metric's children, each made once: that costs more than counting."""

    def __init__(self, metric: M, has_room: Callable[[], bool]) -> None:
        self._metric = metric
        self._has_room = has_room
        self._known: dict[tuple[str, ...], M] = {}

    def of(self, *labels: str) -> M | None:
        """Return the child with these labels; None where it is new and there is no room for it."""
        child = self._known.get(labels)
        if child is None and self._has_room():
            child = self._known[labels] = self._metric.labels(*labels)
        return child


def _method(exchange: Exchange) -> str:
    return exchange.method if exchange.method in METHODS else OTHER


def _class(status: int) -> str:
    return CLASSES.get(status // 100, OTHER)
