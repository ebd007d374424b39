"""How long an upstream leaves an idle connection open, learned from the connections themselves."""

# A connection is not trusted for longer than this share of the time after which one was found closed.
MARGIN = 0.9
# By how much the limit grows when a connection is found open that was not trusted any more: up to MARGIN of the time
# for which that one was idle, and beyond.
GROWTH = 1.05
CREEP = 1.005
# Less is no idle time. It keeps a restart of the upstream, which closes connections in use, from ending all reuse.
LEAST_S = 0.05


class IdleLimit:
    """For how many `seconds` a connection to one upstream may have been idle and still carry a request.

    A request that meets the closing of its connection is lost: it may have been processed, so it is never sent
    again. Few upstreams tell when they close (`Keep-Alive: timeout`), so this is learned, from every connection
    that is looked at and not used. Let the upstream close after L seconds. One found closed was idle for t >= L: the
    limit falls to MARGIN * t, which comes down to MARGIN * L with the smallest t. One found open was idle for t < L:
    then MARGIN * t is as safe, and the limit may grow up to there, so that what was closed for another reason (a
    restart) does not forbid reuse for ever. It takes its time, since several servers with different limits may stand
    behind one name, and the shortest has to count. From there on it creeps, lest requests that come at a steady
    pace never find a connection: 21 found open in a row, and none closed, bring it from MARGIN * L to L.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def learn(self, idle_s: float, *, is_open: bool) -> None:
        """Take into account how a connection was found after so long."""
        bound_s = max(MARGIN * idle_s, LEAST_S)
        if not is_open:
            self.seconds = min(self.seconds, bound_s)
        elif bound_s > self.seconds:
            self.seconds = min(self.seconds * GROWTH, bound_s)
        elif idle_s >= self.seconds:
            self.seconds *= CREEP
