"""Everything wrong is told at once: one mistake hides no other."""

from __future__ import annotations

MANY_MISTAKES = """\
general_settings:
  master_key: " blank"
  pass_through_endpoints:
    - path: no-slash
      target: ftp://up.example
      auht: true
      headers:
        LANGFUSE_PUBLIC_KEY: os.environ/NOT_SET
        X-Number: 5
        Host: up.example
      timeout: 1
      timeouts: {idle: 1}
    - path: /same
      target: https://up.example/{missing}
      timeouts: {idle: -1}
    - {path: /same, target: "http://127.0.0.1:4000/", auth: true, auth: false}
keys: [{kye: x}]
unknown: 1
"""


def test_all_mistakes_of_a_file_are_told_in_the_order_of_lines(problems):
    found = [(problem.line, problem.place.rpartition("endpoints")[2]) for problem in problems(MANY_MISTAKES)]

    assert found == [
        (2, "general_settings.master_key"),
        (4, "[0].path"),
        (5, "[0].target"),
        (6, "[0].auht"),
        (8, "[0].headers.LANGFUSE_PUBLIC_KEY"),
        (9, "[0].headers.X-Number"),
        (10, "[0].headers.Host"),
        (11, "[0].timeout"),
        (14, "[1].target"),
        (15, "[1].timeouts.idle"),
        (16, "[2].auth"),
        (16, "[2].path"),
        (16, "[2].target"),
        (17, "keys[0].key"),
        (17, "keys[0].kye"),
        (18, "unknown"),
    ]


def test_every_problem_ends_with_a_way_out(problems):
    without = [str(problem) for problem in problems(MANY_MISTAKES) if not {";", "?"} & set(problem.message)]

    assert without == []


def test_an_unsound_field_brings_no_second_problem(problems):
    """Neither the half pair whose other half has a wrong type, nor routes that only seem to collide."""
    text = """\
general_settings:
  pass_through_endpoints:
    - path: /a
      target: https://up.example
      headers: {LANGFUSE_PUBLIC_KEY: pk, LANGFUSE_SECRET_KEY: 5}
      methods: [GET]
    - {path: /a, target: https://up.example, methods: [gte]}
"""

    places = [problem.place.rpartition("endpoints")[2] for problem in problems(text)]

    assert places == ["[0].headers.LANGFUSE_SECRET_KEY", "[1].methods[0]"]


def test_a_list_at_the_top_is_refused(problems):
    """CE-01: nothing is served, and nothing by default."""
    (problem,) = problems("- path: /a\n  target: https://up.example\n")

    assert (problem.line, problem.place) == (1, "")
    assert "must be a mapping, not a list" in problem.message


def test_text_at_the_top_is_refused(problems):
    (problem,) = problems("general_settings\n")

    assert "must be a mapping, not text" in problem.message
