"""Shown: a job as the scripts tell of it, in an answer (place.lua, `shown`) or in a message. Pure."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from core.events import Progress, Started
from core.offers import Kind
from core.queues.place import Place
from core.queues.valkey.records import Message, decode_running


class Waits(Struct):
    """It waits, and where."""

    version: int
    place: Place


class Runs(Struct):
    """It is painted; what was told of that last."""

    version: int
    event: Started | Progress


class Ended(Struct):
    """It has ended, as `words` say; its pictures are stored by its fence, or have expired."""

    version: int
    fence: int
    pictures: int
    words: bytes


Missing = Literal["none", "expired"]
"""There is no such job, or its result is gone and tells no more."""
Shown = Waits | Runs | Ended | Missing


def read_shown(words: Sequence[Any]) -> Shown:
    """A job in a script's answer."""
    match words:
        case [b"waiting", version, attempts, ahead, work, kind, cost]:
            return Waits(int(version), _place(attempts, ahead, work, kind, cost))
        case [b"running", version, last]:
            return Runs(int(version), decode_running(last))
        case [b"ended" | b"expired", version, fence, pictures, end]:
            return Ended(int(version), int(fence), int(pictures), end)
        case [b"expired"]:
            return "expired"
    return "none"


def read_message(message: Message) -> Waits | Runs | Ended:
    """A job in a message about it."""
    match message.letter:
        case "Q":
            numbers, kind = message.words.split(b"\n", 1)
            attempts, ahead, work, cost = numbers.split()
            return Waits(message.version, _place(attempts, ahead, work, kind, cost))
        case "E":
            fence, pictures, end = message.words.split(b"\n", 2)
            return Ended(message.version, int(fence), int(pictures), end)
    return Runs(message.version, decode_running(message.words))


def _place(attempts: bytes, ahead: bytes | int, work: bytes, kind: bytes, cost: bytes) -> Place:
    return Place(int(ahead), float(work), Kind(*kind.decode().split("\n", 1)), float(cost), int(attempts) + 1)
