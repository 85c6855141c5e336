"""The words of Discord: options to an ImageRequest, an Event to the page that a message shows, and back.

Pure, and without discord.py: embeds are JSON objects as Discord's API has them. A page says everything
that is needed to paint its picture again, so that a message outlives its job and this program.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from bot.infotext import cfg_scale_in, prompts_in
from bot.markdown import CUT, cut, escape, unescape
from bot.policy import Refused
from bot.texts import has, meanings, say
from core import (
    FIELDS,
    Cancelled,
    Completed,
    End,
    Event,
    Failed,
    ImageRequest,
    Limits,
    Progress,
    Queued,
    SdError,
    Started,
    parse_request,
)

Words = dict[str, Any]

MOST_PICTURES = 10
"""Embeds, and files, of one message."""
MOST_PROMPT = 6000
"""Characters of an option, which Discord bounds as well."""
LONGEST_DESCRIPTION = 3800
LONGEST_FIELD = 1000
"""Characters, below Discord's 4096 and 1024: an embed has at most 6000 in all."""
BAR = 12
"""Characters of a progress bar."""
SIZES = (
    ("square", 512, 512),
    ("portrait", 512, 768),
    ("landscape", 768, 512),
    ("square", 768, 768),
    ("square", 1024, 1024),
    ("portrait", 832, 1216),
    ("landscape", 1216, 832),
)
"""What people paint with Stable Diffusion 1.5 and XL."""
WAITING, PAINTING, DONE, ENDED = 0x8A8F98, 0x5865F2, 0x3BA55D, 0xC9443F
"""Colours at the edge of an embed."""
OVER = ("again", "edit", "delete")
"""Buttons of a job that has ended."""
_ADDRESS = re.compile(r"^\S+:\d+\S*: ")
"""Before what a painting server says: addresses are nobody's business on Discord."""
_OPTIONS = {"sampler": "sampler_name", "count": "batch_size"}
"""Options whose short name is not A1111's."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the message of a job shows at one moment."""

    embeds: tuple[Words, ...]
    buttons: tuple[str, ...] = ()
    """Of cancel, again, edit, delete."""


# --- words to a request


def request_of(options: Mapping[str, Any], limits: Limits) -> ImageRequest:
    """The request that a command's options ask for; None is not given. Raises InvalidRequest, Refused."""
    given = {_OPTIONS.get(name, name): value for name, value in options.items() if value is not None}
    size = given.pop("size", None)
    if size is not None:
        if "width" in given or "height" in given:
            raise Refused("refused.size")
        width, _, height = str(size).partition("x")
        given |= {"width": width, "height": height}
    return parse_request(given.pop("prompt", ""), given, limits)


def request_in(
    embeds: Sequence[Words], limits: Limits, *, prompts: tuple[str, str] | None = None
) -> ImageRequest | None:
    """The request that a page was made of; None if it holds none, or not all of it.

    `prompts` are both prompts from elsewhere, for a page that had to cut them.
    Raises InvalidRequest where the settings do not allow it any more.
    """
    if not embeds or not embeds[0].get("description"):
        return None
    names = meanings("label.")
    fields = {names.get(field["name"], ""): field["value"] for field in embeds[0].get("fields", ())}
    prompt = embeds[0]["description"]
    if prompts is None and is_cut(embeds[0]):
        return None
    given = {name: unescape(value) for name, value in fields.items() if name in FIELDS}
    if "size" in fields:
        given["width"], _, given["height"] = fields["size"].partition(" x ")
    if prompts is not None:
        given["negative_prompt"] = prompts[1]
    return parse_request(unescape(prompt) if prompts is None else prompts[0], given, limits)


def request_painted(completed: Completed) -> ImageRequest:
    """The request of a finished job, from what its picture says of itself."""
    infotext = completed.images[0].infotext
    prompt, negative = prompts_in(infotext)
    scale = cfg_scale_in(infotext)
    request = ImageRequest(
        prompt=prompt,
        negative_prompt=negative,
        cfg_scale=7.0 if scale is None else scale,
        batch_size=len(completed.images),
    )
    return _painted(request, completed)


def is_cut(embed: Words) -> bool:
    """Whether a page's first embed had no room for all of its prompts."""
    return CUT in embed["description"] or any(CUT in field["value"] for field in embed.get("fields", ()))


# --- events and errors to words


def page_of(event: Event, request: ImageRequest, id: str, locale: str, *, image: str | None = None) -> Page:
    """What a job looks like at this event; `image` names a file. Its pictures have a `completed_page`."""
    over = isinstance(event, End)
    colour = PAINTING if isinstance(event, Started | Progress) else WAITING
    if over:
        colour = ENDED
    about = _about(event, locale) if isinstance(event, Failed) else ""
    title = title_of(event, locale)
    embed = _embed(request, id, locale, title=title, colour=colour, image=image, about=about)
    return Page((embed,), OVER if over else ("cancel",))


def late_page(request: ImageRequest, id: str, locale: str) -> Page:
    """The last thing that a message says before Discord lets it be changed no more."""
    embed = _embed(request, id, locale, title=say(locale, "state.late"), colour=WAITING)
    return Page((embed,), ("cancel",))


