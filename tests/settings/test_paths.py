"""A route's path is one that a client can ask for, and none of the gateway's own."""

from __future__ import annotations

import pytest

from app.settings.paths import names, route_path, shape


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/rerank",
        "/v1/rerank/",
        "/a%2Fb",
        "/v1/models/gemini:generateContent",
        "/{tenant}/v1/{model}",
        "/v1//x",
        "/healthz",
        "/metrics/x",
        "/keys",
        "/administration",
        "/.well-known/x",
        "/a...b",
        "/*/x",
    ],
)
def test_a_path_stays_as_written(path):
    assert route_path(path) == path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("v1/rerank", "does not begin with a slash", id="CE-13 no leading slash"),
        pytest.param("", "does not begin with a slash", id="CE-13 nothing"),
        pytest.param("https://x/y", "does not begin with a slash", id="CE-13 a URL"),
        pytest.param("//v1/rerank", "begins with two slashes", id="two slashes"),
        pytest.param("/a?b=1", "has a query or a fragment", id="query"),
        pytest.param("/a#b", "has a query or a fragment", id="fragment"),
        pytest.param("/bria/*", "write include_subpath: true", id="star"),
        pytest.param("/a b", "percent-encode", id="blank"),
        pytest.param("/é", "percent-encode", id="beyond ASCII"),
        pytest.param("/a\n", "percent-encode", id="newline"),
        pytest.param("/a%2", "percent-encode", id="half an escape"),
        pytest.param("/<path:x>", "percent-encode", id="another router's placeholder"),
        pytest.param("/a/../b", "has a segment", id="dot segment"),
        pytest.param("/a/%2E%2e", "has a segment", id="dot segment, encoded"),
        pytest.param("/a/.", "has a segment", id="single dot"),
        pytest.param("/a/..%2Fb", "has a segment", id="dot segment and an encoded slash"),
        pytest.param("/{a}{b}", "has braces", id="two names in a segment"),
        pytest.param("/models/{model}:generate", "has braces", id="name and text in a segment"),
        pytest.param("/{a", "has braces", id="open brace"),
        pytest.param("/{}", "has braces", id="no name"),
        pytest.param("/{1a}", "has braces", id="name begins with a digit"),
        pytest.param("/{a}/x/{a}", "twice", id="a name twice"),
        pytest.param("/{below__}", "the router's own", id="a name of the router's"),
        pytest.param("/admin", "the gateway's own /admin/", id="CE-13 /admin"),
        pytest.param("/admin/x", "the gateway's own /admin/", id="CE-13 below /admin"),
        pytest.param("/metrics", "the gateway's own /metrics", id="CE-13 /metrics"),
        pytest.param("/health", "the gateway's own /health/", id="CE-13 /health"),
        pytest.param("/health/readiness", "the gateway's own /health/", id="CE-13 below /health"),
        pytest.param("/key/generate", "the gateway's own /key/", id="CE-13 below /key"),
        pytest.param("/openapi.json", "the gateway's own /openapi.json", id="CE-13 /openapi.json"),
    ],
)
def test_a_path_that_no_route_can_have_is_refused(path, said):
    with pytest.raises(ValueError, match=said):
        route_path(path)


def test_names_are_those_of_the_segments_in_braces():
    assert names("/{tenant}/v1/{model}") == ("tenant", "model")


def test_paths_of_one_shape_differ_only_in_their_names():
    assert shape("/{a}/x") == shape("/{b}/x") != shape("/a/x")
