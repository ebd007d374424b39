"""The page, its tables, and what it calls reached."""

import tomllib
from pathlib import Path

import pytest

from bench.page import page
from bench.promises import PROMISES, table, unmet
from bench.table import Table, cell

KEPT = {
    "small": {"litellm_ratio": 20.0, "portkey_ratio": 3.1},
    "alone": {"added_p50_ms": 0.25},
    "streams": {"of_envoy": 1.0},
    "open_streams": {"failed": 0, "kib_per_stream": 45},
    "bulk": {"growth_mib": 15.9},
    "start": {"start_s": 0.6, "rss_mb": 70, "keyed_start_s": 0.6, "keyed_rss_mb": 70},
    "exact": {"over": 0, "lost": 0},
}


def row(figures):
    tables = [{"title": "One", "columns": ["", "µs"], "rows": [["gateway", 195.4]], "note": ""}]
    return {"figures": figures, "tables": tables, "measured": "2026-01-01 00:00", "rounds": 3, "load": "1.0 to 2.0"}


def results(figures):
    return {
        "machine": {"cores": 2},
        "versions": {"envoy": "absent"},
        "rows": {name: row(figures[name]) for name in figures},
    }


def test_figures_at_their_bounds_are_kept():
    assert unmet(KEPT) == []
    assert "**no**" not in table(KEPT)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_each_promise_can_be_broken(promise):
    worse = promise.bound * 0.9 if promise.is_least else promise.bound + 1

    found = unmet({**KEPT, promise.row: {**KEPT[promise.row], promise.figure: worse}})

    assert found == [promise]


def test_a_time_is_also_told_as_on_the_machine_of_the_promises():
    """A bare hello takes 134 us here, twice as long as there."""
    text = table(
        {**KEPT, "small": {**KEPT["small"], "cpu_us": 268.0, "hello_ratio": 2.0}, "alone": {"added_p50_ms": 0.4}}
    )

    assert "| alone, 0.25 ms are added to p50 | 0.40 ms | **no** | 0.20 ms |" in text
    assert "| 45 KB of memory per stream | 45 KiB | yes | |" in text
    assert "took 134 µs of CPU here, and 67" in text


def test_what_was_not_measured_is_not_called_reached():
    assert [promise.name for promise in unmet({**KEPT, "alone": {"added_p50_ms": None}})] == ["alone"]


def test_the_page_names_what_was_not_reached_with_its_remark():
    text = page(results({**KEPT, "start": {**KEPT["start"], "start_s": 0.9}}), {"start": "Import less."})

    assert "| start to first answer, without adapters: 0.6 s | 0.90 s | **no** | |" in text
    assert "- **start to first answer, without adapters: 0.6 s**: Import less." in text
    assert "| gateway | 195 |" in text


def test_remarks_are_about_promises_that_there_are():
    remarks = tomllib.loads(Path("bench/remarks.toml").read_text())

    assert set(remarks) <= {promise.name for promise in PROMISES} | {"general"}


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, "–"),
        ("nginx", "nginx"),
        (15001, "15,001"),
        (195.4, "195"),
        (24.06, "24.1"),
        (0.25, "0.25"),
        (0.0123, "0.012"),
    ],
)
def test_a_cell_shows_three_digits(content, shown):
    assert cell(content) == shown


def test_a_table_is_markdown():
    text = str(Table("Title", ("", "µs"), [["ours", 1.5], ["absent", None]], "A note."))

    assert text == "### Title\n\nA note.\n\n|  | µs |\n| --- | ---: |\n| ours | 1.50 |\n| absent | – |"
