"""Plots, where matplotlib is installed."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.chapter import Line, Panel
from benchmarks.plots import draw
from benchmarks.series import Series


def test_panels_stand_side_by_side_in_one_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    bars = Panel("speed", "", [Line("ours", [(0, Series({}, [1.0, 2.0]))])])
    lines = Panel("", "ms", [Line("a", [(1, Series({}, [1.0])), (10, Series({}, [2.0]))])], "jobs")
    draw([bars, lines], tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 2 * picture.height
