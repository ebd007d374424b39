"""A clock that goes when the test says so."""

SECOND = 1_000_000_000


class Clock:
    """Gives nanoseconds, as `time.monotonic_ns` does."""

    def __init__(self, now_ns=1_000 * SECOND):
        self.now_ns = now_ns

    def __call__(self):
        return self.now_ns

    def go(self, seconds):
        self.now_ns += round(seconds * SECOND)
