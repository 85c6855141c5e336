"""What was measured, and what can be said of it."""

import pytest

from benchmarks.series import Gathering, Run, Series, exponent, percentile, ratio


def run_of(series: list[Series]) -> Run:
    return Run("http", True, "2026-01-01", 1.0, "2 cores", {}, series)


def test_rounds_with_the_same_labels_are_one_series() -> None:
    gathering = Gathering()
    gathering.add_all({"p50": 3.0, "p99": 9.0}, system="nginx")
    gathering.add_all({"p50": 1.0, "p99": 8.0}, system="nginx")
    (first, second) = gathering.series
    assert first == Series({"system": "nginx", "metric": "p50"}, [3.0, 1.0])
    assert (second.median, second.spread) == (8.5, (8.0, 9.0))


def test_a_series_is_found_by_some_of_its_labels() -> None:
    run = run_of([Series({"system": "a", "size": 1}, [1.0]), Series({"system": "a", "size": 2}, [2.0])])
    found = run.find(system="a", size=2)
    assert found is not None
    assert found.median == 2.0
    assert run.find(system="b") is None
    with pytest.raises(LookupError, match="2 series"):
        run.find(system="a")
    assert run.values("size") == [1, 2]


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that is twice as slow in the second round changes nothing."""
    ours, theirs = Series({}, [100.0, 50.0]), Series({}, [200.0, 100.0])
    assert ratio(ours, theirs) == [0.5, 0.5]
    assert ratio(ours, None) == []
    assert ratio(ours, Series({}, [-0.1, 100.0])) == [0.5], "of less than nothing there is no share"


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (50.0, 99.0, 7.0)


def test_the_exponent_tells_constant_linear_and_square() -> None:
    sizes = [10.0, 100.0, 1000.0]
    for power in (0.0, 1.0, 2.0):
        assert exponent([(size, 3 * size**power) for size in sizes]) == pytest.approx(power)