def lost_page(embed: Words, locale: str, key: str = "state.lost") -> Page:
    """A page whose job nobody knows any more, or has ended elsewhere: the same, and how to go on."""
    title, author = say(locale, key), {"name": say(locale, f"{key}.about")}
    kept: Words = {name: embed[name] for name in ("description", "fields", "footer") if name in embed}
    return Page(({**kept, "title": title, "color": ENDED, "author": author},), OVER)


def completed_page(
    completed: Completed,
    request: ImageRequest,
    id: str,
    locale: str,
    *,
    images: Sequence[str],
    note: str = "",
) -> Page:
    """The end that everybody waits for. `images` are names of files; none: they stand below by themselves."""
    first = _embed(
        _painted(request, completed),
        id,
        locale,
        title=title_of(completed, locale),
        colour=DONE,
        image=images[0] if images else None,
        fields={"seconds": say(locale, "seconds", seconds=f"{completed.seconds:.1f}")},
        note=note,
    )
    more = ({"image": {"url": f"attachment://{name}"}, "color": DONE} for name in images[1:])
    return Page((first, *more), OVER)


def title_of(event: Event, locale: str) -> str:
    """Where a job is, in one line."""
    match event:
        case Queued(position, eta, attempt):
            key = "state.queued" if position else "state.next"
            if attempt > 1:
                key = "state.again"
            parts = [say(locale, key, position=position), _eta(eta, locale)]
        case Started():
            parts = [say(locale, "state.started")]
        case Progress(fraction, step, steps, eta):
            percent = round(100 * fraction)
            bar = "▰" * round(BAR * fraction)
            parts = [say(locale, "state.progress", bar=bar.ljust(BAR, "▱"), percent=percent)]
            if step:
                parts.append(say(locale, "state.step", step=step, steps=steps))
            parts.append(_eta(eta, locale))
        case Completed():
            parts = [say(locale, "state.completed")]
        case Failed():
            parts = [say(locale, "state.failed")]
        case Cancelled():
            parts = [say(locale, "state.cancelled")]
    return "  ·  ".join(part for part in parts if part)


def error_text(error: SdError | Failed, locale: str) -> str:
    """An error of the core for a person, where Discord knows markdown."""
    return _about(error, locale, shape=escape)


def _about(error: SdError | Failed, locale: str, *, shape: Callable[[str], str] = str) -> str:
    message = shape(_ADDRESS.sub("", error.message))
    key = f"error.{error.code}"
    return say(locale, key, message=message) if has("en", key) else message  # of a newer version


def parameters_page(text: str) -> Page:
    """What a picture says of itself."""
    beginning = text[: LONGEST_DESCRIPTION + 1]  # a text may be very long, and no more of it is shown
    return Page(({"description": cut(escape(beginning), LONGEST_DESCRIPTION), "color": DONE},))


def _painted(request: ImageRequest, completed: Completed) -> ImageRequest:
    """The request with what was left to the server and to chance filled in."""
    seed = completed.images[0].seed
    return replace(
        request,
        steps=completed.steps,
        width=completed.width,
        height=completed.height,
        sampler_name=completed.sampler_name or request.sampler_name,
        seed=request.seed if seed is None else seed,
        model=completed.model or request.model,
    )


def _embed(
    request: ImageRequest,
    id: str,
    locale: str,
    *,
    title: str,
    colour: int,
    image: str | None = None,
    about: str = "",
    fields: Mapping[str, str] | None = None,
    note: str = "",
) -> Words:
    foot = say(locale, "job.id", id=id)
    words: Words = {
        "title": title,
        "description": cut(escape(request.prompt), LONGEST_DESCRIPTION),
        "color": colour,
        "fields": [
            {
                "name": say(locale, f"label.{name}"),
                "value": cut(value, LONGEST_FIELD),
                "inline": name != "negative_prompt",
            }
            for name, value in {**_parameters(request), **(fields or {})}.items()
        ],
        "footer": {"text": f"{foot}  ·  {note}" if note else foot},
    }
    if about:
        words["author"] = {"name": about[:256]}  # as it is: an author's name knows no markdown
    if image:
        words["image"] = {"url": f"attachment://{image}"}
    return words


def _parameters(request: ImageRequest) -> dict[str, str]:
    """Everything of a request but its prompt, as far as it was chosen."""
    words = {
        "seed": str(request.seed) if request.seed >= 0 else "",
        "size": f"{request.width} x {request.height}",
        "steps": str(request.steps),
        "cfg_scale": f"{request.cfg_scale:g}",
        "sampler_name": escape(request.sampler_name or ""),
        "model": escape(request.model or ""),
        "batch_size": str(request.batch_size) if request.batch_size > 1 else "",
        "negative_prompt": escape(request.negative_prompt),
    }
    return {name: value for name, value in words.items() if value.strip()}


def _eta(seconds: float | None, locale: str) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return say(locale, "eta.seconds", seconds=max(1, round(seconds)))
    if seconds < 90 * 60:
        return say(locale, "eta.minutes", minutes=round(seconds / 60))
    return say(locale, "eta.hours", hours=round(seconds / 3600))
