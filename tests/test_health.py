"""The gateway says that it lives, and until when it should be sent work."""

import pytest
from flask import Flask

from app import health


@pytest.fixture
def app():
    app = Flask("healthy")
    health.init_app(app)
    return app


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_live_worker_says_so(app, path, method):
    answer = app.test_client().open(path, method=method)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.get_json(silent=True) == ("I'm alive!" if method == "GET" else None)


def test_a_worker_is_ready_until_it_is_told_to_stop(app):
    client = app.test_client()

    before = client.get("/health/readiness")
    app.extensions["readiness"].stop()
    after = client.get("/health/readiness")

    assert (before.status_code, before.json) == (200, {"status": "ready"})
    assert (after.status_code, after.json) == (503, {"status": "stopping"})
    assert after.headers["Cache-Control"] == "no-store"


def test_a_stopping_worker_still_lives(app):
    app.extensions["readiness"].stop()

    assert app.test_client().get("/health/liveliness").status_code == 200


def test_one_apps_stop_is_not_anothers(app):
    other = Flask("other")
    health.init_app(other)

    app.extensions["readiness"].stop()

    assert other.test_client().get("/health/readiness").status_code == 200


def looking(*probes):
    app = Flask("probed")
    health.init_app(app, probes)
    return app.test_client()


def test_a_store_that_is_needed_and_gone_is_told_with_since_when():
    client = looking(health.Probe("keys", lambda: 1_780_000_000.9), health.Probe("counters", lambda: None))

    answer = client.get("/health/readiness")

    assert answer.status_code == 503
    assert answer.json == {
        "status": "not ready",
        "stores": {"keys": {"status": "unavailable", "since": "2026-05-28T20:26:40Z"}},
    }


def test_without_a_store_that_is_not_needed_the_worker_is_ready_and_says_what_is_missing():
    client = looking(health.Probe("counters", lambda: 0.0, is_needed=False), health.Probe("keys", lambda: None))

    answer = client.get("/health/readiness")

    assert answer.status_code == 200
    assert answer.json == {
        "status": "ready",
        "stores": {"counters": {"status": "degraded", "since": "1970-01-01T00:00:00Z"}},
    }


def test_readiness_is_found_out_each_time():
    since = [5.0]
    client = looking(health.Probe("keys", lambda: since[0]))

    before = client.get("/health/readiness").status_code
    since[0] = None
    after = client.get("/health/readiness")

    assert (before, after.status_code, after.json) == (503, 200, {"status": "ready"})


def test_neither_liveliness_nor_a_stopping_worker_asks_a_store():
    asked = []
    app = Flask("probed")
    health.init_app(app, [health.Probe("keys", lambda: asked.append("keys"))])

    app.test_client().get("/health/liveliness")
    app.extensions["readiness"].stop()
    app.test_client().get("/health/readiness")

    assert asked == []
