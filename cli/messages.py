"""What a server says, in values: the events of a job, its errors, its status. Pure.

The words are those of the README's tables. What this client does not need is skipped, so that a newer server
may say more. Texts come from outside and go to a terminal: control characters are taken out of them.
"""

import json
from typing import Annotated, TypeVar, get_args

import msgspec

from cli.failures import Failure

T = TypeVar("T")
LONGEST_SHOWN = 10_000
"""Characters of a text that a terminal is shown: nobody reads more of it."""
Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
"""A job's: it is shown, and becomes part of a path that is asked for or deleted."""


class Queued(msgspec.Struct, tag="queued", tag_field="type"):
    """The job waits behind `position` others; the picture comes in about `eta` seconds."""

    id: Id
    position: int
    eta: float | None = None
    attempt: int = 1


class Started(msgspec.Struct, tag="started", tag_field="type"):
    """A backend has taken the job."""

    id: Id
    backend: str
    attempt: int = 1


class Progress(msgspec.Struct, tag="progress", tag_field="type"):
    """How far it is, 0 to 1; `estimated` if that is told by time alone."""

    id: Id
    progress: float
    step: int
    steps: int
    eta: float | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        """Keep it within these bounds, whatever was sent: a bar is as long as it says."""
        self.progress = min(max(self.progress, 0.0), 1.0)


class Picture(msgspec.Struct, tag="image", tag_field="type"):
    """One of `count` pictures. `file` is the picture itself: its base64 is decoded here, and only here."""

    id: Id
    file: bytes = msgspec.field(name="image-base64")
    index: int
    count: int
    seed: int | None = None
    format: str = "png"
    infotext: str = ""
    model: str | None = None
    sampler_name: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    seconds: float | None = None
    backend: str | None = None


class Cancelled(msgspec.Struct, tag="cancelled", tag_field="type"):
    """There will be no picture."""

    id: Id


class Failed(msgspec.Struct, tag="error", tag_field="type"):
    """The job failed."""

    id: Id
    code: str
    message: str
    retry_after: float | None = None


Event = Queued | Started | Progress | Picture | Cancelled | Failed
"""All that is told of a job; a Picture that is the last of its count, Cancelled and Failed end it."""


class Backend(msgspec.Struct):
    """One painting server."""

    name: str
    state: str
    problem: str | None = None
    models: list[str] = []
    loaded: str | None = None
    seconds_per_unit: float | None = None
    demo: bool = False
    owner: str | None = None


class Own(msgspec.Struct):
    """The share of the one who asks."""

    waiting: int = 0
    running: int = 0


class Status(msgspec.Struct):
    """What `GET /status` says."""

    waiting: int
    running: int
    callers: int
    backends: list[Backend]
    own: Own = msgspec.field(default_factory=Own)
    waiting_by_caller: list[int] = []
    workers: int = 1


class _Problem(msgspec.Struct):
    code: str
    detail: str
    retry_after: float | None = None


class _Job(msgspec.Struct):
    state: str


_events: dict[str, msgspec.json.Decoder[Event]] = {
    kind.__struct_config__.tag: msgspec.json.Decoder(kind) for kind in get_args(Event)
}
_problem = msgspec.json.Decoder(_Problem)
_status = msgspec.json.Decoder(Status)
_job = msgspec.json.Decoder(_Job)


def read_event(name: str, data: bytes | bytearray) -> Event | None:
    """An event of a stream; None for one that this client does not know. Raises ValueError."""
    decoder = _events.get(name)
    return _read(decoder, data) if decoder else None


def read_status(body: bytes) -> Status:
    """The answer of `GET /status`. Raises ValueError."""
    return _read(_status, body.decode())  # what is skipped is shown with the rest


def read_state(body: bytes) -> str:
    """The state that a job is in, as an answer about it says. Raises ValueError."""
    return _read(_job, body).state


def read_problem(body: bytes) -> Failure | None:
    """The error that a body of `application/problem+json` tells of; None if it is none of ours."""
    try:
        problem = _read(_problem, body)
    except ValueError:
        return None
    return failure_of(problem.code, problem.detail, problem.retry_after)


def _read(decoder: msgspec.json.Decoder[T], words: bytes | bytearray | str) -> T:
    try:
        return decoder.decode(words)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def failure_of(code: str, message: str, retry_after: float | None) -> Failure:
    """A server's error as it is shown here."""
    return Failure(plain(code), plain(message), retry_after=retry_after)


def plain(text: str) -> str:
    """The text without what would steer a terminal, or fill it for ever."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_SHOWN])


def escaped(words: str) -> str:
    """The same JSON without what would steer a terminal: between its words as blanks, in them as escapes."""
    return "".join(
        letter if letter.isprintable() else " " if letter in "\t\r\n" else json.dumps(letter)[1:-1]
        for letter in words
    )
