"""What a person at a terminal reads of a job: places, durations, what a picture is. Pure."""

import math
from collections.abc import Sequence

from cli.messages import Picture, plain


def place(position: int) -> str:
    """Where a job stands in the queue."""
    return "next" if position == 0 else f"{position} ahead"


def duration(seconds: float) -> str:
    """Seconds as one says them: `12 s`, `2 min 5 s`, `1 h 3 min`; never less than is left."""
    whole = max(0, math.ceil(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(pictures: Sequence[Picture], of: int = 1) -> str:
    """What was painted, in one line; of how many that were asked for, where a server paints fewer at once."""
    first = pictures[0]
    count = f"{len(pictures)} of {of}" if len(pictures) < of else str(len(pictures))
    seeds = [str(picture.seed) for picture in pictures if picture.seed is not None]
    known = [
        f"{count} pictures" if max(len(pictures), of) > 1 else "",
        f"{first.width}x{first.height}" if first.width and first.height else "",
        f"{first.steps} step{'s' if first.steps > 1 else ''}" if first.steps else "",
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}" if seeds else "",
        plain(first.model or ""),
        f"{first.seconds:.1f} s" if first.seconds is not None else "",
    ]
    where = f" on {plain(first.backend)}" if first.backend else ""
    return ", ".join(word for word in known if word) + where
