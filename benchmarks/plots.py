"""Plots: the panels of a chapter as one PNG. matplotlib comes with the extra `bench`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chapter import Line, Panel, number

WIDTH, HEIGHT = 5.2, 3.4
"""Inches of one panel."""
COLOURS = ("#2f6f9f", "#c8693a", "#5b8c4a", "#8a5a9e", "#777777", "#b3902f")


def draw(panels: Sequence[Panel], file: Path) -> None:
    """Side by side. Raises ImportError where matplotlib is not installed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        size = (WIDTH * len(panels), HEIGHT)
        figure, grid = pyplot.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
        for axes, panel in zip(grid[0], panels, strict=True):
            axes.set_title(panel.title, fontsize=10)
            if panel.x_label:
                _lines(axes, panel)
            else:
                _bars(axes, panel.lines)
        figure.savefig(file, dpi=110, metadata={"Software": None})
        pyplot.close(figure)


def _lines(axes: Any, panel: Panel) -> None:
    for line, colour in zip(panel.lines, COLOURS, strict=False):
        xs = [x for x, _ in line.points]
        medians = [series.median for _, series in line.points]
        lows, highs = zip(*(series.spread for _, series in line.points), strict=True)
        axes.plot(xs, medians, marker="o", markersize=3.5, color=colour, label=line.name)
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(visible=True, which="major", alpha=0.25)
    axes.legend(frameon=False, fontsize=8)


def _bars(axes: Any, lines: Sequence[Line]) -> None:
    """One bar a line, the first on top, with its median written beside it."""
    found = [(line.name, line.points[0][1]) for line in lines if line.points]
    names, series = [name for name, _ in found], [item for _, item in found]
    medians = [item.median for item in series]
    errors = [
        [median - item.spread[0] for median, item in zip(medians, series, strict=True)],
        [item.spread[1] - median for median, item in zip(medians, series, strict=True)],
    ]
    axes.barh(
        names, medians, xerr=errors, color=COLOURS[: len(names)], height=0.6, ecolor="#444444", capsize=2
    )
    for place, item in enumerate(series):
        axes.annotate(
            f" {number(item.median)}",
            (item.spread[1], place),
            va="center",
            fontsize=9,
            xytext=(3, 0),
            textcoords="offset points",
        )
    axes.invert_yaxis()
    axes.margins(x=0.18)
