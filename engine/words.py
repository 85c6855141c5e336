"""What a prompt asks for: its words choose subject, place, hour, colours, extras. Pure, and never fails."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from engine.colour import Colour
from engine.palette import COLOURS
from engine.task import Task


def _table(text: str) -> dict[str, str]:
    """'kind: word word; kind: ...' as word -> kind; each kind also stands for itself."""
    table: dict[str, str] = {}
    for entry in text.split(";"):
        kind, _, words = entry.partition(":")
        table |= {word: kind.strip() for word in [kind.strip(), *words.split()]}
    return table


SUBJECTS = _table(
    "monkey: ape chimp chimpanzee gorilla orangutan macaque baboon; cat: kitten kitty feline tabby; dog: "
    "puppy hound corgi poodle retriever shiba; fox: vixen; bear: grizzly teddy; panda: ; rabbit: bunny "
    "hare; lion: lioness; tiger: ; mouse: rat hamster mice; koala: ; pig: piglet; wolf: husky wolves; "
    "frog: toad; owl: ; bird: parrot robin sparrow chick canary; penguin: ; raccoon: ; cow: bull; sheep: "
    "lamb; person: portrait woman man girl boy lady face king queen princess prince wizard people human "
    "child; astronaut: cosmonaut spaceman; robot: android droid cyborg mech; fish: goldfish koi shark; "
    "whale: dolphin orca; boat: sailboat ship yacht sailing; rocket: spaceship shuttle starship; house: "
    "cottage cabin hut home; castle: palace fortress; lighthouse: ; balloon: airship; tree: oak bonsai "
    "willow; flower: rose tulip sunflower daisy bouquet blossom lily orchid; planet: saturn jupiter mars; "
    "snowman: ; mushroom: toadstool; cup: coffee tea mug; heart: love"
)
PLACES = _table(
    "sea: ocean beach coast shore lake river water bay island wave seascape harbor harbour; mountains: "
    "mountain alps peak hill valley cliff canyon landscape volcano; forest: wood woods jungle woodland "
    "pine; city: town skyline street skyscraper tokyo york london cityscape metropolis building "
    "cyberpunk; desert: dune sand sahara; meadow: field garden grass countryside prairie farm park lawn; "
    "space: galaxy nebula cosmos universe cosmic milky; underwater: reef coral aquarium seabed; abstract: "
    "pattern fractal swirl geometric wallpaper texture minimal minimalist"
)
HOURS = _table(
    "dawn: sunrise morning; day: noon sunny daylight summer afternoon; sunset: sundown goldenhour "
    "evening; dusk: twilight; night: midnight moon moonlight moonlit star stars starry dark nocturnal; "
    "mist: fog foggy misty haze hazy; autumn: fall october; spring: pastel cute soft april; winter: snow "
    "snowy ice icy frozen frost snowman arctic; neon: cyberpunk synthwave vaporwave futuristic retrowave; "
    "storm: stormy thunder thunderstorm rain rainy gloom gloomy"
)
EXTRAS = _table(
    "hat: cap fedora beret bowler; tophat: ; crown: king queen; party: birthday; glasses: "
    "spectacles; sunglasses: cool shades; scarf: ; bow: bowtie tie; stars: star starry; moon: moonlight "
    "moonlit; cloud: cloudy; snow: snowy snowing snowfall; rain: rainy raining storm; rainbow: ; aurora: "
    "borealis; wizard: witch; beanie: ; clear: cloudless; mono: monochrome noir grayscale; sepia: vintage"
)
HOME = {
    "fish": "underwater", "whale": "sea", "boat": "sea", "rocket": "space", "astronaut": "space",
    "planet": "space", "house": "meadow", "castle": "mountains", "lighthouse": "sea", "balloon": "mountains",
    "tree": "meadow", "snowman": "mountains",
}  # fmt: skip
TWO_WORDS = {
    "top hat": "tophat", "bow tie": "bow", "milky way": "galaxy", "golden hour": "goldenhour",
}  # fmt: skip
_LORA = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Plan:
    """The reading of a prompt. `subject_colour` and `extra_colour` stood right before their noun."""

    subject: str | None
    place: str | None
    hour: str | None
    extras: frozenset[str]
    tint: Colour | None
    subject_colour: Colour | None
    extra_colour: Colour | None
    words: tuple[str, ...]
    key: int


def words_of(prompt: str) -> list[str]:
    """The prompt's words in lower case, without accents, weights and <lora:...>."""
    text = _LORA.sub(" ", prompt).lower()
    # Letter by letter: in a text a run of accents is sorted, in a time that grows with its square.
    parts = (part for letter in text for part in unicodedata.normalize("NFKD", letter))
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    plain = plain.replace("-", " ")
    for two, one in TWO_WORDS.items():
        plain = plain.replace(two, one)
    return _WORD.findall(plain)


def _found(table: dict[str, str], word: str) -> str | None:
    forms = [word, word.removesuffix("s")]
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):  # who stares is no star
        forms.append(word.removesuffix("es"))
    if word.endswith("ies"):
        forms.append(word.removesuffix("ies") + "y")
    return next((table[form] for form in forms if form in table), None)


def key_of(*parts: object) -> int:
    """A number that depends on all the parts, the same on every machine."""
    text = "\0".join(str(part) for part in parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def read(task: Task) -> Plan:
    """The plan for a task. What the negative prompt names is left out."""
    unwanted = set(words_of(task.negative_prompt))
    words = [word for word in words_of(task.prompt) if word not in unwanted]
    subjects: list[str] = []
    places: list[str] = []
    hours: list[str] = []
    extras: set[str] = set()
    tints: dict[str, Colour] = {}
    waiting: Colour | None = None
    for word in words:
        if word in COLOURS:
            waiting = COLOURS[word]
            tints["word"] = waiting
            continue
        subject, extra, hour = _found(SUBJECTS, word), _found(EXTRAS, word), _found(HOURS, word)
        place = _found(PLACES, word)
        for found, into in ((subject, subjects), (place, places), (hour, hours)):
            if found:
                into.append(found)
        if extra:
            extras.add(extra)
        if waiting and (subject or extra):
            tints.pop("word", None)
            tints.setdefault("subject" if subject else "extra", waiting)
        waiting = None
    # A king or a wizard may be a cat: another noun goes before them.
    subject = next((s for s in subjects if s != "person"), subjects[0] if subjects else None)
    if subject == "flower" and "meadow" in places and "flower" not in words:
        subject = None
    # The milky way over a mountain is a night there, not outer space.
    earthly = [place for place in places if place != "space"]
    if earthly and "space" in places:
        hours.insert(0, "night")
    places = earthly or places
    return Plan(
        subject=subject,
        place=places[0] if places else HOME.get(subject or ""),
        hour=hours[0] if hours else None,
        extras=frozenset(extras),
        tint=tints.get("word"),
        subject_colour=tints.get("subject"),
        extra_colour=tints.get("extra"),
        words=tuple(words),
        key=key_of(task.prompt, task.negative_prompt, task.seed),
    )
