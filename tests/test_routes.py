"""A path is a route's exactly as it is spelled, the most specific one wins, and only then the method counts."""

import pytest
from flask import Flask, Response

from app import ledger, refusals, router, routes
from app.routes import rules
from tests.values import METHODS, a_route, ask


class Doors:
    """An app with the doors of these routes; `carried` tells what came through them."""

    def __init__(self, *configured):
        self.carried = []
        app = Flask("doors")
        ledger.init_app(app)
        refusals.init_app(app)
        router.init_app(app)
        for number, route in enumerate(configured):
            app.register_blueprint(routes.blueprint(route, (), self.carry(number)))
        routes.close_paths(app, configured)
        self.client = app.test_client()

    def carry(self, number):
        def carry(exchange, segments, remainder):
            self.carried.append((number, exchange, dict(segments), remainder))
            return Response(f"{number}")

        return carry

    def ask(self, method, raw_target):
        return ask(self.client, method, raw_target)

    def way(self, method, raw_target):
        """Return (number of the route, segments, remainder) that this request was carried with."""
        answer = self.ask(method, raw_target)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        number, _, segments, remainder = self.carried[-1]
        return number, segments, remainder


def doors(*paths, **facts):
    return Doors(*(a_route(path, place=f"routes[{i}]", **facts) for i, path in enumerate(paths)))


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/rerank", "/v1/rerank/"),
        ("/v1/rerank", "/v1/rerankX"),
        ("/v1/rerank", "/v1/rerank.json"),
        ("/v1/rerank", "/v1//rerank"),
        ("/v1/rerank", "/V1/rerank"),
        ("/v1/rerank", "/v1/%72erank"),
        ("/v1/rerank", "/v1%2Frerank"),
        ("/v1/rerank", "/v1"),
        ("/v1/rerank", "/v1/rerank/more"),
        ("/v1/rerank", "/v1/rerank;x=1"),
        ("/v1/rerank", "//v1/rerank"),
        ("/v1/rerank/", "/v1/rerank"),
        ("/v1/{name}", "/v1/"),
        ("/v1/{name}", "/v1/a/b"),
        ("/v1/{name}/x", "/v1//x"),
        ("/v1/{name}/", "/v1/a"),
        ("/a%20b", "/a b"),
        ("/a%2fb", "/a%2Fb"),
        ("/a//b", "/a/b"),
    ],
)
def test_another_spelling_is_another_path(path, asked):
    served = doors(path)

    answer = served.ask("POST", asked)

    assert (answer.status_code, answer.json["error"]["code"]) == (404, "route_not_found")
    assert "Location" not in answer.headers
    assert served.carried == []


@pytest.mark.parametrize(
    "path", ["/", "/v1/rerank", "/v1/rerank/", "/a//b", "/a%20b", "/a.b", "/a;b=c", "/a+b", "/~a/@"]
)
def test_a_path_as_it_is_written_is_served(path):
    assert doors(path).way("POST", path + "?x=1") == (0, {}, "")


def test_an_absolute_target_is_served_by_its_path():
    assert doors("/plain").way("GET", "http://other.test/plain") == (0, {}, "")


def test_the_exchange_learns_its_route_and_dialect():
    served = doors("/v1/{name}", error_format="anthropic")

    served.way("GET", "/v1/x")

    _, exchange, *_ = served.carried[0]
    assert (exchange.route, exchange.error_format, exchange.path) == ("/v1/{name}", "anthropic", "/v1/x")


@pytest.mark.parametrize("segment", ["a", "a%2Fb", "%20", "a.b", "...", "a:b@c", "%C3%A4", "{x}"])
def test_a_name_takes_one_raw_segment(segment):
    assert doors("/v1/{name}/x").way("GET", f"/v1/{segment}/x") == (0, {"name": segment}, "")


def test_several_names_are_kept_apart():
    assert doors("/{a}/x/{b}").way("GET", "/1/x/2") == (0, {"a": "1", "b": "2"}, "")


@pytest.mark.parametrize(
    ("path", "asked", "remainder"),
    [
        ("/tree", "/tree", ""),
        ("/tree", "/tree/", "/"),
        ("/tree", "/tree/a", "/a"),
        ("/tree", "/tree/a%2Fb/%20", "/a%2Fb/%20"),
        ("/tree", "/tree//a//", "//a//"),
        ("/tree", "/tree/tree", "/tree"),
        ("/tree/", "/tree/", ""),
        ("/tree/", "/tree/a/", "/a/"),
        ("/", "/", ""),
        ("/", "/a/b", "/a/b"),
    ],
)
def test_what_stands_below_a_route_is_its_remainder(path, asked, remainder):
    assert doors(path, include_subpath=True).way("GET", asked) == (0, {}, remainder)


@pytest.mark.parametrize("asked", ["/treeX", "/tree.json", "/Tree/a", "/tree%2Fa", "/x/tree/a"])
def test_a_prefix_ends_at_a_segments_border(asked):
    served = doors("/tree", include_subpath=True)

    assert served.ask("GET", asked).status_code == 404
    assert served.carried == []


def test_a_name_and_a_remainder_go_together():
    assert doors("/t/{name}", include_subpath=True).way("GET", "/t/a%2Fb/c/d") == (0, {"name": "a%2Fb"}, "/c/d")


