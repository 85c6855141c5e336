"""Palettes: the light of an hour or a mood, as the colours that everything in a picture is painted with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.colour import Colour, colour, tinted


@dataclass(frozen=True, slots=True)
class Palette:
    """`sky` from the zenith to the horizon, `land` from far to near, `accents` for what should be seen."""

    sky: tuple[Colour, ...]
    sun: Colour
    haze: Colour
    land: tuple[Colour, Colour]
    leaf: Colour
    accents: tuple[Colour, ...]
    dark: bool = False


def _palette(
    sky: str, sun: str, haze: str, land: str, leaf: str, accents: str, dark: bool = False
) -> Palette:
    far, near = (colour(c) for c in land.split())
    return Palette(
        sky=tuple(colour(c) for c in sky.split()),
        sun=colour(sun),
        haze=colour(haze),
        land=(far, near),
        leaf=colour(leaf),
        accents=tuple(colour(c) for c in accents.split()),
        dark=dark,
    )


HOURS: dict[str, Palette] = {
    "dawn": _palette(
        "#46558f #8f86b8 #eab5ac #fde2c0",
        "#fff3d6",
        "#f2cbb9",
        "#a795b8 #2c2c50",
        "#465a72",
        "#e8837c #f6c177 #6d8fb3",
    ),
    "day": _palette(
        "#2c7cc0 #6cb2e2 #b4def0 #f0f7ec",
        "#fffbe6",
        "#d3eaf0",
        "#93bccb #1d4f45",
        "#3c8a5a",
        "#f26b4e #ffd166 #2a9d8f",
    ),
    "sunset": _palette(
        "#2a2259 #7d3170 #e4604f #ffc56e",
        "#fff1bd",
        "#f59e70",
        "#a4506c #1f1538",
        "#4a2b52",
        "#ff7e5f #feb47b #6b3fa0",
    ),
    "dusk": _palette(
        "#151c42 #3d3e80 #8d5d9a #f2a6a2",
        "#ffe9d6",
        "#9c7bad",
        "#685b96 #12132e",
        "#2f315e",
        "#f08a8c #ffcf9c #5b6fd0",
        dark=True,
    ),
    "night": _palette(
        "#050a1e #0c1b40 #1d3b6b #41708f",
        "#f6f1da",
        "#33597e",
        "#274a6c #060b1b",
        "#14304a",
        "#f2c879 #7fb6d9 #c58bd8",
        dark=True,
    ),
    "mist": _palette(
        "#86a0a8 #b1c3c3 #d7ddd8 #f1ede2",
        "#fffaf0",
        "#dfe4de",
        "#b4c3c3 #29393f",
        "#48645f",
        "#c9705a #d9b36c #5d8a94",
    ),
    "autumn": _palette(
        "#5d83a0 #a5b9b2 #ecd2a0 #fae7bf",
        "#fff4d2",
        "#edd2a3",
        "#c79a70 #4a2318",
        "#b9552a",
        "#d9622b #f0a83c #7c2f1f",
    ),
    "spring": _palette(
        "#82c2e6 #bce3ee #f9e5ea #fff3e2",
        "#fffaf0",
        "#f0e6e8",
        "#b5d6cf #3f8f78",
        "#68b088",
        "#f58fa8 #ffd37a #7fa8e0",
    ),
    "winter": _palette(
        "#5f8cba #9dbddb #d8e5ee #fceee4",
        "#fffdf4",
        "#dfe8f0",
        "#bfd1e2 #4a6788",
        "#3f5f78",
        "#d95f5f #f2c078 #5f8cba",
    ),
    "neon": _palette(
        "#0b0630 #2d0c62 #8d1c92 #ff5aa0",
        "#ffd978",
        "#a82fa6",
        "#5c1f88 #090522",
        "#3a1270",
        "#00e5ff #ff2e97 #ffd319",
        dark=True,
    ),
    "storm": _palette(
        "#1f2a36 #41525e #7d8d90 #c9c3ac",
        "#f3ead0",
        "#8c9a9a",
        "#5d7076 #121c22",
        "#2f4344",
        "#d8b45c #b3574b #7f9ca0",
        dark=True,
    ),
}

COLOURS: dict[str, Colour] = {
    name: colour(code)
    for name, code in {
        "red": "#d8433b", "crimson": "#b5213a", "scarlet": "#dd3a26", "orange": "#ee8434", "amber": "#f0a830",
        "yellow": "#f5cd46", "gold": "#e3b341", "golden": "#e3b341", "green": "#4b9f5b", "emerald": "#2c9c72",
        "lime": "#a3cf4a", "olive": "#84863c", "teal": "#2b8f93", "turquoise": "#3bbcb4", "cyan": "#3ec3d9",
        "blue": "#3b74c9", "navy": "#24356e", "azure": "#4a9be0", "indigo": "#4a45a6", "violet": "#7d56c2",
        "purple": "#7c4bb0", "lavender": "#a794dc", "magenta": "#cf3c9a", "pink": "#ee8fae",
        "peach": "#f5b08d", "brown": "#8a5a3c", "beige": "#dcc7a0", "white": "#f3efe6", "silver": "#b9c1c9",
        "grey": "#8c939a", "gray": "#8c939a", "black": "#35333c",
    }.items()
}  # fmt: skip


def toned(palette: Palette, tint: Colour, amount: float = 0.55) -> Palette:
    """The same light in the hue of a colour that the prompt asked for."""
    return replace(
        palette,
        sky=tuple(tinted(c, tint, amount) for c in palette.sky),
        haze=tinted(palette.haze, tint, amount),
        land=(tinted(palette.land[0], tint, amount), tinted(palette.land[1], tint, amount)),
        leaf=tinted(palette.leaf, tint, amount * 0.6),
        accents=(tint, *palette.accents[1:]),
    )
