"""The table of routes tells where each leads, and no credential."""

from __future__ import annotations

from app.settings.listing import listing

FILE = """\
general_settings:
  pass_through_endpoints:
    - path: /v1/rerank
      target: https://api.cohere.com/v1/rerank?api-version=2&key=literal-canary
      headers: {Authorization: "bearer os.environ/KEY", accept: application/json}
    - {path: "/hook/{team}", target: "https://up.example:81/os.environ/KEY/{team}", methods: [GET, POST]}
    - {path: /bria, target: "https://engine.example", include_subpath: true}
"""


def test_each_route_is_one_line(inspected):
    table = listing(inspected(FILE, KEY="canary"))

    assert [line.split() for line in table.splitlines()] == [
        ["PATH", "METHODS", "TARGET", "AUTH", "HEADERS"],
        [
            "/v1/rerank",
            "all",
            "https://api.cohere.com/v1/rerank?api-version=2&key=****",
            "open",
            "Authorization,",
            "accept",
        ],
        ["/hook/{team}", "GET,POST", "https://up.example:81/****/{team}", "open"],
        ["/bria/...", "all", "https://engine.example", "open"],
    ]


def test_columns_stand_below_each_other(inspected):
    lines = listing(inspected(FILE, KEY="canary")).splitlines()

    assert len({line.index(mark) for line, mark in zip(lines, ("TARGET", "https", "https", "https"), strict=True)}) == 1
