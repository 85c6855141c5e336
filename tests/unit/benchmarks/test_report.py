"""The page of the docs, and what is kept for it."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.chapters import CHAPTERS
from benchmarks.series import Run, Series

ROOT = Path(__file__).parents[3]
RESULTS, REMARKS = ROOT / "benchmarks" / "results", ROOT / "benchmarks" / "remarks"


def start_run(seconds: float, *, notes: list[str] | None = None) -> Run:
    series = [Series({"command": "sd-b64 serve", "metric": "first answer s"}, [seconds, seconds + 1])]
    return Run("start", False, "2026-01-01", 3.2, "2 cores", {"Python": "3.11"}, series, notes or [])


def test_a_run_is_kept_and_read_again(tmp_path: Path) -> None:
    run = start_run(1.5, notes=["nginx is not installed here."])
    report.keep(run, tmp_path)
    assert report.kept(tmp_path) == [run]


def test_another_run_replaces_its_own_kind_only(tmp_path: Path) -> None:
    other = Run("gpus", True, "2026-01-01", 1.0, "2 cores", {}, [])
    for run in (other, start_run(1.5), start_run(2.5)):
        report.keep(run, tmp_path)
    assert report.kept(tmp_path) == [other, start_run(2.5)]


def test_the_page_tells_goals_tables_remarks_and_how_it_was_measured(tmp_path: Path) -> None:
    (tmp_path / "start.md").write_text("Most of it is imports.\n", encoding="utf-8")
    page = report.page([start_run(1.5, notes=["One thing was left out."])], tmp_path)
    cells = " ".join(page.split())
    assert "| `sd-b64 serve`: the first answer | at most 2.00 s" in cells
    assert "2.00 s (1.50 to 2.50) | reached" in cells
    assert "not measured" in page, "memory at rest was not"
    for words in (
        "\n## Start\n",
        "\nMost of it is imports.\n",
        "\nOne thing was left out.\n",
        "`python -m benchmarks start`, 2026-01-01, 3 min, 2 cores. Python 3.11.",
    ):
        assert words in page


@pytest.mark.parametrize("kind", CHAPTERS)
def test_a_chapter_of_a_run_that_measured_nothing_is_written_all_the_same(kind: str) -> None:
    """A kind may be cut down to what a machine has: no chapter takes anything for granted."""
    empty = Run(kind, True, "2026-01-01", 1.0, "2 cores", {}, [])
    assert "not measured" in report.page([empty], REMARKS) or kind == "gpus"


def test_the_page_in_the_docs_is_that_of_the_kept_results() -> None:
    """Written anew by `python -m benchmarks docs`, never by hand."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page == report.page(report.kept(RESULTS), REMARKS)
