"""A fault that was kept is raised once, and held by nobody after that."""

import gc
import weakref
from contextlib import suppress

import pytest

from app.postponed import Postponed


class Fault(Exception):
    pass


def test_what_was_kept_is_raised_once():
    postponed, fault = Postponed(), Fault("why")
    postponed.meet()
    postponed.keep(fault)

    with pytest.raises(Fault) as met:
        postponed.meet()

    assert met.value is fault
    postponed.meet()


def test_what_was_met_goes_with_who_met_it():
    class Holder:
        def __init__(self):
            self.postponed = Postponed()

        def fail(self):
            raise Fault

        def run(self):
            try:
                self.fail()
            except Fault as fault:
                self.postponed.keep(fault)
            with suppress(Fault):
                self.postponed.meet()

    gc.disable()
    try:
        holder = Holder()
        holder.run()
        gone = weakref.ref(holder)
        del holder

        assert gone() is None
    finally:
        gc.enable()
