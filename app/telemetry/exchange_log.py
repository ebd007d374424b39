"""The one log line of an exchange."""

import logging
import time
from functools import cache

from app.credentials import path_without_keys
from app.exchange import Exchange
from app.key_index import NO_KEYS, KeyIndex

logger = logging.getLogger("tollhouse.exchange")
debug_logger = logging.getLogger("tollhouse.relay")


def log_exchange(exchange: Exchange, keys: KeyIndex = NO_KEYS) -> None:
    """Write the exchange's line; call once, after its last octet.

    `keys` are the gateway's own as far as they are known without asking; none of them is written.
    """
    facts = exchange_facts(exchange, time.perf_counter(), keys)
    if logger.isEnabledFor(logging.INFO):
        logger.handle(ExchangeRecord(facts))
    if exchange.upstream_s and debug_logger.isEnabledFor(logging.DEBUG):
        debug_logger.debug(
            "relayed %s %s: upstream %s, first byte after %s ms, all after %s ms",
            *(facts[name] for name in ("method", "path", "upstream_status", "first_byte_ms", "total_ms")),
        )


def exchange_facts(exchange: Exchange, now_s: float, keys: KeyIndex = NO_KEYS) -> dict[str, object]:
    """Return what the line tells; `now_s` is the end on the exchange's own clock.

    The path stands without its query, which may carry a key, and without keys that somebody wrote into it.
    """
    first_byte_s = exchange.first_byte_s if exchange.first_byte_s is not None else now_s
    facts: dict[str, object] = {
        "request_id": exchange.request_id,
        "route": exchange.route,
        "method": exchange.method,
        "path": path_without_keys(exchange.path, exchange.keys_withheld or keys),
        "status": exchange.status,
        "outcome": str(exchange.outcome),
        "key_alias": exchange.key_alias,
        "bytes_in": exchange.body.received,
        "bytes_out": exchange.bytes_out,
        "upstream_status": exchange.upstream_status,
        "first_byte_ms": _ms(first_byte_s - exchange.started_s),
        "total_ms": _ms(now_s - exchange.started_s),
        "gateway_ms": _ms(first_byte_s - exchange.started_s - exchange.upstream_s),
    }
    if exchange.cause:
        facts["cause"] = exchange.cause
    return facts


def _ms(seconds: float) -> float:
    # To two places; to a whole number `round` is four times as fast.
    return round(seconds * 100_000) / 100


class ExchangeRecord(logging.LogRecord):
    """What `Logger.info` would make, without a look for the caller; what all of them say is put in at once."""

    def __init__(self, facts: dict[str, object]) -> None:
        now_s = time.time()
        self.__dict__.update(_alike(), created=now_s, msecs=now_s % 1 * 1000, facts=facts)


@cache
def _alike() -> dict[str, object]:
    return vars(logging.LogRecord(logger.name, logging.INFO, "", 0, "exchange", (), None))
