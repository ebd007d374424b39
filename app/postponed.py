"""A fault that is caught in one place and raised in another."""


class Postponed:
    """Keeps a fault until it can be met, and no longer: its traceback holds all that it would be held by."""

    __slots__ = ("_fault",)

    def __init__(self) -> None:
        self._fault: BaseException | None = None

    def keep(self, fault: BaseException) -> None:
        """Have `meet` raise this."""
        self._fault = fault

    def meet(self) -> None:
        """Raise what was kept, once; returns where nothing was."""
        if self._fault is not None:
            try:
                raise self._fault
            finally:
                self._fault = None