TREES = [
    a_route("/", place="r[0]", include_subpath=True),
    a_route("/v1", place="r[1]", include_subpath=True),
    a_route("/v1/{name}", place="r[2]"),
    a_route("/v1/models", place="r[3]"),
    a_route("/v1/models/x", place="r[4]", include_subpath=True),
]


@pytest.mark.parametrize("order", [1, -1], ids=["as listed", "backwards"])
@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("/", 0),
        ("/other", 0),
        ("/v1", 1),
        ("/v1/", 1),
        ("/v1/a/b", 1),
        ("/v1/other", 2),
        ("/v1/models", 3),
        ("/v1/models/y", 1),
        ("/v1/models/x", 4),
        ("/v1/models/x/y", 4),
    ],
)
def test_the_most_specific_path_wins_whatever_the_order_of_the_file(asked, number, order):
    served = Doors(*TREES[::order])

    found, *_ = served.way("GET", asked)

    assert TREES[::order][found].place == f"r[{number}]"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_a_route_is_carried(method):
    served = doors("/plain", methods=(method,))

    answer = served.ask(method, "/plain")

    assert (answer.status_code, len(served.carried)) == (200, 1)


@pytest.mark.parametrize("method", [*METHODS, "TRACE", "PROPFIND", "get"])
def test_any_other_method_is_refused_with_those_allowed(method):
    served = doors("/plain", methods=("PUT",) if method != "PUT" else ("GET",))

    answer = served.ask(method, "/plain")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET" if method == "PUT" else "PUT")
    assert served.carried == []


def test_get_does_not_imply_head_or_options():
    served = doors("/plain", methods=("GET",))

    refused = [served.ask(method, "/plain") for method in ("HEAD", "OPTIONS")]

    assert [(answer.status_code, answer.headers["Allow"]) for answer in refused] == [(405, "GET")] * 2
    assert served.carried == []


def test_a_refused_method_does_not_fall_to_a_less_specific_route():
    served = Doors(
        a_route("/", place="r[0]", include_subpath=True),
        a_route("/v1/{name}", place="r[1]", methods=("GET", "POST")),
        a_route("/v1/models", place="r[2]", methods=("GET",), error_format="anthropic"),
    )

    answer = served.ask("POST", "/v1/models")

    assert (answer.status_code, answer.headers["Allow"], served.carried) == (405, "GET", [])
    assert answer.json["type"] == "error"
    assert "/v1/models takes GET" in answer.json["error"]["message"]


@pytest.mark.parametrize("below", ["", "/x"], ids=["the path", "below it"])
def test_two_routes_of_one_path_share_it_by_method(below):
    served = Doors(
        a_route("/plain", place="r[0]", methods=("GET",), include_subpath=True),
        a_route("/plain", place="r[1]", methods=("POST", "PUT"), include_subpath=True),
    )

    assert [served.way(method, "/plain" + below)[0] for method in ("GET", "POST", "PUT")] == [0, 1, 1]
    refused = served.ask("DELETE", "/plain" + below)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST, PUT")


def test_two_routes_share_a_path_though_only_one_goes_below():
    served = Doors(
        a_route("/plain", place="r[0]", methods=("GET",)),
        a_route("/plain", place="r[1]", methods=("POST",), include_subpath=True),
    )

    assert [served.way(*asked)[0] for asked in (("GET", "/plain"), ("POST", "/plain"), ("POST", "/plain/x"))] == [
        0,
        1,
        1,
    ]
    refused = served.ask("GET", "/plain/x")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_two_routes_whose_names_differ_share_a_path_too():
    served = Doors(
        a_route("/v1/{model}", place="r[0]", methods=("GET",)),
        a_route("/v1/{name}", place="r[1]", methods=("POST",)),
    )

    ways = [served.way("GET", "/v1/x"), served.way("POST", "/v1/x")]
    refused = served.ask("PUT", "/v1/x")

    assert ways == [(0, {"model": "x"}, ""), (1, {"name": "x"}, "")]
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")


def test_a_path_that_only_lacks_a_slash_is_left_to_a_less_specific_route():
    served = Doors(
        a_route("/v1/models/", place="r[0]"),
        a_route("/v1/{name}", place="r[1]"),
        a_route("/", place="r[2]", include_subpath=True),
        a_route("/tree/", place="r[3]", include_subpath=True),
    )

    assert served.way("GET", "/v1/models") == (1, {"name": "models"}, "")
    assert served.way("GET", "/tree") == (2, {}, "/tree")


@pytest.mark.parametrize(
    ("path", "include_subpath", "written"),
    [
        ("/a", False, ["/a"]),
        ("/a/{name}", False, ["/a/<name>"]),
        ("/a", True, ["/a", "/a/<remainder:below__>"]),
        ("/a/", True, ["/a/<nothing:behind__>", "/a/<remainder:below__>"]),
        ("/", True, ["/<nothing:behind__>", "/<remainder:below__>"]),
    ],
)
def test_a_route_becomes_these_rules(path, include_subpath, written):
    assert rules(a_route(path, include_subpath=include_subpath)) == written
