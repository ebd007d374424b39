"""All that is counted, as the text that Prometheus reads."""

import platform
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from app.telemetry.metrics_folder import unmoved
from app.version import VERSION

OPENMETRICS = ("application/openmetrics-text", "1.0.0")


class Exposition:
    """Tells the metrics of all workers, or of this process alone where it has no folder to share."""

    def __init__(self, own: CollectorRegistry, folder: Path | None, is_limiter_degraded: Callable[[], bool]) -> None:
        """`is_limiter_degraded` is asked at each scrape."""
        self._own = own
        self._folder = folder
        self._state = State(is_limiter_degraded)

    def told(self, accept: str) -> tuple[bytes, str]:
        """Return the text and its media type: format 0.0.4, or OpenMetrics where `accept` asks for it.

        Reads and adds up files for as long as it takes: no work for an event loop.
        """
        # Not choose_encoder, which fails over a version that it cannot read and promises any that it can.
        wants_openmetrics = OPENMETRICS in map(_asked, accept.split(","))
        if self._folder is None:
            text = _text(Together(self._own, self._state), wants_openmetrics)
        else:
            with unmoved(self._folder):
                text = _text(Together(MultiProcessCollector(None, str(self._folder)), self._state), wants_openmetrics)
        return text, openmetrics.CONTENT_TYPE_LATEST if wants_openmetrics else CONTENT_TYPE_PLAIN_0_0_4


class Together(Collector):
    """Several collectors as one."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        for collector in self._collectors:
            yield from collector.collect()


class State(Collector):
    """What is not counted but so, now."""

    def __init__(self, is_limiter_degraded: Callable[[], bool]) -> None:
        self._is_limiter_degraded = is_limiter_degraded

    def collect(self) -> Iterable[Metric]:
        degraded = "1 while requests are counted on this machine alone, the shared counters being away."
        yield GaugeMetricFamily("tollhouse_limiter_degraded", degraded, value=float(self._is_limiter_degraded()))
        build = GaugeMetricFamily("tollhouse_build_info", "1; the labels tell what runs.", labels=("version", "python"))
        build.add_metric((VERSION, platform.python_version()), 1.0)
        yield build


def _asked(media_range: str) -> tuple[str, str]:
    """Return the media type and the version of one member of Accept (RFC 9110 §12.5.1)."""
    media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
    versions = [value for name, _, value in (part.partition("=") for part in parameters) if name == "version"]
    return media_type, versions[0] if versions else OPENMETRICS[1]


def _text(collector: Collector, is_openmetrics: bool) -> bytes:
    return openmetrics.generate_latest(collector) if is_openmetrics else generate_latest(collector)
