"""A table of figures, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ABSENT = "not installed"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, and a row of cells for each subject; None is shown as a dash."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        text = "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)
        return "\n\n".join(part for part in (f"### {self.title}", self.note, text) if part)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row found: tables to read, figures that promises are held against, and everything behind them."""

    tables: Sequence[Table]
    figures: Mapping[str, float | None]
    raw: Mapping[str, Any] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)


def cell(content: Any) -> str:
    """Return a figure with about three digits, as many as mean something here."""
    if content is None:
        return "–"
    if not isinstance(content, float):
        return f"{content:,}" if isinstance(content, int) else str(content)
    for least, digits in ((100, 0), (10, 1), (0.0995, 2)):
        if abs(content) >= least:
            return f"{content:,.{digits}f}"
    return f"{content:.3f}"
