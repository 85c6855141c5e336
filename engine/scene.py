"""From a plan to layers: which place, which light, who stands where. Their order is the picture."""

from __future__ import annotations

from dataclasses import replace

from engine import abstract, backdrop, forest, land, sky, space, town, wardrobe, water
from engine.animals import animal
from engine.brush import Brush
from engine.canvas import Canvas
from engine.creatures import CREATURES, CROWNS
from engine.look import Layer, Look
from engine.palette import COLOURS, HOURS, toned
from engine.species import SPECIES
from engine.still_life import STILL_LIFE
from engine.things import THINGS
from engine.words import Plan, key_of

HORIZONS = {"sea": 0.56, "mountains": 0.58, "forest": 0.5, "city": 0.74, "desert": 0.55, "meadow": 0.52}
USUAL_HOURS = {
    "sea": ("sunset", "day", "dawn", "dusk"),
    "mountains": ("dawn", "sunset", "day", "dusk"),
    "forest": ("mist", "dawn", "sunset", "autumn"),
    "city": ("dusk", "night", "sunset", "neon"),
    "desert": ("sunset", "day", "dawn", "dusk"),
    "meadow": ("day", "spring", "dawn", "sunset"),
}
OBJECTS = THINGS | STILL_LIFE
SITTERS = frozenset(SPECIES) | frozenset(CREATURES)


def look_of(plan: Plan) -> Look:
    """Settle what the prompt left open, by its key."""
    place = plan.place
    if place is None and plan.subject is None:
        # The words alone choose the place, so that other seeds vary the same idea.
        choices = (
            "abstract",
            "mountains",
            "abstract",
            "sea",
            "abstract",
            "meadow",
            "abstract",
            "forest",
            "desert",
        )
        place = "mountains" if plan.hour == "winter" else choices[key_of(*plan.words) % len(choices)]
        if plan.hour in ("night", "dusk", "sunset", "dawn", "storm") and place == "abstract":
            place = "mountains" if plan.hour != "storm" else "sea"
    plan = replace(plan, place=place)
    look = Look(plan, HOURS["day"], (0.5, 0.4), HORIZONS.get(place or "", 0.55))
    chance = look.chance("light")
    usual = USUAL_HOURS.get(place or "", ("day",))
    hour = plan.hour or usual[int(chance.integers(len(usual)))]
    if place in HORIZONS and "aurora" in plan.extras:
        hour = "night"
    palette = HOURS[hour]
    if plan.tint and plan.tint not in (COLOURS["white"], COLOURS["black"]):
        palette = toned(palette, plan.tint)
    horizon = look.horizon + float(chance.uniform(-0.04, 0.04))
    low = hour in ("sunset", "dawn", "dusk", "autumn", "neon")
    side = float(chance.choice([0.3, 0.7, 0.42, 0.62])) + float(chance.uniform(-0.05, 0.05))
    height = horizon * float(chance.uniform(0.66, 0.82) if low else chance.uniform(0.28, 0.45))
    return Look(replace(plan, hour=hour), palette, (side, height), horizon)


def layers(plan: Plan) -> tuple[Look, list[Layer]]:
    """What is shared, and the layers from back to front."""
    look = look_of(plan)
    plan = look.plan
    if plan.place == "abstract":
        return look, [abstract.abstract, *([_subject] if plan.subject else [])]
    if plan.place is None and plan.subject:
        return look, [
            backdrop.wall,
            _subject,
            *([backdrop.frame] if plan.subject in SITTERS else []),
            *_falling(plan),
        ]
    if plan.place == "space":
        others = plan.subject is None and look.chance("worlds?").random() < 0.6
        worlds: list[Layer] = [space.far_planets] if others else []
        return look, [space.nebula, _all_stars, *worlds, _subject]
    if plan.place == "underwater":
        return look, [water.underwater, _subject]
    return look, [*_air(look), *_ground(plan), _subject, *_falling(plan)]


def _all_stars(canvas: Canvas, look: Look) -> None:
    sky.stars(canvas, look, 1.0)


def _planet_in_the_sky(canvas: Canvas, look: Look) -> None:
    x, y = 1 - look.sun[0], look.horizon * 0.45
    space.planet(canvas, look, canvas.width * x, canvas.height * y, canvas.unit * 0.13)


def _air(look: Look) -> list[Layer]:
    plan = look.plan
    above: list[Layer] = [sky.gradient]
    if plan.hour in ("night", "dusk") or "stars" in plan.extras:
        above += [sky.milky_way, sky.stars] if plan.hour == "night" else [sky.stars]
    if "aurora" in plan.extras:
        above.append(sky.aurora)
    if plan.hour not in ("storm", "mist") or "moon" in plan.extras:
        above.append(sky.light)
    if "clear" not in plan.extras and (plan.hour != "night" or "cloud" in plan.extras):
        above.append(sky.cloud)
    if "rainbow" in plan.extras:
        above.append(sky.rainbow)
    if plan.subject == "planet":
        above.append(_planet_in_the_sky)
    return above


