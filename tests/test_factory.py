"""The whole house in one process: a request walks in by its path, an upstream sees it, and its answer walks out."""

import json

import pytest
from flask import Flask
from pydantic import SecretStr

from app.errors import UpstreamUnreachable
from app.factory import create_app
from app.settings import snapshot
from app.settings.problems import SettingsInvalid
from tests.kit.gateway import free_port
from tests.kit.upstream import answer
from tests.values import a_gateway, a_route, ask, logged

# The upstream's word that ends its connection, so that none is left in a pool when the app goes.
LAST = [("Connection", "close")]


def an_app(*routes, **facts):
    return create_app(a_gateway(*routes, **facts), environ={})


def test_an_app_is_a_flask_app_with_the_gateways_pages():
    app = create_app(a_gateway(), environ={})

    assert isinstance(app, Flask)
    assert ask(app.test_client(), "GET", "/health/readiness").json == {"status": "ready"}


def test_a_request_is_carried_to_its_upstream_and_back(upstream):
    upstream.plays(answer(201, [("X-A", "1"), ("X-A", "2"), *LAST], b"made"))
    target = f"http://{upstream.authority}/base?v=1"
    headers = (("Authorization", SecretStr("Bearer operator")),)
    client = an_app(a_route("/tree", target, include_subpath=True, headers=headers)).test_client()

    got = ask(client, "POST", "/tree/a%2Fb?x=%20", data=b"body", headers={"Authorization": "Bearer client"})

    assert (got.status_code, got.data, got.headers.getlist("X-A")) == (201, b"made", ["1", "2"])
    (seen,) = upstream.requests
    assert (seen.method, seen.target, bytes(seen.body)) == ("POST", "/base/a%2Fb?v=1&x=%20", b"body")
    assert seen.fields.every("authorization") == ["Bearer operator"]
    assert seen.fields.one("host") == upstream.authority


def test_an_exchange_is_one_line_in_the_log(upstream):
    upstream.plays(answer(404, LAST, b"none"))
    client = an_app(a_route("/v1/{name}", f"http://{upstream.authority}/{{name}}")).test_client()

    with logged("tollhouse.exchange") as records:
        got = ask(client, "PUT", "/v1/x?key=secret", data=b"abc", buffered=True)

    (line,) = [record.facts for record in records]
    assert line["request_id"] == got.headers["x-gateway-request-id"]
    assert {name: line[name] for name in ("route", "method", "path", "status", "outcome", "upstream_status")} == {
        "route": "/v1/{name}",
        "method": "PUT",
        "path": "/v1/x",
        "status": 404,
        "outcome": "served",
        "upstream_status": 404,
    }
    assert (line["bytes_in"], line["bytes_out"]) == (3, 4)
    assert "secret" not in json.dumps(line)


def test_an_upstream_that_is_not_there_is_told_in_the_routes_dialect():
    route = a_route("/plain", f"http://127.0.0.1:{free_port()}/", error_format="cohere")

    with logged("tollhouse.exchange") as records:
        got = ask(an_app(route).test_client(), "GET", "/plain", buffered=True)

    assert (got.status_code, got.json["code"]) == (502, UpstreamUnreachable.code)
    assert [record.facts["outcome"] for record in records] == ["upstream_failed"]


def test_a_body_over_the_files_limit_never_reaches_the_upstream(upstream):
    app = an_app(a_route("/plain", f"http://{upstream.authority}/"), max_request_bytes=3)

    got = ask(app.test_client(), "POST", "/plain", data=b"abcd")

    assert (got.status_code, got.json["error"]["code"]) == (413, "request_too_large")
    assert upstream.octets == 0


def test_no_route_means_404_and_an_id(upstream):
    with logged("tollhouse.exchange") as records:
        got = ask(an_app().test_client(), "GET", "/nowhere", buffered=True)

    assert (got.status_code, got.json["error"]["code"]) == (404, "route_not_found")
    assert [record.facts["request_id"] for record in records] == [got.headers["x-gateway-request-id"]]
    assert upstream.octets == 0


def test_the_gateways_own_pages_stay_its_own_beside_a_route_for_everything(upstream):
    app = an_app(a_route("/", f"http://{upstream.authority}", include_subpath=True))

    got = ask(app.test_client(), "GET", "/health/liveliness")

    assert (got.status_code, got.json) == (200, "I'm alive!")
    assert upstream.octets == 0


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_method_that_a_page_of_the_gateway_lacks_goes_nowhere_else(upstream, method):
    app = an_app(a_route("/", f"http://{upstream.authority}", include_subpath=True))

    got = ask(app.test_client(), method, "/health/liveliness")

    assert got.status_code == 405
    assert upstream.octets == 0


@pytest.fixture
def _no_settings_in_force(monkeypatch):
    # Patched for want of another way: fork hands this value on, see the module.
    monkeypatch.setattr(snapshot, "_current", None)


@pytest.mark.usefixtures("_no_settings_in_force")
def test_without_a_gateway_the_file_that_the_environment_names_is_served(upstream, tmp_path):
    upstream.plays(answer(200, LAST, b"from the file"))
    config = tmp_path / "config.yaml"
    config.write_text(
        "general_settings:\n  pass_through_endpoints:\n"
        f"    - {{path: /filed, target: 'http://{upstream.authority}/x?code=os.environ/CODE'}}\n"
    )

    app = create_app(environ={"CONFIG_FILE_PATH": str(config), "CODE": "c-1"})

    assert ask(app.test_client(), "GET", "/filed").data == b"from the file"
    assert upstream.wait_for_request().target == "/x?code=c-1"


@pytest.mark.usefixtures("_no_settings_in_force")
def test_a_file_with_problems_makes_no_app(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("general_settings:\n  pass_through_endpoints:\n    - {path: x, target: 'ftp://x'}\n")

    with pytest.raises(SettingsInvalid) as invalid:
        create_app(environ={"CONFIG_FILE_PATH": str(config)})

    assert len(invalid.value.problems) == 2
