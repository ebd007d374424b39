"""Every open row of RELIABILITY §3 is tested, or tests/README.md says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

ROWS = {
    "RP": "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23 25 26",
    "RH": "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23 25 26 28 29",
    "RB": "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23",
    "SH": "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23 25 26",
    "AU": "01 02 04 05 07 08 10 11 13 14 16 17 19 20",
    "RL": "01 02 04 05 07 08 10 11 13 14 16 17",
    "AK": "01 02 04 05 07 08 10 11 13 14 16 17",
    "AD": "01 02 04 05",
    "CF": "01 02 04 05 07 08 10 11 13 14 16 17 19 20",
    "CE": "01 02 04 05 07 08 10 11 13 14 16 17",
    "OR": "01 02 04 05 07 08 10 11 13 14",
    "DR": "01 02 04 05 07 08 10 11 13 14 16 17",
    "SC": "01 02 04 05 07 08",
    "ST": "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23",
}


@pytest.mark.parametrize("group", ROWS)
def test_every_row_is_tested_or_named_in_the_readme(group: str) -> None:
    paths = [*HERE.parent.rglob("test_*.py"), HERE.parent / "README.md"]
    told = "".join(path.read_text(encoding="utf-8") for path in paths)

    assert [number for number in ROWS[group].split() if f"{group}-{number}" not in told] == []
