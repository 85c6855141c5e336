"""The animals that the template in `animals` can be: a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Species:
    """What makes one animal differ from another; `furs` are the coats it comes in."""

    furs: str
    patch: str = "#f6e2c4"
    ears: str = "round"
    muzzle: str = "small"
    nose: str = "#3a2630"
    head: tuple[float, float] = (1.0, 0.9)
    eyes: tuple[float, float] = (0.4, -0.06)
    marks: tuple[str, ...] = ()
    crown: float = -0.74


SPECIES: dict[str, Species] = {
    "monkey": Species(
        "#8d5a3a #7a4a30 #a06a42 #6b4a3e",
        "#f5d3a8",
        "side",
        "wide",
        eyes=(0.33, -0.12),
        marks=("mask", "tail"),
    ),
    "cat": Species(
        "#ec9f50 #7d8391 #f0dfc4 #4a4652 #b98a63",
        "#fff3e0",
        "pointed",
        "small",
        "#e58a8a",
        marks=("whiskers", "forehead"),
    ),
    "dog": Species("#c98d54 #e0b070 #8a5c3f #e8d3b0", "#fdf0dc", "floppy", "long", marks=("tongue", "blaze")),
    "fox": Species("#e4702f #d9622b", "#fff2e2", "pointed", "long", marks=("cheeks", "tips")),
    "wolf": Species("#7f8896 #5d6674", "#eef0f2", "pointed", "long", marks=("cheeks",)),
    "bear": Species("#80543a #9a6a45 #5e4336", "#e3bd8f", "round", "wide"),
    "panda": Species("#f6f3ec", "#ffffff", "round", "small", marks=("panda",)),
    "rabbit": Species(
        "#e9dccb #b9a08a #f6f1ea #9c9aa6",
        "#fffaf2",
        "long",
        "small",
        "#e58a96",
        marks=("whiskers", "teeth"),
        head=(0.9, 0.86),
    ),
    "lion": Species("#e5b063", "#fbe6c0", "round", "long", "#6b3a34", marks=("mane", "whiskers")),
    "tiger": Species(
        "#ee9440", "#fff4e2", "round", "wide", "#d9706c", marks=("stripes", "cheeks", "whiskers")
    ),
    "mouse": Species(
        "#a7a3ad #c9b7a8",
        "#f4ebe4",
        "huge",
        "small",
        "#e58a96",
        marks=("whiskers", "teeth"),
        head=(0.88, 0.84),
    ),
    "koala": Species("#9aa4b2", "#eef0f3", "fluffy", "koala", "#3a3640"),
    "pig": Species("#f3a9b0", "#f8c3c4", "flap", "snout", "#d9707e"),
    "raccoon": Species("#8b8a92", "#f2efe9", "pointed", "long", marks=("bandit", "cheeks")),
    "cow": Species("#f5efe6", "#f3b9b0", "cow", "snout", "#c2706e", marks=("spots",)),
    "sheep": Species("#4d4550", "#6a606c", "cow", "small", "#2b2230", marks=("wool",), head=(0.78, 0.86)),
}
