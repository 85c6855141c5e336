"""Records: requests, offers and events as the bytes that Valkey holds for us. Pure.

msgpack by msgspec: compact, and it holds a preview's bytes as they are. An event begins with a letter that
says what it is, which the scripts read as well: C, F, X are ends.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import astuple

from core.events import Cancelled, Completed, End, Failed, Image, Progress, Started
from core.offers import Kind, Offer
from core.request import ImageRequest


class _Picture(msgspec.Struct, array_like=True):
    format: str
    seed: int | None
    infotext: str


class _Pictures(msgspec.Struct, array_like=True):
    """The fields of Completed, in its order."""

    pictures: list[_Picture]
    backend: str
    seconds: float
    model: str | None
    sampler_name: str | None
    width: int
    height: int
    steps: int


def _plain(value: Any) -> Any:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(type(value))


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_request = msgspec.msgpack.Decoder(ImageRequest)
_offer = msgspec.msgpack.Decoder(Offer)
_progress = msgspec.msgpack.Decoder(Progress)
_failed = msgspec.msgpack.Decoder(Failed)
_pictures = msgspec.msgpack.Decoder(_Pictures)

CANCELLED = b"X"
GONE = Failed("expired", "the picture was painted, but it was kept for its time and is gone")
"""An end that lacks a picture."""


def encode_request(request: ImageRequest) -> bytes:
    """Two requests are equal if these bytes are."""
    return _encode(request)


def decode_request(words: bytes) -> ImageRequest:
    """The request again."""
    return _request.decode(words)


def encode_offer(offer: Offer) -> bytes:
    """All of an offer."""
    return _encode(offer)


def decode_offers(all_words: Iterable[bytes]) -> tuple[Offer, ...]:
    """The offers again."""
    return by_name(_offer.decode(words) for words in all_words)


def by_name(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """In an order that stays: that in which they come is that in which they lapse, and always another."""
    return tuple(sorted(offers, key=attrgetter("backend")))


def kind_words(kind: Kind) -> str:
    """A kind as the scripts read it: model and sampler in two lines."""
    return "\n".join(name.replace("\n", " ") for name in (kind.model, kind.sampler_name))


def decode_run(words: bytes) -> tuple[str, float, float]:
    """What runs: its backend, when it began (seconds by the queue's clock), its cost."""
    backend, began, cost = words.decode().rsplit(" ", 2)
    return backend, float(began) / 1000, float(cost)


def encode_progress(progress: Progress) -> bytes:
    """A Progress with its preview."""
    return b"P" + _encode(progress)


def picture_keys(id: str, fence: int, pictures: int) -> list[str]:
    """Where the pictures of a claim's result are stored."""
    return [f"i:{id}:{fence}:{number}" for number in range(pictures)]


def encode_end(end: End) -> bytes:
    """An End without its pictures' bytes."""
    match end:
        case Completed():
            pictures = [_Picture(image.format, image.seed, image.infotext) for image in end.images]
            return b"C" + _encode(_Pictures(pictures, *astuple(end)[1:]))
        case Failed():
            return b"F" + _encode(end)
        case Cancelled():
            return CANCELLED


def decode_running(words: bytes) -> Started | Progress:
    """What was told last of a job that runs."""
    if words[:1] == b"P":
        return _progress.decode(words[1:])
    attempt, backend = words[1:].split(b"\n", 1)
    return Started(backend.decode(), int(attempt))


def decode_end(words: bytes, pictures: Sequence[bytes | None]) -> End:
    """The End with its pictures; GONE for one that lacks a picture."""
    match words[:1]:
        case b"X":
            return Cancelled()
        case b"F":
            return _failed.decode(words[1:])
    told = _pictures.decode(words[1:])
    found = [picture for picture in pictures if picture is not None]
    if len(found) < len(told.pictures):
        return GONE
    images = [Image(base64, *astuple(picture)) for base64, picture in zip(found, told.pictures, strict=True)]
    return Completed(tuple(images), *astuple(told)[1:])


class Message(msgspec.Struct):
    """One message on a process's channel: about a job (or, to wake it, a backend) at a version."""

    letter: str
    """S: started, P: progress, Q: queued again, E: ended, W: a worker's wish changed, B: wake a backend."""
    id: str
    version: int
    words: bytes


def decode_message(data: bytes) -> Message:
    """Raises ValueError for what none of our scripts wrote."""
    letter, id, version, words = data.split(b"\n", 3)
    return Message(letter.decode(), id.decode(), int(version), words)
