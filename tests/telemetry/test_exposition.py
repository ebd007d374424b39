"""A scrape tells all that was counted, in one of two formats, and how things stand."""

import platform
import tomllib
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from app.telemetry.exposition import Exposition
from app.telemetry.metrics import Metrics
from app.version import VERSION
from tests.telemetry.counting import left_behind
from tests.values import an_exchange

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def never():
    return False


def alone(is_degraded=never, own=None):
    return Exposition(own or CollectorRegistry(), None, is_degraded)


def samples(text, name):
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == name
    ]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        pytest.param("", PLAIN, id="nothing asked"),
        pytest.param("*/*", PLAIN, id="anything"),
        pytest.param("text/plain;version=0.0.4", PLAIN, id="text"),
        pytest.param("text/plain;version=x", PLAIN, id="text of no version"),
        pytest.param("text/html, application/json", PLAIN, id="what it cannot do"),
        pytest.param("application/openmetrics-text", OPENMETRICS, id="OpenMetrics"),
        pytest.param("text/plain , application/openmetrics-text ; Version=1.0.0", OPENMETRICS, id="spaced and cased"),
        pytest.param(PROMETHEUS_3, OPENMETRICS, id="Prometheus 3"),
        pytest.param("application/openmetrics-text;version=0.0.1", PLAIN, id="its draft"),
        pytest.param("application/openmetrics-text;version=abc", PLAIN, id="OpenMetrics of no version"),
    ],
)
def test_the_format_is_the_one_asked_for(accept, media_type):
    text, told = alone().told(accept)

    assert told == media_type
    assert text.endswith(b"# EOF\n") is (media_type == OPENMETRICS)


def test_both_formats_tell_what_this_process_counted():
    metrics = Metrics()
    metrics.closed(an_exchange(status=200, route="/v1", key_alias='a "team"\n\\'))
    exposition = alone(own=metrics.registry)

    texts = exposition.told("")[0].decode(), exposition.told(OPENMETRICS)[0].decode()

    for families in text_string_to_metric_families(texts[0]), openmetrics_families(texts[1]):
        (served,) = [family for family in families if family.name == "http_server_request_duration_seconds"]
        (count,) = [sample for sample in served.samples if sample.name.endswith("_count")]
        assert (count.value, count.labels["key_alias"], count.labels["route"]) == (1, 'a "team"\n\\', "/v1")


def test_all_files_of_the_folder_are_told_as_one(tmp_path):
    left_behind(tmp_path / "counter_1.db", a=1, b=2)
    left_behind(tmp_path / "counter_ended.db", b=40)

    text, _ = Exposition(CollectorRegistry(), tmp_path, never).told("")

    assert {labels["route"]: value for labels, value in samples(text, "things_total")} == {"a": 1, "b": 42}


def test_how_the_limiter_stands_is_asked_at_each_scrape():
    is_degraded = [False]
    exposition = alone(lambda: is_degraded[0])

    before, _ = exposition.told("")
    is_degraded[0] = True
    after, _ = exposition.told("")

    name = "tollhouse_limiter_degraded"
    assert (samples(before, name), samples(after, name)) == ([({}, 0)], [({}, 1)])


def test_the_build_is_told():
    text, _ = alone().told("")

    assert samples(text, "tollhouse_build_info") == [({"version": VERSION, "python": platform.python_version()}, 1)]


def test_the_version_is_the_projects():
    assert tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"] == VERSION
