"""Who may paint what and where: the settings of a deployment, judged. Pure.

A refusal is told to the caller alone, with its reason.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from core import ImageRequest, Settings

_ENTITY = re.compile(r"&(?:#[0-9A-Za-z]{1,24};?|[0-9A-Za-z]{1,24};)")
_REMOVED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufffc]")
"""Control characters, and what stands for an object: CLIP's tokenizer (ftfy) takes them out."""
_STRAIGHT = str.maketrans(dict.fromkeys("\u02bc\u2018\u2019\u201a\u201b", "'"))
"""What it makes of the apostrophes that phones and word processors write."""
_EMPHASIS = re.compile(r":[+-]?[.\d]+\)|[\\()\[\]]")
"""What A1111 takes out of a prompt: `b(l:1)ood` and `bl\\ood` are one word to it."""
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r":\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*$")
"""How much one of the parts between AND counts, at its end."""


class Refused(Exception):
    """Not here, not now, not this: `key` names the words in bot.texts, `values` fill them."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody asks.

    `guild` is 0 in direct messages; `channels` are a thread's own id and its parent's.
    """

    guild: int
    channels: tuple[int, ...]
    roles: tuple[int, ...]
    age_restricted: bool


def check_place(place: Place, settings: Settings) -> None:
    """Raises Refused where the bot may not be used, or not by these roles."""
    if settings.discord_channels and not set(place.channels) & set(settings.discord_channels):
        raise Refused("refused.channel")
    if settings.discord_roles and not set(place.roles) & set(settings.discord_roles):
        raise Refused("refused.role")


def check_prompt(request: ImageRequest, settings: Settings) -> None:
    """Raises Refused for a prompt with a blocked word.

    Letters alone make it another one: tags join words by underscores, and number them.
    """
    texts = [request.prompt, request.negative_prompt] if _paints_negative(request) else [request.prompt]
    readings = {reading for text in texts for reading in _readings(text)}
    for word in settings.discord_blocked_words:
        word, _ = _readings(word)
        parts = word.split()
        # A letter may become eighteen, and there may be hundreds of words: few texts are worth a whole look.
        near = [reading for reading in readings if parts and all(part in reading for part in parts)]
        spaced = r"[\s_]+".join(map(re.escape, parts))
        whole = rf"(?<!{_joined(word[:1])}){spaced}(?!{_joined(word[-1:])})"
        if any(re.search(whole, reading) for reading in near):
            raise Refused("refused.word")


def _readings(text: str) -> tuple[str, str]:
    """A text as people read it, in one case, and as a painting server does.

    Invisible letters, wide ones and entities make no other word: servers undo them first.
    """
    for _ in range(2):  # as CLIP's own tokenizer does
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _REMOVED.sub("", text).translate(_STRAIGHT)
    visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).casefold()
    return plain, _EMPHASIS.sub("", plain)


def _paints_negative(request: ImageRequest) -> bool:
    """Whether A1111 paints what the picture should not show.

    It counts 1 - cfg_scale times the weights of the prompt's parts: with a scale of 0, or a prompt `cat :0`,
    it is all that is painted.
    """
    found = [_WEIGHT.search(part) for part in _AND.split(request.prompt)]
    return not request.cfg_scale * sum(float(weight[1]) if weight else 1.0 for weight in found) >= 1


def _joined(end: str) -> str:
    """What belongs to the same word as this end of it: letters, and to a digit the other digits."""
    return r"[^\W_]" if end.isdecimal() else r"[^\W\d_]"


def check_counts(names: Iterable[str], own: str, settings: Settings) -> None:
    """Raises Refused if too many of the jobs under way came before this one.

    Names are those of tickets, `user:guild:interaction`, own's among them, in the order in which they were
    stored. All replicas see the same one, and each looks when its own is stored: so of two that come at once
    just the later one is refused. One that is stored again counts by when it was asked for.
    """
    user, guild, _ = own.split(":")
    before = [name.split(":") for name in takewhile(lambda name: name != own, names)]
    # What is told is the limit: of a burst, others that are refused as well may still be counted.
    most = settings.discord_max_jobs_per_user
    if sum(parts[0] == user for parts in before) >= most:
        raise Refused("refused.user", count=most)
    most = settings.discord_max_jobs_per_server
    if guild != "0" and sum(parts[1] == guild for parts in before) >= most:
        raise Refused("refused.server", count=most)


def is_spoiler(asked: bool, place: Place, settings: Settings) -> bool:
    """Whether the picture is hidden until somebody clicks on it."""
    return asked or (settings.discord_spoiler and not place.age_restricted)