def _ground(plan: Plan) -> list[Layer]:
    grounds: dict[str, list[Layer]] = {
        "sea": [water.shore, water.sea],
        "mountains": [land.mountains],
        "forest": [forest.forest],
        "city": [town.city, water.sea],
        "desert": [land.desert],
        "meadow": [land.meadow],
    }
    return grounds.get(plan.place or "", [])


def _falling(plan: Plan) -> list[Layer]:
    falling: list[Layer] = []
    if "snow" in plan.extras:
        falling.append(sky.snowfall)
    if "rain" in plan.extras:
        falling.append(sky.rainfall)
    return falling


def _subject(canvas: Canvas, look: Look) -> None:
    """Whoever the picture is of, where it belongs in its place."""
    kind = look.plan.subject
    if kind in SITTERS:
        _sitter(canvas, look, str(kind))
    elif kind in OBJECTS:
        chance = look.chance("subject")
        x, y, size = _spot(canvas, look, str(kind))
        OBJECTS[str(kind)](Brush(canvas, x, y, size), chance, look)
    elif kind == "planet" and look.plan.place not in HORIZONS:
        space.planet(canvas, look, canvas.width * 0.5, canvas.height * 0.5, canvas.unit * 0.23)


def _spot(canvas: Canvas, look: Look, kind: str) -> tuple[float, float, float]:
    """Centre and unit of a thing, in pixels."""
    unit = canvas.unit
    x = canvas.width * (0.5 + (0.12 if look.sun[0] < 0.5 else -0.12))
    sizes = {
        "boat": 0.15,
        "whale": 0.19,
        "lighthouse": 0.22,
        "balloon": 0.2,
        "house": 0.2,
        "castle": 0.24,
        "tree": 0.3,
    }
    size = unit * sizes.get(kind, 0.27)
    if kind in ("boat", "whale") and look.plan.place in ("sea", "city"):
        return x, canvas.height * (look.horizon + 0.26 * (1 - look.horizon)) - size, size
    if kind == "lighthouse":
        return x, canvas.height * (look.horizon + 0.2 * (1 - look.horizon)) - size, size
    if kind == "balloon":
        return x, canvas.height * look.horizon * 0.62, size
    if kind in ("house", "castle", "tree"):
        return x, canvas.height * (look.horizon + 0.62 * (1 - look.horizon)) - size, size
    if kind == "flower":
        return canvas.width * 0.5, canvas.height * 0.42, unit * 0.24
    return canvas.width * 0.5, canvas.height * 0.52, unit * 0.28


def _sitter(canvas: Canvas, look: Look, kind: str) -> None:
    plan = look.plan
    chance = look.chance("subject")
    portrait = plan.place in (None, "abstract", "space")
    size = canvas.unit * (0.205 if portrait else 0.165)
    if kind == "rabbit":
        size *= 0.9
    x, y = canvas.width * 0.5, canvas.height * 0.5 + canvas.unit * (0.02 if portrait else 0.12)
    if not portrait:
        y = max(y, canvas.height - canvas.unit * 0.42)
    brush = Brush(canvas, x, y, size)
    if kind in SPECIES:
        animal(brush, chance, kind, plan.subject_colour)
    else:
        CREATURES[kind](brush, chance, plan.subject_colour)
    _dress(brush, look, kind)


def _dress(brush: Brush, look: Look, kind: str) -> None:
    extras, chance = look.plan.extras, look.chance("wardrobe")
    cloth = look.plan.extra_colour or wardrobe.FELTS[int(chance.integers(len(wardrobe.FELTS)))]
    species = SPECIES.get(kind)
    top = species.crown if species else CROWNS[kind]
    wide = species.head[0] * 0.74 if species else 0.8
    if "scarf" in extras:
        wardrobe.scarf(brush.moved(0, 1.0), cloth)
    if "bow" in extras:
        wardrobe.bow(brush.moved(0, 1.12), cloth)
    if extras & {"glasses", "sunglasses"}:
        eye = species.eyes if species else (0.37, 0.0)
        wardrobe.glasses(brush, eye[0], eye[1], "sunglasses" in extras)
    hats = {"hat": None, "tophat": "top", "party": "party", "wizard": "wizard", "beanie": "beanie"}
    for word, cut in hats.items():
        if word in extras:
            wardrobe.hat(brush.moved(0, top + 0.1), chance, wide, look.plan.extra_colour, cut)
            return
    if "crown" in extras:
        wardrobe.crown(brush.moved(0, top + 0.06), wide)
    elif kind == "snowman":
        wardrobe.hat(brush.moved(0, top + 0.1), chance, wide, None, "top")
