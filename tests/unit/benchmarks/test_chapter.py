"""Tables and goals as words."""

import pytest

from benchmarks.chapter import Goal, Table, cell, goal_table, markdown, number
from benchmarks.series import Series


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0123, "0.012"), (0.5, "0.5"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_numbers_have_the_digits_that_say_something(value: float, text: str) -> None:
    assert number(value) == text


def test_a_cell_is_a_median_with_its_spread() -> None:
    series = Series({}, [3.0, 1.0, 2.0])
    assert cell(series) == "2.00 (1.00 to 3.00)"
    assert cell(series, spread=False) == "2.00"
    assert cell(None) == "-"


def test_a_goal_is_judged_by_its_median() -> None:
    assert Goal("speed", [9.0, 10.0, 30.0], 10, " x", at_least=True).row == (
        "speed",
        "at least 10.0 x",
        "10.0 x (9.00 to 30.0)",
        "reached, not in every round",
    )
    assert Goal("speed", [10.0, 30.0], 10, " x", at_least=True).verdict == "reached"
    missed = Goal("delay", [60.0], 50, " ms")
    assert missed.reached is False
    assert missed.row[-1] == "**missed**"


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    goal = Goal("of nginx", [], 0.4, " x", at_least=True)
    assert goal.reached is None
    assert goal.row[2:] == ("-", "not measured")


def test_a_table_is_markdown_with_even_columns() -> None:
    table = Table("Two systems:", ("", "req/s"), [("nginx", "1"), ("ours", "1,000")])
    assert markdown(table) == (
        "Two systems:\n\n|       | req/s |\n|-------|-------|\n| nginx | 1     |\n| ours  | 1,000 |"
    )
    assert markdown(goal_table([])).startswith("| What | Goal |")
