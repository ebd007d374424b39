"""Moving windows in Redis or Valkey, for several machines: those of the `limits` library, with one clock.

The keys and lists are those of limits' RedisStorage. Its script takes the time from the caller, so that two
machines whose clocks differ admit too many; this one asks the server, and tells the standing with the answer.
"""

from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry

from app.stores.batched_script import BatchedScript
from app.stores.windows import WINDOW_S, Standing

# For each wait within a call, should `Deadline` not end it before.
WAIT_S = 1.0
# The probe's window of one second refuses nobody.
UNLIMITED = 1_000_000_000
PROBE_TICKS = 100

# Newest first, as limits has it. A stamp of exactly 60 s ago still counts; half a microsecond is for rounding. One from
# the future is of before the server's clock was set back: it counts from now, so that nobody waits for that hour.
ACQUIRE = """
local limit, window, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local stamp = string.format('%d.%06d', time[1], time[2])
local ahead = 0
while tonumber(redis.call('LINDEX', KEYS[1], ahead) or 0) > now do
    redis.call('LSET', KEYS[1], ahead, stamp)
    ahead = ahead + 1
end
local function oldest() return tonumber(redis.call('LINDEX', KEYS[1], -1)) end
while redis.call('LLEN', KEYS[1]) > 0 and oldest() < now - window - 0.0000005 do
    redis.call('RPOP', KEYS[1])
end
local free = limit - redis.call('LLEN', KEYS[1])
if free < amount then
    local last_to_leave = tonumber(redis.call('LINDEX', KEYS[1], limit - amount))
    return {0, math.max(free, 0), string.format('%.6f', last_to_leave + window - now)}
end
for _ = 1, amount do
    redis.call('LPUSH', KEYS[1], stamp)
end
redis.call('EXPIRE', KEYS[1], window + 1)
return {1, free - amount, string.format('%.6f', oldest() + window - now)}
"""


class RedisWindows(RedisStorage):
    """The windows of a Redis server. Every call may raise redis.RedisError, OSError or ValueError."""

    def __init__(self, url: str, wait_s: float = WAIT_S) -> None:
        """`url` begins with redis, rediss, valkey, valkeys or unix. Nothing is connected yet."""
        pool = ConnectionPool.from_url(
            redis_url(url), socket_timeout=wait_s, socket_connect_timeout=wait_s,
            retry=Retry(NoBackoff(), 0),  # What may have been counted is not counted again.
            protocol=2, driver_info=None,  # Fewer words before the first question.
        )  # fmt: skip
        super().__init__("redis://", connection_pool=pool, key_prefix="TOLLHOUSE")
        self._acquiring = BatchedScript(self.storage, ACQUIRE)

    def acquire(self, name: str, limit: int, window_s: int = WINDOW_S, amount: int = 1) -> Standing:
        """Admit and count `amount` requests at once, or refuse and count nothing."""
        if amount > limit:
            return Standing(False, limit, 0, float(window_s))
        is_admitted, remaining, reset_s = self._acquiring.ask(self.prefixed_key(name), limit, window_s, amount)
        return Standing(bool(is_admitted), limit, remaining, float(reset_s))

    def probe(self) -> None:
        """Connect and count something; raises when the server does not answer, or takes no writes.

        Patiently: no client waits for it, and the first words on a connection take longer.
        """
        self._acquiring.ask(self.prefixed_key("probe"), UNLIMITED, 1, 1, ticks=PROBE_TICKS)

    def close(self) -> None:
        self.storage.connection_pool.disconnect()


def redis_url(url: str) -> str:
    """Return the URL as redis-py spells it; a Valkey server is asked in the same words."""
    scheme, _, rest = url.partition("://")
    return {"valkey": "redis", "valkeys": "rediss", "redis+unix": "unix", "valkey+unix": "unix"}.get(
        scheme, scheme
    ) + f"://{rest}"
