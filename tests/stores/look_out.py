"""A look-out that looks when the test says so."""

from contextlib import suppress

import gevent
from gevent.queue import Channel, Full

DEADLINE_S = 60.0


class LookOut:
    """Remembers how long it wanted to wait."""

    def __init__(self):
        self.waits_s = []
        self._looks = Channel()

    def wait(self, seconds):
        self.waits_s.append(seconds)
        self._looks.get()

    def look(self):
        self._looks.put(None, timeout=DEADLINE_S)
        gevent.idle()

    def look_until(self, is_so):
        """Let it look, again and again, until something is so."""
        with gevent.Timeout(DEADLINE_S):
            while not is_so():
                with suppress(Full):
                    self._looks.put(None, timeout=0.02)
