"""Header fields as they stood on the wire: order, repeats and spelling kept."""

from __future__ import annotations

from collections.abc import Iterable


class Fields(list[tuple[str, str]]):
    """List of (name, value), latin-1, in the order of the wire; looked up without regard to case."""

    @classmethod
    def from_head(cls, lines: Iterable[bytes]) -> Fields:
        """Return the fields of the lines of a head, start line left out."""
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        return cls((name, value.strip(" \t")) for name, _, value in pairs)

    def every(self, name: str) -> list[str]:
        """Return the values of all lines of that name."""
        return [value for spelled, value in self if spelled.lower() == name.lower()]

    def one(self, name: str) -> str:
        """Return the value of the only line of that name; fails where there is none or a second."""
        values = self.every(name)
        assert len(values) == 1, f"{name} stands {len(values)} times in {list(self)}"
        return values[0]

    def names(self) -> list[str]:
        """Return the names in lower case, repeats included."""
        return [name.lower() for name, _ in self]
