"""What the growth kind tells of its figures."""

from benchmarks.chapter import markdown
from benchmarks.chapters.growth import STEPS, tell
from benchmarks.series import Run, Series


def test_growth_that_begins_late_is_seen_in_the_last_two_rows() -> None:
    """A fit over all sizes makes less of it."""
    costs = {10: 5.0, 100: 5.0, 1_000: 50.0, 10_000: 500.0}
    series = [
        Series({"axis": "waiting", "size": size, "metric": step}, [cost])
        for size, cost in costs.items()
        for step in STEPS
    ]
    table = markdown(tell(Run("growth", True, "2026-01-01", 1.0, "2 cores", {}, series)).tables[0])
    cells = [line.split("|") for line in table.splitlines()]
    slopes = {row[1].strip(): float(row[2]) for row in cells[-2:]}
    assert slopes == {"exponent": 0.7, "of the last two": 1.0}
