"""Medians, percentiles and ratios of rounds."""

import pytest

from bench.figures import medians, percentile, ratio


def test_a_subject_without_rounds_has_no_median():
    assert medians({"ours": [3.0, 1.0, 2.0], "failed": []}) == {"ours": 2.0}


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        pytest.param(50, 5, id="half"),
        pytest.param(99, 10, id="nearly all"),
        pytest.param(100, 10, id="all"),
        pytest.param(0, 1, id="none"),
    ],
)
def test_a_percentile_is_the_figure_that_so_many_percent_do_not_exceed(percent, expected):
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


@pytest.mark.parametrize("absent", [(None, 2.0), (2.0, None), (2.0, 0.0)])
def test_there_is_no_ratio_to_what_is_absent(absent):
    assert ratio(*absent) is None
    assert ratio(6.0, 2.0) == 3.0
