"""The dashboard asks for what /metrics tells, and for all of it."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.exchange import Outcome
from app.telemetry.exposition import Exposition
from app.telemetry.metrics import Metrics
from tests.values import an_exchange

DASHBOARD = json.loads(Path("examples/grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]

NAME = re.compile(r"\b(?:http|tollhouse)_[a-z_]+")
# A name alone, or with the conditions behind it.
SELECTED = re.compile(rf"({NAME.pattern})(?:\{{([^}}]*)\}})?")
# Those that Prometheus adds by itself, to all that it scrapes.
ADDED = {"instance", "job"}


def told():
    """Return {family: {sample: its labels}} of what /metrics tells once everything has happened."""
    metrics = Metrics()
    facts = {"route": "/v1", "upstream_status": 200, "upstream_s": 0.1, "status": 200, "key_alias": "team-a"}
    for outcome in Outcome:
        exchange = an_exchange(outcome=outcome, reason="a code", **facts)
        metrics.opened(exchange)
        metrics.answered(exchange, set())
        metrics.closed(exchange)
    text, _ = Exposition(metrics.registry, None, lambda: False).told("")
    return {
        family.name: {sample.name: set(sample.labels) for sample in family.samples}
        for family in text_string_to_metric_families(text.decode())
        if not family.name.endswith("_created")  # only a process that counts for itself alone tells when it began
    }


def asked():
    """Return {sample: labels by which the dashboard chooses or groups it}."""
    found = defaultdict(set)
    for query in QUERIES:
        grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(",")}
        for name, conditions in SELECTED.findall(query):
            found[name] |= grouped | set(re.findall(r"([a-z_]+)(?:=|!=|=~|!~)\"", conditions))
    return found


TOLD = told()
SAMPLES = {name: labels for samples in TOLD.values() for name, labels in samples.items()}


@pytest.mark.parametrize("name", sorted(asked()))
def test_what_the_dashboard_asks_for_is_told_with_these_labels(name):
    assert asked()[name] - SAMPLES[name] - ADDED == set()


@pytest.mark.parametrize("family", sorted(TOLD))
def test_what_is_told_is_on_the_dashboard_by_each_of_its_labels(family):
    used = [asked()[sample] for sample in TOLD[family] if sample in asked()]

    assert used
    assert set().union(*TOLD[family].values()) - set().union(*used) == set()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_its_query_keeps(panel):
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {
            label.strip() for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in labels.split(",")
        }

        assert named == kept - {"le"}


def test_a_quantile_is_taken_over_buckets():
    quantiles = [query for query in QUERIES if "histogram_quantile" in query]

    assert quantiles
    assert [query for query in quantiles if not re.search(r"by \(le[,)].*_bucket\{", query)] == []


def test_counts_are_shown_as_rates():
    rising = [query for query in QUERIES if re.search(r"_(total|count|sum|bucket)\b", query)]

    assert [query for query in rising if len(re.findall(r"rate\(", query)) != len(NAME.findall(query))] == []


def test_the_choices_are_labels_that_are_told():
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"]))) - {"__rate_interval"}

    assert used == set(variables)
    for name in used - {"datasource"}:
        sample, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables[name]["definition"]).groups()
        assert (label, label in SAMPLES[sample]) == (name, True)


def test_no_panel_lies_on_another_and_each_has_its_number():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
